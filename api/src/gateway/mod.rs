//! Payment gateways: how each is asked for money and how its word is checked.
//!
//! A [`Gateway`] is a translator between our words and one provider's published protocol. It is
//! pure: it makes requests and reads replies, and never sends one. So every rule of every provider
//! is tested by calling it, and one place (`service::outbox`) decides about time, repetition and
//! failure for all of them. What a reply does not say for certain is unknown, and unknown is
//! pending: it is asked again.

use std::fmt::Debug;

use axum::http::{HeaderMap, Method, StatusCode};
use bytes::Bytes;
use domain::Timestamp;
use domain::id::PaymentId;
use domain::money::Vnd;
use domain::payment::BankNotice;

mod client;
pub mod config;
pub mod momo;
pub mod vietqr;
pub mod vnpay;
pub mod wallet;
mod wire;
pub mod zalopay;

#[cfg(test)]
mod tests;

pub use client::{ClientError, client};

/// Money to be asked for. The same order always makes the same request, so that asking again after
/// a lost reply does not ask twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Our payment.
    pub payment: PaymentId,
    /// The text by which it is recognised: 14 characters, `CB` and Crockford's base 32.
    pub reference: String,
    /// The amount.
    pub amount_vnd: Vnd,
    /// What it is for, in plain ASCII without punctuation, as the driver's statement shows it.
    pub text: String,
    /// When it was first asked for.
    pub asked_at: Timestamp,
    /// Until when the money must arrive.
    pub expires_at: Timestamp,
    /// The page to which a driver returns from the provider's.
    pub return_url: String,
    /// Where the provider sends its word: this gateway's webhook.
    pub notify_url: String,
    /// The driver's address on the network, where the provider wants it.
    pub client_ip: String,
    /// NAPAS BIN of the bank and the account into which a bank transfer goes.
    pub bank: (String, String),
}

/// Money to be given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundOrder {
    /// The refund's own name, unique for ever; made like a payment's reference.
    pub reference: String,
    /// The order whose money it is.
    pub order: Order,
    /// The provider's number of the money that came.
    pub gateway_ref: String,
    /// How much goes back; at most what came.
    pub amount_vnd: Vnd,
    /// When it was first asked for.
    pub asked_at: Timestamp,
}

/// A request to a provider, ready to be sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Call {
    /// GET or POST.
    pub method: Method,
    /// Where to.
    pub url: String,
    /// The body's type.
    pub content_type: &'static str,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Debug for Call {
    /// Without the body, which may hold a key or a signature.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.url)
    }
}

/// A provider's reply to a [`Call`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The body, as it came.
    pub body: Bytes,
}

/// What a driver needs in order to pay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkout {
    /// The text of a QR code for the driver's app.
    pub qr: Option<String>,
    /// The provider's page.
    pub redirect_url: Option<String>,
}

/// How money is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// No call is needed: the driver can pay at once.
    Ready(Checkout),
    /// The provider must be told first.
    Call(Call),
    /// The money lies with us: the ledger moves it.
    Wallet,
}

/// What a provider's reply to [`Ask::Call`] means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The driver can pay.
    Ready(Checkout),
    /// It will not take this order.
    Refused(String),
    /// It cannot be told; ask again.
    Unknown(String),
}

/// What a provider says of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The money arrived.
    Arrived(BankNotice),
    /// It will not come: cancelled, refused or run out.
    Failed(String),
    /// Not yet, or it cannot be told; ask again.
    Pending(String),
}

/// What a provider says of a refund.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refunded {
    /// The money went back, under this number of the provider's.
    Done(String),
    /// It will not be given back this way: somebody must look.
    Refused(String),
    /// Not yet, or it cannot be told; ask again.
    Pending(String),
}

/// A message of a provider as it came in, before anything of it is believed.
#[derive(Clone, Copy, Debug)]
pub struct Webhook<'a> {
    /// The raw query string, without `?`.
    pub query: &'a str,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The raw body.
    pub body: &'a [u8],
}

/// What a believed message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// Money arrived. `bank_ref` is the provider's number, `description` holds our reference.
    Arrived(BankNotice),
    /// The money of the payment with this reference will not come.
    Failed {
        /// Our reference.
        reference: String,
        /// The provider's reason.
        reason: String,
    },
}

/// Why a message is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Distrust {
    /// It carries no signature of the published form.
    #[error("the signature is missing or cannot be read")]
    Missing,
    /// It was signed too long ago, or in the future.
    #[error("the signature is too old")]
    Stale,
    /// The signature is not that of this message under our key.
    #[error("the signature does not match")]
    Wrong,
    /// It is signed, but it is not meant for us or not of the published form.
    #[error("the message cannot be read: {0}")]
    Unreadable(String),
}

/// What became of a message, for the reply that the provider expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It had its effect now.
    Done,
    /// It had its effect before.
    Repeated,
    /// No payment has that reference; its money is held.
    UnknownReference,
    /// The amount is another; the money is held.
    AmountDiffers,
    /// The money is held for another reason.
    Held,
}

/// What to answer a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: StatusCode,
    /// The body's type; empty where there is no body.
    pub content_type: &'static str,
    /// The body.
    pub body: Vec<u8>,
}

/// One provider's protocol.
///
/// Implementations hold their keys and must not show them in `Debug`. Comparisons of signatures
/// take constant time and are made over the raw bytes that came.
pub trait Gateway: Debug + Send + Sync {
    /// Its code in the API, in the database and in the path of its webhook.
    fn code(&self) -> &'static str;

    /// Its name as drivers know it.
    fn name(&self) -> &'static str;

    /// How the order's money is asked for.
    ///
    /// # Errors
    /// A sentence for the log, where the order cannot be expressed in this protocol.
    fn ask(&self, order: &Order) -> Result<Ask, String>;

    /// Reads the reply to [`Ask::Call`].
    fn asked(&self, order: &Order, reply: &Reply) -> Asked;

    /// Asks what became of an order; `None` where the provider cannot be asked. `now` is for
    /// protocols that put the time of asking into the request.
    fn query(&self, order: &Order, now: Timestamp) -> Option<Call>;

    /// Reads the reply to [`Gateway::query`].
    fn queried(&self, order: &Order, reply: &Reply) -> Standing;

    /// Gives money back; `None` where the provider has no way to do so and people must. Sending it
    /// again under the same reference must not give the money twice.
    fn refund(&self, refund: &RefundOrder, now: Timestamp) -> Option<Call>;

    /// Reads the reply to [`Gateway::refund`].
    fn refunded(&self, refund: &RefundOrder, reply: &Reply) -> Refunded;

    /// Asks what became of a refund; `None` where sending [`Gateway::refund`] again tells.
    fn refund_query(&self, refund: &RefundOrder, now: Timestamp) -> Option<Call>;

    /// Reads the reply to [`Gateway::refund_query`].
    fn refund_queried(&self, refund: &RefundOrder, reply: &Reply) -> Refunded;

    /// Checks a message and says what it tells.
    ///
    /// # Errors
    /// [`Distrust`], decided before anything else is done with the message.
    fn webhook(&self, webhook: Webhook<'_>, now: Timestamp) -> Result<Vec<Word>, Distrust>;

    /// What to answer to a message: `taken` says what became of each of its words.
    fn answer(&self, taken: Result<&[Taken], &Distrust>) -> Answer;
}
