//! E-invoices of receipts, as Vietnam's cash registers issue them (hóa đơn điện tử khởi tạo từ máy
//! tính tiền): the record as XML, ready for a provider to sign and send to the tax authority.
//!
//! # Sources
//! - Decree 123/2020/NĐ-CP, articles 10, 11 and 19, amended by Decree 70/2025/NĐ-CP: what an
//!   invoice says, who must issue from a cash register, how a wrong one is put right.
//! - Circular 78/2021/TT-BTC, article 4: forms and symbols.
//! - Decision 1450/QĐ-TCT, replaced by Decision 1271/QĐ-CT of 30 May 2025 (format 2.1.0): element
//!   names, lengths, number and date formats, the code of the tax authority, the QR code.
//!
//! # What could not be verified
//! The text of Decision 1271 and its table for ordinary VAT invoices were at hand, but not the
//! table for cash registers (part II, section II.2) nor the decree's latest guidance. Before the
//! first real invoice a provider must confirm:
//! - that the cash register's invoice has the ordinary one's elements in the ordinary one's order,
//!   with `HDCTTChinh` (finance lease) present and 0, and `MCCQT` as a child of `HDon`;
//! - the wording of the title `THDon`, and an empty `NMua` for a buyer who wants no invoice;
//! - the place of the time of day: `NLap` is a date, so the time stands under `TTKhac`, beside the
//!   receipt's number and address.
//!
//! Only the VAT invoice (form 1) is written; a seller taxed by turnover issues form 2.

use chrono::DateTime;
use chrono_tz::Tz;

use crate::Timestamp;
use crate::id::ReceiptId;
use crate::money::Vnd;
use crate::vat::{vat_by_line, vat_contained};

mod check;
mod document;
mod qr;
#[cfg(test)]
mod tests;
mod words;
mod xml;

pub use check::InvoiceError;
pub use words::in_words;

/// Appendix II: the form of VAT invoices.
const FORM_VAT: &str = "1";

/// One invoice, original, adjusting or replacing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invoice {
    /// Who sells.
    pub seller: Seller,
    /// Who buys; most drivers never say.
    pub buyer: Option<Buyer>,
    /// Symbol, number and code.
    pub serial: Serial,
    /// When it is issued.
    pub issued_at: Timestamp,
    /// The city's time zone, in which days are counted. The format asks for GMT+7.
    pub timezone: Tz,
    /// What is sold; at least one line. Only an adjustment has negative amounts.
    pub lines: Vec<InvoiceLine>,
    /// The rate of the VAT that the amounts contain, in basis points.
    pub vat_bp: u16,
    /// How it was paid, as a person reads it: `Chuyển khoản`. Up to 50 characters.
    pub payment_method: String,
    /// Tax code of the provider whose solution signs and sends, where it is known yet.
    pub solution_tax_code: Option<String>,
    /// The receipt that the invoice is for.
    pub receipt: ReceiptId,
    /// Where the receipt can be read.
    pub receipt_url: String,
    /// The invoice that this one adjusts or replaces.
    pub related: Option<Related>,
}

/// Who sells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seller {
    /// Its name, up to 400 characters.
    pub name: String,
    /// Its tax code: ten digits, twelve for a person's, or ten with a branch: `0107001729-001`.
    pub tax_code: String,
    /// Its address, up to 400 characters.
    pub address: String,
}

/// Who buys. What is not known is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Buyer {
    /// The name, up to 400 characters.
    pub name: Option<String>,
    /// The tax code, in the seller's form.
    pub tax_code: Option<String>,
    /// The address, up to 400 characters.
    pub address: Option<String>,
    /// The citizen's number (căn cước công dân), twelve digits, of a person without a tax code.
    pub citizen_id: Option<String>,
}

/// By what an invoice is known for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Serial {
    /// `KHHDon`, six characters: `C` (with the authority's code), the year's last two digits, `M`
    /// (cash register) and two letters of the seller's choice.
    pub symbol: String,
    /// `SHDon`, 1 to 99,999,999, counted anew for each symbol.
    pub number: u32,
    /// The five characters of `MCCQT` that the tax authority has allotted to the seller.
    pub allotted: String,
    /// The eleven digits of `MCCQT` that the seller makes, never twice in a year.
    pub sequence: u64,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvoiceLine {
    /// What is sold, up to 500 characters.
    pub text: String,
    /// What was paid for it, VAT included.
    pub amount_vnd: Vnd,
}

