//! E-invoices of receipts, and of what goes back of them.

use chrono_tz::Tz;
use domain::id::{ReceiptId, RefundId};
use domain::invoice::{Invoice, InvoiceLine, Seller, Serial};
use domain::place::VehicleClass;
use domain::refund::RefundGround;
use store::invoice::{InvoiceNumber, Invoiced};
use store::receipt::Receipt;

use crate::{ApiError, App};

/// The invoice of a receipt, as XML without the provider's signature.
///
/// # Errors
/// [`ApiError::NotFound`] for an unknown receipt; [`ApiError::Conflict`] where its operator issues
/// no e-invoices.
pub async fn xml(app: &App, id: ReceiptId) -> Result<String, ApiError> {
    let receipt = app.store.receipt(id).await?;
    written(&of_receipt(app, &receipt).await?)
}

/// The invoice that a refund adjusts its receipt's by.
///
/// # Errors
/// As [`xml`]; [`ApiError::NotFound`] also for a refund of what never was revenue.
pub async fn refund_xml(app: &App, id: RefundId) -> Result<String, ApiError> {
    let refund = app.store.refund(id).await?;
    let receipt = refund.receipt.ok_or(ApiError::NotFound("invoice"))?;
    let receipt = app.store.receipt(receipt).await?;
    // The receipt's first, so that it has the lower number.
    let adjusted = of_receipt(app, &receipt).await?;
    let serial = serial(&number(app, Invoiced::Refund(id)).await?)?;
    let issued_at = refund.created_at.max(receipt.issued_at);
    let reason = reason(refund.ground);
    written(&adjusted.refund(serial, issued_at, refund.amount_vnd, reason))
}

async fn of_receipt(app: &App, receipt: &Receipt) -> Result<Invoice, ApiError> {
    let number = number(app, Invoiced::Receipt(receipt.id)).await?;
    let serial = serial(&number)?;
    let timezone: Tz = receipt.timezone.parse().map_err(|_| ApiError::Internal)?;
    let local = |at: domain::Timestamp| at.with_timezone(&timezone).format("%H:%M %d/%m/%Y");
    let vehicle = match receipt.class {
        VehicleClass::Car => "ô tô",
        VehicleClass::Motorbike => "xe máy",
    };
    let what = match receipt.session {
        Some(_) => format!("Trông giữ {vehicle} tại {}", receipt.bay),
        None => format!("Vé tháng trông giữ {vehicle}, {}", receipt.zone_name),
    };
    Ok(Invoice {
        seller: Seller {
            name: number.name,
            tax_code: number.tax_code,
            address: number.address,
        },
        buyer: None,
        serial,
        issued_at: receipt.issued_at,
        timezone,
        lines: vec![InvoiceLine {
            text: format!(
                "{what}, từ {} đến {}",
                local(receipt.starts_at),
                local(receipt.ends_at)
            ),
            amount_vnd: receipt.amount_vnd,
        }],
        vat_bp: receipt.vat_bp,
        payment_method: "Thanh toán điện tử".to_owned(),
        solution_tax_code: None,
        receipt: receipt.id,
        receipt_url: format!("{}/r/{}", app.public_url, receipt.id),
        related: None,
    })
}

/// The number, given out now where somebody asks before those of this minute were.
async fn number(app: &App, of: Invoiced) -> Result<InvoiceNumber, ApiError> {
    if let Some(number) = app.store.invoice_number(of).await? {
        return Ok(number);
    }
    while app.store.invoice_assign().await? > 0 {}
    let number = app.store.invoice_number(of).await?;
    number.ok_or(ApiError::Conflict("this operator issues no e-invoices"))
}

fn serial(number: &InvoiceNumber) -> Result<Serial, ApiError> {
    let running = u32::try_from(number.number).map_err(|_| ApiError::Internal)?;
    Ok(Serial {
        symbol: number.series.clone(),
        number: running,
        allotted: number.invoice_code.clone(),
        sequence: u64::from(running),
    })
}

/// Why money goes back, as the invoice says it.
const fn reason(ground: RefundGround) -> &'static str {
    match ground {
        RefundGround::Unused => "Hoàn tiền thời gian không sử dụng",
        RefundGround::Double => "Hoàn tiền do thanh toán hai lần",
        RefundGround::Late => "Hoàn tiền do thanh toán quá hạn",
        RefundGround::Amount => "Hoàn tiền do sai số tiền",
        RefundGround::Dispute => "Hoàn tiền theo khiếu nại",
        RefundGround::Staff => "Hoàn tiền theo quyết định của đơn vị thu",
    }
}

fn written(invoice: &Invoice) -> Result<String, ApiError> {
    invoice.to_xml().map_err(|error| {
        tracing::error!(%error, receipt = %invoice.receipt, "an invoice cannot be written");
        ApiError::Internal
    })
}
