//! The QR code by which anybody can look an invoice up.

use super::{FORM_VAT, Invoice};
use crate::money::Vnd;
use crate::vietqr::{crc16_ccitt_false, tlv};

/// What the example of appendix XIII names its invoice template by.
const INVOICE_AID: &str = "A000000775";

/// The content of `DLQRCode`: EMVCo fields of two digits of tag and two of length; template 99
/// holds the seller's tax code, form, symbol, number, date and total of the invoice.
///
/// Source: Decision 1271/QĐ-CT, part I section IV.7 and the worked example in appendix XIII. The
/// table of which other fields a code without a payment must carry was not at hand, so only the
/// format indicator, the invoice and the checksum are written: there is nothing left to pay.
pub(super) fn lookup_code(invoice: &Invoice, total: Vnd) -> String {
    let local = invoice.local_time();
    let fields = [
        tlv("00", INVOICE_AID),
        tlv("01", &invoice.seller.tax_code.replace('-', "")),
        tlv("02", FORM_VAT),
        tlv("03", &invoice.serial.symbol),
        tlv("04", &invoice.serial.number.to_string()),
        tlv("05", &local.format("%Y%m%d").to_string()),
        tlv("06", &total.get().to_string()),
    ];
    let out = format!("{}{}6304", tlv("00", "01"), tlv("99", &fields.concat()));
    format!("{out}{:04X}", crc16_ccitt_false(out.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The decision's own example, of an invoice that can also be paid.
    const EXAMPLE: &str = "00020101021202142657895426548904141568265489515426280010A000000775011001070\
        0172952045499530370454061200005802VN5905DNXYZ6005HANOI62400115S757CK5HTIE91\
        8E0307SHOPXYZ0706XYZ00199740010A00000077501130107001729001020110306C21TYY04\
        026805082021112106061200006304383C";

    #[test]
    fn the_published_example_has_our_checksum_and_our_template() {
        let (body, crc) = EXAMPLE.split_at(EXAMPLE.len() - 4);
        assert_eq!(format!("{:04X}", crc16_ccitt_false(body.as_bytes())), crc);
        let fields = [
            tlv("00", INVOICE_AID),
            tlv("01", "0107001729001"),
            tlv("02", "1"),
            tlv("03", "C21TYY"),
            tlv("04", "68"),
            tlv("05", "20211121"),
            tlv("06", "120000"),
        ];
        assert!(body.ends_with(&format!("{}6304", tlv("99", &fields.concat()))));
    }
}
