//! E-invoices of receipts.

use chrono_tz::Tz;
use domain::id::ReceiptId;
use domain::invoice::{Invoice, InvoiceLine, Seller, Serial};
use domain::place::VehicleClass;

use crate::{ApiError, App};

/// The invoice of a receipt, as XML without the provider's signature.
///
/// # Errors
/// [`ApiError::NotFound`] for an unknown receipt; [`ApiError::Conflict`] where its operator issues
/// no e-invoices.
pub async fn xml(app: &App, id: ReceiptId) -> Result<String, ApiError> {
    let receipt = app.store.receipt(id).await?;
    let number = match app.store.invoice_number(id).await? {
        Some(number) => number,
        None => {
            // The driver asks before the numbers of this minute were given out.
            while app.store.invoice_assign().await? > 0 {}
            let number = app.store.invoice_number(id).await?;
            number.ok_or(ApiError::Conflict("this operator issues no e-invoices"))?
        }
    };
    let timezone: Tz = receipt.timezone.parse().map_err(|_| ApiError::Internal)?;
    let local = |at: domain::Timestamp| at.with_timezone(&timezone).format("%H:%M %d/%m/%Y");
    let vehicle = match receipt.class {
        VehicleClass::Car => "ô tô",
        VehicleClass::Motorbike => "xe máy",
    };
    let running = u32::try_from(number.number).map_err(|_| ApiError::Internal)?;
    let invoice = Invoice {
        seller: Seller {
            name: number.name,
            tax_code: number.tax_code,
            address: number.address,
        },
        buyer: None,
        serial: Serial {
            symbol: number.series,
            number: running,
            allotted: number.invoice_code,
            sequence: u64::from(running),
        },
        issued_at: receipt.issued_at,
        timezone,
        lines: vec![InvoiceLine {
            text: format!(
                "Trông giữ {vehicle} tại {}, từ {} đến {}",
                receipt.bay,
                local(receipt.starts_at),
                local(receipt.ends_at)
            ),
            amount_vnd: receipt.amount_vnd,
        }],
        vat_bp: receipt.vat_bp,
        payment_method: "Thanh toán điện tử".to_owned(),
        solution_tax_code: None,
        receipt: id,
        receipt_url: format!("{}/r/{id}", app.public_url),
        related: None,
    };
    invoice.to_xml().map_err(|error| {
        tracing::error!(%error, receipt = %id, "a receipt makes no invoice");
        ApiError::Internal
    })
}
