//! Planning shifts: an administrator of an operator says who of its staff is at which of its lots, and
//! when; one of the city says so for all.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate, NaiveTime, TimeDelta};
use domain::Timestamp;
use domain::board::LotSummary;
use domain::day::midnight;
use domain::id::{ShiftId, ZoneId};
use domain::shift::{Span, charged, span, without};
use domain::tariff::{Tariff, TariffBook};
use store::people::Member;
use store::shift::{NewShift, PlannedShift};
use store::staff::Staff;

use super::people;
use super::staff::may_see;
use crate::{ApiError, App};

/// How many shifts are listed: two weeks of a large operator's.
const LIST_MAX: i64 = 1_000;
/// How many lots one shift may have.
const LOTS_MAX: usize = 40;
/// The longest note, in characters.
const NOTE_MAX: usize = 200;
/// How many days are planned at a look: this week and the next.
const DAYS: u64 = 14;

/// A shift as an administrator asks for it.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Whose: a login.
    pub login: String,
    /// The lots' codes.
    pub lots: Vec<String>,
    /// The day on which it begins.
    pub day: NaiveDate,
    /// The city's local time at which it begins.
    pub from: NaiveTime,
    /// That at which it ends; on the next day where it is no later than `from`.
    pub until: NaiveTime,
    /// What else to know.
    pub note: String,
}

/// A day of the plan.
#[derive(Clone, Debug)]
pub struct PlannedDay {
    /// The day.
    pub day: NaiveDate,
    /// The shifts that begin on it.
    pub shifts: Vec<PlannedShift>,
    /// When lots that charge then have nobody, with those lots' codes. Only of time to come.
    pub gaps: Vec<(Span, Vec<String>)>,
}

/// This week and the next.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Day by day, from this week's Monday.
    pub days: Vec<PlannedDay>,
    /// Who may be planned.
    pub members: Vec<Member>,
    /// Where.
    pub lots: Vec<LotSummary>,
}

/// What is planned, for the staff whom an administrator looks after.
///
/// # Errors
/// [`ApiError::Forbidden`] for others than administrators.
pub async fn plan(app: &App, admin: &Staff, now: Timestamp) -> Result<Plan, ApiError> {
    let members = people::list(app, admin).await?;
    let lots = app.live.lots(Some(&app.city.code), now).await;
    let lots: Vec<LotSummary> = lots.into_iter().filter(|lot| may_see(admin, lot)).collect();
    let tz = app.city.timezone;
    let today = now.with_timezone(&tz).date_naive();
    let since_monday = u64::from(today.weekday().num_days_from_monday());
    let monday = today - chrono::Days::new(since_monday);
    let days: Vec<NaiveDate> = monday.iter_days().take(DAYS as usize + 1).collect();
    let bounds: Vec<Timestamp> = days.iter().map(|day| midnight(*day, tz)).collect();
    let (first, last) = (bounds[0], bounds[bounds.len() - 1]);
    let operator = admin.operator.as_deref();
    // Who works for the city, or for another operator, may be at these lots too.
    let shifts = app
        .store
        .shifts(None, None, (first, last), LIST_MAX)
        .await?;
    let to_come = (bounds[since_monday as usize], last);
    let hours = charged_hours(app, &lots, to_come).await?;
    let mut planned: Vec<PlannedDay> = Vec::new();
    for (day, pair) in days.iter().zip(bounds.windows(2)) {
        let whole = (pair[0], pair[1]);
        let mut gaps: BTreeMap<Span, Vec<String>> = BTreeMap::new();
        for lot in &lots {
            let there = shifts
                .iter()
                .filter(|shift| !shift.shut_out && shift.lots.contains(&lot.code))
                .map(|shift| (shift.starts_at, shift.ends_at));
            let outside = [(first, whole.0), (whole.1, last), (first, now)];
            let hours = hours.get(&lot.code).map_or(&[][..], Vec::as_slice);
            for gap in without(hours, outside.into_iter().chain(there)) {
                gaps.entry(gap).or_default().push(lot.code.clone());
            }
        }
        let of_day = shifts.iter().filter(|shift| {
            (whole.0..whole.1).contains(&shift.starts_at)
                && operator.is_none_or(|operator| shift.operator.as_deref() == Some(operator))
        });
        planned.push(PlannedDay {
            day: *day,
            shifts: of_day.cloned().collect(),
            gaps: gaps.into_iter().collect(),
        });
    }
    Ok(Plan {
        days: planned,
        members,
        lots,
    })
}

