//! VietQR payloads: EMVCo merchant-presented QR codes with NAPAS's template.
//!
//! Source: EMV QRCPS Merchant-Presented Mode 1.1, and NAPAS's "QR code format" for NAPAS 247
//! (field 38: `00` = A000000727, `01` = {`00` bank's BIN, `01` account}, `02` = service code).

const NAPAS_AID: &str = "A000000727";
/// Transfer to an account, as opposed to a card (`QRIBFTTC`).
const TO_ACCOUNT: &str = "QRIBFTTA";
const CURRENCY_VND: &str = "704";

/// A request to transfer đồng to a bank account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VietQr {
    /// The bank's identification number, six digits.
    pub bin: String,
    /// The account, up to 19 characters.
    pub account: String,
    /// The amount in đồng; `None` leaves it to the payer.
    pub amount_vnd: Option<i64>,
    /// The transfer's text, by which the receiver recognises it; up to 25 characters of ASCII.
    pub purpose: Option<String>,
}

/// The name of a bank by its identification number, as its customers know it; of those that most people have.
/// Source: the members of NAPAS's network, <https://napas.com.vn>.
pub fn bank_name(bin: &str) -> Option<&'static str> {
    Some(match bin {
        "970403" => "Sacombank",
        "970405" => "Agribank",
        "970407" => "Techcombank",
        "970415" => "VietinBank",
        "970416" => "ACB",
        "970418" => "BIDV",
        "970422" => "MB",
        "970423" => "TPBank",
        "970426" => "MSB",
        "970431" => "Eximbank",
        "970432" => "VPBank",
        "970436" => "Vietcombank",
        "970437" => "HDBank",
        "970440" => "SeABank",
        "970441" => "VIB",
        "970443" => "SHB",
        "970448" => "OCB",
        "970449" => "LPBank",
        _ => return None,
    })
}

/// An account as phone numbers are masked: the last three digits, enough for whoever knows it; nothing of a shorter one.
pub fn masked_account(account: &str) -> String {
    let count = account.chars().count();
    let hidden = if count > 3 { count - 3 } else { count };
    format!("•••{}", account.chars().skip(hidden).collect::<String>())
}

/// Why a payload cannot be written or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VietQrError {
    /// A field is empty, too long or has characters outside printable ASCII.
    #[error("{0} must be 1 to {1} printable ASCII characters")]
    Field(&'static str, usize),
    /// The amount is not positive.
    #[error("the amount must be positive")]
    Amount,
    /// A field says it is longer than what is left.
    #[error("the payload ends in the middle of a field")]
    Truncated,
    /// The checksum is missing or differs.
    #[error("the checksum does not match")]
    Checksum,
    /// A field that a VietQR transfer must have is missing or has another value.
    #[error("field {0} is missing or not VietQR's")]
    NotVietQr(&'static str),
}

impl VietQr {
    /// The text that the QR code carries.
    ///
    /// # Errors
    /// [`VietQrError`] where a field does not fit the format.
    pub fn encode(&self) -> Result<String, VietQrError> {
        if self.bin.len() != 6 || !self.bin.bytes().all(|b| b.is_ascii_digit()) {
            return Err(VietQrError::Field("the bank's BIN", 6));
        }
        check("the account", &self.account, 19)?;
        let beneficiary = [tlv("00", &self.bin), tlv("01", &self.account)].concat();
        let template = [
            tlv("00", NAPAS_AID),
            tlv("01", &beneficiary),
            tlv("02", TO_ACCOUNT),
        ]
        .concat();
        // 11: the code may be paid more than once; 12: it is good for one payment.
        let initiation = if self.amount_vnd.is_some() {
            "12"
        } else {
            "11"
        };
        let mut out = [
            tlv("00", "01"),
            tlv("01", initiation),
            tlv("38", &template),
            tlv("53", CURRENCY_VND),
        ]
        .concat();
        if let Some(amount) = self.amount_vnd {
            if amount <= 0 {
                return Err(VietQrError::Amount);
            }
            out += &tlv("54", &amount.to_string());
        }
        out += &tlv("58", "VN");
        if let Some(purpose) = &self.purpose {
            check("the purpose", purpose, 25)?;
            out += &tlv("62", &tlv("08", purpose));
        }
        out += "6304";
        let crc = crc16_ccitt_false(out.as_bytes());
        Ok(format!("{out}{crc:04X}"))
    }

    /// Reads a payload, as a bank's app does.
    ///
    /// # Errors
    /// [`VietQrError`] where it is damaged or no VietQR transfer in đồng.
    pub fn parse(payload: &str) -> Result<Self, VietQrError> {
        let body_len = payload.len().checked_sub(4).ok_or(VietQrError::Checksum)?;
        let (body, crc) = payload
            .split_at_checked(body_len)
            .ok_or(VietQrError::Checksum)?;
        let told = u16::from_str_radix(crc, 16).map_err(|_| VietQrError::Checksum)?;
        if !body.ends_with("6304") || crc16_ccitt_false(body.as_bytes()) != told {
            return Err(VietQrError::Checksum);
        }
        let fields = fields(payload)?;
        let template = self::fields(get(&fields, "38").ok_or(VietQrError::NotVietQr("38"))?)?;
        if get(&template, "00") != Some(NAPAS_AID) {
            return Err(VietQrError::NotVietQr("38.00"));
        }
        let beneficiary =
            self::fields(get(&template, "01").ok_or(VietQrError::NotVietQr("38.01"))?)?;
        if get(&fields, "53") != Some(CURRENCY_VND) {
            return Err(VietQrError::NotVietQr("53"));
        }
        let owned = |field: Option<&str>, name| {
            field.map(str::to_owned).ok_or(VietQrError::NotVietQr(name))
        };
        let amount_vnd = get(&fields, "54")
            .map(|text| text.parse().map_err(|_| VietQrError::NotVietQr("54")))
            .transpose()?;
        let purpose = match get(&fields, "62") {
            Some(extra) => get(&self::fields(extra)?, "08").map(str::to_owned),
            None => None,
        };
        Ok(Self {
            bin: owned(get(&beneficiary, "00"), "38.01.00")?,
            account: owned(get(&beneficiary, "01"), "38.01.01")?,
            amount_vnd,
            purpose,
        })
    }
}

fn check(name: &'static str, text: &str, most: usize) -> Result<(), VietQrError> {
    let printable = text.bytes().all(|b| (b' '..=b'~').contains(&b));
    if text.is_empty() || text.len() > most || !printable {
        return Err(VietQrError::Field(name, most));
    }
    Ok(())
}

/// Tag, two-digit length, value. Values longer than 99 cannot occur: every field is checked.
pub(crate) fn tlv(tag: &str, value: &str) -> String {
    format!("{tag}{:02}{value}", value.len())
}

fn fields(mut text: &str) -> Result<Vec<(&str, &str)>, VietQrError> {
    let mut out = Vec::new();
    while !text.is_empty() {
        let (tag, rest) = text.split_at_checked(2).ok_or(VietQrError::Truncated)?;
        let (length, rest) = rest.split_at_checked(2).ok_or(VietQrError::Truncated)?;
        let length: usize = length.parse().map_err(|_| VietQrError::Truncated)?;
        let (value, rest) = rest
            .split_at_checked(length)
            .ok_or(VietQrError::Truncated)?;
        out.push((tag, value));
        text = rest;
    }
    Ok(out)
}

fn get<'a>(fields: &[(&str, &'a str)], tag: &str) -> Option<&'a str> {
    fields
        .iter()
        .find(|(found, _)| *found == tag)
        .map(|(_, value)| *value)
}