/// What an invoice does to the one it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Nature {
    /// Stands in its place (`TCHDon` 1).
    Replaces,
    /// Adds to it, or with negative amounts takes from it, as a refund does (`TCHDon` 2).
    Adjusts,
}

/// The invoice that another adjusts or replaces: itself an e-invoice of today's form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Related {
    /// What is done to it.
    pub nature: Nature,
    /// Its symbol.
    pub symbol: String,
    /// Its number.
    pub number: u32,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// Why, up to 255 characters.
    pub reason: String,
}

/// What an invoice sums to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// Before tax.
    pub net_vnd: Vnd,
    /// The tax.
    pub vat_vnd: Vnd,
    /// What is paid: both together.
    pub total_vnd: Vnd,
}

impl Serial {
    /// `MCCQT`, 23 characters: `M`, the form, the year of issue, the characters that the authority
    /// allotted, the seller's own: `M1-26-A1B2C-00001234567`.
    ///
    /// Source: Decision 1271/QĐ-CT, part I, section IV.3.
    pub fn authority_code(&self) -> String {
        let year = self.symbol.get(1..3).unwrap_or_default();
        format!("M{FORM_VAT}-{year}-{}-{:011}", self.allotted, self.sequence)
    }
}

impl Invoice {
    /// What it sums to.
    ///
    /// # Errors
    /// [`InvoiceError::Overflow`] where the lines' sum does not fit.
    pub fn totals(&self) -> Result<Totals, InvoiceError> {
        let total = Vnd::checked_sum(self.lines.iter().map(|line| line.amount_vnd))
            .ok_or(InvoiceError::Overflow)?;
        let vat = vat_contained(total, self.vat_bp);
        Ok(Totals {
            net_vnd: total.checked_sub(vat).ok_or(InvoiceError::Overflow)?,
            vat_vnd: vat,
            total_vnd: total,
        })
    }

    /// What each line is before tax; these sum to [`Totals::net_vnd`].
    ///
    /// # Errors
    /// [`InvoiceError::Overflow`] where a sum does not fit.
    pub fn net_by_line(&self) -> Result<Vec<Vnd>, InvoiceError> {
        let amounts: Vec<Vnd> = self.lines.iter().map(|line| line.amount_vnd).collect();
        vat_by_line(&amounts, self.vat_bp)
            .and_then(|vat| {
                let pairs = amounts.iter().zip(vat);
                pairs.map(|(amount, vat)| amount.checked_sub(vat)).collect()
            })
            .ok_or(InvoiceError::Overflow)
    }

    /// The invoice that takes `refunded` off this one: one line of its negative.
    ///
    /// Giving all back in one refund gives back exactly this invoice's tax. In several, their taxes
    /// are rounded one by one and may differ from it by a đồng each.
    #[must_use]
    pub fn refund(
        &self,
        serial: Serial,
        issued_at: Timestamp,
        refunded: Vnd,
        reason: &str,
    ) -> Self {
        let taken_off = Vnd::new(-refunded.get().saturating_abs());
        Self {
            serial,
            issued_at,
            lines: vec![InvoiceLine {
                text: reason.to_owned(),
                amount_vnd: taken_off,
            }],
            related: Some(self.relation(Nature::Adjusts, reason)),
            ..self.clone()
        }
    }

    /// How another invoice names this one.
    pub fn relation(&self, nature: Nature, reason: &str) -> Related {
        Related {
            nature,
            symbol: self.serial.symbol.clone(),
            number: self.serial.number,
            issued_at: self.issued_at,
            reason: reason.to_owned(),
        }
    }

    /// The XML, unsigned: the seller's signature belongs into `DSCKS/NBan` and refers to the `Id`
    /// of `DLHDon`.
    ///
    /// # Errors
    /// [`InvoiceError`] where a field breaks the format's rules.
    pub fn to_xml(&self) -> Result<String, InvoiceError> {
        check::check(self)?;
        document::write(self)
    }

    fn local_time(&self) -> DateTime<Tz> {
        self.issued_at.with_timezone(&self.timezone)
    }
}
