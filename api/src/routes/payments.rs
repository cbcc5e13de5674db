use axum::Json as Reply;
use axum::extract::State;
use axum::http::HeaderMap;
use chrono::{DateTime, Utc};
use domain::id::{PaymentId, ReceiptId};
use domain::money::Vnd;
use domain::payment::PaymentStatus;
use serde::Serialize;
use store::payment::Payment;
use utoipa::ToSchema;

use super::live::authorised;
use crate::App;
use crate::error::{ApiError, Problem};
use crate::extract::Path;

/// A payment, for its driver.
#[derive(Serialize, ToSchema)]
pub(super) struct PaymentView {
    /// Its identity.
    id: PaymentId,
    /// Where it stands.
    status: PaymentStatus,
    /// The amount asked for.
    amount_vnd: Vnd,
    /// The text of a VietQR code for the driver's bank app.
    #[serde(skip_serializing_if = "Option::is_none")]
    qr: Option<String>,
    /// The provider's page, to which the driver goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    redirect_url: Option<String>,
    /// Through whom.
    gateway: String,
    /// The text that the transfer must carry.
    reference: String,
    /// Until when the money must arrive.
    expires_at: DateTime<Utc>,
    /// The proof, once posted.
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt_id: Option<ReceiptId>,
}

impl From<&Payment> for PaymentView {
    fn from(payment: &Payment) -> Self {
        Self {
            id: payment.id,
            status: payment.status,
            amount_vnd: payment.amount_vnd,
            qr: payment.qr.clone(),
            redirect_url: payment.redirect_url.clone(),
            gateway: payment.gateway.clone(),
            reference: payment.reference.clone(),
            expires_at: payment.expires_at,
            receipt_id: payment.receipt,
        }
    }
}

/// A payment, for whoever holds its session's token.
#[utoipa::path(get, path = "/api/v1/payments/{id}", tag = "pay",
    params(("id" = String, Path, description = "The payment's id")),
    security(("session" = [])),
    responses((status = 200, body = PaymentView), (status = 401, body = Problem)))]
pub(super) async fn get_payment(
    State(app): State<App>,
    headers: HeaderMap,
    Path(id): Path<PaymentId>,
) -> Result<Reply<PaymentView>, ApiError> {
    let payment = authorised(&app, id, &headers).await?;
    Ok(Reply(PaymentView::from(&payment)))
}
