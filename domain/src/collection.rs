//! What was collected against what sensors saw: what the stays of vehicles should have brought by the
//! board's prices, what their sessions brought, and why the two differ.
//!
//! A session belongs to the stay of its bay with which it shares most time; one that began a little
//! before the vehicle came is that vehicle's, as on the live board. Sums come to the đồng:
//!
//! `due = collected + grace + pass + exempt + unpaid + short - beyond - unseen`

use std::ops::AddAssign;

use chrono::TimeDelta;

use crate::Timestamp;
use crate::board::EARLY_PAYMENT;
use crate::session::GRACE;

/// A vehicle's stay as its sensor saw it, whole and without doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeenStay {
    /// From when.
    pub from: Timestamp,
    /// Until when.
    pub to: Timestamp,
}

/// Why a session cost less than the board's price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiver {
    /// Its vehicle has a pass, which was paid for when it was bought.
    Pass,
    /// Its vehicle is exempt.
    Exemption,
}

/// A session that is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaidSession {
    /// From when.
    pub from: Timestamp,
    /// Until when.
    pub to: Timestamp,
    /// What it brought, less what went back, in đồng.
    pub collected_vnd: i64,
    /// What it would have cost beside that by the board, and why it did not.
    pub waived: Option<(Waiver, i64)>,
}

/// What was due and what came, in đồng.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collection {
    /// How many stays were seen.
    pub stays: i64,
    /// What they should have brought by the board's prices.
    pub due_vnd: i64,
    /// What sessions brought.
    pub collected_vnd: i64,
    /// Due for stays of which no more was unpaid than the grace that everybody has.
    pub grace_vnd: i64,
    /// Due from vehicles with a pass.
    pub pass_vnd: i64,
    /// Due from vehicles that are exempt.
    pub exempt_vnd: i64,
    /// Due from vehicles without any session.
    pub unpaid_vnd: i64,
    /// Due from vehicles that paid for a part of their stay.
    pub short_vnd: i64,
    /// Paid for time that was not used.
    pub beyond_vnd: i64,
    /// Paid where no vehicle was seen: the sensor was in doubt or silent, or it stood elsewhere.
    pub unseen_vnd: i64,
}

impl Collection {
    /// What nobody paid who should have: the part of the gap that is somebody's to close.
    pub fn owed_vnd(&self) -> i64 {
        self.unpaid_vnd.saturating_add(self.short_vnd)
    }

    /// Whether the sums come out.
    pub fn is_balanced(&self) -> bool {
        let due = i128::from(self.due_vnd);
        let sum = |amounts: &[i64]| -> i128 { amounts.iter().copied().map(i128::from).sum() };
        let explained = sum(&[
            self.collected_vnd,
            self.grace_vnd,
            self.pass_vnd,
            self.exempt_vnd,
            self.unpaid_vnd,
            self.short_vnd,
        ]);
        due == explained - sum(&[self.beyond_vnd, self.unseen_vnd])
    }
}

impl AddAssign for Collection {
    fn add_assign(&mut self, other: Self) {
        let add = |sum: &mut i64, more: i64| *sum = sum.saturating_add(more);
        add(&mut self.stays, other.stays);
        add(&mut self.due_vnd, other.due_vnd);
        add(&mut self.collected_vnd, other.collected_vnd);
        add(&mut self.grace_vnd, other.grace_vnd);
        add(&mut self.pass_vnd, other.pass_vnd);
        add(&mut self.exempt_vnd, other.exempt_vnd);
        add(&mut self.unpaid_vnd, other.unpaid_vnd);
        add(&mut self.short_vnd, other.short_vnd);
        add(&mut self.beyond_vnd, other.beyond_vnd);
        add(&mut self.unseen_vnd, other.unseen_vnd);
    }
}

