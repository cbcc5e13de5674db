//! Who stood in one bay and paid for another.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::bay::of_one;
use super::{Collection, PaidSession, Part, SeenBay, SeenStay};
use crate::Timestamp;
use crate::id::BayId;
use crate::place::VehicleClass;

/// For how long at least a stay without a session and a session of a bay nearby without a vehicle must
/// coincide to be taken for the same driver's: as long as the shortest session that is sold. Nearby is
/// the same lot, and so the same prices and operator, and the same class. Clearbay's own.
pub const SHARED_MIN: TimeDelta = TimeDelta::minutes(crate::session::MIN_STAY_MIN as i64);

/// A stay for which nobody paid in its bay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Unpaid {
    stay: SeenStay,
    bay: BayId,
    due_vnd: i64,
}

/// What is searched for in other bays, of one class.
#[derive(Clone, Debug, Default)]
struct OfClass {
    unpaid: Vec<Unpaid>,
    /// Of bays that were empty.
    elsewhere: Vec<(PaidSession, BayId)>,
    /// Of bays of which nobody knows.
    unknown: Vec<(PaidSession, BayId)>,
}

/// What is searched for in other bays of a lot.
#[derive(Clone, Debug, Default)]
pub(super) struct Searched(BTreeMap<VehicleClass, OfClass>);

impl Searched {
    /// A stay without a session.
    pub(super) fn stay(&mut self, bay: &SeenBay, stay: SeenStay, due_vnd: i64) {
        self.0.entry(bay.class).or_default().unpaid.push(Unpaid {
            stay,
            bay: bay.bay,
            due_vnd,
        });
    }

    /// A session without a stay.
    pub(super) fn session(&mut self, bay: &SeenBay, session: PaidSession, is_unknown: bool) {
        let of_class = self.0.entry(bay.class).or_default();
        let sessions = match is_unknown {
            true => &mut of_class.unknown,
            false => &mut of_class.elsewhere,
        };
        sessions.push((session, bay.bay));
    }

    /// Says of each stay whether it was paid for elsewhere.
    pub(super) fn resolve(self, parts: &mut Vec<Part>) {
        for (class, mut searched) in self.0 {
            searched.unpaid.sort_unstable();
            let found = pairs(&searched.unpaid, &searched.elsewhere);
            let (paid, rest): (Vec<_>, Vec<_>) =
                (searched.unpaid.iter().zip(found)).partition(|(_, session)| session.is_some());
            for (unpaid, session) in paid {
                let sum =
                    session.map_or_else(|| alone(unpaid), |session| of_pair(unpaid, &session));
                parts.push(part(unpaid, class, sum));
            }
            // A bay of which nobody knows may have been empty, too: then less is owed.
            let rest: Vec<Unpaid> = rest.into_iter().map(|(unpaid, _)| *unpaid).collect();
            let perhaps = pairs(&rest, &searched.unknown);
            for (unpaid, session) in rest.iter().zip(perhaps) {
                let mut sum = alone(unpaid);
                if let Some(session) = session {
                    let less = sum.owed_vnd() - of_pair(unpaid, &session).owed_vnd();
                    sum.uncertainty.owed_less_vnd = less.max(0);
                }
                parts.push(part(unpaid, class, sum));
            }
        }
    }
}

fn part(unpaid: &Unpaid, class: VehicleClass, sum: Collection) -> Part {
    Part {
        at: unpaid.stay.from,
        class,
        sum,
    }
}

fn alone(unpaid: &Unpaid) -> Collection {
    of_one(&unpaid.stay, &[], unpaid.due_vnd)
}

/// A stay that a session of another bay paid for. The money itself is accounted for where it was paid.
fn of_pair(unpaid: &Unpaid, session: &PaidSession) -> Collection {
    let sum = of_one(&unpaid.stay, &[*session], unpaid.due_vnd);
    Collection {
        collected_vnd: 0,
        paid_elsewhere_vnd: sum.collected_vnd - sum.beyond_vnd,
        beyond_vnd: 0,
        ..sum
    }
}

/// For each stay, in their order, the session that is taken for its own: of all pairs that coincide for
/// [`SHARED_MIN`] those that do so longest come first, each stay and each session once. Of equal ones the
/// earlier stay and then the earlier session, by their bays' keys at last, so that the order in which they
/// are given does not matter. `unpaid` is sorted.
fn pairs(unpaid: &[Unpaid], sessions: &[(PaidSession, BayId)]) -> Vec<Option<PaidSession>> {
    let longest = unpaid
        .iter()
        .map(|unpaid| unpaid.stay.to - unpaid.stay.from);
    let longest = longest.max().unwrap_or_default();
    let shared = |unpaid: &Unpaid, session: &PaidSession| {
        let from: Timestamp = unpaid.stay.from.max(session.from);
        unpaid.stay.to.min(session.to) - from
    };
    let mut sessions = sessions.to_vec();
    sessions.sort_unstable();
    let mut candidates: Vec<(Reverse<TimeDelta>, usize, usize)> = Vec::new();
    for (index, (session, bay)) in sessions.iter().enumerate() {
        let first = unpaid.partition_point(|unpaid| unpaid.stay.from < session.from - longest);
        let near = unpaid[first..]
            .iter()
            .take_while(|unpaid| unpaid.stay.from < session.to);
        for (position, unpaid) in near.enumerate().filter(|(_, unpaid)| unpaid.bay != *bay) {
            let shared = shared(unpaid, session);
            if shared >= SHARED_MIN {
                candidates.push((Reverse(shared), first + position, index));
            }
        }
    }
    candidates.sort_unstable();
    let mut found = vec![None; unpaid.len()];
    let mut taken = vec![false; sessions.len()];
    for (_, stay, session) in candidates {
        if found[stay].is_none() && !taken[session] {
            found[stay] = Some(sessions[session].0);
            taken[session] = true;
        }
    }
    found
}
