#![allow(clippy::unwrap_used)]

use chrono::{DateTime, Utc};
use proptest::prelude::*;
use roxmltree::Document;
use uuid::Uuid;

use super::*;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn serial(number: u32) -> Serial {
    Serial {
        symbol: "C26MCB".into(),
        number,
        allotted: "A1B2C".into(),
        sequence: 1_234_000 + u64::from(number),
    }
}

fn line(text: &str, amount: i64) -> InvoiceLine {
    InvoiceLine {
        text: text.into(),
        amount_vnd: Vnd::new(amount),
    }
}

fn invoice() -> Invoice {
    Invoice {
        seller: Seller {
            name: "Công ty TNHH Khai thác điểm đỗ & Dịch vụ <Hà Nội>".into(),
            tax_code: "0107001729-001".into(),
            address: "số 1 Trần Hưng Đạo, phường Cửa Nam, Hà Nội".into(),
        },
        buyer: None,
        serial: serial(68),
        // Past midnight in Hà Nội, still the day before in UTC.
        issued_at: at("2026-11-23T17:05:09Z"),
        timezone: chrono_tz::Asia::Ho_Chi_Minh,
        lines: vec![
            line("Đỗ xe CN-01-001, giờ 1-2", 50_000),
            line("Đỗ xe CN-01-001, giờ 3-4", 70_000),
            line("Đỗ xe CN-01-001, giờ 5", 45_000),
        ],
        vat_bp: 800,
        payment_method: "Chuyển khoản".into(),
        solution_tax_code: Some("0101243150".into()),
        receipt: ReceiptId(Uuid::from_u128(0x0123_4567_89ab_4def_8123_4567_89ab_cdef)),
        receipt_url: "https://clearbay.example/r/01234567-89ab-4def-8123-456789abcdef".into(),
        related: None,
    }
}

/// A golden file is indented for people; the document is not.
fn unindented(golden: &str) -> String {
    golden.lines().map(str::trim_start).collect()
}

fn value(document: &Document<'_>, name: &str) -> String {
    let mut found = document.descendants().filter(|n| n.has_tag_name(name));
    let text = found.next().unwrap().text().unwrap_or_default().to_owned();
    assert!(found.next().is_none(), "more than one {name}");
    text
}

fn amounts(document: &Document<'_>, parent: &str, name: &str) -> Vec<i64> {
    document
        .descendants()
        .filter(|n| n.has_tag_name(name) && n.parent().is_some_and(|p| p.has_tag_name(parent)))
        .map(|n| n.text().unwrap().parse().unwrap())
        .collect()
}

#[test]
fn a_sale_is_written_as_the_authority_reads_it() {
    let xml = invoice().to_xml().unwrap();
    assert_eq!(xml, unindented(include_str!("golden/sale.xml")));
}

#[test]
fn a_refund_takes_back_exactly_what_the_sale_said() {
    let sale = invoice();
    let refund = sale.refund(
        serial(69),
        at("2026-11-24T02:00:00Z"),
        sale.totals().unwrap().total_vnd,
        "Hoàn tiền do trả tiền hai lần",
    );
    let xml = refund.to_xml().unwrap();
    assert_eq!(xml, unindented(include_str!("golden/refund.xml")));
    let (paid, back) = (sale.totals().unwrap(), refund.totals().unwrap());
    assert_eq!(paid.net_vnd.get(), -back.net_vnd.get());
    assert_eq!(paid.vat_vnd.get(), -back.vat_vnd.get());
}

#[test]
fn a_replacement_names_what_it_replaces_and_who_buys() {
    let wrong = invoice();
    let right = Invoice {
        buyer: Some(Buyer {
            name: Some("Nguyễn Văn A".into()),
            citizen_id: Some("001099012345".into()),
            ..Buyer::default()
        }),
        serial: serial(70),
        related: Some(wrong.relation(Nature::Replaces, "Bổ sung người mua")),
        ..wrong
    };
    let xml = right.to_xml().unwrap();
    let document = Document::parse(&xml).unwrap();
    assert_eq!(value(&document, "TCHDon"), "1");
    assert_eq!(value(&document, "SHDCLQuan"), "68");
    assert_eq!(value(&document, "NLHDCLQuan"), "2026-11-24");
    assert_eq!(value(&document, "CCCDan"), "001099012345");
}