/// CRC-16/CCITT-FALSE: polynomial 0x1021, start 0xFFFF, not reflected.
pub fn crc16_ccitt_false(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 {
                crc << 1
            } else {
                (crc << 1) ^ 0x1021
            }
        })
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn crc_of_the_check_string() {
        assert_eq!(crc16_ccitt_false(b"123456789"), 0x29B1);
    }

    #[test]
    fn an_account_is_shown_by_its_end() {
        for (account, shown) in [
            ("1234567890", "•••890"),
            ("1234", "•••234"),
            ("123", "•••"),
            ("", "•••"),
        ] {
            assert_eq!(masked_account(account), shown);
        }
    }

    #[test]
    fn refuses_what_banks_refuse() {
        let good = VietQr {
            bin: "970415".into(),
            account: "0011001932418".into(),
            amount_vnd: Some(120_000),
            purpose: Some("ung ho lu lut".into()),
        };
        assert!(
            VietQr {
                amount_vnd: Some(0),
                ..good.clone()
            }
            .encode()
            .is_err()
        );
        assert!(
            VietQr {
                bin: "97041".into(),
                ..good.clone()
            }
            .encode()
            .is_err()
        );
        assert!(
            VietQr {
                purpose: Some("Đỗ xe".into()),
                ..good.clone()
            }
            .encode()
            .is_err()
        );
        let payload = good.encode().unwrap();
        assert_eq!(
            VietQr::parse(&payload.replace("120000", "020000")),
            Err(VietQrError::Checksum)
        );
        assert_eq!(VietQr::parse(""), Err(VietQrError::Checksum));
    }

    proptest! {
        #[test]
        fn reads_what_it_writes(
            bin in "[0-9]{6}", account in "[0-9A-Z]{6,19}",
            amount_vnd in prop::option::of(1i64..100_000_000),
            purpose in prop::option::of("[A-Za-z0-9]{1,25}"),
        ) {
            let qr = VietQr { bin, account, amount_vnd, purpose };
            prop_assert_eq!(VietQr::parse(&qr.encode().unwrap()), Ok(qr));
        }

        #[test]
        fn never_panics(text in ".{0,80}") {
            let _ = VietQr::parse(&text);
        }
    }
}