/// What was due and what came in one bay, each with the instant to whose day it belongs: a stay's start,
/// or that of a session without one. `price` is the board's price of a time, where it has one.
///
/// Both lists are in order of time, and stays do not overlap.
pub fn collect(
    stays: &[SeenStay],
    sessions: &[PaidSession],
    price: impl Fn(Timestamp, Timestamp) -> Option<i64>,
) -> Vec<(Timestamp, Collection)> {
    let mut of_stay: Vec<Vec<&PaidSession>> = vec![Vec::new(); stays.len()];
    let mut found = Vec::with_capacity(stays.len());
    for session in sessions {
        match stay_of(stays, session) {
            Some(stay) => of_stay[stay].push(session),
            None => found.push(unseen(session)),
        }
    }
    for (stay, sessions) in stays.iter().zip(of_stay) {
        match price(stay.from, stay.to) {
            Some(due) => found.push((stay.from, of_one(stay, &sessions, due))),
            // What no board prices is nobody's to pay, nor is it a stay to compare with.
            None => found.extend(sessions.into_iter().map(unseen)),
        }
    }
    found
}

/// Money where no vehicle was seen.
fn unseen(session: &PaidSession) -> (Timestamp, Collection) {
    let sum = Collection {
        collected_vnd: session.collected_vnd,
        unseen_vnd: session.collected_vnd,
        ..Collection::default()
    };
    (session.from, sum)
}

/// For how much of a stay nobody had paid. Sessions are in order of time.
fn uncovered(stay: &SeenStay, sessions: &[&PaidSession]) -> TimeDelta {
    let mut until = stay.from;
    let mut open = TimeDelta::zero();
    for session in sessions {
        open += (session.from.min(stay.to) - until).max(TimeDelta::zero());
        until = until.max(session.to);
    }
    open + (stay.to - until).max(TimeDelta::zero())
}

/// The position of the stay with which a session shares most time.
fn stay_of(stays: &[SeenStay], session: &PaidSession) -> Option<usize> {
    // Whoever pays while backing in pays for the vehicle that comes.
    let shared = |stay: &SeenStay| {
        let from = stay.from - EARLY_PAYMENT;
        stay.to.min(session.to) - from.max(session.from)
    };
    let first = stays.partition_point(|stay| stay.to <= session.from);
    stays[first..]
        .iter()
        .take_while(|stay| stay.from - EARLY_PAYMENT < session.to)
        .enumerate()
        .max_by_key(|(_, stay)| shared(stay))
        .filter(|(_, stay)| shared(stay) > TimeDelta::zero())
        .map(|(position, _)| first + position)
}

