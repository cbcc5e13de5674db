//! Notices of unpaid parking: written by staff before the vehicle, paid by its driver online.

use chrono::TimeDelta;
use domain::Timestamp;
use domain::board::{LotSummary, StaffBay};
use domain::money::Vnd;
use domain::notice::NoticeCode;
use domain::plate::Plate;
use domain::session::{MIN_STAY_MIN, PAYMENT_WINDOW};
use store::parking_notice::{NewParkingNotice, NoticeSearch, NoticeSession, ParkingNotice};
use store::place::BayPlace;
use store::staff::Staff;

use super::entitlement::quote_for;
use super::payment::{Due, Means, request};
use super::session::{Opened, Priced, SessionRequest, open_at, price, tariff_of};
use super::staff::own_lot;
use crate::{ApiError, App};

/// How many notices of one kind are listed.
const LIST_MAX: usize = 200;

/// What is paid is a matter of a refund.
const PAID: ApiError = ApiError::Conflict("this notice is paid; its receipt can be refunded");

/// The longest reason of a withdrawal, in characters.
const WHY_MAX: usize = 500;

/// A bay as whoever stands before it sees it.
#[derive(Clone, Debug)]
pub struct BayAtHand {
    /// Where it is, and what it costs.
    pub place: BayPlace,
    /// Its lot.
    pub lot: LotSummary,
    /// What sensor and payments say of it.
    pub bay: StaffBay,
    /// What its vehicle owes by the board's prices; nothing where none is seen, or it has paid.
    pub owed: Option<Priced>,
    /// The notices that it has for that, newest first.
    pub notices: Vec<ParkingNotice>,
    /// For which plates the bay is paid, and until when: masked, enough to compare with the vehicle.
    pub paid_for: Vec<(String, Timestamp)>,
}

/// A bay of one's lots, with what its vehicle owes.
///
/// # Errors
/// [`ApiError::NotFound`] where there is no such bay, [`ApiError::Forbidden`] where it is another
/// operator's.
pub async fn bay(
    app: &App,
    staff: &Staff,
    code: &str,
    now: Timestamp,
) -> Result<BayAtHand, ApiError> {
    let place = app.store.bay_place(code).await?;
    let (lot, bays) = own_lot(app, staff, &place.lot_code, now).await?;
    let bay = bays
        .into_iter()
        .find(|bay| bay.code == place.code)
        .ok_or(ApiError::NotFound("bay"))?;
    // What has no price is not owed; the bay is seen all the same.
    let owed = bay
        .owing_from()
        .and_then(|since| price_of(&place, since, now).ok());
    let paid_for = app.store.bay_paid_for(place.id, now).await?.into_iter();
    let paid_for = paid_for.map(|(plate, until)| (plate.masked(), until));
    let notices = match bay.owing_from() {
        Some(since) => app.store.parking_notices_of(place.id, since).await?,
        None => Vec::new(),
    };
    Ok(BayAtHand {
        place,
        lot,
        bay,
        owed,
        notices,
        paid_for: paid_for.collect(),
    })
}

/// The board's price of the time from `since` until now, in whole minutes: of at least the shortest
/// and at most the longest that can be bought.
fn price_of(bay: &BayPlace, since: Timestamp, now: Timestamp) -> Result<Priced, ApiError> {
    let (_, rules) = tariff_of(bay, bay.class, since)?;
    price(
        bay,
        bay.class,
        minutes(since, now).min(rules.max_stay_min),
        since,
    )
}

fn minutes(from: Timestamp, to: Timestamp) -> u32 {
    let whole = (to - from + TimeDelta::seconds(59)).num_minutes();
    u32::try_from(whole).unwrap_or(0).max(MIN_STAY_MIN)
}

/// Writes a notice for the vehicle in a bay, for the time that it has not paid for. Where its plate
/// has one for that time already, that one is found.
///
/// # Errors
/// As [`bay`]; [`ApiError::Conflict`] where no vehicle is seen there that owes anything, or this one
/// has a pass or an exemption.
pub async fn issue(
    app: &App,
    staff: &Staff,
    code: &str,
    plate: Plate,
    now: Timestamp,
) -> Result<ParkingNotice, ApiError> {
    let at_hand = bay(app, staff, code, now).await?;
    let owed = at_hand.owed.ok_or(ApiError::Conflict(
        "the sensor sees no vehicle there that owes anything",
    ))?;
    let place = &at_hand.place;
    let amount_vnd = quote_for(app, place, &plate, &owed).await?.amount_vnd;
    if amount_vnd == Vnd::ZERO {
        return Err(ApiError::Conflict(
            "this vehicle parks for nothing here: it has a pass or an exemption, or the time is free",
        ));
    }
    let new = NewParkingNotice {
        code: NoticeCode::of_random(rand::random()),
        bay: place.id,
        plate,
        class: place.class,
        starts_at: owed.starts_at,
        ends_at: owed.ends_at,
        amount_vnd,
    };
    let code = app.store.parking_notice_issue(&new, staff, now).await?;
    Ok(app.store.parking_notice(&code).await?)
}

