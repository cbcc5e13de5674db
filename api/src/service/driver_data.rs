//! What a driver may ask of us about themselves: to be told all that is known of them, and to be deleted.

use domain::Timestamp;
use domain::id::PaymentId;
use store::StoreError;
use store::driver::Driver;
use store::driver_close::{Closing, Kept};
use store::driver_export::{ExportedLogin, ExportedPayment};

use crate::{ApiError, App};

/// How many payments are told at once.
pub const PAGE_MAX: u16 = 1_000;
/// How many sign-ins are.
const LOGINS_MAX: i64 = 100;

/// What is known of a driver beside their number and their wallet.
#[derive(Clone, Debug)]
pub struct DriverData {
    /// When they came first.
    pub since: Timestamp,
    /// Browsers that are signed in.
    pub logins: Vec<ExportedLogin>,
    /// What came into the wallet and what it paid, the latest first.
    pub payments: Vec<ExportedPayment>,
    /// The payment before which there are more.
    pub next: Option<PaymentId>,
}

/// What is known of a driver, with at most `limit` payments before `before`.
///
/// # Errors
/// [`ApiError::Unprocessable`] for another limit than 1 to [`PAGE_MAX`]; [`ApiError::Unauthorized`] where they have been
/// deleted meanwhile.
pub async fn export(
    app: &App,
    driver: &Driver,
    before: Option<PaymentId>,
    limit: u16,
    now: Timestamp,
) -> Result<DriverData, ApiError> {
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(ApiError::Unprocessable(format!(
            "limit is from 1 to {PAGE_MAX}"
        )));
    }
    let known = app.store.driver_logins(driver.id, LOGINS_MAX, now).await;
    let (since, logins) = known.map_err(of_nobody)?;
    let account = driver.wallet.account;
    // One more tells whether there are more.
    let asked = i64::from(limit) + 1;
    let mut payments = app.store.driver_payments(account, before, asked).await?;
    let more = payments.len() > usize::from(limit);
    payments.truncate(limit.into());
    let last = payments.last().map(|payment| payment.id);
    Ok(DriverData {
        since,
        logins,
        payments,
        next: last.filter(|_| more),
    })
}

/// Deletes a driver with their number, where nothing of theirs is open.
///
/// # Errors
/// [`ApiError::Unauthorized`] where that was done meanwhile.
pub async fn delete(app: &App, driver: &Driver, now: Timestamp) -> Result<Closing, ApiError> {
    app.store.driver_close(driver, now).await.map_err(of_nobody)
}

fn of_nobody(error: StoreError) -> ApiError {
    match error {
        StoreError::NotFound(_) => ApiError::Unauthorized,
        other => other.into(),
    }
}

/// Why a driver is not deleted, and what to do.
pub fn refusal(why: Kept) -> ApiError {
    ApiError::Conflict(match why {
        Kept::Money(_) => {
            "there is money in the wallet: spend it, or have it paid back by the operator who holds it"
        }
        Kept::Session => {
            "a session runs that the wallet has paid for: stop it, or wait for its end"
        }
        Kept::Refund => {
            "an objection is not answered yet, or money is on its way back: wait until that is done"
        }
        Kept::Payment => "a payment into the wallet has just been asked for: try again in a moment",
    })
}
