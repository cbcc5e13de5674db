//! Whose request the database works for: a number that leads from an answer to its statements.
//!
//! It goes along with the task, so that no function has to pass it on. Where a request's work goes on in another
//! task, [`carry`] takes it there.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use sqlx::AssertSqlSafe;

/// The name of our connections where they work for nobody in particular.
pub(crate) const APPLICATION: &str = "clearbay";
/// PostgreSQL keeps 63 bytes of an application's name (`NAMEDATALEN`); ours is `clearbay`, a space and the number.
const APPLICATION_MAX: usize = 63;
/// How long a request's number may be.
pub const REQUEST_ID_MAX: usize = APPLICATION_MAX - APPLICATION.len() - 1;
/// Shorter ones name too little.
const REQUEST_ID_MIN: usize = 8;

tokio::task_local! {
    static REQUEST: Request;
}

#[derive(Clone)]
struct Request {
    id: RequestId,
    /// The statement that was sent last, for it is the one that failed where one does.
    statement: Arc<Mutex<Option<String>>>,
}

/// A request's number: 8 to 54 letters, digits, `-`, `_`, `.`, so that it may stand in a header, a log and a statement
/// as it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(Arc<str>);

/// A text is no request's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a request's number has 8 to {REQUEST_ID_MAX} letters, digits, dashes, dots and underscores"
)]
pub struct RequestIdError;

impl FromStr for RequestId {
    type Err = RequestIdError;

    fn from_str(text: &str) -> Result<Self, RequestIdError> {
        let may_stand =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if (REQUEST_ID_MIN..=REQUEST_ID_MAX).contains(&text.len()) && text.bytes().all(may_stand) {
            Ok(Self(text.into()))
        } else {
            Err(RequestIdError)
        }
    }
}

impl RequestId {
    /// A new one: a UUIDv7, so that they sort by time.
    pub fn new() -> Self {
        Self(uuid::Uuid::now_v7().to_string().into())
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for RequestId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Does the work for a request.
pub async fn scope<F: Future>(id: RequestId, work: F) -> F::Output {
    let statement = Arc::default();
    REQUEST.scope(Request { id, statement }, work).await
}

/// The request that is worked for here, if any.
pub fn current() -> Option<RequestId> {
    REQUEST.try_with(|request| request.id.clone()).ok()
}

/// The same work for the same request in a task of its own.
pub fn carry<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let request = REQUEST.try_with(Clone::clone);
    async move {
        match request {
            Ok(request) => REQUEST.scope(request, work).await,
            Err(_) => work.await,
        }
    }
}

/// Notes the statement that was sent for the present request; parameters are no part of it.
pub fn note_statement(sql: &str) {
    let _ = REQUEST.try_with(|request| {
        let mut statement = request
            .statement
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *statement = Some(sql.trim().to_owned());
    });
}

/// The statement that was noted last for the present request; nothing where nobody notes them.
pub fn last_statement() -> Option<String> {
    let statement = |request: &Request| {
        let statement = request.statement.lock();
        statement.unwrap_or_else(PoisonError::into_inner).clone()
    };
    REQUEST.try_with(statement).ok().flatten()
}

/// What begins a transaction for a request. The number has nothing in it that could end the text.
pub(crate) fn begin_for(id: &RequestId) -> AssertSqlSafe<String> {
    AssertSqlSafe(format!(
        "BEGIN; SET LOCAL application_name = '{APPLICATION} {id}'"
    ))
}

/// What begins one whose statements are planned once, for a request or for nobody in particular.
pub(crate) fn begin_by_key(id: Option<&RequestId>) -> AssertSqlSafe<String> {
    let begin = id.map_or_else(|| "BEGIN".to_owned(), |id| begin_for(id).0);
    AssertSqlSafe(format!(
        "{begin}; SET LOCAL plan_cache_mode = force_generic_plan"
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_number_can_stand_anywhere_and_fits_an_application_s_name() {
        let made = RequestId::new();
        assert_eq!(made.as_str().parse::<RequestId>(), Ok(made.clone()));
        let longest = "a".repeat(REQUEST_ID_MAX);
        assert_eq!(format!("{APPLICATION} {longest}").len(), APPLICATION_MAX);
        assert!(longest.parse::<RequestId>().is_ok());
        assert!("a".repeat(REQUEST_ID_MAX + 1).parse::<RequestId>().is_err());
        for wrong in [
            "",
            "short",
            "with space",
            "with'quote",
            "line\nbreak",
            "gió-mùa-đông",
        ] {
            assert_eq!(wrong.parse::<RequestId>(), Err(RequestIdError), "{wrong:?}");
        }
        assert_eq!(
            begin_for(&"0123-abc_D.9".parse().unwrap()).0,
            "BEGIN; SET LOCAL application_name = 'clearbay 0123-abc_D.9'"
        );
        assert_eq!(
            begin_by_key(None).0,
            "BEGIN; SET LOCAL plan_cache_mode = force_generic_plan"
        );
    }

    #[tokio::test]
    async fn the_number_goes_along_with_the_work_and_no_further() {
        let id = RequestId::new();
        assert_eq!(current(), None);
        let seen = scope(id.clone(), async {
            note_statement(" SELECT 1\n");
            let carried = tokio::spawn(carry(async { (current(), last_statement()) }));
            let lost = tokio::spawn(async { current() });
            (carried.await.unwrap(), lost.await.unwrap())
        });
        let (carried, lost) = seen.await;
        assert_eq!(carried, (Some(id), Some("SELECT 1".to_owned())));
        assert_eq!(lost, None);
        assert_eq!(current(), None);
        note_statement("SELECT 2");
        assert_eq!(last_statement(), None);
    }
}
