use axum::Json as Reply;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use chrono::{DateTime, Utc};
use domain::id::{ReceiptId, RefundId};
use domain::log::Inclusion;
use domain::money::Vnd;
use domain::place::VehicleClass;
use domain::purchase::Shares;
use domain::refund::{RefundGround, RefundStatus};
use domain::tariff::QuoteLine;
use serde::Serialize;
use store::refund::Refund;
use utoipa::ToSchema;

use crate::App;
use crate::error::{ApiError, Problem};
use crate::extract::Path;
use crate::service::{invoice, public_log};

/// A receipt. It holds no plate.
#[derive(Serialize, ToSchema)]
pub(super) struct ReceiptView {
    /// Its identity.
    id: ReceiptId,
    /// The lot's code.
    lot: String,
    /// The lot's name.
    lot_name: String,
    /// The bay's code.
    bay: String,
    /// Who runs the lot.
    operator: String,
    /// The vehicle.
    class: VehicleClass,
    /// The amount paid.
    amount_vnd: Vnd,
    /// The value-added tax contained in it.
    vat_vnd: Vnd,
    /// What went back of it, or is on its way.
    refunded_vnd: Vnd,
    /// Each time that money went back, oldest first.
    refunds: Vec<RefundView>,
    /// The price's reasons.
    lines: Vec<QuoteLine>,
    /// The start of the paid time.
    starts_at: DateTime<Utc>,
    /// The end of the paid time.
    ends_at: DateTime<Utc>,
    /// When the money was booked.
    issued_at: DateTime<Utc>,
    /// Through whom it was paid.
    gateway: String,
    /// Its place in the public log, with all that it takes to check it; none for the moment that it waits
    /// for that, two seconds at most.
    log: Option<Inclusion>,
}

/// Money of a receipt that goes back.
#[derive(Serialize, ToSchema)]
pub(super) struct RefundView {
    /// Its identity.
    id: RefundId,
    /// How much.
    amount_vnd: Vnd,
    /// Why.
    ground: RefundGround,
    /// Where it stands.
    status: RefundStatus,
    /// When it was promised.
    created_at: DateTime<Utc>,
    /// Its place in the public log, as of a receipt; none for money that never was revenue.
    log: Option<Inclusion>,
}

impl RefundView {
    fn new(refund: Refund, log: Option<Inclusion>) -> Self {
        Self {
            log,
            id: refund.id,
            amount_vnd: refund.amount_vnd,
            ground: refund.ground,
            status: refund.status,
            created_at: refund.created_at,
        }
    }
}

/// A receipt, for whoever has its address.
#[utoipa::path(get, path = "/api/v1/receipts/{id}", tag = "pay",
    params(("id" = String, Path, description = "The receipt's id")),
    responses((status = 200, body = ReceiptView), (status = 404, body = Problem)))]
pub(super) async fn get_receipt(
    State(app): State<App>,
    Path(id): Path<ReceiptId>,
) -> Result<Reply<ReceiptView>, ApiError> {
    let receipt = app.store.receipt(id).await?;
    let mut refunds = Vec::new();
    for refund in app.store.receipt_refunds(id).await? {
        let log = public_log::refund_inclusion(&app, refund.id).await?;
        refunds.push(RefundView::new(refund, log));
    }
    Ok(Reply(ReceiptView {
        id: receipt.id,
        lot: receipt.lot,
        lot_name: receipt.lot_name,
        bay: receipt.bay,
        operator: receipt.operator_name,
        class: receipt.class,
        amount_vnd: receipt.amount_vnd,
        vat_vnd: Shares::of(receipt.amount_vnd, receipt.vat_bp, 0).vat_vnd,
        refunded_vnd: receipt.refunded_vnd,
        refunds,
        lines: receipt.lines,
        starts_at: receipt.starts_at,
        ends_at: receipt.ends_at,
        issued_at: receipt.issued_at,
        gateway: receipt.gateway,
        log: public_log::receipt_inclusion(&app, id).await?,
    }))
}

/// The e-invoice of a receipt, as the tax authority's XML, without the provider's signature.
#[utoipa::path(get, path = "/api/v1/receipts/{id}/invoice.xml", tag = "pay",
    params(("id" = String, Path, description = "The receipt's id")),
    responses((status = 200, content_type = "application/xml", body = String),
        (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn get_invoice(
    State(app): State<App>,
    Path(id): Path<ReceiptId>,
) -> Result<impl IntoResponse, ApiError> {
    let xml = invoice::xml(&app, id).await?;
    Ok(([(header::CONTENT_TYPE, "application/xml")], xml))
}

/// The e-invoice by which a refund adjusts its receipt's.
#[utoipa::path(get, path = "/api/v1/refunds/{id}/invoice.xml", tag = "pay",
    params(("id" = String, Path, description = "The refund's id, as the receipt tells it")),
    responses((status = 200, content_type = "application/xml", body = String),
        (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn get_refund_invoice(
    State(app): State<App>,
    Path(id): Path<RefundId>,
) -> Result<impl IntoResponse, ApiError> {
    let xml = invoice::refund_xml(&app, id).await?;
    Ok(([(header::CONTENT_TYPE, "application/xml")], xml))
}
