use axum::Json as Reply;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use chrono::{DateTime, Utc};
use domain::id::ReceiptId;
use domain::money::Vnd;
use domain::place::VehicleClass;
use domain::purchase::Shares;
use domain::tariff::QuoteLine;
use serde::Serialize;
use utoipa::ToSchema;

use crate::App;
use crate::error::{ApiError, Problem};
use crate::extract::Path;
use crate::service::invoice;

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
        lines: receipt.lines,
        starts_at: receipt.starts_at,
        ends_at: receipt.ends_at,
        issued_at: receipt.issued_at,
        gateway: receipt.gateway,
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
