//! How a browser is told something although its page is closed: Web Push. A message is encrypted for the
//! browser (RFC 8291), signed by us (RFC 8292) and handed to its push service (RFC 8030). The service
//! learns that there is a message, not what it says.

use std::time::Duration;

use chrono::TimeDelta;
use domain::Timestamp;

pub mod encrypt;
pub mod hosts;
pub mod vapid;

pub use encrypt::Recipient;
pub use hosts::PushHosts;
pub use vapid::VapidKey;

/// How long a push service may take to answer.
const CALL_WITHIN: Duration = Duration::from_secs(8);
/// The longest pause that a push service may ask for.
const RETRY_AFTER_MAX: TimeDelta = TimeDelta::minutes(10);

/// What is needed to tell browsers anything.
#[derive(Debug)]
pub struct Push {
    /// By which push services know us.
    pub key: VapidKey,
    /// The push services that may be called.
    pub hosts: PushHosts,
    /// Where a push service's people reach ours: a `mailto:` or `https:` address.
    pub contact: Option<String>,
}

/// A message to one browser.
pub struct Message<'a> {
    /// The address that the push service gave the browser.
    pub endpoint: &'a str,
    /// For whom it is encrypted.
    pub recipient: &'a Recipient,
    /// What it says.
    pub text: &'a [u8],
    /// Until when it is worth delivering.
    pub until: Timestamp,
    /// Of two with the same topic a browser that was away gets the newer: at most 32 characters of
    /// base64url.
    pub topic: &'a str,
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The push service has it.
    Taken,
    /// There is no such browser any more, or it is none that we may call.
    Gone,
    /// It will never be taken as it is.
    Refused(String),
    /// Nobody knows; to be sent again, not before that pause where one is named.
    Unknown(String, Option<TimeDelta>),
}

impl Push {
    /// Hands a message to its push service. The reply's body is not read.
    pub async fn send(
        &self,
        http: &reqwest::Client,
        message: &Message<'_>,
        now: Timestamp,
    ) -> Sent {
        // What was allowed when it was written down need not be any more.
        let Some(url) = self.hosts.allowed(message.endpoint) else {
            return Sent::Gone;
        };
        let ttl_s = (message.until - now).num_seconds().max(0);
        let (body, authorization) = match (
            encrypt::encrypt(message.recipient, message.text),
            self.key
                .authorization(&url.origin().ascii_serialization(), self.contact(), now),
        ) {
            (Ok(body), Ok(authorization)) => (body, authorization),
            (Err(why), _) | (_, Err(why)) => return Sent::Refused(why.to_string()),
        };
        let reply = http
            .post(url)
            .timeout(CALL_WITHIN)
            .header("authorization", authorization)
            .header("content-encoding", "aes128gcm")
            .header("content-type", "application/octet-stream")
            .header("ttl", ttl_s)
            .header("urgency", "high")
            .header("topic", message.topic)
            .body(body)
            .send()
            .await;
        match reply {
            Ok(reply) => judge(&reply),
            // An error of the client's shows the address, by which anybody may knock at the browser.
            Err(error) => Sent::Unknown(error.without_url().to_string(), None),
        }
    }

    fn contact(&self) -> Option<&str> {
        self.contact.as_deref()
    }
}

/// What a reply's status means (RFC 8030, sections 5 and 8.4). A redirection is no success: nobody is led
/// elsewhere.
fn judge(reply: &reqwest::Response) -> Sent {
    let status = reply.status();
    match status.as_u16() {
        200..300 => Sent::Taken,
        404 | 410 => Sent::Gone,
        408 | 429 | 500.. => {
            let asked = reply.headers().get("retry-after");
            let pause_s = asked.and_then(|pause| pause.to_str().ok()?.parse::<u32>().ok());
            let pause = pause_s.map(|pause| TimeDelta::seconds(pause.into()).min(RETRY_AFTER_MAX));
            Sent::Unknown(status.to_string(), pause)
        }
        _ => Sent::Refused(status.to_string()),
    }
}
