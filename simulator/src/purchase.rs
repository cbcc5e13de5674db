//! What a driver buys, and how handheld terminals upload what they sold.

use chrono::{DateTime, TimeDelta, Utc};
use domain::Timestamp;
use domain::place::VehicleClass;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::bank::{self, Bank};
use crate::city::SensedBay;
use crate::http::{Api, HttpError};
use crate::plan::{self, Habit, PlannedStay};

/// How many sessions one upload holds; the API takes up to 1,000. Fewer keep each request short.
pub const UPLOAD_MAX: usize = 500;

/// Of a thousand transfers, how many the bank tells of twice.
const TOLD_TWICE: u64 = 10;

/// A transfer as its driver orders it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// How long after asking for the price the money is booked.
    pub after: TimeDelta,
    /// Whether the amount is another than was asked for.
    pub wrong_amount: bool,
    /// Whether the bank tells of it twice.
    pub told_twice: bool,
}

/// A session that somebody asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purchase {
    /// The idempotency key: the same for the same stay, however often the city is played.
    pub key: Uuid,
    /// The bay's code.
    pub bay: String,
    /// The vehicle.
    pub class: VehicleClass,
    /// Its plate.
    pub plate: String,
    /// For how long.
    pub minutes: u32,
    /// When the driver asks.
    pub at: Timestamp,
    /// The transfer; `None` where the driver looks at the code and gives up.
    pub order: Option<Order>,
}

impl Purchase {
    /// What the driver of a planned stay buys, if anything.
    pub fn of(seed: u64, bay: &SensedBay, stay: &PlannedStay) -> Option<Self> {
        let pays = match stay.habit {
            Habit::NeverPays | Habit::StopsBriefly => return None,
            Habit::GivesUp => false,
            Habit::Pays | Habit::Overstays | Habit::PaysLate | Habit::WrongAmount => true,
        };
        let arrived = stay.from.timestamp_millis();
        let name = format!("clearbay-simulator/{seed}/{}/{arrived}", bay.code);
        let chance = plan::hash([seed, u64::from(bay.index), arrived.cast_unsigned(), 20]);
        let seconds = i64::try_from(5 + chance % 25).unwrap_or(5);
        Some(Self {
            key: Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes()),
            bay: bay.code.clone(),
            class: bay.class,
            plate: stay.plate.clone(),
            minutes: stay.paid_min,
            at: stay.from + TimeDelta::seconds(i64::from(stay.pays_after_s)),
            order: pays.then_some(Order {
                after: TimeDelta::seconds(seconds),
                wrong_amount: stay.habit == Habit::WrongAmount,
                told_twice: chance / 1_000 % 1_000 < TOLD_TWICE,
            }),
        })
    }
}

/// What became of some purchases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sold {
    /// Sessions that the API has, new or known.
    pub sessions: u64,
    /// Sessions that were not taken: most were already sold and paid for in an earlier run.
    pub refused: u64,
    /// Transfers that paid for a session.
    pub posted: u64,
    /// Transfers that were told and paid for nothing: repeated, late or of another amount.
    pub held: u64,
}

impl std::ops::AddAssign for Sold {
    fn add_assign(&mut self, other: Self) {
        self.sessions += other.sessions;
        self.refused += other.refused;
        self.posted += other.posted;
        self.held += other.held;
    }
}

#[derive(Serialize)]
struct Upload<'a> {
    sessions: Vec<UploadedSession<'a>>,
}

#[derive(Serialize)]
struct UploadedSession<'a> {
    key: Uuid,
    bay: &'a str,
    plate: &'a str,
    class: VehicleClass,
    minutes: u32,
    at: DateTime<Utc>,
}

#[derive(Deserialize)]
struct Uploaded {
    sessions: Vec<UploadResult>,
}

#[derive(Deserialize)]
struct UploadResult {
    key: Uuid,
    session_id: Option<String>,
    qr: Option<String>,
    error: Option<String>,
}

/// A handheld terminal that sold offline and now uploads.
#[derive(Clone)]
pub struct Terminal {
    api: Api,
    token: String,
    bank: Bank,
}

impl Terminal {
    /// A terminal with the token that it shares with Clearbay.
    pub fn new(api: Api, token: &str, bank: Bank) -> Self {
        Self {
            api,
            token: token.to_owned(),
            bank,
        }
    }

    /// Uploads at most [`UPLOAD_MAX`] past purchases; then their bank tells of the transfers, some
    /// of them twice. Doing so again changes nothing.
    ///
    /// # Errors
    /// [`HttpError`]
    pub async fn upload(&self, purchases: &[Purchase], now: Timestamp) -> Result<Sold, HttpError> {
        let sessions = purchases
            .iter()
            .map(|purchase| UploadedSession {
                key: purchase.key,
                bay: &purchase.bay,
                plate: &purchase.plate,
                class: purchase.class,
                minutes: purchase.minutes,
                at: purchase.at,
            })
            .collect();
        let body = serde_json::to_vec(&Upload { sessions })
            .map_err(|error| HttpError::Reply(error.to_string()))?;
        let request = || {
            self.api
                .post("/api/v1/imports/sessions", body.clone())
                .bearer_auth(&self.token)
        };
        let reply: Uploaded = self.api.send(request).await?;
        let mut sold = Sold::default();
        let (mut notices, mut repeated) = (Vec::new(), Vec::new());
        for (purchase, result) in purchases.iter().zip(&reply.sessions) {
            if result.key != purchase.key {
                return Err(HttpError::Reply(
                    "the sessions are in another order".to_owned(),
                ));
            }
            if result.session_id.is_some() {
                sold.sessions += 1;
            } else {
                sold.refused += 1;
                let reason = result.error.as_deref().unwrap_or_default();
                tracing::debug!(bay = %purchase.bay, reason, "session not taken");
            }
            let Some(qr) = &result.qr else { continue };
            let paid_at = bank::booked_at(purchase, purchase.at).min(now);
            match bank::transfer(purchase, qr, paid_at) {
                Ok(Some(notice)) => {
                    if purchase.order.is_some_and(|order| order.told_twice) {
                        repeated.push(notice.clone());
                    }
                    notices.push(notice);
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(bay = %purchase.bay, %error, "a QR code cannot be paid");
                }
            }
        }
        for told in [notices, repeated] {
            for result in self.bank.tell(&told).await? {
                if result.outcome == "posted" {
                    sold.posted += 1;
                } else {
                    sold.held += 1;
                }
            }
        }
        Ok(sold)
    }
}
