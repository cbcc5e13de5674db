//! Drivers who wish to be told, although the page is closed, before their paid time ends.
//!
//! A browser's wish is a row that is due when something may have to be said. Of several processes one
//! takes it, by moving it on; no transaction is open while a push service is called. A message that may
//! have been lost is sent again, and its topic lets a newer one replace it, so that a driver sees each
//! once.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use domain::Timestamp;
use domain::board::PaidTime;
use domain::id::SessionId;
use domain::reminder::{Language, Next, Reminder, next, warns_at, worth_until};
use domain::session::SessionStatus;
use futures::StreamExt;
use serde_json::json;
use store::purchase::bought_vnd;
use store::push_subscription::{DuePush, NewPushSubscription, Subscribed};
use store::session::Session;
use tokio::sync::watch;

use super::change::more_time;
use super::in_time;
use crate::push::{Message, Push, Recipient, Sent};
use crate::secret::sha256;
use crate::{ApiError, App};

const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How many messages are sent at once.
const AT_ONCE: usize = 16;
/// How many are taken at once: with twice as long as a call may take, they are done within the lease.
const TAKE: i64 = 2 * AT_ONCE as i64;
/// How long whoever took one may work on it before another does.
const LEASE: TimeDelta = TimeDelta::seconds(30);
/// The first pause after a message of which nobody knows; each further one is twice as long.
const PAUSE_MIN: TimeDelta = TimeDelta::seconds(5);
const PAUSE_MAX: TimeDelta = TimeDelta::minutes(2);
/// How often a message is tried.
const ATTEMPTS_MAX: i32 = 8;

/// How a browser wishes to be told.
#[derive(Clone)]
pub struct Wish {
    /// The address that its push service gave it.
    pub endpoint: String,
    /// Its keys.
    pub recipient: Recipient,
    /// In which language.
    pub lang: Language,
}

/// By which name an endpoint goes, which is an address at which anybody who knows it may knock.
pub fn name_of(endpoint: &str) -> String {
    URL_SAFE_NO_PAD.encode(sha256(endpoint.as_bytes()))
}

/// Until when a driver of that session may still ask to be warned of its end; nothing once it has passed.
pub fn warning(session: &Session, now: Timestamp) -> Option<Timestamp> {
    let is_running = session.status == SessionStatus::Paid && session.stopped_at.is_none();
    let at = warns_at(session.starts_at, session.ends_at);
    (is_running && now < at).then_some(at)
}

/// Notes a browser's wish to be told of a session in force, once; the result is its name.
///
/// # Errors
/// [`ApiError::Unprocessable`] where nobody is told anything here, or for an endpoint that is no known
/// push service's; [`ApiError::Conflict`] where the session is over or enough browsers wish it.
pub async fn subscribe(
    app: &App,
    session: &Session,
    wish: Wish,
    now: Timestamp,
) -> Result<String, ApiError> {
    let refuse = |why: &str| ApiError::Unprocessable(why.to_owned());
    let push = app
        .push
        .as_ref()
        .ok_or_else(|| refuse("no push messages are sent here"))?;
    // As it was given: a browser goes by the very text of its endpoint.
    push.hosts.allowed(&wish.endpoint).ok_or_else(|| {
        refuse("endpoint is not an address of a push service that is called here")
    })?;
    let name = name_of(&wish.endpoint);
    let new = NewPushSubscription {
        session: session.id,
        endpoint: wish.endpoint,
        p256dh: wish.recipient.p256dh().to_vec(),
        auth: wish.recipient.auth().to_vec(),
        lang: wish.lang,
    };
    match app.store.push_subscription_put(&new, now).await? {
        Subscribed::Done => Ok(name),
        Subscribed::NotInForce => Err(ApiError::Conflict("this session is not in force")),
        Subscribed::TooMany => Err(ApiError::Conflict(
            "so many browsers are told of this session already; switch one off",
        )),
    }
}

/// The endpoint of that name, if its browser wishes to be told of the session.
async fn named(app: &App, session: &Session, name: &str) -> Result<Option<String>, ApiError> {
    let endpoints = app.store.push_subscription_list(session.id).await?;
    Ok(endpoints
        .into_iter()
        .find(|endpoint| name_of(endpoint) == name))
}

/// Whether the browser of that name wishes to be told of a session.
///
/// # Errors
/// Where the database fails.
pub async fn is_subscribed(app: &App, session: &Session, name: &str) -> Result<bool, ApiError> {
    Ok(named(app, session, name).await?.is_some())
}

/// Forgets a browser's wish. One that is not known is forgotten already.
///
/// # Errors
/// Where the database fails.
pub async fn unsubscribe(app: &App, session: &Session, name: &str) -> Result<(), ApiError> {
    if let Some(endpoint) = named(app, session, name).await? {
        app.store
            .push_subscription_delete(session.id, &endpoint)
            .await?;
    }
    Ok(())
}

/// Tells drivers what is due until told to stop; at once done where nobody can be told.
pub async fn work(app: App, mut shutdown: watch::Receiver<bool>) {
    let Some(push) = app.push.clone() else {
        return;
    };
    loop {
        tokio::select! {
            _ = shutdown.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        while !*shutdown.borrow() {
            match in_time(work_once(&app, &push, App::now())).await {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "reminders cannot be worked on");
                    break;
                }
            }
        }
    }
}

