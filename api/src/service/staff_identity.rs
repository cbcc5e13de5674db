//! Staff who come in by the identity provider. A member links their own identity, signed in by their password;
//! whoever looks after them may take it away. Nobody becomes a member this way.

use domain::Timestamp;
use domain::identity::Identity;
use store::staff::Staff;
use store::staff_identity::{Linked, StaffIdentity};

use super::confirm::Confirmed;
use super::people::of_administrator;
use super::sign_in::NotSignedIn;
use super::staff::Browser;
use crate::oidc::{Claims, Oidc};
use crate::secret::random_token;
use crate::{ApiError, App, throttle};

/// Signs a browser in as the member whose identity that is, as a password does; the result is its token.
///
/// # Errors
/// [`NotSignedIn::Unlinked`] where it is nobody's who may come in, [`NotSignedIn::TooOften`] after some of these,
/// [`NotSignedIn::Unavailable`] where the database is.
pub async fn sign_in(
    app: &App,
    oidc: &Oidc,
    claims: &Claims,
    browser: Browser<'_>,
    now: Timestamp,
) -> Result<String, NotSignedIn> {
    let (issuer, subject) = (oidc.issuer(), claims.subject.as_str());
    // By no name that anybody could type as a login: nobody else holds this up.
    let parts: [&[u8]; 4] = [
        b"staff identity ",
        issuer.as_bytes(),
        b"\n",
        subject.as_bytes(),
    ];
    let known_as = hex::encode(app.secrets.mac(&parts));
    let attempt = match throttle::attempt(app, &known_as, browser.client, now).await {
        Ok(attempt) => attempt,
        Err(ApiError::TooOften { .. }) => return Err(NotSignedIn::TooOften),
        Err(error) => {
            tracing::warn!(%error, "an attempt to sign in could not be counted");
            return Err(NotSignedIn::Unavailable);
        }
    };
    let token = random_token();
    let opened = app
        .store
        .staff_login_open_by_identity((issuer, subject), &browser.signs_in(&token, now))
        .await;
    match opened {
        Ok(true) => {
            attempt.went_well(now).await;
            Ok(token)
        }
        Ok(false) => Err(NotSignedIn::Unlinked),
        Err(error) => {
            attempt.withdrawn().await;
            tracing::warn!(%error, "a sign-in could not be written down");
            Err(NotSignedIn::Unavailable)
        }
    }
}

/// By what identity a member may sign in.
///
/// # Errors
/// Where the database fails.
pub async fn own(app: &App, who: &Staff) -> Result<Option<StaffIdentity>, ApiError> {
    Ok(app.store.staff_identity(who.staff_id).await?)
}

/// Lets whoever is signed in sign in by an identity as well, on the record.
///
/// # Errors
/// [`ApiError::Unauthorized`] where nobody is; [`ApiError::Forbidden`] where they are so by an identity;
/// [`ApiError::Conflict`] where they have another, or it is another member's.
pub async fn link(
    app: &App,
    who: &Confirmed,
    identity: &Identity,
    now: Timestamp,
) -> Result<(), ApiError> {
    let linked = app
        .store
        .staff_identity_link(who.token_hash(), identity, now);
    match linked.await? {
        Linked::Done => Ok(()),
        Linked::SignedOut => Err(ApiError::Unauthorized),
        Linked::NotByPassword => Err(ApiError::Forbidden),
        Linked::HasAnother => Err(ApiError::Conflict("another identity is linked already")),
        Linked::Taken => Err(ApiError::Conflict("this identity is another member's")),
    }
}

/// Takes one's own identity away, on the record.
///
/// # Errors
/// Where the database fails.
pub async fn unlink_own(app: &App, who: &Staff, now: Timestamp) -> Result<(), ApiError> {
    let by = who.actor();
    app.store
        .staff_identity_unlink(&who.login, &by, now)
        .await?;
    Ok(())
}

/// Takes a member's identity away, on the record; wherever they are signed in by it, they are no longer.
///
/// # Errors
/// [`ApiError::Forbidden`] for others than administrators, and for another operator's staff;
/// [`ApiError::NotFound`].
pub async fn unlink(
    app: &App,
    admin: &Confirmed,
    login: &str,
    now: Timestamp,
) -> Result<(), ApiError> {
    let admin = admin.staff();
    let member = of_administrator(app, admin, login).await?;
    let by = admin.actor();
    app.store
        .staff_identity_unlink(&member.login, &by, now)
        .await?;
    Ok(())
}