/// A notice with the reasons of its price.
#[derive(Clone, Debug)]
pub struct Explained {
    /// The notice.
    pub notice: ParkingNotice,
    /// Where it was written.
    pub place: BayPlace,
    /// What is to be paid for it, by the tariff of its time.
    pub priced: Priced,
}

/// The notice of that number, for whoever has it.
///
/// # Errors
/// [`ApiError::NotFound`].
pub async fn find(app: &App, code: &NoticeCode) -> Result<Explained, ApiError> {
    let notice = app.store.parking_notice(code).await?;
    let place = app.store.bay_place(&notice.bay).await?;
    let length = minutes(notice.starts_at, notice.ends_at);
    let mut priced = price(&place, notice.class, length, notice.starts_at)?;
    priced.quote = match notice.paid {
        // What has come since, a pass say, changes nothing of it.
        Some(session) => app.store.session(session).await?.quote,
        None => quote_for(app, &place, &notice.plate, &priced).await?,
    };
    Ok(Explained {
        notice,
        place,
        priced,
    })
}

/// Begins to pay for a notice: a session of its time, and the payment of that, once per key, or
/// another of the session that waits for its money already. Where it costs nothing any more, the
/// session is paid at once and there is no payment.
///
/// # Errors
/// [`ApiError::NotFound`]; [`ApiError::Conflict`] where it is paid or withdrawn.
pub async fn pay(
    app: &App,
    code: &NoticeCode,
    means: Means<'_>,
    key: String,
    now: Timestamp,
) -> Result<(Opened, Option<store::payment::Payment>), ApiError> {
    let Explained { notice, place, .. } = find(app, code).await?;
    if notice.withdrawn_at.is_some() {
        return Err(ApiError::Conflict("this notice was withdrawn"));
    }
    if notice.paid.is_some() {
        return Err(ApiError::Conflict("this notice is paid"));
    }
    let wish = SessionRequest {
        bay: notice.bay.clone(),
        plate: notice.plate.clone(),
        class: notice.class,
        minutes: minutes(notice.starts_at, notice.ends_at),
        at: Some(notice.starts_at),
        metered: false,
        key: key.clone(),
    };
    let mut opened = open_at(app, &place, &wish, (notice.starts_at, true), now).await?;
    let noted = app
        .store
        .parking_notice_session(code, opened.session.id, now - PAYMENT_WINDOW)
        .await?;
    match noted {
        NoticeSession::Noted => {}
        NoticeSession::Waiting(id) => {
            opened = Opened {
                session: app.store.session(id).await?,
                token: app.secrets.session_token(id),
            };
        }
        NoticeSession::Paid => return Err(ApiError::Conflict("this notice is paid")),
        NoticeSession::Withdrawn => return Err(ApiError::Conflict("this notice was withdrawn")),
    }
    if opened.session.quote.amount_vnd == Vnd::ZERO {
        return Ok((opened, None));
    }
    let due = Due::start(&place, &opened.session)?;
    let payment = request(app, &due, means, key, now).await?;
    Ok((opened, Some(payment)))
}

/// Withdraws a notice.
///
/// # Errors
/// [`ApiError::Unprocessable`] without a reason; [`ApiError::Forbidden`] for another operator's;
/// [`ApiError::Conflict`] where it is paid: then it is a matter of a refund.
pub async fn withdraw(
    app: &App,
    staff: &Staff,
    code: &NoticeCode,
    why: &str,
    now: Timestamp,
) -> Result<(), ApiError> {
    let why = why.trim();
    if why.is_empty() || why.chars().count() > WHY_MAX {
        return Err(ApiError::Unprocessable(
            "a withdrawal needs its reason, in at most 500 characters".to_owned(),
        ));
    }
    let notice = app.store.parking_notice(code).await?;
    if staff
        .operator
        .as_ref()
        .is_some_and(|operator| *operator != notice.operator)
    {
        return Err(ApiError::Forbidden);
    }
    let withdrawn = app
        .store
        .parking_notice_withdraw(code, why, staff, now)
        .await?;
    if withdrawn { Ok(()) } else { Err(PAID) }
}

/// Notices of one kind, newest first.
#[derive(Clone, Debug)]
pub struct Notices {
    /// The newest of them.
    pub newest: Vec<ParkingNotice>,
    /// Whether there are older ones.
    pub are_more: bool,
}

/// The notices of one's lots that wait for their money.
///
/// # Errors
/// Where the database fails.
pub async fn open(app: &App, staff: &Staff) -> Result<Notices, ApiError> {
    newest(app, staff, true).await
}

/// The notices of one's lots that are paid or withdrawn.
///
/// # Errors
/// Where the database fails.
pub async fn settled(app: &App, staff: &Staff) -> Result<Notices, ApiError> {
    newest(app, staff, false).await
}

async fn newest(app: &App, staff: &Staff, is_open: bool) -> Result<Notices, ApiError> {
    let search = NoticeSearch {
        operator: staff.operator.as_deref(),
        is_open: Some(is_open),
        ..NoticeSearch::default()
    };
    // One more than are shown tells whether there are more.
    let mut newest = app
        .store
        .parking_notices(search, LIST_MAX as i64 + 1)
        .await?;
    let are_more = newest.len() > LIST_MAX;
    newest.truncate(LIST_MAX);
    Ok(Notices { newest, are_more })
}
