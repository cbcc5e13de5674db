use axum::Json as Reply;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use chrono::{DateTime, Utc};
use domain::id::{ReceiptId, WalletId};
use domain::money::Vnd;
use serde::{Deserialize, Serialize};
use store::wallet::{WalletEntry, WalletUse};
use utoipa::ToSchema;

use super::payments::PaymentView;
use crate::App;
use crate::error::{ApiError, Problem};
use crate::extract::{IdempotencyKey, Json, Path, bearer};
use crate::service::wallet;

/// A new wallet with its key.
#[derive(Serialize, ToSchema)]
pub(super) struct OpenedWallet {
    /// Its identity.
    id: WalletId,
    /// The only key to it: whoever holds it may spend what is in it.
    token: String,
}

/// A wallet, for whoever holds its token.
#[derive(Serialize, ToSchema)]
pub(super) struct WalletView {
    /// Its identity.
    id: WalletId,
    /// What is in it.
    balance_vnd: Vnd,
    /// Of that, what sessions that run have reserved.
    held_vnd: Vnd,
    /// What can be spent.
    available_vnd: Vnd,
}

/// Opens an empty wallet.
#[utoipa::path(post, path = "/api/v1/wallets", tag = "pay",
    params(("Idempotency-Key" = String, Header, description = "8 to 128 characters, new for each intent")),
    responses((status = 201, body = OpenedWallet), (status = 400, body = Problem)))]
pub(super) async fn create_wallet(
    State(app): State<App>,
    IdempotencyKey(key): IdempotencyKey,
) -> Result<(StatusCode, Reply<OpenedWallet>), ApiError> {
    let opened = wallet::open(&app, key, App::now()).await?;
    let reply = OpenedWallet {
        id: opened.id,
        token: opened.token,
    };
    Ok((StatusCode::CREATED, Reply(reply)))
}

/// What is in a wallet.
#[utoipa::path(get, path = "/api/v1/wallets/{id}", tag = "pay",
    params(("id" = String, Path, description = "The wallet's id")),
    security(("wallet" = [])),
    responses((status = 200, body = WalletView), (status = 401, body = Problem)))]
pub(super) async fn get_wallet(
    State(app): State<App>,
    headers: HeaderMap,
    Path(id): Path<WalletId>,
) -> Result<Reply<WalletView>, ApiError> {
    let token = bearer(&headers).ok_or(ApiError::Unauthorized)?;
    let wallet = wallet::find(&app, id, token).await?;
    Ok(Reply(WalletView {
        id,
        balance_vnd: wallet.balance_vnd,
        held_vnd: wallet.held_vnd,
        available_vnd: wallet.available_vnd(),
    }))
}

/// The movements of a wallet's money.
#[derive(Serialize, ToSchema)]
pub(super) struct WalletEntries {
    /// The latest first, at most 200.
    entries: Vec<EntryView>,
}

/// One movement of a wallet's money.
#[derive(Serialize, ToSchema)]
pub(super) struct EntryView {
    /// When.
    at: DateTime<Utc>,
    /// What came; below zero what went.
    amount_vnd: Vnd,
    /// `top_up`, `start`, `extension`, `pass` or `refund`.
    kind: &'static str,
    /// The code of the bay in which it was bought.
    #[serde(skip_serializing_if = "Option::is_none")]
    bay: Option<String>,
    /// The proof of what was bought.
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt_id: Option<ReceiptId>,
}

impl From<WalletEntry> for EntryView {
    fn from(entry: WalletEntry) -> Self {
        Self {
            at: entry.at,
            amount_vnd: entry.amount_vnd,
            kind: match entry.what {
                WalletUse::Purchase(kind) => kind.code(),
                WalletUse::Refund => "refund",
            },
            bay: entry.bay,
            receipt_id: entry.receipt,
        }
    }
}

/// What came into a wallet and what went.
#[utoipa::path(get, path = "/api/v1/wallets/{id}/entries", tag = "pay",
    params(("id" = String, Path, description = "The wallet's id")),
    security(("wallet" = [])),
    responses((status = 200, body = WalletEntries), (status = 401, body = Problem)))]
pub(super) async fn list_wallet_entries(
    State(app): State<App>,
    headers: HeaderMap,
    Path(id): Path<WalletId>,
) -> Result<Reply<WalletEntries>, ApiError> {
    let token = bearer(&headers).ok_or(ApiError::Unauthorized)?;
    let wallet = wallet::find(&app, id, token).await?;
    let entries = wallet::entries(&app, &wallet).await?;
    let entries = entries.into_iter().map(EntryView::from).collect();
    Ok(Reply(WalletEntries { entries }))
}

#[derive(Deserialize, ToSchema)]
pub(super) struct NewTopUp {
    /// How much, from 10,000 to 5,000,000.
    amount_vnd: Vnd,
    /// Through whom: `vietqr`, `vnpay`, `momo` or `zalopay`, whichever the city offers.
    gateway: String,
}

/// Asks for money to be put into a wallet.
#[utoipa::path(post, path = "/api/v1/wallets/{id}/top-ups", tag = "pay", request_body = NewTopUp,
    params(("id" = String, Path, description = "The wallet's id"),
        ("Idempotency-Key" = String, Header, description = "8 to 128 characters, new for each intent")),
    security(("wallet" = [])),
    responses((status = 201, body = PaymentView), (status = 401, body = Problem),
        (status = 422, body = Problem)))]
pub(super) async fn top_up_wallet(
    State(app): State<App>,
    headers: HeaderMap,
    Path(id): Path<WalletId>,
    IdempotencyKey(key): IdempotencyKey,
    Json(new): Json<NewTopUp>,
) -> Result<(StatusCode, Reply<PaymentView>), ApiError> {
    let token = bearer(&headers).ok_or(ApiError::Unauthorized)?;
    let wallet = wallet::find(&app, id, token).await?;
    let now = App::now();
    let payment = wallet::top_up(&app, &wallet, new.amount_vnd, &new.gateway, key, now).await?;
    Ok((StatusCode::CREATED, Reply(PaymentView::from(&payment))))
}
