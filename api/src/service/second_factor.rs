//! Staff's second factor: enrolling, trying a code, new recovery codes, taking it away.

use chrono::TimeDelta;
use domain::Timestamp;
use domain::second_factor::RECOVERY_CODES;
use serde::{Deserialize, Serialize};
use store::second_factor::{Attempt, RecoveryHashes, SecondFactor};
use store::staff::{Proof, Staff, StaffLogin};

use super::confirm::{Confirmed, Enrolling};
use super::identity::{opened, sealed};
use super::people::{of_administrator, random_letters};
use crate::client::Client;
use crate::secret::sha256;
use crate::totp::TotpSecret;
use crate::{ApiError, App};

/// For how long a secret that is shown may be enrolled.
const OFFER_TIME: TimeDelta = TimeDelta::minutes(15);
/// For what a shown secret is sealed.
const OFFER: &str = "staff second factor, offered";

/// What somebody shows beside the password. `Debug` does not say it.
#[derive(Clone)]
pub enum Answer {
    /// The code of now, by their app.
    Code(String),
    /// One of the codes for a lost phone.
    Recovery(String),
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Answer(..)")
    }
}

impl Answer {
    /// What a form's two fields say; nothing where both are empty.
    pub fn of(code: &str, recovery: &str) -> Option<Self> {
        match (code.trim(), recovery.trim()) {
            ("", "") => None,
            ("", recovery) => Some(Self::Recovery(plain(recovery))),
            // Apps show three digits, a space, and three more.
            (code, _) => Some(Self::Code(code.split_whitespace().collect())),
        }
    }
}

/// A recovery code without what only groups its letters.
fn plain(code: &str) -> String {
    let letters = code.chars().filter(char::is_ascii_alphanumeric);
    letters.map(|letter| letter.to_ascii_lowercase()).collect()
}

fn recovery_hash(salt: &[u8], code: &str) -> [u8; 32] {
    sha256(&[salt, plain(code).as_bytes()].concat())
}

/// For what a member's secret is sealed: in another's row it opens nothing.
fn purpose(staff_id: i32) -> String {
    format!("staff second factor {staff_id}")
}

/// Whether somebody who is signed in must enrol before anything else. Who came by the identity provider was asked
/// there.
pub fn is_missing(app: &App, login: &StaffLogin) -> bool {
    let staff = &login.staff;
    let required = app
        .second_factor
        .requires(staff.role, staff.operator.is_none());
    required && !login.has_second_factor && !login.by_identity
}

/// A member's own second factor.
///
/// # Errors
/// Where the database fails.
pub async fn own(app: &App, who: &Staff) -> Result<Option<SecondFactor>, ApiError> {
    Ok(app.store.second_factor(who.staff_id).await?)
}

/// Whether that is right for that member, and spends it: no code counts twice.
///
/// # Errors
/// [`ApiError::WrongCode`] alike where it is another, was used before, or there is no second factor;
/// [`ApiError::TooOften`] after some of these.
pub(super) async fn check(
    app: &App,
    staff: &Staff,
    answer: &Answer,
    client: Client,
    now: Timestamp,
) -> Result<Proof, ApiError> {
    let known = match app.store.second_factor_attempt(staff.staff_id, now).await? {
        Attempt::Counted(known) => known,
        Attempt::Wait(wait_s) => return Err(ApiError::TooOften { wait_s }),
        Attempt::NotEnrolled => return Err(ApiError::WrongCode),
    };
    let right = match answer {
        Answer::Code(code) => is_code(app, staff, &known.sealed, code, now).await?,
        Answer::Recovery(code) => {
            let hash = recovery_hash(&known.recovery_salt, code);
            app.store.recovery_code_spend(staff, &hash, now).await?
        }
    };
    if !right {
        let from = client.to_string();
        app.store.second_factor_refused(staff, &from, now).await?;
        return Err(ApiError::WrongCode);
    }
    Ok(match answer {
        Answer::Code(_) => Proof::Code,
        Answer::Recovery(_) => Proof::RecoveryCode,
    })
}

