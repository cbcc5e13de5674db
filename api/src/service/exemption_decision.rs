//! Deciding about requests for exemptions: what the city's staff do.

use chrono::{NaiveDate, TimeDelta};
use domain::Timestamp;
use domain::exemption::{REASON_MAX, RequestStatus, SCAN_KEPT, words};
use domain::id::{ExemptionId, ExemptionRequestId};
use store::exemption::GrantedExemption;
use store::exemption_request::ExemptionRequest;
use store::exemption_scan::{Look, Scan};
use store::staff::Staff;

use super::exemption::{NewGrant, checked};
use super::staff::city_only;
use crate::{ApiError, App};

/// How many requests that wait are listed: all that may.
const WAITING_LIST_MAX: i64 = 500;
/// How many decided ones are.
const DECIDED_LIST_MAX: i64 = 50;
/// For how long after its decision a request is listed: as long as its document can be seen.
const DECIDED_LISTED: TimeDelta = SCAN_KEPT;
/// How much of a plate's past is shown, and of who opened a document.
const PAST_MAX: i64 = 20;

/// What staff's list shows.
#[derive(Clone, Debug)]
pub struct Requests {
    /// Those that wait, oldest first.
    pub waiting: Vec<ExemptionRequest>,
    /// Those that were decided lately, newest first.
    pub decided: Vec<ExemptionRequest>,
}

/// What staff see before they decide.
#[derive(Clone, Debug)]
pub struct Case {
    /// The request.
    pub request: ExemptionRequest,
    /// The exemptions that its plate has or had, newest first.
    pub exemptions: Vec<GrantedExemption>,
    /// Other requests for its plate, newest first.
    pub others: Vec<ExemptionRequest>,
    /// Who opened its document, newest first.
    pub looks: Vec<Look>,
}

/// The requests that wait, and those decided lately.
///
/// # Errors
/// [`ApiError::Forbidden`] for others than the city's staff.
pub async fn list(app: &App, staff: &Staff, now: Timestamp) -> Result<Requests, ApiError> {
    city_only(staff)?;
    let store = &app.store;
    Ok(Requests {
        waiting: store.exemption_requests_waiting(WAITING_LIST_MAX).await?,
        decided: store
            .exemption_requests_decided(now - DECIDED_LISTED, DECIDED_LIST_MAX)
            .await?,
    })
}

/// How many requests wait for this member of staff: none for an operator's.
///
/// # Errors
/// Where the database fails.
pub async fn waiting_count(app: &App, staff: &Staff) -> Result<usize, ApiError> {
    match city_only(staff) {
        Err(_) => Ok(0),
        Ok(()) => {
            let count = app.store.exemption_requests_waiting_count().await?;
            Ok(usize::try_from(count).unwrap_or_default())
        }
    }
}

/// A request with what is known beside it.
///
/// # Errors
/// [`ApiError::Forbidden`] for others than the city's staff; [`ApiError::NotFound`].
pub async fn case(app: &App, staff: &Staff, id: ExemptionRequestId) -> Result<Case, ApiError> {
    city_only(staff)?;
    let store = &app.store;
    let request = store.exemption_request(id).await?;
    let mut others = store
        .exemption_requests_of(&request.plate, PAST_MAX)
        .await?;
    others.retain(|other| other.id != id);
    Ok(Case {
        exemptions: store.exemptions_of(&request.plate, PAST_MAX).await?,
        looks: store.exemption_scan_looks(id, PAST_MAX).await?,
        others,
        request,
    })
}

/// The picture of a request's document. That this member of staff opened it is on the record.
///
/// # Errors
/// [`ApiError::Forbidden`] for others than the city's staff; [`ApiError::NotFound`] where there is none,
/// or none any more.
pub async fn scan(
    app: &App,
    staff: &Staff,
    id: ExemptionRequestId,
    now: Timestamp,
) -> Result<Scan, ApiError> {
    city_only(staff)?;
    Ok(app.store.exemption_scan(id, staff, now).await?)
}

/// Grants what a request asks for, in all zones, from one day to another.
///
/// # Errors
/// [`ApiError::Forbidden`] for others than the city's staff; [`ApiError::NotFound`];
/// [`ApiError::Conflict`] where it was decided or taken back before; [`ApiError::Unprocessable`] for
/// days that run backwards, or a ground that no tariff knows any more.
pub async fn grant(
    app: &App,
    staff: &Staff,
    id: ExemptionRequestId,
    (first, last): (NaiveDate, NaiveDate),
    now: Timestamp,
) -> Result<ExemptionId, ApiError> {
    city_only(staff)?;
    let request = app.store.exemption_request(id).await?;
    if request.status != RequestStatus::Waiting {
        return Err(decided());
    }
    let new = NewGrant {
        zone: None,
        plate: request.plate,
        class: request.class,
        ground: request.ground,
        document: format!("{} {}", request.document_kind, request.document_number),
        first,
        last,
    };
    let new = checked(app, new, now).await?;
    match app
        .store
        .exemption_request_grant(id, &new, staff, now)
        .await?
    {
        true => Ok(new.id),
        false => Err(decided()),
    }
}

/// Refuses what a request asks for, with a reason that the driver reads.
///
/// # Errors
/// [`ApiError::Forbidden`] for others than the city's staff; [`ApiError::NotFound`];
/// [`ApiError::Conflict`] where it was decided or taken back before; [`ApiError::Unprocessable`]
/// without a reason.
pub async fn refuse(
    app: &App,
    staff: &Staff,
    id: ExemptionRequestId,
    reason: &str,
    now: Timestamp,
) -> Result<(), ApiError> {
    city_only(staff)?;
    let reason = words(reason, REASON_MAX).ok_or_else(|| {
        ApiError::Unprocessable(format!(
            "the driver reads the reason: say it in at most {REASON_MAX} characters"
        ))
    })?;
    match app
        .store
        .exemption_request_refuse(id, &reason, staff, now)
        .await?
    {
        true => Ok(()),
        false => Err(decided()),
    }
}

const fn decided() -> ApiError {
    ApiError::Conflict("this request was decided or withdrawn before")
}
