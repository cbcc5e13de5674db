//! Payments: asking for money.

use std::collections::HashMap;

use axum::http::HeaderMap;
use chrono::TimeDelta;
use domain::Timestamp;
use domain::id::{PassId, PaymentId, PurchaseId};
use domain::money::Vnd;
use domain::payment::{BankNotice, PaymentStatus, Suspense, reference};
use domain::session::PAYMENT_WINDOW;
use store::idempotency::Intent;
use store::payment::{NewPayment, PaidFrom, Payment, Requested};
use store::place::BayPlace;
use store::session::Session;
use store::settlement::NoticeOutcome;
use store::wallet::Wallet;
use uuid::Uuid;

use crate::gateway::wallet::CODE as WALLET;
use crate::gateway::{Ask, Gateway, Order, vietqr};
use crate::secret::sha256;
use crate::service::settlement::settle;
use crate::service::{driver, outbox, session_cookie, wallet};
use crate::{ApiError, App};

const ALREADY_PAID: ApiError = ApiError::Conflict("this is already paid");
const LAPSED: ApiError = ApiError::Conflict("this was not paid in time; start a new session");

/// What is to be paid for.
#[derive(Clone, Debug)]
pub struct Due {
    /// The purchase.
    pub purchase: PurchaseId,
    /// The price.
    pub amount_vnd: Vnd,
    /// Until when the money must arrive.
    pub expires_at: Timestamp,
    /// NAPAS BIN and account of whoever is paid by bank transfer.
    pub bank: (String, String),
}

impl Due {
    /// The first time of a session in a bay.
    ///
    /// # Errors
    /// [`ApiError::Conflict`] where it costs nothing, or what it costs is known only when it ends.
    pub fn start(bay: &BayPlace, session: &Session) -> Result<Self, ApiError> {
        if session.metered {
            return Err(ApiError::Conflict(
                "a session by the minute is paid from its wallet when it ends",
            ));
        }
        Self::longest(bay, session)
    }

    /// The time for which a session was begun, which of a metered one is the longest that it may take.
    ///
    /// # Errors
    /// [`ApiError::Conflict`] where it costs nothing.
    pub fn longest(bay: &BayPlace, session: &Session) -> Result<Self, ApiError> {
        // A start that was made without a signal has its time to pay from when it came.
        let from = session.starts_at.max(session.created_at);
        Self::of_bay(
            bay,
            PurchaseId(session.id.0),
            session.quote.amount_vnd,
            from,
        )
    }

    /// A purchase for a bay, recorded at `from`.
    ///
    /// # Errors
    /// [`ApiError::Conflict`] where it costs nothing.
    pub fn of_bay(
        bay: &BayPlace,
        purchase: PurchaseId,
        amount_vnd: Vnd,
        from: Timestamp,
    ) -> Result<Self, ApiError> {
        if amount_vnd == Vnd::ZERO {
            return Err(ApiError::Conflict("this session costs nothing"));
        }
        Ok(Self {
            purchase,
            amount_vnd,
            expires_at: from + PAYMENT_WINDOW,
            bank: (bay.bank_bin.clone(), bay.bank_account.clone()),
        })
    }
}

/// How a driver wants to pay.
#[derive(Clone, Debug)]
pub struct Means<'a> {
    /// The gateway's code.
    pub gateway: &'a str,
    /// The wallet, where it pays.
    pub wallet: Option<Wallet>,
    /// Whether the money is only reserved until the time has ended.
    pub hold: bool,
}

impl<'a> Means<'a> {
    /// By a gateway.
    pub fn gateway(gateway: &'a str) -> Self {
        Self {
            gateway,
            wallet: None,
            hold: false,
        }
    }
}

/// Asks for money, once per key. A purchase that already waits for money from the same gateway
/// gets the payment it has. The gateway is called, where it must be, before this returns; if it
/// does not answer the payment stays pending without a way to pay, and is asked for again.
///
/// # Errors
/// [`ApiError::Conflict`] where it is paid or lapsed; [`ApiError::NotCovered`] by the wallet;
/// [`ApiError::Unprocessable`] for an unknown gateway.
pub async fn request(
    app: &App,
    due: &Due,
    means: Means<'_>,
    key: String,
    now: Timestamp,
) -> Result<Payment, ApiError> {
    let gateway = app.gateways.get(means.gateway).ok_or_else(|| {
        let known: Vec<&str> = app.gateways.iter().map(Gateway::code).collect();
        ApiError::Unprocessable(format!(
            "no gateway {:?}; there is: {}",
            means.gateway,
            known.join(", ")
        ))
    })?;
    let new = prepare(&app.public_url, gateway, due, &means, key, now)?;
    let called = matches!(new.from, PaidFrom::CalledGateway(_));
    let result = app
        .store
        .payment_request(std::slice::from_ref(&new), now)
        .await?
        .pop()
        .ok_or(ApiError::Internal)?;
    let id = requested(result)?;
    let payment = app.store.payment(id).await?;
    match payment.status {
        _ if means.hold => return Ok(payment),
        PaymentStatus::Pending => {}
        // Whoever asks again is told what they were told.
        PaymentStatus::Voided if means.gateway == WALLET => return Err(LAPSED),
        _ => return Ok(payment),
    }
    if means.gateway == WALLET {
        return match pay_from_wallet(app, &payment, payment.amount_vnd, now).await? {
            Reserved::Taken => Ok(app.store.payment(id).await?),
            Reserved::Released(why) => Err(why),
        };
    }
    if called && payment.qr.is_none() && payment.redirect_url.is_none() {
        outbox::ask_now(app, &payment).await;
        return Ok(app.store.payment(id).await?);
    }
    Ok(payment)
}

