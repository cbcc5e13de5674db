//! A driver with a phone: opens a session, asks for its QR code, and pays some seconds later.

use std::time::Duration;

use chrono::{SubsecRound, Utc};
use serde::Deserialize;
use serde_json::json;

use crate::act::Sale;
use crate::bank::{Bank, transfer};
use crate::http::{Api, insist};

#[derive(Deserialize)]
struct Opened {
    id: String,
    token: String,
}

#[derive(Deserialize)]
struct Payment {
    qr: Option<String>,
}

/// Does all that a driver does for one purchase.
///
/// # Errors
/// Where the API refuses or does not answer.
pub async fn buy(api: &Api, bank: &Bank, sale: &Sale) -> anyhow::Result<()> {
    let body = json!({
        "bay": sale.bay, "plate": sale.plate, "class": sale.class, "minutes": sale.minutes,
    });
    let key = sale.key.to_string();
    let session: Opened = insist(|| {
        api.post("/api/v1/sessions")
            .header("idempotency-key", &key)
            .json(&body)
    })
    .await?;
    let path = format!("/api/v1/sessions/{}/payments", session.id);
    let payment: Payment = insist(|| {
        api.post(&path)
            .header("idempotency-key", &key)
            .bearer_auth(&session.token)
            .json(&json!({ "gateway": "vietqr" }))
    })
    .await?;
    let (Some(qr), Some(delay_s)) = (payment.qr, sale.paid_after_s) else {
        return Ok(());
    };
    tokio::time::sleep(Duration::from_secs(u64::from(delay_s))).await;
    let notice = transfer(&qr, sale.key, sale.error_vnd, Utc::now().trunc_subsecs(6))?;
    bank.tell(std::slice::from_ref(&notice)).await?;
    // Banks that did not hear the answer say it again; one in thirty does.
    if sale.key.as_u128().is_multiple_of(30) {
        bank.tell(&[notice]).await?;
    }
    Ok(())
}
