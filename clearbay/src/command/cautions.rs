//! What is right for a first look and not for a city: told at the start, in the log.

use domain::second_factor::SecondFactorPolicy;
use store::{Store, StoreError};

/// Warns of what a city that people reach should not leave as it is. One on this machine alone may.
///
/// # Errors
/// Database errors.
pub async fn tell(
    store: &Store,
    public_url: Option<&str>,
    second_factor: SecondFactorPolicy,
) -> Result<(), StoreError> {
    if !public_url.is_some_and(api::is_over_tls) {
        return Ok(());
    }
    if second_factor == SecondFactorPolicy::None {
        tracing::warn!(
            "administrators sign in by a password alone: CLEARBAY_REQUIRE_SECOND_FACTOR=administrators asks them for more"
        );
    }
    if store.owns_the_ledger().await? {
        tracing::warn!(
            "serve connects to the database as whoever owns the ledger, and could change it: `clearbay migrate --roles` makes a role that cannot"
        );
    }
    Ok(())
}