async fn is_code(
    app: &App,
    staff: &Staff,
    known: &str,
    code: &str,
    now: Timestamp,
) -> Result<bool, ApiError> {
    let purpose = purpose(staff.staff_id);
    let bytes = app.secrets.open(&purpose, known);
    let Some(secret) = bytes.and_then(|bytes| TotpSecret::from_bytes(&bytes)) else {
        tracing::error!(
            staff_id = staff.staff_id,
            "a second factor is sealed by no key that is known: CLEARBAY_SESSION_KEY"
        );
        return Ok(false);
    };
    let Some(step) = secret.step_of(code, now) else {
        return Ok(false);
    };
    // Sealed anew by the newest key, so that whoever comes and goes loses nothing when an old one is dropped.
    let sealed = app.secrets.seal(&purpose, secret.bytes());
    let sealed = sealed.ok_or(ApiError::Internal)?;
    let secrets = (known, sealed.as_str());
    let spent = app.store.second_factor_spend(staff.staff_id, step, secrets);
    Ok(spent.await?)
}

/// A secret that is shown to whoever enrols, and counts once they show a code of it.
#[derive(Debug)]
pub struct Offer {
    /// For people who type it.
    pub base32: String,
    /// For an app that reads it off a picture, or opens it.
    pub address: String,
    /// For the form to bring back: nobody else can read or make it.
    pub sealed: String,
}

#[derive(Serialize, Deserialize)]
struct Offered {
    staff_id: i32,
    secret: Vec<u8>,
    until: Timestamp,
}

fn offer_of(app: &App, staff: &Staff, secret: &TotpSecret, sealed: String) -> Offer {
    Offer {
        base32: secret.base32(),
        address: secret.address(&format!("Clearbay {}", app.city.name), &staff.login),
        sealed,
    }
}

/// A new secret.
///
/// # Errors
/// [`ApiError::Internal`] where the machine encrypts nothing.
pub fn offer(app: &App, who: &Enrolling, now: Timestamp) -> Result<Offer, ApiError> {
    let secret = TotpSecret::random();
    let offered = Offered {
        staff_id: who.staff().staff_id,
        secret: secret.bytes().to_vec(),
        until: now + OFFER_TIME,
    };
    let sealed = sealed(app, OFFER, &offered).ok_or(ApiError::Internal)?;
    Ok(offer_of(app, who.staff(), &secret, sealed))
}

/// How enrolling ended.
#[derive(Debug)]
pub enum Enrolled {
    /// It counts; these are the codes for a lost phone, told once.
    Done(Vec<String>),
    /// The code is not right: the same secret may be tried again.
    WrongCode(Offer),
}

/// Gives whoever is signed in a second factor, on the record, by the secret that they were shown and a code of it;
/// wherever else they are signed in, they are no longer.
///
/// # Errors
/// [`ApiError::Conflict`] where they have one, or were shown the secret too long ago.
pub async fn enrol(
    app: &App,
    who: &Enrolling,
    shown: &str,
    code: &str,
    now: Timestamp,
) -> Result<Enrolled, ApiError> {
    let staff = who.staff();
    let offered = opened::<Offered>(app, OFFER, shown)
        .filter(|offered| offered.staff_id == staff.staff_id && now < offered.until);
    let secret = offered.and_then(|offered| TotpSecret::from_bytes(&offered.secret));
    let secret = secret.ok_or(ApiError::Conflict("the secret was shown too long ago"))?;
    let code: String = code.split_whitespace().collect();
    let Some(step) = secret.step_of(&code, now) else {
        let again = offer_of(app, staff, &secret, shown.to_owned());
        return Ok(Enrolled::WrongCode(again));
    };
    let sealed = app.secrets.seal(&purpose(staff.staff_id), secret.bytes());
    let sealed = sealed.ok_or(ApiError::Internal)?;
    let (codes, hashes) = recovery_codes();
    let token = who.token_hash();
    let done = app
        .store
        .second_factor_enrol(token, &sealed, step, &hashes, now);
    match done.await? {
        true => Ok(Enrolled::Done(codes)),
        false => Err(ApiError::Conflict("there is a second factor already")),
    }
}