/// What became of what a wallet reserved for a payment.
#[derive(Debug)]
pub enum Reserved {
    /// It was taken.
    Taken,
    /// The wallet has it back: nothing is to be paid any more, for this reason.
    Released(ApiError),
}

/// Takes what was reserved in a wallet for a payment: the ledger's own word that it is paid.
///
/// # Errors
/// Where the database fails; the outbox does it again.
pub async fn pay_from_wallet(
    app: &App,
    payment: &Payment,
    amount_vnd: Vnd,
    now: Timestamp,
) -> Result<Reserved, ApiError> {
    let notice = BankNotice {
        bank_ref: payment.id.to_string(),
        description: payment.reference.clone(),
        amount_vnd,
        currency: "VND".to_owned(),
        paid_at: now.min(payment.expires_at),
    };
    let outcome = settle(app, WALLET, vec![notice], now).await?.pop();
    let (reason, why) = match outcome {
        Some(NoticeOutcome::Suspended(reason @ Suspense::PaidTwice)) => (reason, ALREADY_PAID),
        Some(NoticeOutcome::Suspended(reason @ Suspense::Late)) => (reason, LAPSED),
        // Another amount than is reserved by now: whoever changed it takes that.
        _ => return Ok(Reserved::Taken),
    };
    outbox::fail(app, WALLET, &payment.reference, reason.code()).await?;
    Ok(Reserved::Released(why))
}

fn requested(result: Requested) -> Result<PaymentId, ApiError> {
    match result {
        Requested::Created(id) | Requested::Existing(id) => Ok(id),
        Requested::KeyMismatch => Err(ApiError::KeyReused),
        Requested::NoPurchase => Err(ApiError::NotFound("session")),
        Requested::AlreadyPaid => Err(ALREADY_PAID),
        Requested::Lapsed => Err(LAPSED),
        Requested::NotCovered => Err(ApiError::NotCovered),
    }
}

fn prepare(
    public_url: &str,
    gateway: &dyn Gateway,
    due: &Due,
    means: &Means<'_>,
    key: String,
    now: Timestamp,
) -> Result<NewPayment, ApiError> {
    let id = PaymentId(Uuid::now_v7());
    let code = gateway.code();
    let order = Order {
        payment: id,
        reference: reference(id.0),
        amount_vnd: due.amount_vnd,
        bank: due.bank.clone(),
        ..order_of(public_url, code, id, now, due.expires_at)
    };
    let ask = gateway.ask(&order).map_err(|error| {
        tracing::error!(%error, gateway = code, "a payment cannot be asked for");
        ApiError::Internal
    })?;
    let (from, checkout) = match ask {
        // Its webhook may be lost: who can be asked what became of a payment, is.
        Ask::Ready(checkout) if gateway.query(&order, now).is_some() => {
            (PaidFrom::CalledGateway(code), checkout)
        }
        Ask::Ready(checkout) => (PaidFrom::Gateway(code), checkout),
        Ask::Call(_) => (PaidFrom::CalledGateway(code), Default::default()),
        Ask::Wallet => {
            let account = means.wallet.ok_or_else(no_wallet)?.account;
            let from = if means.hold {
                PaidFrom::Hold(account)
            } else {
                PaidFrom::Wallet(account)
            };
            (from, Default::default())
        }
    };
    let wallet = means.wallet.map(|wallet| wallet.account);
    let fingerprint = sha256(format!("{}\n{code}\n{wallet:?}", due.purchase).as_bytes());
    Ok(NewPayment {
        id,
        purchase: due.purchase,
        from,
        reference: order.reference,
        qr: checkout.qr,
        redirect_url: checkout.redirect_url,
        expires_at: due.expires_at,
        intent: Intent::new(key, fingerprint),
    })
}

