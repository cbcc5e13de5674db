//! What one member of staff did in their shift, out of the audit record; and when theirs are.

use chrono::TimeDelta;
use domain::Timestamp;
use domain::id::ShiftId;
use domain::money::Vnd;
use domain::shift::{AHEAD_MAX, Span};
use store::audit::Deed;
use store::parking_notice::{NoticeSearch, ParkingNotice};
use store::shift::PlannedShift;
use store::staff::Staff;

use super::people;
use super::staff::LOGIN_TIME;
use crate::{ApiError, App};

/// How many deeds are listed.
const DEEDS_MAX: i64 = 500;
/// For how long one's own shifts that ended are shown.
const LATELY: TimeDelta = TimeDelta::days(7);
/// How many of one's own shifts are looked at.
const OWN_MAX: i64 = 300;

/// A shift.
#[derive(Clone, Debug)]
pub struct Shift {
    /// From when until when.
    pub span: Span,
    /// What was done, newest first.
    pub deeds: Vec<Deed>,
    /// The notices written in it, newest first.
    pub notices: Vec<ParkingNotice>,
    /// How many more were written in other lots than those of the shift.
    pub elsewhere: usize,
}

impl Shift {
    /// How many of its notices have been paid, and how much that is.
    pub fn paid(&self) -> (usize, Vnd) {
        let paid = self.notices.iter().filter(|notice| notice.paid.is_some());
        let (count, sum) = paid.fold((0, 0_i64), |(count, sum), notice| {
            (count + 1, sum.saturating_add(notice.received_vnd.get()))
        });
        (count, Vnd::new(sum))
    }

    /// How often each thing was done, the most frequent first.
    pub fn counts(&self) -> Vec<(&str, usize)> {
        let mut counts: Vec<(&str, usize)> = Vec::new();
        for deed in &self.deeds {
            match counts.iter_mut().find(|(action, _)| *action == deed.action) {
                Some((_, count)) => *count += 1,
                None => counts.push((&deed.action, 1)),
            }
        }
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        counts
    }
}

/// One's own last hours until now: as long as one stays signed in.
///
/// # Errors
/// Where the database fails.
pub async fn shift(app: &App, staff: &Staff, now: Timestamp) -> Result<Shift, ApiError> {
    of(app, &staff.login, (now - LOGIN_TIME, now)).await
}

/// What was done in a planned shift, in exactly its hours; of notices those of its lots.
///
/// # Errors
/// [`ApiError::NotFound`] where there is none; [`ApiError::Forbidden`] where it is neither one's own nor
/// that of somebody whom one looks after.
pub async fn of_planned(
    app: &App,
    staff: &Staff,
    id: ShiftId,
) -> Result<(PlannedShift, Shift), ApiError> {
    let planned = app.store.shift(id).await?;
    if planned.login != staff.login {
        people::looks_after(staff, planned.operator.as_deref())?;
    }
    let span = (planned.starts_at, planned.ends_at);
    let mut shift = of(app, &planned.login, span).await?;
    let written = shift.notices.len();
    shift
        .notices
        .retain(|notice| planned.lots.contains(&notice.lot));
    shift.elsewhere = written - shift.notices.len();
    Ok((planned, shift))
}

async fn of(app: &App, login: &str, span: Span) -> Result<Shift, ApiError> {
    let deeds = app.store.staff_deeds(login, span, DEEDS_MAX).await?;
    let by_them = NoticeSearch {
        written: Some((login, span)),
        ..NoticeSearch::default()
    };
    let notices = app.store.parking_notices(by_them, DEEDS_MAX).await?;
    Ok(Shift {
        span,
        deeds,
        notices,
        elsewhere: 0,
    })
}

/// One's own planned shifts.
#[derive(Clone, Debug, Default)]
pub struct OwnShifts {
    /// The one that one is on.
    pub now: Option<PlannedShift>,
    /// The one after that.
    pub next: Option<PlannedShift>,
    /// Those that ended lately, newest first.
    pub ended: Vec<PlannedShift>,
}

/// One's own planned shifts: now, next, and those of the last week.
///
/// # Errors
/// Where the database fails.
pub async fn own(app: &App, staff: &Staff, now: Timestamp) -> Result<OwnShifts, ApiError> {
    let span = (now - LATELY, now + AHEAD_MAX);
    let shifts = app.store.shifts(None, Some(&staff.login), span, OWN_MAX);
    let mut own = OwnShifts::default();
    for shift in shifts.await? {
        if shift.ends_at <= now {
            own.ended.insert(0, shift);
        } else if shift.starts_at <= now {
            own.now = Some(shift);
        } else {
            own.next = Some(shift);
            break;
        }
    }
    Ok(own)
}
