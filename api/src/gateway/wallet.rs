//! Payment out of a driver's wallet: the money lies with us, so there is nobody to ask.

use axum::http::StatusCode;
use domain::Timestamp;

use super::{
    Answer, Ask, Asked, Call, Distrust, Gateway, Order, RefundOrder, Refunded, Reply, Standing,
    Taken, Webhook, Word,
};

/// The gateway's code.
pub const CODE: &str = store::payment::WALLET;

/// The wallet as a gateway.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wallet;

impl Gateway for Wallet {
    fn code(&self) -> &'static str {
        CODE
    }

    fn name(&self) -> &'static str {
        "Ví Clearbay"
    }

    fn ask(&self, _: &Order) -> Result<Ask, String> {
        Ok(Ask::Wallet)
    }

    fn asked(&self, _: &Order, _: &Reply) -> Asked {
        Asked::Refused("a wallet is never asked".to_owned())
    }

    fn query(&self, _: &Order, _: Timestamp) -> Option<Call> {
        None
    }

    fn queried(&self, _: &Order, _: &Reply) -> Standing {
        Standing::Pending("a wallet is never asked".to_owned())
    }

    fn refund(&self, _: &RefundOrder, _: Timestamp) -> Option<Call> {
        None
    }

    fn refunded(&self, _: &RefundOrder, _: &Reply) -> Refunded {
        Refunded::Pending("a wallet is never asked".to_owned())
    }

    fn refund_query(&self, _: &RefundOrder, _: Timestamp) -> Option<Call> {
        None
    }

    fn refund_queried(&self, _: &RefundOrder, _: &Reply) -> Refunded {
        Refunded::Pending("a wallet is never asked".to_owned())
    }

    fn webhook(&self, _: Webhook<'_>, _: Timestamp) -> Result<Vec<Word>, Distrust> {
        Err(Distrust::Missing)
    }

    fn answer(&self, _: Result<&[Taken], &Distrust>) -> Answer {
        Answer {
            status: StatusCode::UNAUTHORIZED,
            content_type: "",
            body: Vec::new(),
        }
    }
}
