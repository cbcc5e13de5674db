//! The sensor path while its parts fail: what devices were promised, against what is kept.
//!
//! A [`Rig`] is the whole path in processes of its own, a [`Load`] speaks all the time, an [`Audit`]
//! compares when all is at rest. [`runs`] has the faults. Tests run them short, the bench in full.

mod audit;
mod cluster_rig;
pub mod cluster_runs;
mod connection;
mod load;
mod rig;
pub mod runs;
pub mod serving_runs;

use std::fmt;
use std::time::Duration;

pub use audit::Audit;
pub use cluster_rig::ClusterRig;
pub use connection::Unacknowledged;
pub use load::{BAYS_PER_LOT, LOTS, Load, Spoken, waiting};
pub use rig::{Rig, at_rest};

/// What came of a fault.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Which fault.
    pub name: &'static str,
    /// What was found in the end.
    pub audit: Audit,
    /// How often it happened, and how long each time, from the moment that the part was up again,
    /// until the first event was kept that a device spoke after that moment.
    pub recoveries: Vec<Duration>,
    /// Other figures, with their unit in the name.
    pub others: Vec<(&'static str, f64)>,
}

impl Outcome {
    /// One of the other figures.
    ///
    /// # Panics
    /// Where there is none of that name.
    pub fn other(&self, name: &str) -> f64 {
        let found = self.others.iter().find(|(other, _)| *other == name);
        found.map(|(_, figure)| *figure).unwrap()
    }
}

/// What `percent` of some times took at most.
fn percentile(times: &[Duration], percent: usize) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let place = (sorted.len() * percent).div_ceil(100).max(1) - 1;
    sorted.get(place).copied().unwrap_or_default()
}

/// How often a fault happened, and how long it took to be over.
fn print_recoveries(f: &mut fmt::Formatter<'_>, name: &str, times: &[Duration]) -> fmt::Result {
    for percent in [50, 99] {
        let ms = percentile(times, percent).as_millis();
        writeln!(f, "fault_{name}_recover_p{percent}_ms: {ms}")?;
    }
    writeln!(f, "fault_{name}_times: {}", times.len())
}

/// One `name: figure` a line.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name;
        let audit = &self.audit;
        writeln!(f, "fault_{name}_lost: {}", audit.lost)?;
        writeln!(f, "fault_{name}_duplicates: {}", audit.duplicates)?;
        writeln!(f, "fault_{name}_misfolded_bays: {}", audit.misfolded)?;
        if !audit.is_consistent() {
            writeln!(f, "fault_{name}_invented: {}", audit.invented)?;
            writeln!(f, "fault_{name}_refused: {}", audit.refused)?;
        }
        print_recoveries(f, name, &self.recoveries)?;
        for (other, figure) in &self.others {
            writeln!(f, "fault_{name}_{other}: {figure:.1}")?;
        }
        write!(f, "fault_{name}_acknowledged: {}", audit.acknowledged)
    }
}