/// Works on what is due; returns how many subscriptions were.
async fn work_once(app: &App, push: &Push, now: Timestamp) -> Result<usize, ApiError> {
    let taken = app.store.push_subscription_claim(now, LEASE, TAKE).await?;
    let count = taken.len();
    futures::stream::iter(taken)
        .for_each_concurrent(AT_ONCE, |due| async move {
            if let Err(error) = see_to(app, push, &due).await {
                tracing::warn!(%error, session = %due.session, "a reminder failed on our side");
            }
        })
        .await;
    Ok(count)
}

async fn see_to(app: &App, push: &Push, due: &DuePush) -> Result<(), ApiError> {
    let now = App::now();
    let store = &app.store;
    match next(due.starts_at, due.ends_at, due.told, now) {
        Next::Nothing => store.push_subscription_gone(due).await?,
        Next::Wait(until) => store.push_subscription_put_off(due, until, 0).await?,
        Next::Tell(Reminder::Over) if !is_still_there(app, due, now).await => {
            store
                .push_subscription_told(due, Reminder::Over, now)
                .await?;
        }
        Next::Tell(reminder) => tell(app, push, due, reminder, now).await?,
    }
    Ok(())
}

async fn is_still_there(app: &App, due: &DuePush, now: Timestamp) -> bool {
    let paid = PaidTime {
        session: due.session,
        from: due.starts_at,
        until: due.ends_at,
    };
    app.live.outstays(&due.lot_code, due.bay, &paid, now).await
}

async fn tell(
    app: &App,
    push: &Push,
    due: &DuePush,
    reminder: Reminder,
    now: Timestamp,
) -> Result<(), ApiError> {
    let can_add = can_add_time(app, due.session, now).await?;
    let sent = match Recipient::new(&due.p256dh, &due.auth) {
        Ok(recipient) => {
            let message = Message {
                endpoint: &due.endpoint,
                recipient: &recipient,
                text: &text(due, reminder, can_add),
                until: worth_until(reminder, due.ends_at),
                topic: &topic(due.session),
            };
            push.send(&app.http, &message, now).await
        }
        Err(why) => Sent::Refused(why.to_string()),
    };
    let (store, now) = (&app.store, App::now());
    let outcome = match sent {
        Sent::Taken => {
            store.push_subscription_told(due, reminder, now).await?;
            "taken"
        }
        Sent::Gone => {
            store.push_subscription_gone(due).await?;
            "gone"
        }
        Sent::Unknown(why, asked) if due.attempts + 1 < ATTEMPTS_MAX => {
            tracing::debug!(%why, session = %due.session, "a reminder is sent again later");
            let at = now + asked.unwrap_or_default().max(pause(due.attempts));
            store
                .push_subscription_put_off(due, at, due.attempts + 1)
                .await?;
            "unknown"
        }
        Sent::Unknown(why, _) | Sent::Refused(why) => {
            tracing::warn!(%why, session = %due.session, "a reminder could not be sent");
            store.push_subscription_told(due, reminder, now).await?;
            "refused"
        }
    };
    metrics::counter!("clearbay_reminders_total", "kind" => reminder.code(), "outcome" => outcome)
        .increment(1);
    Ok(())
}

/// What a session's messages are about, for whoever replaces an older one by a newer one. Push services
/// need not know the session.
fn topic(session: SessionId) -> String {
    let mut topic = name_of(&session.to_string());
    topic.truncate(32);
    topic
}

/// Whether the session's page offers more time.
async fn can_add_time(app: &App, id: SessionId, now: Timestamp) -> Result<bool, ApiError> {
    let session = app.store.session(id).await?;
    let bay = app.store.bay_place(&session.bay_code).await?;
    let bought = bought_vnd(&app.store.session_purchases(id).await?);
    Ok(!more_time(&bay, &session, bought, now).is_empty())
}

/// What is said: nothing that the session's page does not show, and not the plate.
fn text(due: &DuePush, reminder: Reminder, can_add: bool) -> Vec<u8> {
    let until = due.ends_at.with_timezone(&due.timezone).format("%H:%M");
    let until = until.to_string();
    let (title, body) = due.lang.words(reminder, &due.bay_code, &until, can_add);
    json!({
        "kind": reminder.code(),
        "title": title,
        "body": body,
        "bay": due.bay_code,
        "ends_at": due.ends_at,
        "lang": due.lang,
        "url": format!("/s/{}", due.session),
    })
    .to_string()
    .into_bytes()
}

/// How long to wait after attempt number `attempts`, counted from 0.
fn pause(attempts: i32) -> TimeDelta {
    let doublings = attempts.clamp(0, 16).unsigned_abs();
    (PAUSE_MIN * 2i32.saturating_pow(doublings)).min(PAUSE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_all_attempts_fit_into_the_warning_s_time() {
        assert_eq!(pause(0), TimeDelta::seconds(5));
        assert_eq!(pause(3), TimeDelta::seconds(40));
        assert_eq!(pause(100), PAUSE_MAX);
        let all: TimeDelta = (0..ATTEMPTS_MAX - 1).map(pause).sum();
        assert!(all < domain::session::WARN_BEFORE);
    }

    #[test]
    fn a_topic_is_of_the_characters_and_the_length_that_may_be() {
        let topic = topic(SessionId(uuid::Uuid::nil()));
        assert_eq!(topic.len(), 32);
        let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        assert!(topic.bytes().all(is_fine));
    }
}
