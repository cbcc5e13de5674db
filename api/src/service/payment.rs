//! Payments: asking for money, and taking a bank's word for it.

use std::collections::HashMap;

use domain::Timestamp;
use domain::board::PaidTime;
use domain::id::{PaymentId, SessionId};
use domain::money::Vnd;
use domain::payment::{BankNotice, PaymentStatus};
use domain::session::PAYMENT_WINDOW;
use store::idempotency::Intent;
use store::payment::{NewPayment, Payment, Requested};
use store::place::BayPlace;
use store::session::Session;
use store::settlement::NoticeOutcome;
use uuid::Uuid;

use crate::gateway::vietqr;
use crate::live::PaymentChange;
use crate::secret::sha256;
use crate::{ApiError, App};

/// Asks for the money of one session, once per key. A session that already waits for money gets
/// the payment it has.
///
/// # Errors
/// [`ApiError::Conflict`] where the session is paid, lapsed or costs nothing;
/// [`ApiError::Unprocessable`] for an unknown gateway.
pub async fn request(
    app: &App,
    session: &Session,
    gateway: &str,
    key: String,
    now: Timestamp,
) -> Result<Payment, ApiError> {
    if gateway != vietqr::CODE {
        return Err(ApiError::Unprocessable(format!(
            "no gateway {gateway:?}; there is: {}",
            vietqr::CODE
        )));
    }
    let mut results = request_many(app, &[(session.clone(), key)], now).await?;
    let id = results.pop().unwrap_or(Err(ApiError::Internal))?;
    Ok(app.store.payment(id).await?)
}

/// Asks for the money of many sessions by VietQR. Keys and sessions must differ. The result is in
/// the order of the argument.
///
/// # Errors
/// Where the database fails; then nothing is asked for.
pub async fn request_many(
    app: &App,
    wanted: &[(Session, String)],
    now: Timestamp,
) -> Result<Vec<Result<PaymentId, ApiError>>, ApiError> {
    let codes: Vec<String> = wanted
        .iter()
        .map(|(session, _)| session.bay_code.clone())
        .collect();
    let bays: HashMap<String, BayPlace> = app
        .store
        .bay_places(&codes)
        .await?
        .into_iter()
        .map(|bay| (bay.code.clone(), bay))
        .collect();
    let prepared: Vec<Result<NewPayment, ApiError>> = wanted
        .iter()
        .map(|(session, key)| {
            prepare(
                bays.get(&session.bay_code)
                    .ok_or(ApiError::NotFound("bay"))?,
                session,
                key,
            )
        })
        .collect();
    let new: Vec<NewPayment> = prepared
        .iter()
        .filter_map(|prepared| prepared.as_ref().ok())
        .cloned()
        .collect();
    let mut results = app.store.payment_request(&new, now).await?.into_iter();
    Ok(prepared
        .into_iter()
        .map(|prepared| {
            prepared?;
            match results.next() {
                Some(Requested::Created(id) | Requested::Existing(id)) => Ok(id),
                Some(Requested::KeyMismatch) => Err(ApiError::KeyReused),
                Some(Requested::NoSession) => Err(ApiError::NotFound("session")),
                Some(Requested::AlreadyPaid) => {
                    Err(ApiError::Conflict("this session is already paid"))
                }
                Some(Requested::Lapsed) => Err(ApiError::Conflict(
                    "this session was not paid in time; start a new one",
                )),
                None => Err(ApiError::Internal),
            }
        })
        .collect())
}

fn prepare(bay: &BayPlace, session: &Session, key: &str) -> Result<NewPayment, ApiError> {
    if session.quote.amount_vnd == Vnd::ZERO {
        return Err(ApiError::Conflict("this session costs nothing"));
    }
    let id = Uuid::now_v7();
    let (reference, qr) = vietqr::request(bay, id, session.quote.amount_vnd).map_err(|error| {
        tracing::error!(%error, bay = %bay.code, "the operator's account makes no VietQR code");
        ApiError::Internal
    })?;
    let fingerprint = sha256(format!("{}\n{}", session.id, vietqr::CODE).as_bytes());
    Ok(NewPayment {
        id: PaymentId(id),
        session: session.id,
        gateway: vietqr::CODE,
        reference,
        qr: Some(qr),
        expires_at: session.starts_at + PAYMENT_WINDOW,
        intent: Intent {
            key: key.to_owned(),
            fingerprint,
        },
    })
}

/// The payment of that identity, for whoever holds its session's token.
///
/// # Errors
/// [`ApiError::Unauthorized`] for a wrong token, whether or not the payment exists.
pub async fn find(app: &App, id: PaymentId, token: &str) -> Result<Payment, ApiError> {
    let payment = match app.store.payment(id).await {
        Err(store::StoreError::NotFound(_)) => return Err(ApiError::Unauthorized),
        other => other?,
    };
    if !app.secrets.session_token_matches(payment.session, token) {
        return Err(ApiError::Unauthorized);
    }
    Ok(payment)
}

/// Takes notices whose signature has been checked: posts what they pay for, tells the board and
/// whoever waits for the payment.
///
/// # Errors
/// Where the database fails; then nothing is taken and the bank should say it again.
pub async fn settle(
    app: &App,
    gateway: &str,
    notices: &[BankNotice],
    now: Timestamp,
) -> Result<Vec<NoticeOutcome>, ApiError> {
    let outcomes = app.store.payment_settle(gateway, notices, now).await?;
    for outcome in &outcomes {
        let label = match outcome {
            NoticeOutcome::Posted(posted) => {
                let paid = PaidTime {
                    from: posted.starts_at,
                    until: posted.ends_at,
                };
                app.live.pay(posted.bay, paid, now).await;
                app.live.payment(PaymentChange {
                    id: posted.payment,
                    status: PaymentStatus::Posted,
                    receipt: Some(posted.receipt),
                });
                "posted"
            }
            NoticeOutcome::Repeated => "repeated",
            NoticeOutcome::Suspended(reason) => reason.code(),
        };
        metrics::counter!("clearbay_bank_notices_total", "outcome" => label).increment(1);
    }
    Ok(outcomes)
}

/// The token's session: pages keep both in one cookie, `<session id>.<token>`.
pub fn split_cookie(value: &str) -> Option<(SessionId, &str)> {
    let (id, token) = value.split_once('.')?;
    Some((id.parse().ok()?, token))
}
