//! Which parts are away, and for how long.

use std::time::{Duration, Instant};

use super::Part;

/// The parts that have ended and are to be started again.
#[derive(Debug)]
pub(super) struct Rests {
    length: Duration,
    resting: Vec<(Part, Instant)>,
}

impl Rests {
    /// Nobody yet; each for so long.
    pub(super) fn new(length: Duration) -> Self {
        Self {
            length,
            resting: Vec::new(),
        }
    }

    pub(super) fn is_resting(&self, part: Part) -> bool {
        self.resting.iter().any(|(resting, _)| *resting == part)
    }

    /// A part is away from now on.
    pub(super) fn begin(&mut self, part: Part, now: Instant) {
        self.resting.push((part, now));
    }

    /// Those that were away long enough, first those that have been longest. They are to be started.
    pub(super) fn over(&mut self, now: Instant) -> Vec<Part> {
        let length = self.length;
        let is_over = |(_, since): &(Part, Instant)| now.duration_since(*since) >= length;
        let over = self.resting.iter().copied().filter(is_over);
        let over = over.map(|(part, _)| part).collect();
        self.resting.retain(|rest| !is_over(rest));
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_rests_as_long_as_it_is_to_and_is_then_told_once() {
        let begun = Instant::now();
        let after = |seconds| begun + Duration::from_secs(seconds);
        let mut rests = Rests::new(Duration::from_secs(10));
        rests.begin(Part::Ingest(1), begun);
        rests.begin(Part::Proxy, after(4));
        assert_eq!(rests.over(after(9)), []);
        assert!(rests.is_resting(Part::Ingest(1)) && !rests.is_resting(Part::Ingest(0)));
        assert_eq!(rests.over(after(10)), [Part::Ingest(1)]);
        assert!(!rests.is_resting(Part::Ingest(1)));
        assert_eq!(rests.over(after(20)), [Part::Proxy]);
        assert_eq!(rests.over(after(30)), []);
    }
}
