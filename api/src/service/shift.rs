//! What one member of staff did in their shift, out of the audit record.

use chrono::TimeDelta;
use domain::Timestamp;
use domain::money::Vnd;
use store::audit::Deed;
use store::parking_notice::ParkingNotice;
use store::staff::Staff;

use super::staff::LOGIN_TIME;
use crate::{ApiError, App};

/// How many deeds are listed.
const DEEDS_MAX: i64 = 500;

/// A shift.
#[derive(Clone, Debug)]
pub struct Shift {
    /// From when: as long ago as one stays signed in.
    pub from: Timestamp,
    /// What was done, newest first.
    pub deeds: Vec<Deed>,
    /// The notices written in it, newest first.
    pub notices: Vec<ParkingNotice>,
}

impl Shift {
    /// How many of its notices have been paid, and how much that is.
    pub fn paid(&self) -> (usize, Vnd) {
        let paid = self.notices.iter().filter(|notice| notice.paid.is_some());
        let (count, sum) = paid.fold((0, 0_i64), |(count, sum), notice| {
            (count + 1, sum.saturating_add(notice.amount_vnd.get()))
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

/// One's own shift until now.
///
/// # Errors
/// Where the database fails.
pub async fn shift(app: &App, staff: &Staff, now: Timestamp) -> Result<Shift, ApiError> {
    let length: TimeDelta = LOGIN_TIME;
    let from = now - length;
    let deeds = app.store.staff_deeds(staff, from, DEEDS_MAX).await?;
    let own = Some((staff.login.as_str(), from));
    let notices = app
        .store
        .parking_notices(None, None, own, DEEDS_MAX)
        .await?;
    Ok(Shift {
        from,
        deeds,
        notices,
    })
}
