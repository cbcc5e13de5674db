//! What matters most is done only by whoever has shown just now that it is still they (OWASP ASVS 4.0.3, 3.7.1 and
//! 4.3.3): signing in counts for five minutes, and so does the password with a code, given again.

use axum::http::HeaderMap;
use domain::Timestamp;
use domain::second_factor::is_fresh;
use store::staff::{Proof, Staff, StaffLogin};

use super::second_factor::{self, Answer};
use super::staff::{held_token, login, tried};
use crate::client::Client;
use crate::secret::sha256;
use crate::{ApiError, App};

/// Whoever is signed in, may do what their role may, and has shown within the last minutes that it is they. Nobody
/// else can make one, so what asks for it is done by nobody else.
#[derive(Clone, Debug)]
pub struct Confirmed {
    staff: Staff,
    token_hash: [u8; 32],
    by_identity: bool,
}

impl Confirmed {
    /// Who.
    pub fn staff(&self) -> &Staff {
        &self.staff
    }

    /// The same without the proof.
    pub fn into_staff(self) -> Staff {
        self.staff
    }

    /// Refuses who came in by the identity provider: what outlives this session is not theirs to give themselves, for
    /// a phone that is signed in there would be enough to become them for ever.
    ///
    /// # Errors
    /// [`ApiError::Conflict`].
    pub(super) fn by_password(&self) -> Result<(), ApiError> {
        match self.by_identity {
            true => Err(ApiError::Conflict(
                "sign in by your password for this, or ask another administrator",
            )),
            false => Ok(()),
        }
    }

    /// SHA-256 of the token by which they are signed in.
    pub(super) fn token_hash(&self) -> &[u8; 32] {
        &self.token_hash
    }
}

/// The same of somebody who may have to enrol before they may do anything else: good for their own second factor
/// alone.
#[derive(Clone, Debug)]
pub struct Enrolling(Confirmed);

impl Enrolling {
    /// Who.
    pub fn staff(&self) -> &Staff {
        self.0.staff()
    }

    pub(super) fn token_hash(&self) -> &[u8; 32] {
        self.0.token_hash()
    }

    /// As [`Confirmed::by_password`].
    pub(super) fn by_password(&self) -> Result<(), ApiError> {
        self.0.by_password()
    }
}

/// Who is signed in with the browser that sends these headers, if they have shown lately that it is they.
///
/// # Errors
/// [`ApiError::Unauthorized`] where nobody is; [`ApiError::SecondFactorRequired`] where they must enrol first;
/// [`ApiError::ConfirmationRequired`] where it was too long ago.
pub async fn confirmed(
    app: &App,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<Confirmed, ApiError> {
    let (login, token_hash) = signed_in(app, headers, now).await?;
    if second_factor::is_missing(app, &login) {
        return Err(ApiError::SecondFactorRequired);
    }
    fresh(login, token_hash, now)
}

/// The same for whoever sees to their own second factor.
///
/// # Errors
/// As [`confirmed`], but for [`ApiError::SecondFactorRequired`].
pub async fn enrolling(
    app: &App,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<Enrolling, ApiError> {
    let (login, token_hash) = signed_in(app, headers, now).await?;
    fresh(login, token_hash, now).map(Enrolling)
}

fn fresh(login: StaffLogin, token_hash: [u8; 32], now: Timestamp) -> Result<Confirmed, ApiError> {
    if !is_fresh(login.confirmed_at, now) {
        return Err(ApiError::ConfirmationRequired);
    }
    Ok(Confirmed {
        token_hash,
        by_identity: login.by_identity,
        staff: login.staff,
    })
}

/// What the question whether it is still they carries, so that nobody answers it for another session: whoever signs in
/// later in the same browser would do by their own proof what somebody else had asked for.
pub fn mark(app: &App, headers: &HeaderMap) -> String {
    let token = held_token(app, headers).unwrap_or_default();
    hex::encode(sha256(format!("confirm\n{token}").as_bytes()))
}

async fn signed_in(
    app: &App,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<(StaffLogin, [u8; 32]), ApiError> {
    let token = held_token(app, headers);
    let login = login(app, token, now).await?;
    Ok((login, sha256(token.unwrap_or_default().as_bytes())))
}

/// Lets whoever is signed in show again that it is they, on the record: by the password, and a code where they have
/// a second factor, whichever way they came in.
///
/// # Errors
/// [`ApiError::Unauthorized`] where nobody is signed in; [`ApiError::NotConfirmed`] alike whether the password or
/// the code is wrong; [`ApiError::TooOften`] after some of these.
pub async fn confirm(
    app: &App,
    headers: &HeaderMap,
    password: String,
    answer: Option<&Answer>,
    client: Client,
    now: Timestamp,
) -> Result<(), ApiError> {
    let (login, token_hash) = signed_in(app, headers, now).await?;
    let staff = &login.staff;
    let found = tried(app, &staff.login, password, client, now).await?;
    let (_, checked) = found.ok_or(ApiError::NotConfirmed)?;
    let proof = match (login.has_second_factor, answer) {
        (false, _) => Proof::Password,
        (true, None) => return Err(ApiError::NotConfirmed),
        (true, Some(answer)) => second_factor::check(app, staff, answer, client, now)
            .await
            .map_err(|error| match error {
                ApiError::WrongCode => ApiError::NotConfirmed,
                error => error,
            })?,
    };
    let from = client.to_string();
    let confirmed = app
        .store
        .staff_login_confirm(&token_hash, &checked, proof, &from, now);
    match confirmed.await? {
        true => Ok(()),
        false => Err(ApiError::NotConfirmed),
    }
}
