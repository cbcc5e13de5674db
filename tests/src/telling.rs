//! A city that tells drivers, although their page is closed, before their time ends.

use api::push::VapidKey;
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use reqwest::StatusCode;
use serde_json::Value;

use crate::eventually;
use crate::push_service::{Browser, PushService, Received};
use crate::serving::{Open, Serving, text};

/// A city that tells drivers, by a push service on this machine.
pub struct Telling {
    /// The city.
    pub city: Serving,
    /// The push service.
    pub service: PushService,
    /// The key by which browsers subscribe.
    pub public_key: String,
}

impl Telling {
    /// The synthetic city with 80 bays.
    ///
    /// # Panics
    /// Where anything it needs is missing.
    pub async fn start() -> Self {
        let service = PushService::start().await;
        let key = VapidKey::generate().unwrap();
        let settings = [
            ("CLEARBAY_VAPID_KEY", key.as_str()),
            ("CLEARBAY_PUSH_HOSTS", service.url.as_str()),
            ("CLEARBAY_PUSH_CONTACT", "mailto:push@city.example"),
        ];
        Self {
            city: Serving::with_settings(80, &settings).await,
            public_key: VapidKey::parse(&key).unwrap().public().to_owned(),
            service,
        }
    }

    /// A browser that is told of a session from now on, and the server's name for it.
    ///
    /// # Panics
    /// Where it is refused.
    pub async fn browser(&self, open: &Open, lang: &str) -> (Browser, String) {
        let browser = self.service.browser();
        let wish = browser.subscription(lang);
        let (status, told) = self.wish(open, &wish).await;
        assert_eq!(status, StatusCode::CREATED, "{told}");
        (browser, text(&told["id"]))
    }

    /// What a browser is answered that wishes to be told of a session.
    ///
    /// # Panics
    /// Where the city does not answer.
    pub async fn wish(&self, open: &Open, wish: &Value) -> (StatusCode, Value) {
        self.city.post_as(&open.token, &path(open), wish).await
    }

    /// Lets a session begin and end that many minutes from now; the new end.
    ///
    /// # Panics
    /// Where the database is away.
    pub async fn set_time(&self, open: &Open, from: i64, until: i64) -> DateTime<Utc> {
        let now = Utc::now().trunc_subsecs(6);
        let ends_at = now + TimeDelta::minutes(until);
        sqlx::query("UPDATE session SET starts_at = $2, ends_at = $3 WHERE session_id = $1::uuid")
            .bind(&open.session)
            .bind(now + TimeDelta::minutes(from))
            .bind(ends_at)
            .execute(&self.city.database.pool)
            .await
            .unwrap();
        ends_at
    }

    /// Waits until so many rows of the table of subscriptions are as that condition says.
    ///
    /// # Panics
    /// Where that never happens.
    pub async fn subscriptions(&self, condition: &str, count: i64) {
        let rows = format!("push_subscription WHERE {condition}");
        eventually(&rows, || async {
            self.city.database.count(&rows).await == count
        })
        .await;
    }

    /// The messages to a browser so far.
    pub fn messages(&self, browser: &Browser) -> Vec<Received> {
        let mut all = self.service.received();
        all.retain(|message| message.path == browser.path());
        all
    }

    /// Lets what is put off be due now.
    ///
    /// # Panics
    /// Where the database is away.
    pub async fn hurry(&self) {
        sqlx::query("UPDATE push_subscription SET due_at = now()")
            .execute(&self.city.database.pool)
            .await
            .unwrap();
    }
}

/// The subscriptions whose warning for the end as it is now is done with, one way or the other.
pub const WARNED: &str =
    "warned_ends_at = (SELECT ends_at FROM session WHERE session_id = push_subscription.session_id)
    AND due_at = warned_ends_at";

/// Where a session's subscriptions are.
pub fn path(open: &Open) -> String {
    format!("/api/v1/sessions/{}/push-subscriptions", open.session)
}

/// What a browser sends of the cookie that holds a session's token.
pub fn cookie(open: &Open) -> String {
    format!(
        "clearbay_session_{}={}",
        open.session.replace('-', ""),
        open.token
    )
}
