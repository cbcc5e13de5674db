//! Handheld terminals: made and ended by administrators, known by a token of their own.

use domain::Timestamp;
use domain::id::TerminalId;
use store::Store;
use store::staff::Staff;
use store::terminal::Terminal;

use super::confirm::Confirmed;
use super::people::{administrators_only, looks_after};
use crate::secret::{random_token, sha256};
use crate::{ApiError, App};

/// How long a token is: 32 bytes in base 64 without padding.
const TOKEN_LENGTH: usize = 43;
/// The longest name, in characters.
pub const NAME_MAX: usize = 60;

/// The terminals that an administrator looks after.
///
/// # Errors
/// [`ApiError::Forbidden`] for others than administrators.
pub async fn list(app: &App, admin: &Staff) -> Result<Vec<Terminal>, ApiError> {
    administrators_only(admin)?;
    Ok(app.store.terminals(admin.operator.as_deref()).await?)
}

/// Adds a terminal that sells in an operator's lots; the result is its token, told once.
///
/// # Errors
/// [`ApiError::Forbidden`] for others than that operator's administrators; the rest as [`put`].
pub async fn add(
    app: &App,
    admin: &Confirmed,
    operator: &str,
    name: &str,
    now: Timestamp,
) -> Result<String, ApiError> {
    let admin = admin.staff();
    looks_after(admin, Some(operator))?;
    put(&app.store, operator, name, &admin.actor(), now).await
}

/// Adds a terminal on whosever word that is; the result is its token.
///
/// # Errors
/// [`ApiError::Unprocessable`] for a name that cannot be; [`ApiError::NotFound`] where there is no such operator;
/// [`ApiError::Conflict`] where it has a terminal of that name.
pub async fn put(
    store: &Store,
    operator: &str,
    name: &str,
    by: &str,
    now: Timestamp,
) -> Result<String, ApiError> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > NAME_MAX || name.contains(char::is_control) {
        return Err(ApiError::Unprocessable(format!(
            "a name is needed, of at most {NAME_MAX} characters"
        )));
    }
    let token = random_token();
    let hash = sha256(token.as_bytes());
    match store.terminal_add(operator, name, &hash, by, now).await? {
        true => Ok(token),
        false => Err(ApiError::Conflict("there is a terminal of that name")),
    }
}

/// Ends a terminal: its token is good no more.
///
/// # Errors
/// [`ApiError::Forbidden`] for others than its operator's administrators; [`ApiError::NotFound`].
pub async fn end(app: &App, admin: &Staff, id: TerminalId, now: Timestamp) -> Result<(), ApiError> {
    administrators_only(admin)?;
    let terminal = app.store.terminal(id).await?;
    looks_after(admin, Some(&terminal.operator_code))?;
    Ok(app.store.terminal_end(id, &admin.actor(), now).await?)
}

/// Which terminal uploads with that token; none is told where it is the one that terminals shared formerly.
///
/// # Errors
/// [`ApiError::Unauthorized`] where the token is nobody's, or its terminal has ended.
pub async fn uploading(app: &App, token: &str) -> Result<Option<Terminal>, ApiError> {
    if app.secrets.import_token_matches(token) {
        return Ok(None);
    }
    // What no terminal can have is looked for nowhere.
    if token.len() != TOKEN_LENGTH {
        return Err(ApiError::Unauthorized);
    }
    let hash = sha256(token.as_bytes());
    let found = app.store.terminal_of_token(&hash).await?;
    found.map(Some).ok_or(ApiError::Unauthorized)
}
