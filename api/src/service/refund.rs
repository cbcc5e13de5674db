//! Money that goes back on staff's word: what one person decides alone, what a second one confirms, and who gave back
//! how much.

use std::fmt;
use std::str::FromStr;

use chrono::{Datelike, Months, NaiveDate};
use chrono_tz::Tz;
use domain::Timestamp;
use domain::day::midnight;
use domain::id::RefundId;
use domain::refund::{AloneLimits, DecisionStatus};
use domain::shift::Span;
use store::StoreError;
use store::refund_decision::{RefundDecision, Second};
use store::refund_limits::{KnownLimits, LimitsOf, PersonRefunds};
use store::staff::Staff;

use super::confirm::Confirmed;
use super::people::{administrators_only, looks_after};
use crate::{ApiError, App};

/// How many proposals are listed at once.
pub const LIST_MAX: i64 = 200;
/// The longest reason for not confirming a refund, in characters.
pub const NOTE_MAX: usize = 500;

/// Proposed refunds that wait for a second person, oldest first, of the money that these staff see.
///
/// # Errors
/// Where the database fails.
pub async fn proposals(app: &App, staff: &Staff) -> Result<Vec<RefundDecision>, ApiError> {
    let operator = staff.operator.as_deref();
    Ok(app.store.refund_proposals(operator, LIST_MAX).await?)
}

/// What a second person says of a proposed refund.
#[derive(Debug)]
pub enum SecondWord {
    /// It goes back, by the word of whoever has shown just now that it is they.
    Confirm(Confirmed),
    /// It does not, and why.
    Refuse(Staff, String),
}

/// A second person, an administrator, confirms a proposed refund, or refuses it and says why. Saying the same again
/// changes nothing.
///
/// # Errors
/// [`ApiError::Forbidden`] for others than administrators; [`ApiError::NotFound`] where it is not theirs;
/// [`ApiError::Conflict`] for who proposed it, and where it was decided otherwise; [`ApiError::Unprocessable`] where
/// no reason is given, or less is left to give back.
pub async fn second(
    app: &App,
    id: RefundId,
    word: &SecondWord,
    now: Timestamp,
) -> Result<DecisionStatus, ApiError> {
    let (staff, confirms, note) = match word {
        SecondWord::Confirm(confirmed) => (confirmed.staff(), true, ""),
        SecondWord::Refuse(staff, note) => (staff, false, note.trim()),
    };
    administrators_only(staff)?;
    if !confirms && (note.is_empty() || note.chars().count() > NOTE_MAX) {
        return Err(ApiError::Unprocessable(format!(
            "say in at most {NOTE_MAX} characters why not"
        )));
    }
    let decided = app.store.refund_second(id, staff, confirms, note, now);
    match decided.await.map_err(too_much)? {
        Second::Done(status) => Ok(status),
        Second::Own => Err(ApiError::Conflict(
            "somebody else must confirm or refuse what you have proposed",
        )),
        Second::Otherwise => Err(ApiError::Conflict("this was decided otherwise")),
    }
}

/// What one person gives back alone: the limits of one's operator; for the city's staff its own and all operators'.
///
/// # Errors
/// Where the database fails.
pub async fn limits(app: &App, staff: &Staff) -> Result<Vec<KnownLimits>, ApiError> {
    let operator = staff.operator.as_deref();
    Ok(app.store.refund_limits(operator, &app.city.code).await?)
}

/// Sets the limits of an operator, or the city's own, on the record.
///
/// # Errors
/// [`ApiError::Forbidden`] for others than its administrators; [`ApiError::Unprocessable`] beyond
/// [`AloneLimits::HIGHEST`]; [`ApiError::NotFound`] where there is no such operator.
pub async fn set_limits(
    app: &App,
    staff: &Confirmed,
    operator: Option<&str>,
    limits: AloneLimits,
    now: Timestamp,
) -> Result<(), ApiError> {
    let staff = staff.staff();
    looks_after(staff, operator)?;
    if !limits.are_sound() {
        return Err(ApiError::Unprocessable(format!(
            "of one payment at most {} đồng, in a day at most {}",
            AloneLimits::HIGHEST.payment_vnd.get(),
            AloneLimits::HIGHEST.day_vnd.get()
        )));
    }
    let of = operator.map_or(LimitsOf::City(&app.city.code), LimitsOf::Operator);
    Ok(app.store.refund_limits_set(of, limits, staff, now).await?)
}

/// Whether these staff see who gave back how much, and whose accounts changed: administrators, the city's staff and
/// its auditors.
pub fn may_oversee(staff: &Staff) -> bool {
    staff.operator.is_none() || administrators_only(staff).is_ok()
}

/// What each person gave back in a month, who gave back most first: of one's operator's money, or of all.
///
/// # Errors
/// [`ApiError::Forbidden`] for an operator's staff who are no administrators.
pub async fn by_person(
    app: &App,
    staff: &Staff,
    month: Month,
) -> Result<Vec<PersonRefunds>, ApiError> {
    if !may_oversee(staff) {
        return Err(ApiError::Forbidden);
    }
    let span = month.span(app.city.timezone);
    let operator = staff.operator.as_deref();
    Ok(app.store.refunds_by_person(operator, span).await?)
}

pub(super) fn too_much(error: StoreError) -> ApiError {
    match error {
        StoreError::Constraint(name) if name == "refund_within_money" => ApiError::Unprocessable(
            "nothing, or less than that, is left of this payment".to_owned(),
        ),
        other => other.into(),
    }
}

/// A month of the city's time, written as `2026-07`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Month(NaiveDate);

impl Month {
    /// The month of an instant.
    pub fn of(at: Timestamp, tz: Tz) -> Self {
        let day = at.with_timezone(&tz).date_naive();
        Self(day.with_day(1).unwrap_or(day))
    }

    /// So many months later, or earlier.
    pub fn later(self, months: i32) -> Self {
        let by = Months::new(months.unsigned_abs());
        let moved = match months >= 0 {
            true => self.0.checked_add_months(by),
            false => self.0.checked_sub_months(by),
        };
        Self(moved.unwrap_or(self.0))
    }

    /// The instants at which it begins and ends.
    fn span(self, tz: Tz) -> Span {
        (midnight(self.0, tz), midnight(self.later(1).0, tz))
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.format("%Y-%m").fmt(f)
    }
}

impl FromStr for Month {
    type Err = ApiError;

    fn from_str(text: &str) -> Result<Self, ApiError> {
        let first = NaiveDate::parse_from_str(&format!("{text}-01"), "%Y-%m-%d").ok();
        // Far from the ends of what can be reckoned with.
        first
            .filter(|day| text.len() == 7 && (1900..=2200).contains(&day.year()))
            .map(Self)
            .ok_or_else(|| ApiError::Unprocessable(format!("{text:?} is no month such as 2026-07")))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_the_city_s() {
        let tz = chrono_tz::Asia::Ho_Chi_Minh;
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let month = Month::of(at("2026-06-30T17:00:00Z"), tz);
        assert_eq!(month.to_string(), "2026-07");
        assert_eq!("2026-07".parse::<Month>().unwrap(), month);
        assert_eq!(
            month.span(tz),
            (at("2026-06-30T17:00:00Z"), at("2026-07-31T17:00:00Z"))
        );
        assert_eq!(month.later(-7).to_string(), "2025-12");
        assert_eq!(month.later(6).to_string(), "2027-01");
        for text in [
            "",
            "2026",
            "2026-13",
            "2026-7",
            "26-07",
            "2026-07-01",
            "9999-01",
        ] {
            assert!(text.parse::<Month>().is_err(), "{text}");
        }
    }
}
