//! Which column of a statement means what, found by its heading.
//!
//! Sources: the providers' published protocols (VNPAY PAY 2.1.0 `querydr`, MoMo v2 payment
//! notification, ZaloPay v2 callback and query). What heads the exports of the merchants' portals
//! is not published: the Vietnamese and English headings here are the usual words for these fields
//! and not verified against a portal's file. A file that says otherwise is read with `--column`,
//! and no file is ever read half.

use std::str::FromStr;

use super::format::fold;

/// What a column means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    GatewayRef,
    Reference,
    Kind,
    Amount,
    At,
    Status,
}

impl Field {
    pub const ALL: [Self; 6] = [
        Self::GatewayRef,
        Self::Reference,
        Self::Kind,
        Self::Amount,
        Self::At,
        Self::Status,
    ];
    const NEEDED: [Self; 3] = [Self::GatewayRef, Self::Amount, Self::At];

    /// Our own heading for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::GatewayRef => "gateway_ref",
            Self::Reference => "reference",
            Self::Kind => "kind",
            Self::Amount => "amount_vnd",
            Self::At => "at",
            Self::Status => "status",
        }
    }
}

/// `FIELD=HEADING`, as `--column` takes it.
#[derive(Clone, Debug)]
pub struct Told {
    field: Field,
    heading: String,
}

impl FromStr for Told {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fields = || Field::ALL.map(Field::name).join(", ");
        let (name, heading) = text
            .split_once('=')
            .ok_or("expected FIELD=HEADING, as in amount_vnd=\"Số tiền\"")?;
        let field = Field::ALL
            .into_iter()
            .find(|field| field.name() == name.trim())
            .ok_or_else(|| format!("{name:?} is none of {}", fields()))?;
        Ok(Self {
            field,
            heading: heading.to_owned(),
        })
    }
}

/// Headings of one field, the surest first.
type Headings = (Field, &'static [&'static str]);

const OURS: &[Headings] = &[
    (Field::GatewayRef, &["gateway_ref"]),
    (Field::Reference, &["reference"]),
    (Field::Kind, &["kind"]),
    (Field::Amount, &["amount_vnd"]),
    (Field::At, &["at"]),
    (Field::Status, &["status"]),
];

/// What every portal may call the fields that are not the provider's own.
const COMMON: &[Headings] = &[
    (Field::GatewayRef, &["Mã giao dịch", "Transaction ID"]),
    (
        Field::Reference,
        &["Mã đơn hàng", "Mã hóa đơn", "Order ID", "Nội dung"],
    ),
    (Field::Kind, &["Loại giao dịch", "Transaction type"]),
    (
        Field::Amount,
        &["Số tiền", "Số tiền (VND)", "Số tiền giao dịch", "Amount"],
    ),
    (
        Field::At,
        &[
            "Thời gian giao dịch",
            "Thời gian thanh toán",
            "Ngày giao dịch",
            "Ngày thanh toán",
            "Thời gian",
            "Transaction time",
        ],
    ),
    (
        Field::Status,
        &["Trạng thái giao dịch", "Trạng thái", "Status"],
    ),
];

const VNPAY: &[Headings] = &[
    (
        Field::GatewayRef,
        &["vnp_TransactionNo", "Mã giao dịch VNPAY", "Mã GD VNPAY"],
    ),
    (Field::Reference, &["vnp_TxnRef", "Mã tham chiếu"]),
    (Field::Kind, &["vnp_TransactionType"]),
    (Field::Amount, &["vnp_Amount"]),
    (Field::At, &["vnp_PayDate"]),
    (Field::Status, &["vnp_TransactionStatus"]),
];

const MOMO: &[Headings] = &[
    (Field::GatewayRef, &["transId", "Mã giao dịch MoMo"]),
    (Field::Reference, &["orderId"]),
    (Field::Amount, &["amount"]),
    (Field::At, &["responseTime"]),
    (Field::Status, &["resultCode"]),
];

const ZALOPAY: &[Headings] = &[
    (
        Field::GatewayRef,
        &["zp_trans_id", "zptransid", "Mã giao dịch ZaloPay"],
    ),
    (Field::Reference, &["app_trans_id", "apptransid"]),
    (Field::Amount, &["amount"]),
    (Field::At, &["server_time", "servertime"]),
    (Field::Status, &["return_code"]),
];

/// VNPAY's protocol counts hundredths of a đồng, its portal does not.
const IN_HUNDREDTHS: &str = "vnp_Amount";

