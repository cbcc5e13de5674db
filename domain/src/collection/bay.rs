//! One bay: which session is which stay's, and what neither side explains.

use chrono::TimeDelta;

use super::elsewhere::Searched;
use super::{Collection, LotCollection, PaidSession, Part, SeenBay, SeenStay, UnsureTime, Waiver};
use crate::Timestamp;
use crate::board::EARLY_PAYMENT;
use crate::occupancy::{Span, merged, outside};
use crate::place::VehicleClass;
use crate::session::GRACE;

/// Adds what was due and what came in one bay to `found`, and to `searched` what may belong together
/// with something of another bay.
pub(super) fn collect(
    bay: &SeenBay,
    now: Timestamp,
    price: impl Fn(VehicleClass, Timestamp, Timestamp) -> Option<i64>,
    found: &mut LotCollection,
    searched: &mut Searched,
) {
    let mut sessions = bay.sessions.clone();
    sessions.sort_unstable();
    let unknown = merged(bay.unknown.clone());
    let (whole, touched): (Vec<SeenStay>, Vec<SeenStay>) = {
        let mut stays = bay.stays.clone();
        stays.sort_unstable();
        stays.retain(|stay| stay.from < stay.to);
        stays
            .into_iter()
            .partition(|stay| !meets(&unknown, stay.span()))
    };
    let spans = touched.iter().map(SeenStay::span);
    let unsure = merged(unknown.iter().copied().chain(spans).collect());
    for stay in &touched {
        let mut sum = Collection::default();
        sum.uncertainty.unsure_stays = 1;
        found.parts.push(part(bay, stay.from, sum));
    }

    let mut of_stay: Vec<Vec<PaidSession>> = vec![Vec::new(); whole.len()];
    let mut alone = Vec::new();
    for session in sessions {
        match stay_of(&whole, &session) {
            Some(stay) => of_stay[stay].push(session),
            None => alone.push(session),
        }
    }
    for (stay, sessions) in whole.iter().zip(of_stay) {
        // What no board prices is nobody's to pay, nor is it a stay to compare with.
        let Some(due) = price(bay.class, stay.from, stay.to) else {
            let parts = sessions
                .iter()
                .map(|session| part(bay, session.from, unpriced(session)));
            found.parts.extend(parts);
            continue;
        };
        let mut sum = of_one(stay, &sessions, due);
        if sessions.is_empty() && sum.unpaid_vnd + sum.open_vnd > 0 {
            searched.stay(bay, *stay, due);
            continue;
        }
        let (doubtful, sure): (Vec<PaidSession>, Vec<PaidSession>) = sessions
            .iter()
            .partition(|session| may_be_of(&unsure, session));
        if !doubtful.is_empty() {
            let without = of_one(stay, &sure, due);
            let owed = |sum: &Collection| sum.owed_vnd() + sum.open_vnd;
            sum.uncertainty.owed_more_vnd = (owed(&without) - owed(&sum)).max(0);
        }
        found.parts.push(part(bay, stay.from, sum));
    }
    for session in &alone {
        let is_unknown = session.to > now || may_be_of(&unsure, session);
        searched.session(bay, *session, is_unknown);
        found
            .parts
            .push(part(bay, session.from, unseen(session, is_unknown)));
    }
    add_unsure(bay, &unknown, &unsure, &alone, found);
}

fn part(bay: &SeenBay, at: Timestamp, sum: Collection) -> Part {
    Part {
        at,
        class: bay.class,
        sum,
    }
}

/// Money for a stay that no board prices.
fn unpriced(session: &PaidSession) -> Collection {
    Collection {
        collected_vnd: session.collected_vnd,
        beyond_vnd: session.collected_vnd,
        ..Collection::default()
    }
}

/// Money where no vehicle was seen.
fn unseen(session: &PaidSession, is_unknown: bool) -> Collection {
    let money = session.collected_vnd;
    let (unknown_vnd, elsewhere_vnd) = if is_unknown { (money, 0) } else { (0, money) };
    Collection {
        collected_vnd: money,
        unknown_vnd,
        elsewhere_vnd,
        ..Collection::default()
    }
}

fn meets(merged: &[Span], span: Span) -> bool {
    let first = merged.partition_point(|other| other.until <= span.from);
    merged
        .get(first)
        .is_some_and(|other| other.from < span.until)
}

/// Whether the session may have been that of a vehicle that came in such time.
fn may_be_of(unsure: &[Span], session: &PaidSession) -> bool {
    let span = Span {
        until: session.to + EARLY_PAYMENT,
        ..session.span()
    };
    meets(unsure, span)
}

/// Cuts unsure time into what is unknown and what is not, paid and not paid.
fn add_unsure(
    bay: &SeenBay,
    unknown: &[Span],
    unsure: &[Span],
    alone: &[PaidSession],
    found: &mut LotCollection,
) {
    let paid = merged(alone.iter().map(PaidSession::span).collect());
    let known_part = |span: &Span| outside(*span, unknown);
    let parts = [
        (true, unknown.to_vec()),
        (false, unsure.iter().flat_map(known_part).collect()),
    ];
    for (is_unknown, spans) in parts {
        for span in spans {
            let mut from = span.from;
            let mut push = |span: Span, is_paid| {
                if span.from < span.until {
                    found.unsure.push(UnsureTime {
                        span,
                        class: bay.class,
                        is_unknown,
                        is_paid,
                    });
                }
            };
            for open in outside(span, &paid) {
                let until = open.from;
                push(Span { from, until }, true);
                push(open, false);
                from = open.until;
            }
            let until = span.until;
            push(Span { from, until }, true);
        }
    }
}

/// For how much of a stay nobody had paid. Sessions are in order of time.
fn uncovered(stay: &SeenStay, sessions: &[PaidSession]) -> TimeDelta {
    let mut until = stay.from;
    let mut open = TimeDelta::zero();
    for session in sessions {
        open += (session.from.min(stay.to) - until).max(TimeDelta::zero());
        until = until.max(session.to);
    }
    open + (stay.to - until).max(TimeDelta::zero())
}

/// The position of the stay with which a session shares most time; of two the later. Stays are in order
/// of time.
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

/// What a stay brought that should have brought `due` đồng. Sessions are in order of time.
pub(super) fn of_one(stay: &SeenStay, sessions: &[PaidSession], due: i64) -> Collection {
    let brought = sessions.iter().map(|session| session.collected_vnd);
    let collected = brought.fold(0, i64::saturating_add);
    let mut sum = Collection {
        stays: 1,
        seen_us: stay.span().length_us(),
        due_vnd: due,
        collected_vnd: collected,
        ..Collection::default()
    };
    sum.uncertainty.open_stays = i64::from(stay.is_open);
    let mut rest = due.saturating_sub(collected);
    for session in sessions {
        let given_back = session.given_back_vnd.clamp(0, rest.max(0));
        rest -= given_back;
        sum.given_back_vnd += given_back;
    }
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
        _ if sessions.iter().any(|session| session.is_unsettled) => sum.open_vnd = rest,
        _ if uncovered(stay, sessions) <= GRACE => sum.grace_vnd = rest,
        _ if stay.is_open => sum.open_vnd = rest,
        [] => sum.unpaid_vnd = rest,
        _ => sum.short_vnd = rest,
    }
    sum
}
