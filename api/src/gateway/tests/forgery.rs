//! Nobody but the providers is believed.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;

/// Ten thousand forgeries of each gateway's word: bytes changed, cut, doubled or swapped, keys of
/// others, other methods of telling. None moves money.
#[test]
fn forged_words_are_refused() {
    const OTHER: &str = "another key";
    let others: [Message; 4] = [
        vnpay_word(
            &Vnpay {
                hash_secret: OTHER.to_owned(),
                ..vnpay()
            },
            "00",
        ),
        momo_word(
            &Momo {
                secret_key: OTHER.to_owned(),
                ..momo()
            },
            0,
        ),
        zalopay_word(OTHER),
        vietqr_word(&VietQr {
            key: OTHER.as_bytes().to_vec(),
            ..vietqr()
        }),
    ];
    let all: [(Box<dyn Gateway>, Message); 4] = [
        (Box::new(vnpay()), vnpay_word(&vnpay(), "00")),
        (Box::new(momo()), momo_word(&momo(), 0)),
        (Box::new(zalopay()), zalopay_word(SECRETS[4])),
        (Box::new(vietqr()), vietqr_word(&vietqr())),
    ];
    for ((gateway, right), forged) in all.into_iter().zip(others) {
        let told = arrived(&right.given_to(gateway.as_ref()).unwrap()).clone();
        assert!(
            forged.given_to(gateway.as_ref()).is_err(),
            "{}",
            gateway.code()
        );
        let mut random = StdRng::seed_from_u64(11);
        for _ in 0..10_000 {
            let mut message = right.clone();
            if message.query.is_empty() {
                alter(&mut message.body, &mut random);
            } else {
                let mut bytes = message.query.into_bytes();
                alter(&mut bytes, &mut random);
                message.query = String::from_utf8_lossy(&bytes).into_owned();
            }
            check(gateway.as_ref(), &message, &told);
        }
    }
}

/// A forgery that changes nothing that is signed says the same as the true word; no other passes.
fn check(gateway: &dyn Gateway, message: &Message, told: &BankNotice) {
    if let Ok(words) = message.given_to(gateway) {
        assert_eq!(arrived(&words), told, "{}", gateway.code());
    }
}

fn alter(bytes: &mut Vec<u8>, random: &mut StdRng) {
    for _ in 0..random.random_range(1..4) {
        let at = random
            .random_range(0..bytes.len().max(1))
            .min(bytes.len().saturating_sub(1));
        match random.random_range(0..5) {
            0 => bytes[at] ^= 1 << random.random_range(0..7),
            1 => bytes.truncate(at.max(1)),
            2 => bytes.insert(at, random.random_range(32..127)),
            3 => {
                let with = random.random_range(0..bytes.len());
                bytes.swap(at, with);
            }
            _ => {
                bytes.remove(at);
                if bytes.is_empty() {
                    bytes.push(b'x');
                }
            }
        }
    }
}