fn of_one(stay: &SeenStay, sessions: &[&PaidSession], due: i64) -> Collection {
    let collected: i64 = sessions.iter().map(|session| session.collected_vnd).sum();
    let mut sum = Collection {
        stays: 1,
        due_vnd: due,
        collected_vnd: collected,
        ..Collection::default()
    };
    let mut rest = due.saturating_sub(collected);
    for (waiver, amount) in sessions.iter().filter_map(|session| session.waived) {
        let waived = amount.clamp(0, rest.max(0));
        rest -= waived;
        match waiver {
            Waiver::Pass => sum.pass_vnd += waived,
            Waiver::Exemption => sum.exempt_vnd += waived,
        }
    }
    match sessions {
        _ if rest < 0 => sum.beyond_vnd = -rest,
        _ if uncovered(stay, sessions) <= GRACE => sum.grace_vnd = rest,
        [] => sum.unpaid_vnd = rest,
        _ => sum.short_vnd = rest,
    }
    sum
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use proptest::prelude::*;

    use super::*;

    fn at(minute: i64) -> Timestamp {
        DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::minutes(minute)
    }

    fn stay(from: i64, to: i64) -> SeenStay {
        SeenStay {
            from: at(from),
            to: at(to),
        }
    }

    fn session(from: i64, to: i64, collected_vnd: i64) -> PaidSession {
        PaidSession {
            from: at(from),
            to: at(to),
            collected_vnd,
            waived: None,
        }
    }

    /// A hundred đồng a minute.
    fn board(from: Timestamp, to: Timestamp) -> Option<i64> {
        Some((to - from).num_minutes() * 100)
    }

    fn sum(stays: &[SeenStay], sessions: &[PaidSession]) -> Collection {
        let mut sum = Collection::default();
        for (_, part) in collect(stays, sessions, board) {
            assert!(part.is_balanced(), "{part:?}");
            sum += part;
        }
        sum
    }

    #[test]
    fn each_way_not_to_pay_has_its_name() {
        let of = |stay, sessions: &[PaidSession]| sum(&[stay], sessions);
        let whole = of(stay(0, 60), &[session(-5, 60, 6_000)]);
        assert_eq!((whole.due_vnd, whole.collected_vnd), (6_000, 6_000));
        assert_eq!(whole.owed_vnd(), 0);
        assert_eq!(of(stay(0, 60), &[]).unpaid_vnd, 6_000);
        assert_eq!(of(stay(0, 5), &[]).grace_vnd, 500);
        assert_eq!(of(stay(0, 60), &[session(0, 30, 3_000)]).short_vnd, 3_000);
        assert_eq!(of(stay(0, 63), &[session(0, 60, 6_000)]).grace_vnd, 300);
        assert_eq!(of(stay(0, 30), &[session(0, 60, 6_000)]).beyond_vnd, 3_000);
        // The next vehicle's session, and nobody's.
        assert_eq!(of(stay(0, 60), &[session(60, 90, 3_000)]).unseen_vnd, 3_000);
        let exempt = PaidSession {
            waived: Some((Waiver::Exemption, 9_000)),
            ..session(0, 90, 0)
        };
        assert_eq!(of(stay(0, 60), &[exempt]).exempt_vnd, 6_000);
    }

    #[test]
    fn who_pays_only_for_the_end_owes_the_rest() {
        let late = sum(&[stay(0, 300)], &[session(240, 300, 6_000)]);
        assert_eq!((late.short_vnd, late.grace_vnd), (24_000, 0));
        let in_parts = [session(0, 100, 10_000), session(103, 300, 19_700)];
        let gap = sum(&[stay(0, 300)], &in_parts);
        assert_eq!((gap.short_vnd, gap.grace_vnd), (0, 300));
    }

    #[test]
    fn a_session_is_the_stay_s_with_which_it_shares_most() {
        let stays = [stay(0, 20), stay(25, 80)];
        let found = sum(&stays, &[session(15, 75, 5_500)]);
        assert_eq!((found.unpaid_vnd, found.owed_vnd()), (2_000, 2_000));
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_sums_come_out(
            lengths in prop::collection::vec((0..90_i64, 1..300_i64), 0..12),
            wishes in prop::collection::vec(
                (-60..4_000_i64, 15..600_i64, 0..100_000_i64, prop::option::of((any::<bool>(), 0..50_000_i64))), 0..12),
        ) {
            let mut minute = 0;
            let mut stays = Vec::new();
            for (gap, length) in lengths {
                stays.push(stay(minute + gap, minute + gap + length));
                minute += gap + length;
            }
            let mut sessions: Vec<PaidSession> = wishes
                .into_iter()
                .map(|(from, length, amount, waived)| PaidSession {
                    waived: waived.map(|(pass, amount)| {
                        (if pass { Waiver::Pass } else { Waiver::Exemption }, amount)
                    }),
                    ..session(from, from + length, amount)
                })
                .collect();
            sessions.sort_by_key(|session| session.from);
            let found = sum(&stays, &sessions);
            prop_assert!(found.is_balanced());
            prop_assert_eq!(found.stays, i64::try_from(stays.len()).unwrap_or_default());
            let came: i64 = sessions.iter().map(|session| session.collected_vnd).sum();
            prop_assert_eq!(found.collected_vnd, came);
            let due: i64 = stays.iter().filter_map(|stay| board(stay.from, stay.to)).sum();
            prop_assert_eq!(found.due_vnd, due);
        }
    }
}