#[test]
fn the_authoritys_code_has_the_decisions_form() {
    let example = Serial {
        symbol: "C25MCB".into(),
        number: 1,
        allotted: "A1B2C".into(),
        sequence: 1_234_567,
    };
    // The decision's example, but of form 2: M2-25-A1B2C-00001234567.
    assert_eq!(example.authority_code(), "M1-25-A1B2C-00001234567");
}

#[test]
fn rates_outside_the_list_are_named() {
    for (bp, text) in [(0, "0%"), (500, "5%"), (1000, "10%"), (750, "KHAC:07.50%")] {
        let xml = Invoice {
            vat_bp: bp,
            ..invoice()
        }
        .to_xml()
        .unwrap();
        assert!(xml.contains(&format!("<TSuat>{text}</TSuat>")), "{text}");
    }
}

#[test]
fn what_breaks_the_format_is_refused() {
    let refused = |change: fn(&mut Invoice)| {
        let mut broken = invoice();
        change(&mut broken);
        broken.to_xml().unwrap_err()
    };
    let text = |field, most| InvoiceError::Text { field, most };
    assert_eq!(
        refused(|i| i.seller.name = " ".into()),
        text("the seller's name", 400)
    );
    assert_eq!(
        refused(|i| i.payment_method = "x".repeat(51)),
        text("the payment method", 50)
    );
    assert_eq!(
        refused(|i| i.seller.tax_code = "01070017".into()),
        InvoiceError::Code("the seller's tax code")
    );
    for symbol in ["C25MCB", "K26MCB", "C26TCB", "C26Mcb", "C26MĐ", ""] {
        let mut broken = invoice();
        broken.serial.symbol = symbol.into();
        assert_eq!(
            broken.to_xml(),
            Err(InvoiceError::Symbol(symbol.into())),
            "{symbol}"
        );
    }
    assert_eq!(
        refused(|i| i.serial.number = 100_000_000),
        InvoiceError::Serial("the invoice's number")
    );
    assert_eq!(
        refused(|i| i.seller.address = "\u{0}\n".into()),
        text("the seller's address", 400)
    );
    assert_eq!(refused(|i| i.vat_bp = 10_000), InvoiceError::Rate);
    assert_eq!(refused(|i| i.lines.clear()), InvoiceError::Lines);
    assert_eq!(
        refused(|i| i.lines[0].amount_vnd = Vnd::new(-1)),
        InvoiceError::Amount
    );
    assert_eq!(
        refused(|i| i.lines[0].amount_vnd = Vnd::new(i64::MAX)),
        InvoiceError::Overflow
    );
}

proptest! {
    #[test]
    fn any_text_stays_well_formed_and_the_sums_agree(
        name in "\\PC{1,60}", address in ".{1,60}", reason in ".{1,60}",
        texts in prop::collection::vec((any::<String>(), 1i64..500_000), 1..8),
        vat_bp in 0u16..3_000,
    ) {
        let mut told = invoice();
        told.seller.name = name;
        told.seller.address = address;
        told.vat_bp = vat_bp;
        told.lines = texts.iter().map(|(text, amount)| line(text, *amount)).collect();
        told.related = Some(told.relation(Nature::Replaces, &reason));
        // Only emptiness can be wrong with these.
        let xml = match told.to_xml() {
            Err(InvoiceError::Text { .. }) => return Ok(()),
            xml => xml.unwrap(),
        };
        let document = Document::parse(&xml).unwrap();
        let totals = told.totals().unwrap();
        let nets: i64 = amounts(&document, "HHDVu", "ThTien").iter().sum();
        prop_assert_eq!(nets, totals.net_vnd.get());
        let number = |name| value(&document, name).parse::<i64>().unwrap();
        prop_assert_eq!(number("TgTCThue") + number("TgTThue"), number("TgTTTBSo"));
        prop_assert_eq!(number("TgTTTBSo"), texts.iter().map(|(_, amount)| amount).sum::<i64>());
    }
}
