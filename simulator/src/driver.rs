//! A driver at the kerb: asks for a session, gets a code, pays it by phone.

use std::time::Duration;

use domain::place::VehicleClass;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::bank::{self, Bank};
use crate::http::{Api, HttpError};
use crate::purchase::Purchase;

#[derive(Serialize)]
struct NewSession<'a> {
    bay: &'a str,
    plate: &'a str,
    class: VehicleClass,
    minutes: u32,
    /// Who stands in the bay knows its number, whatever its sensor has not said yet.
    confirm_bay: bool,
}

#[derive(Deserialize)]
struct OpenedSession {
    id: String,
    token: String,
    status: String,
}

#[derive(Deserialize)]
struct Payment {
    qr: Option<String>,
}

/// Buys a session now, as a phone does. The result is whether it is paid.
///
/// # Errors
/// [`HttpError`] where the API does not answer, or refuses.
pub async fn buy(api: &Api, bank: &Bank, purchase: &Purchase) -> Result<bool, HttpError> {
    let key = purchase.key.to_string();
    let body = to_json(&NewSession {
        bay: &purchase.bay,
        plate: &purchase.plate,
        class: purchase.class,
        minutes: purchase.minutes,
        confirm_bay: true,
    })?;
    let request = || {
        api.post("/api/v1/sessions", body.clone())
            .header("Idempotency-Key", &key)
    };
    let session: OpenedSession = api.send(request).await?;
    if session.status == "paid" {
        return Ok(true);
    }
    let body = to_json(&json!({"gateway": "vietqr"}))?;
    let path = format!("/api/v1/sessions/{}/payments", session.id);
    let request = || {
        api.post(&path, body.clone())
            .header("Idempotency-Key", &key)
            .bearer_auth(&session.token)
    };
    let payment: Payment = api.send(request).await?;
    let Some((qr, order)) = payment.qr.zip(purchase.order) else {
        return Ok(false);
    };
    // The time to unlock a phone, scan and confirm; and the bank's.
    tokio::time::sleep(order.after.to_std().unwrap_or(Duration::ZERO)).await;
    let notice = match bank::transfer(purchase, &qr, chrono::Utc::now()) {
        Ok(Some(notice)) => [notice],
        Ok(None) => return Ok(false),
        Err(error) => return Err(HttpError::Reply(error.to_string())),
    };
    let results = bank.tell(&notice).await?;
    if order.told_twice {
        bank.tell(&notice).await?;
    }
    Ok(results.iter().any(|result| result.outcome == "posted"))
}

fn to_json(value: &impl Serialize) -> Result<Vec<u8>, HttpError> {
    serde_json::to_vec(value).map_err(|error| HttpError::Reply(error.to_string()))
}
