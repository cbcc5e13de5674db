//! The format's rules, checked before anything is written.

use chrono::Datelike;

use super::{Invoice, Nature, Related, Serial};
use crate::money::Vnd;

/// The most lines: `STT` has four digits.
const MAX_LINES: usize = 9_999;
const MAX_NUMBER: u32 = 99_999_999;
const MAX_SEQUENCE: u64 = 99_999_999_999;

/// Why an invoice cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvoiceError {
    /// A text is empty or longer than the format allows.
    #[error("{field} must have 1 to {most} characters")]
    Text {
        /// Which one.
        field: &'static str,
        /// How many characters it may have.
        most: usize,
    },
    /// A tax code or citizen's number has another form.
    #[error("{0} has not the form of a tax code or citizen's number")]
    Code(&'static str),
    /// The symbol is not of a cash register with the authority's code, or of another year.
    #[error("the symbol {0:?} is not C, the year of issue, M and two letters")]
    Symbol(String),
    /// The number, or a part of the authority's code, is out of range.
    #[error("{0} is out of range")]
    Serial(&'static str),
    /// No line, or more than 9,999.
    #[error("an invoice has 1 to 9,999 lines")]
    Lines,
    /// No rate of a tax: the format has two digits before the point.
    #[error("the rate of VAT must be below 100 %")]
    Rate,
    /// Only adjustments take away, and no invoice is about nothing.
    #[error("the amounts of this kind of invoice must be positive")]
    Amount,
    /// The sum does not fit.
    #[error("the amounts are too large to be summed")]
    Overflow,
}

pub(super) fn check(invoice: &Invoice) -> Result<(), InvoiceError> {
    text("the seller's name", &invoice.seller.name, 400)?;
    text("the seller's address", &invoice.seller.address, 400)?;
    tax_code("the seller's tax code", &invoice.seller.tax_code)?;
    if let Some(buyer) = &invoice.buyer {
        text_if("the buyer's name", buyer.name.as_deref(), 400)?;
        text_if("the buyer's address", buyer.address.as_deref(), 400)?;
        buyer
            .tax_code
            .iter()
            .try_for_each(|code| tax_code("the buyer's tax code", code))?;
        if let Some(id) = &buyer.citizen_id
            && !digits(id, 12)
        {
            return Err(InvoiceError::Code("the buyer's citizen's number"));
        }
    }
    if let Some(code) = &invoice.solution_tax_code {
        tax_code("the provider's tax code", code)?;
    }
    text("the payment method", &invoice.payment_method, 50)?;
    // All of TTKhac may have 500 characters; the rest of ours is short.
    text("the receipt's address", &invoice.receipt_url, 255)?;
    if invoice.vat_bp >= 10_000 {
        return Err(InvoiceError::Rate);
    }
    serial(&invoice.serial, invoice.local_time().year())?;
    if let Some(related) = &invoice.related {
        self::related(related, invoice)?;
    }
    lines(invoice)
}

fn lines(invoice: &Invoice) -> Result<(), InvoiceError> {
    if invoice.lines.is_empty() || invoice.lines.len() > MAX_LINES {
        return Err(InvoiceError::Lines);
    }
    for line in &invoice.lines {
        text("a line's text", &line.text, 500)?;
    }
    let adjusts = matches!(&invoice.related, Some(related) if related.nature == Nature::Adjusts);
    let total = invoice.totals()?.total_vnd;
    let below_zero = invoice.lines.iter().any(|line| line.amount_vnd < Vnd::ZERO);
    if !adjusts && (below_zero || total == Vnd::ZERO) {
        return Err(InvoiceError::Amount);
    }
    Ok(())
}

fn serial(serial: &Serial, year: i32) -> Result<(), InvoiceError> {
    symbol(&serial.symbol, year)?;
    number(serial.number)?;
    let allotted = serial.allotted.as_bytes();
    if allotted.len() != 5 || !allotted.iter().all(u8::is_ascii_alphanumeric) {
        return Err(InvoiceError::Serial("the tax authority's allotment"));
    }
    if serial.sequence == 0 || serial.sequence > MAX_SEQUENCE {
        return Err(InvoiceError::Serial("the seller's sequence"));
    }
    Ok(())
}

fn related(related: &Related, invoice: &Invoice) -> Result<(), InvoiceError> {
    let issued = related.issued_at.with_timezone(&invoice.timezone);
    symbol(&related.symbol, issued.year())?;
    number(related.number)?;
    text("the reason", &related.reason, 255)
}

fn number(number: u32) -> Result<(), InvoiceError> {
    if (1..=MAX_NUMBER).contains(&number) {
        Ok(())
    } else {
        Err(InvoiceError::Serial("the invoice's number"))
    }
}

fn symbol(symbol: &str, year: i32) -> Result<(), InvoiceError> {
    let own = symbol
        .strip_prefix(&format!("C{:02}M", year.rem_euclid(100)))
        .unwrap_or_default();
    if own.len() == 2 && own.bytes().all(|b| b.is_ascii_uppercase()) {
        Ok(())
    } else {
        Err(InvoiceError::Symbol(symbol.to_owned()))
    }
}

fn tax_code(field: &'static str, code: &str) -> Result<(), InvoiceError> {
    let right = match code.split_once('-') {
        Some((head, branch)) => digits(head, 10) && digits(branch, 3),
        None => digits(code, 10) || digits(code, 12),
    };
    right.then_some(()).ok_or(InvoiceError::Code(field))
}

fn digits(text: &str, count: usize) -> bool {
    text.len() == count && text.bytes().all(|b| b.is_ascii_digit())
}

fn text(field: &'static str, text: &str, most: usize) -> Result<(), InvoiceError> {
    // Control characters are not written, so they do not make a text.
    let empty = text.chars().all(|c| c.is_whitespace() || c.is_control());
    if empty || text.chars().count() > most {
        return Err(InvoiceError::Text { field, most });
    }
    Ok(())
}

fn text_if(field: &'static str, told: Option<&str>, most: usize) -> Result<(), InvoiceError> {
    told.map_or(Ok(()), |told| text(field, told, most))
}
