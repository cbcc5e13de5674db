//! The accounts into which drivers pay, and who changed them: for whoever oversees the money.

use chrono::TimeDelta;
use domain::Timestamp;
use store::account_change::{AccountChange, PaidInto};
use store::staff::Staff;

use super::refund::may_oversee;
use crate::{ApiError, App};

/// For how long a change is listed.
pub const LISTED_FOR: TimeDelta = TimeDelta::days(90);
/// For how long an account is new.
pub const NEW_FOR: TimeDelta = TimeDelta::days(30);
/// How many changes are listed.
const LIST_MAX: i64 = 200;

/// Accounts, and their changes.
#[derive(Clone, Debug, Default)]
pub struct Accounts {
    /// As they are, by the operators' codes.
    pub now: Vec<PaidInto>,
    /// Changes within [`LISTED_FOR`], newest first.
    pub changes: Vec<AccountChange>,
}

/// The account of one's operator, or of all, with the changes: for administrators, the city's staff and auditors;
/// nothing for others.
///
/// # Errors
/// Where the database fails.
pub async fn seen_by(app: &App, staff: &Staff, now: Timestamp) -> Result<Accounts, ApiError> {
    if !may_oversee(staff) {
        return Ok(Accounts::default());
    }
    let operator = staff.operator.as_deref();
    let since = now - LISTED_FOR;
    Ok(Accounts {
        now: app.store.accounts_paid_into(operator).await?,
        changes: app.store.account_changes(operator, since, LIST_MAX).await?,
    })
}

/// When an account was changed that is still new.
pub fn new_since(account: &PaidInto, now: Timestamp) -> Option<Timestamp> {
    account.changed_at.filter(|at| now - *at < NEW_FOR)
}