fn no_wallet() -> ApiError {
    ApiError::Unprocessable("name the wallet that pays, with its token".to_owned())
}

/// What every order says of a payment; amount and reference follow.
fn order_of(
    public_url: &str,
    gateway: &str,
    payment: PaymentId,
    asked_at: Timestamp,
    expires_at: Timestamp,
) -> Order {
    Order {
        payment,
        reference: String::new(),
        amount_vnd: Vnd::ZERO,
        text: "Thanh toan do xe".to_owned(),
        asked_at,
        expires_at,
        return_url: format!("{public_url}/pay/{payment}"),
        notify_url: format!("{public_url}/api/v1/gateways/{gateway}/webhook"),
        // Where a driver pays from is nobody's business; a provider that insists gets this.
        client_ip: "127.0.0.1".to_owned(),
        bank: Default::default(),
    }
}

/// The order of a payment that was asked for before: the same as then.
pub(crate) fn order_again(app: &App, payment: &Payment) -> Order {
    Order {
        reference: payment.reference.clone(),
        amount_vnd: payment.amount_vnd,
        ..order_of(
            &app.public_url,
            &payment.gateway,
            payment.id,
            payment.created_at,
            payment.expires_at,
        )
    }
}

/// Asks for the money of many sessions that were sold offline, by VietQR. Keys and sessions must
/// differ. The result is in the order of the argument.
///
/// # Errors
/// Where the database fails; then nothing is asked for.
pub async fn request_many(
    app: &App,
    wanted: &[(Session, String)],
    now: Timestamp,
) -> Result<Vec<Result<PaymentId, ApiError>>, ApiError> {
    let gateway = app.gateways.get(vietqr::CODE).ok_or(ApiError::Internal)?;
    let codes: Vec<String> = wanted
        .iter()
        .map(|(session, _)| session.bay_code.clone())
        .collect();
    let bays: HashMap<String, BayPlace> = app
        .store
        .bay_places(&codes)
        .await?
        .into_iter()
        .map(|bay| (bay.code.clone(), bay))
        .collect();
    let prepared: Vec<Result<NewPayment, ApiError>> = wanted
        .iter()
        .map(|(session, key)| {
            let bay = bays
                .get(&session.bay_code)
                .ok_or(ApiError::NotFound("bay"))?;
            let due = Due::start(bay, session)?;
            let means = Means::gateway(vietqr::CODE);
            prepare(&app.public_url, gateway, &due, &means, key.clone(), now)
        })
        .collect();
    let new: Vec<NewPayment> = prepared
        .iter()
        .filter_map(|prepared| prepared.as_ref().ok())
        .cloned()
        .collect();
    let mut results = app.store.payment_request(&new, now).await?.into_iter();
    Ok(prepared
        .into_iter()
        .map(|prepared| {
            prepared?;
            requested(results.next().ok_or(ApiError::Internal)?)
        })
        .collect())
}

/// The payment of that identity, for whoever holds the token of its session, wallet or pass.
///
/// # Errors
/// [`ApiError::Unauthorized`] for a wrong token, whether or not the payment exists.
pub async fn find(app: &App, id: PaymentId, token: &str) -> Result<Payment, ApiError> {
    let payment = match app.store.payment(id).await {
        Err(store::StoreError::NotFound(_)) => return Err(ApiError::Unauthorized),
        other => other?,
    };
    let secrets = &app.secrets;
    let is_key = match (payment.session, payment.wallet) {
        (Some(session), _) => secrets.session_token_matches(session, token),
        (None, Some(id)) => wallet::is_key(app, id, token, App::now()).await?,
        // A pass goes by the number of its purchase.
        (None, None) => secrets.pass_token_matches(PassId(payment.purchase.0), token),
    };
    if is_key {
        Ok(payment)
    } else {
        Err(ApiError::Unauthorized)
    }
}

/// The payment of that identity, for a browser that holds the token of its session or pass, or whose
/// driver's wallet it fills.
///
/// # Errors
/// [`ApiError::Unauthorized`] where it does not, whether or not the payment exists.
pub async fn find_held(app: &App, id: PaymentId, headers: &HeaderMap) -> Result<Payment, ApiError> {
    let sessions = session_cookie::held(app, headers)
        .into_iter()
        .map(|(_, token)| token);
    let passes = session_cookie::held_passes(app, headers)
        .into_iter()
        .map(|(_, token)| token);
    let driver = driver::held_token(app, headers).map(str::to_owned);
    for token in sessions.chain(passes).chain(driver) {
        match find(app, id, &token).await {
            Err(ApiError::Unauthorized) => {}
            other => return other,
        }
    }
    Err(ApiError::Unauthorized)
}

/// How long a top-up waits for its money.
pub const TOP_UP_WINDOW: TimeDelta = TimeDelta::minutes(30);