/// A provider's ways.
#[derive(Clone, Debug)]
pub struct Provider {
    headings: Vec<(Field, String)>,
    /// The status code that says the money moved.
    pub done: &'static str,
}

impl Provider {
    /// The ways of a gateway; of one that is not known, ours and the common ones. What is told
    /// goes before what is known.
    pub fn of(gateway: &str, told: &[Told]) -> Self {
        let (own, done) = match gateway {
            "vnpay" => (VNPAY, "00"),
            "momo" => (MOMO, "0"),
            "zalopay" => (ZALOPAY, "1"),
            _ => (&[] as &[Headings], "00"),
        };
        let known = [OURS, own, COMMON].into_iter().flatten();
        let known =
            known.flat_map(|(field, names)| names.iter().map(|name| (*field, (*name).to_owned())));
        let told = told.iter().map(|told| (told.field, told.heading.clone()));
        Self {
            headings: told.chain(known).collect(),
            done,
        }
    }

    /// The columns that these cells head; `None` where they are no headings of a statement.
    pub fn columns<'a>(&self, cells: impl IntoIterator<Item = &'a str>) -> Option<Columns> {
        let cells: Vec<String> = cells.into_iter().map(fold).collect();
        let mut columns = Columns::default();
        for (field, heading) in &self.headings {
            let heading_folded = fold(heading);
            let slot = &mut columns.at[*field as usize];
            if slot.is_none() {
                *slot = cells.iter().position(|cell| *cell == heading_folded);
                if *field == Field::Amount && slot.is_some() {
                    columns.hundredths = heading == IN_HUNDREDTHS;
                }
            }
        }
        let whole = Field::NEEDED
            .iter()
            .all(|field| columns.index(*field).is_some());
        whole.then_some(columns)
    }

    /// What would have been understood, for a person whose file was not.
    pub fn expected(&self) -> String {
        Field::ALL
            .map(|field| {
                let names: Vec<&str> = self
                    .headings
                    .iter()
                    .filter(|(of, _)| *of == field)
                    .map(|(_, name)| name.as_str())
                    .collect();
                let need = if Field::NEEDED.contains(&field) {
                    "needed"
                } else {
                    "optional"
                };
                format!("  {} ({need}): {}", field.name(), names.join(" | "))
            })
            .join("\n")
    }
}

/// Where the fields are in a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    at: [Option<usize>; Field::ALL.len()],
    /// Whether the amount counts hundredths of a đồng.
    pub hundredths: bool,
}

impl Columns {
    /// The column of a field.
    pub fn index(&self, field: Field) -> Option<usize> {
        self.at[field as usize]
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn found(gateway: &str, told: &[Told], header: &str) -> Option<Columns> {
        Provider::of(gateway, told).columns(header.split(','))
    }

    #[test]
    fn each_provider_is_known_by_its_own_names() {
        let vnpay = "vnp_TxnRef,vnp_Amount,vnp_PayDate,vnp_TransactionNo,vnp_TransactionStatus";
        let columns = found("vnpay", &[], vnpay).unwrap();
        assert_eq!(columns.index(Field::GatewayRef), Some(3));
        assert!(columns.hundredths);
        let portal = "STT,Mã đơn hàng,Mã giao dịch VNPAY,Số tiền,Thời gian giao dịch,Trạng thái";
        let columns = found("vnpay", &[], portal).unwrap();
        assert_eq!(columns.index(Field::Amount), Some(3));
        assert!(!columns.hundredths);
        assert!(
            found(
                "momo",
                &[],
                "orderId,transId,amount,responseTime,resultCode"
            )
            .is_some()
        );
        assert!(found("zalopay", &[], "apptransid,zptransid,amount,servertime").is_some());
        assert!(found("bank", &[], "gateway_ref,reference,kind,amount_vnd,at").is_some());
        assert!(found("bank", &[], vnpay).is_none());
    }

    #[test]
    fn what_is_told_goes_before_what_is_known() {
        let header = "Mã giao dịch,Mã GD,Số tiền,Thời gian";
        let told: Told = "gateway_ref=Mã GD".parse().unwrap();
        let columns = found("momo", &[told], header).unwrap();
        assert_eq!(columns.index(Field::GatewayRef), Some(1));
        assert!("amount".parse::<Told>().is_err());
        assert!("sum=Số tiền".parse::<Told>().is_err());
    }
}
