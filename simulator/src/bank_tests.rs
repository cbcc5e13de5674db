#![allow(clippy::unwrap_used)]

use domain::payment::find_references;
use domain::place::VehicleClass;
use uuid::Uuid;

use super::*;
use crate::purchase::Order;

fn purchase(wrong_amount: bool) -> Purchase {
    Purchase {
        key: Uuid::from_u128(0x0123_4567_89AB_CDEF_0000_0000_0000_0001),
        bay: "HK-01-001".to_owned(),
        class: VehicleClass::Car,
        plate: "30A12345".to_owned(),
        minutes: 60,
        at: Timestamp::UNIX_EPOCH,
        order: Some(Order {
            after: TimeDelta::seconds(20),
            wrong_amount,
            told_twice: false,
        }),
    }
}

fn qr(amount_vnd: Option<i64>) -> String {
    VietQr {
        bin: "970415".to_owned(),
        account: "CLEARBAYDEMO01".to_owned(),
        amount_vnd,
        purpose: Some("CB0123456789AB".to_owned()),
    }
    .encode()
    .unwrap()
}

#[test]
fn a_transfer_carries_what_the_code_says() {
    let order = purchase(false);
    let paid_at = booked_at(&order, Timestamp::UNIX_EPOCH);
    assert_eq!(paid_at, Timestamp::UNIX_EPOCH + TimeDelta::seconds(20));
    let notice = transfer(&order, &qr(Some(25_000)), paid_at)
        .unwrap()
        .unwrap();
    assert_eq!(notice.amount_vnd, Vnd::new(25_000));
    assert_eq!(notice.currency, "VND");
    assert_eq!(notice.bank_ref, "FT0123456789ABCDEF");
    assert_eq!(find_references(&notice.description), ["CB0123456789AB"]);
    let wrong = transfer(&purchase(true), &qr(Some(25_000)), paid_at)
        .unwrap()
        .unwrap();
    assert_ne!(wrong.amount_vnd, notice.amount_vnd);
    let gives_up = Purchase {
        order: None,
        ..order
    };
    assert_eq!(
        transfer(&gives_up, &qr(Some(25_000)), paid_at).unwrap(),
        None
    );
}

#[test]
fn a_damaged_code_is_not_paid() {
    let damaged = qr(Some(25_000)).replace("25000", "95000");
    assert!(transfer(&purchase(false), &damaged, Timestamp::UNIX_EPOCH).is_err());
    assert!(matches!(
        transfer(&purchase(false), &qr(None), Timestamp::UNIX_EPOCH),
        Err(QrError::Incomplete)
    ));
}

#[test]
fn the_signature_covers_time_and_body() {
    // printf '1000000.{}' | openssl dgst -sha256 -hmac key
    let expected = "t=1000000,v1=822ab0c20fe01f30b8a30ac00556115974afcbc35ba8273e878f4be1ea0a877b";
    assert_eq!(signature(b"key", 1_000_000, b"{}"), expected);
}
