//! The work, in terms of the domain: pages and REST handlers call the same functions.

pub mod account;
use std::time::Duration;

use store::StoreError;

pub mod change;
pub mod collection;
pub mod confirm;
pub mod demand;
pub mod device;
pub mod dispute;
pub mod driver;
pub mod driver_data;
pub mod entitlement;
pub mod exemption;
pub mod exemption_decision;
pub mod exemption_request;
pub mod figures;
pub mod forecast;
pub mod identity;
pub mod invoice;
pub mod lease;
pub mod map;
pub mod occupancy;
pub mod offer;
pub mod outbox;
pub mod parking_notice;
pub mod pass;
pub mod payment;
pub mod people;
pub mod plate;
pub mod public_log;
pub mod readiness;
pub mod refund;
pub mod reminder;
pub mod report;
pub mod second_factor;
pub mod session;
pub mod session_cookie;
pub mod sessions_over;
pub mod settlement;
pub mod shift;
pub mod shift_plan;
pub mod sign_in;
pub mod staff;
pub mod staff_code;
pub mod staff_identity;
pub mod terminal;
pub mod wallet;
pub mod witness;

/// The longest that anything may take for which no request waits.
const LONGEST: Duration = Duration::from_secs(300);

/// Work that no request waits for, within bounds. A server that was replaced without a word, as where its machine has
/// lost its power, leaves a statement waiting for ever; the next attempt finds who took over.
///
/// # Errors
/// Those of the work; [`StoreError::Unavailable`] where it has not ended in time. What it had begun may still happen.
pub async fn in_time<T, E: From<StoreError>>(
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    match tokio::time::timeout(LONGEST, work).await {
        Ok(done) => done,
        Err(_) => Err(StoreError::no_answer().into()),
    }
}
