//! Who may work behind the counter: an administrator of an operator says so for its staff, one of the city
//! for everybody.

use domain::Timestamp;
use domain::staff::Role;
use rand::seq::IndexedRandom;
use store::Store;
use store::people::{By, Member};
use store::staff::Staff;

use super::confirm::Confirmed;
use super::staff::hash_password;
use crate::hashing::Hashing;
use crate::{ApiError, App};

/// The longest login and name, in characters.
const LENGTH_MAX: usize = 60;
/// Letters and digits that nobody takes for others.
const LETTERS: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";
/// Seventy bits and more.
const PASSWORD_LENGTH: usize = 15;

/// A member of staff to be added.
#[derive(Clone, Debug)]
pub struct NewMember {
    /// The login.
    pub login: String,
    /// The name.
    pub name: String,
    /// The operator's code; `None` is the city.
    pub operator: Option<String>,
    /// What they may do.
    pub role: Role,
}

/// The staff whom an administrator looks after.
///
/// # Errors
/// [`ApiError::Forbidden`] for others than administrators.
pub async fn list(app: &App, admin: &Staff) -> Result<Vec<Member>, ApiError> {
    administrators_only(admin)?;
    Ok(app.store.members(admin.operator.as_deref()).await?)
}

/// The operators whose staff an administrator may add, by code, with their names; none for an operator's
/// own administrator, who adds to that one.
///
/// # Errors
/// [`ApiError::Forbidden`] for others than administrators.
pub async fn operators(app: &App, admin: &Staff) -> Result<Vec<(String, String)>, ApiError> {
    administrators_only(admin)?;
    match admin.operator {
        Some(_) => Ok(Vec::new()),
        None => Ok(app.store.operators().await?),
    }
}

/// Adds a member of staff; the result is the password, told once.
///
/// # Errors
/// [`ApiError::Forbidden`] for others than administrators, and for another operator's;
/// [`ApiError::Conflict`] where there is such a login; [`ApiError::Unprocessable`] for a login or a name
/// that cannot be.
pub async fn add(
    app: &App,
    admin: &Confirmed,
    new: &NewMember,
    now: Timestamp,
) -> Result<String, ApiError> {
    let admin = admin.staff();
    looks_after(admin, new.operator.as_deref())?;
    put(&app.store, &app.limits.hashing, new, admin, now).await
}

/// Adds a member of staff on whosever word that is; the result is the password.
///
/// # Errors
/// As [`add`].
pub async fn put(
    store: &Store,
    hashing: &Hashing,
    new: &NewMember,
    by: impl Into<By<'_>>,
    now: Timestamp,
) -> Result<String, ApiError> {
    let login = new.login.trim();
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-@".contains(c);
    if login.is_empty() || login.len() > LENGTH_MAX || !login.chars().all(plain) {
        return Err(ApiError::Unprocessable(
            "a login has letters, digits and . _ - @ only, at most 60 of them".to_owned(),
        ));
    }
    let name = new.name.trim();
    if name.is_empty() || name.chars().count() > LENGTH_MAX || name.contains('\0') {
        return Err(ApiError::Unprocessable(
            "a name is needed, of at most 60 characters".to_owned(),
        ));
    }
    auditors_are_the_city_s(new.role, new.operator.as_deref())?;
    let (password, hash) = new_password(hashing).await?;
    let place = (new.operator.as_deref(), new.role);
    let added = store.member_add(login, name, &hash, place, by, now).await?;
    if !added {
        return Err(ApiError::Conflict("there is such a login already"));
    }
    Ok(password)
}

/// Gives a member of staff a new password, told once; wherever they are signed in, they are no longer.
///
/// # Errors
/// As [`change`]; [`ApiError::Conflict`] for one's own where one came in without it.
pub async fn new_password_for(
    app: &App,
    admin: &Confirmed,
    login: &str,
    now: Timestamp,
) -> Result<String, ApiError> {
    if login == admin.staff().login {
        admin.by_password()?;
    }
    let admin = admin.staff();
    let member = of_administrator(app, admin, login).await?;
    let (password, hash) = new_password(&app.limits.hashing).await?;
    app.store
        .member_set_password(&member.login, &hash, admin, now)
        .await?;
    Ok(password)
}

/// What an administrator changes of a member of staff.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Another role.
    Role(Role),
    /// Out: signed in nowhere, and never again until let in.
    ShutOut,
    /// In again.
    LetIn,
}

/// Changes what a member of staff may do.
///
/// # Errors
/// [`ApiError::Forbidden`] for others than administrators, and for another operator's staff;
/// [`ApiError::Conflict`] where administrators would shut themselves out; [`ApiError::NotFound`].
pub async fn change(
    app: &App,
    admin: &Confirmed,
    login: &str,
    change: Change,
    now: Timestamp,
) -> Result<(), ApiError> {
    let admin = admin.staff();
    let member = of_administrator(app, admin, login).await?;
    if login == admin.login {
        return Err(ApiError::Conflict(
            "nobody changes what they may do themselves",
        ));
    }
    let store = &app.store;
    match change {
        Change::Role(role) => {
            auditors_are_the_city_s(role, member.operator.as_deref())?;
            store.member_set_role(login, role, admin, now).await?;
        }
        Change::ShutOut => store.member_shut_out(login, true, admin, now).await?,
        Change::LetIn => store.member_shut_out(login, false, admin, now).await?,
    }
    Ok(())
}

pub(super) async fn of_administrator(
    app: &App,
    admin: &Staff,
    login: &str,
) -> Result<Member, ApiError> {
    administrators_only(admin)?;
    let member = app.store.member(login).await?;
    looks_after(admin, member.operator.as_deref())?;
    Ok(member)
}

/// Refuses who is no administrator of that operator's staff, or of the city.
///
/// # Errors
/// [`ApiError::Forbidden`].
pub(super) fn looks_after(admin: &Staff, operator: Option<&str>) -> Result<(), ApiError> {
    administrators_only(admin)?;
    if admin.operator.is_some() && admin.operator.as_deref() != operator {
        return Err(ApiError::Forbidden);
    }
    Ok(())
}

pub(super) fn administrators_only(staff: &Staff) -> Result<(), ApiError> {
    match staff.role {
        Role::Administrator => Ok(()),
        Role::Staff | Role::Auditor => Err(ApiError::Forbidden),
    }
}

/// An auditor reads of all operators: whoever works for one of them is none.
fn auditors_are_the_city_s(role: Role, operator: Option<&str>) -> Result<(), ApiError> {
    match (role, operator) {
        (Role::Auditor, Some(_)) => Err(ApiError::Unprocessable(
            "an auditor is the city's, of no operator".to_owned(),
        )),
        _ => Ok(()),
    }
}

/// A password, with its hash.
async fn new_password(hashing: &Hashing) -> Result<(String, String), ApiError> {
    let password = random_letters();
    let told = password.clone();
    let hash = hashing
        .run(hashing.place(None)?, move || hash_password(&told))
        .await??;
    Ok((password, hash))
}

/// Three groups of letters and digits, to be read aloud and typed once.
pub(super) fn random_letters() -> String {
    let letter = || char::from(*LETTERS.choose(&mut rand::rng()).unwrap_or(&b'x'));
    let mut text = String::with_capacity(PASSWORD_LENGTH + 2);
    for index in 0..PASSWORD_LENGTH {
        if index > 0 && index % 5 == 0 {
            text.push('-');
        }
        text.push(letter());
    }
    text
}