/// When each lot charges, by its code.
async fn charged_hours(
    app: &App,
    lots: &[LotSummary],
    span: Span,
) -> Result<BTreeMap<String, Vec<Span>>, ApiError> {
    let now = span.0;
    let mut codes = Vec::new();
    for lot in lots {
        // A bay of each class: those of one class cost the same.
        if let Some((_, bays)) = app.live.lot(&lot.code, now).await {
            let mut seen = Vec::new();
            for bay in bays {
                if !seen.contains(&bay.class) {
                    seen.push(bay.class);
                    codes.push(bay.code);
                }
            }
        }
    }
    let bays = app.store.bay_places(&codes).await?;
    let mut known: BTreeMap<(ZoneId, &str), Vec<Span>> = BTreeMap::new();
    let mut hours: BTreeMap<String, Vec<Span>> = BTreeMap::new();
    for bay in &bays {
        let of_zone = known
            .entry((bay.zone, bay.class.code()))
            .or_insert_with(|| {
                let tariffs: Vec<&Tariff> = bay.tariffs.iter().map(|known| &known.tariff).collect();
                charged(&TariffBook::new(tariffs, bay.class, bay.timezone), span)
            });
        let of_lot = hours.entry(bay.lot_code.clone()).or_default();
        // What one class's hours leave out, the other's may have.
        let more = without(of_zone, of_lot.iter().copied());
        of_lot.extend(more);
        of_lot.sort();
    }
    for spans in hours.values_mut() {
        // Those that meet are one.
        let mut joined: Vec<Span> = Vec::new();
        for span in spans.drain(..) {
            match joined.last_mut() {
                Some(last) if last.1 == span.0 => last.1 = span.1,
                _ => joined.push(span),
            }
        }
        *spans = joined;
    }
    Ok(hours)
}

/// Plans a shift.
///
/// # Errors
/// [`ApiError::Forbidden`] for others than administrators, for another operator's staff and lots;
/// [`ApiError::Unprocessable`] for what cannot be; [`ApiError::Conflict`] where somebody would be in two
/// places at once; [`ApiError::NotFound`].
pub async fn add(
    app: &App,
    admin: &Staff,
    wish: Wish,
    now: Timestamp,
) -> Result<ShiftId, ApiError> {
    let new = checked(app, admin, wish, now).await?;
    let planned = app.store.shift_plan(&new, admin, now).await?;
    planned.ok_or(TWO_PLACES)
}

/// Plans a shift otherwise that has not ended.
///
/// # Errors
/// As [`add`]; [`ApiError::NotFound`] where it has ended or is cancelled.
pub async fn change(
    app: &App,
    admin: &Staff,
    id: ShiftId,
    wish: Wish,
    now: Timestamp,
) -> Result<(), ApiError> {
    one(app, admin, id).await?;
    let new = checked(app, admin, wish, now).await?;
    match app.store.shift_change(id, &new, admin, now).await? {
        true => Ok(()),
        false => Err(TWO_PLACES),
    }
}

/// Cancels a shift that has not ended.
///
/// # Errors
/// [`ApiError::Forbidden`] for others than administrators, and for another operator's staff;
/// [`ApiError::NotFound`] where there is none, it has ended or is cancelled.
pub async fn cancel(app: &App, admin: &Staff, id: ShiftId, now: Timestamp) -> Result<(), ApiError> {
    one(app, admin, id).await?;
    Ok(app.store.shift_cancel(id, admin, now).await?)
}

/// A shift of somebody whom an administrator looks after.
///
/// # Errors
/// [`ApiError::Forbidden`]; [`ApiError::NotFound`].
pub async fn one(app: &App, admin: &Staff, id: ShiftId) -> Result<PlannedShift, ApiError> {
    people::administrators_only(admin)?;
    let shift = app.store.shift(id).await?;
    people::looks_after(admin, shift.operator.as_deref())?;
    Ok(shift)
}

const TWO_PLACES: ApiError =
    ApiError::Conflict("that person has another shift in that time already");

async fn checked(
    app: &App,
    admin: &Staff,
    wish: Wish,
    now: Timestamp,
) -> Result<NewShift, ApiError> {
    let unprocessable = |why: &str| Err(ApiError::Unprocessable(why.to_owned()));
    let member = people::of_administrator(app, admin, wish.login.trim()).await?;
    if member.disabled_at.is_some() {
        return unprocessable("that person is shut out");
    }
    let note = wish.note.trim();
    if note.chars().count() > NOTE_MAX {
        return unprocessable("a note has at most 200 characters");
    }
    let mut lots = wish.lots;
    lots.sort();
    lots.dedup();
    if lots.is_empty() || lots.len() > LOTS_MAX {
        return unprocessable("a shift has one lot at least and 40 at most");
    }
    for code in &lots {
        let Some((lot, _)) = app.live.lot(code, now).await else {
            return Err(ApiError::NotFound("lot"));
        };
        if !may_see(admin, &lot) {
            return Err(ApiError::Forbidden);
        }
        let theirs = member.operator.as_ref();
        if theirs.is_some_and(|operator| *operator != lot.operator) {
            return unprocessable("that person works for another operator than that of the lot");
        }
    }
    let times = (wish.from, wish.until);
    let span = span(wish.day, times, app.city.timezone, now)
        .map_err(|why| ApiError::Unprocessable(why.to_string()))?;
    Ok(NewShift {
        login: member.login,
        lots,
        span,
        note: note.to_owned(),
    })
}

/// Until when shifts may be planned, as a day.
pub fn last_day(app: &App, now: Timestamp) -> NaiveDate {
    let last: Timestamp = now + domain::shift::AHEAD_MAX - TimeDelta::days(1);
    last.with_timezone(&app.city.timezone).date_naive()
}