/// New codes for a lost phone in the place of the old ones, on the record; told once.
///
/// # Errors
/// [`ApiError::Conflict`] where there is no second factor.
pub async fn renew_recovery_codes(
    app: &App,
    who: &Enrolling,
    now: Timestamp,
) -> Result<Vec<String>, ApiError> {
    let (codes, hashes) = recovery_codes();
    let store = &app.store;
    let renewed = store.recovery_codes_renew(who.staff(), who.token_hash(), &hashes, now);
    match renewed.await? {
        true => Ok(codes),
        false => Err(ApiError::Conflict("there is no second factor")),
    }
}

/// Takes one's own second factor away, on the record, to give oneself another.
///
/// # Errors
/// [`ApiError::Conflict`] for who came in without it, by the identity provider. Where the database fails.
pub async fn end_own(app: &App, who: &Enrolling, now: Timestamp) -> Result<(), ApiError> {
    who.by_password()?;
    let staff = who.staff();
    let (but, by) = (Some(who.token_hash()), staff.actor());
    app.store
        .second_factor_end(&staff.login, but, &by, now)
        .await?;
    Ok(())
}

/// Takes a colleague's second factor away, who has lost the phone and the codes, on the record; wherever they are
/// signed in, they are no longer.
///
/// # Errors
/// [`ApiError::Forbidden`] for others than administrators, and for another operator's staff;
/// [`ApiError::NotFound`].
pub async fn end(
    app: &App,
    admin: &Confirmed,
    login: &str,
    now: Timestamp,
) -> Result<(), ApiError> {
    if login == admin.staff().login {
        admin.by_password()?;
    }
    let member = of_administrator(app, admin.staff(), login).await?;
    let by = admin.staff().actor();
    app.store
        .second_factor_end(&member.login, None, &by, now)
        .await?;
    Ok(())
}

/// New codes for a lost phone, as they are told and as they are kept.
fn recovery_codes() -> (Vec<String>, RecoveryHashes) {
    let salt: [u8; 16] = rand::random();
    let codes: Vec<String> = (0..RECOVERY_CODES).map(|_| random_letters()).collect();
    let hashes = codes
        .iter()
        .map(|code| recovery_hash(&salt, code))
        .collect();
    (codes, RecoveryHashes { salt, hashes })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_form_says_one_thing_or_nothing() {
        assert!(Answer::of(" ", "").is_none());
        let Some(Answer::Code(code)) = Answer::of(" 287 082 ", "") else {
            panic!("no code");
        };
        assert_eq!(code, "287082");
        let Some(Answer::Recovery(code)) = Answer::of("", " ABCDE-fghij klmno ") else {
            panic!("no recovery code");
        };
        assert_eq!(code, "abcdefghijklmno");
        assert_eq!(
            format!("{:?}", Answer::of("287082", "")),
            "Some(Answer(..))"
        );
    }

    #[test]
    fn recovery_codes_are_known_by_their_hashes_however_they_are_typed() {
        let (codes, kept) = recovery_codes();
        assert_eq!((codes.len(), kept.hashes.len()), (10, 10));
        for (code, hash) in codes.iter().zip(&kept.hashes) {
            let typed = code.to_uppercase().replace('-', " ");
            assert_eq!(recovery_hash(&kept.salt, &typed), *hash);
            assert_ne!(recovery_hash(&[0; 16], code), *hash);
        }
        let different: std::collections::HashSet<_> = kept.hashes.iter().collect();
        assert_eq!(different.len(), 10);
    }
}
