use axum::Json as Reply;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use chrono::{DateTime, Utc};
use domain::id::{PurchaseId, SessionId, WalletId};
use domain::money::Vnd;
use domain::place::VehicleClass;
use domain::plate::Plate;
use domain::tariff::Quote;
use serde::{Deserialize, Serialize};
use store::purchase::paid_vnd;
use store::session::Session;
use utoipa::ToSchema;

use super::payments::PaymentView;
use crate::App;
use crate::error::{ApiError, Problem};
use crate::extract::{IdempotencyKey, Json, Path, bearer};
use crate::service::{change, payment, session, wallet};

#[derive(Deserialize, ToSchema)]
pub(super) struct NewSession {
    /// The bay's code, as on its sticker.
    #[schema(example = "HK-01-001")]
    bay: String,
    /// The licence plate.
    plate: String,
    /// The vehicle.
    class: VehicleClass,
    /// For how long, in minutes.
    #[schema(example = 120)]
    minutes: u32,
    /// When it began, if it began without a signal: at most 12 hours ago. The Idempotency-Key must
    /// then be a version 7 UUID made at that time.
    started_at: Option<DateTime<Utc>>,
    /// Start and stop: `minutes` is the longest stay, whose price is reserved in the wallet; the
    /// time is paid when it ends.
    #[serde(default)]
    metered: bool,
    /// The wallet that pays for a metered session.
    wallet: Option<WalletKey>,
    /// Insists on the bay, after the reply `wrong-bay` or `parked-elsewhere`.
    #[serde(default)]
    confirm_bay: bool,
}

/// The key to a wallet.
#[derive(Deserialize, ToSchema)]
pub(super) struct WalletKey {
    /// The wallet's id.
    id: WalletId,
    /// Its token.
    token: String,
}

/// A new session with its key.
#[derive(Serialize, ToSchema)]
pub(super) struct OpenedSession {
    /// Its identity.
    id: SessionId,
    /// The only key to it: send it as `Authorization: Bearer`.
    token: String,
    /// `pending` until it is paid; `paid` at once where it costs nothing.
    status: &'static str,
    /// The price and its reasons.
    quote: Quote,
    /// From when.
    starts_at: DateTime<Utc>,
    /// Until when.
    ends_at: DateTime<Utc>,
}

/// A session, for its driver.
#[derive(Serialize, ToSchema)]
pub(super) struct SessionView {
    /// Its identity.
    id: SessionId,
    /// The bay's code.
    bay: String,
    /// The plate; masked where the session pays a notice, which anybody may who has its number; `•••••` once it is kept
    /// no longer.
    plate: String,
    /// `pending`, `paid`, `ended` or `lapsed`.
    status: &'static str,
    /// The price and its reasons.
    quote: Quote,
    /// From when.
    starts_at: DateTime<Utc>,
    /// Until when, as it is now.
    ends_at: DateTime<Utc>,
    /// Whether the time is paid for when it ends.
    metered: bool,
    /// When it was ended early.
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped_at: Option<DateTime<Utc>>,
    /// What has been paid, less what went back.
    paid_vnd: Vnd,
    /// What went back, or is on its way.
    refunded_vnd: Vnd,
}

/// Opens a session; it is in force once it is paid.
#[utoipa::path(post, path = "/api/v1/sessions", tag = "pay", request_body = NewSession,
    params(("Idempotency-Key" = String, Header, description = "8 to 128 characters, new for each intent")),
    responses((status = 201, body = OpenedSession), (status = 400, body = Problem),
        (status = 401, body = Problem, description = "The wallet's token is another"),
        (status = 404, body = Problem), (status = 409, body = Problem),
        (status = 422, body = Problem)))]
pub(super) async fn create_session(
    State(app): State<App>,
    IdempotencyKey(key): IdempotencyKey,
    Json(new): Json<NewSession>,
) -> Result<(StatusCode, Reply<OpenedSession>), ApiError> {
    let now = App::now();
    let plate = Plate::parse(&new.plate)?;
    let wallet = match &new.wallet {
        Some(key) => Some(wallet::find(&app, key.id, &key.token).await?),
        None if new.metered => {
            return Err(ApiError::Unprocessable(
                "a metered session is paid from a wallet".to_owned(),
            ));
        }
        None => None,
    };
    let bay = app.store.bay_place(&new.bay).await?;
    let request = session::SessionRequest {
        plate,
        bay: new.bay,
        class: new.class,
        minutes: new.minutes,
        at: new.started_at,
        metered: new.metered,
        key: key.clone(),
    };
    let opened = session::open(&app, &bay, &request, new.confirm_bay, now).await?;
    let session = opened.session;
    if let Some(wallet) = wallet.filter(|_| session.metered)
        && session.quote.amount_vnd > Vnd::ZERO
    {
        session::hold(&app, &bay, &session, wallet, key, now).await?;
    }
    // What it was when it was made, so that a repeated request gets the same reply.
    let status = if session.quote.amount_vnd == Vnd::ZERO || session.metered {
        "paid"
    } else {
        "pending"
    };
    let reply = OpenedSession {
        id: session.id,
        token: opened.token,
        status,
        quote: session.quote,
        starts_at: session.starts_at,
        ends_at: session.ends_at,
    };
    Ok((StatusCode::CREATED, Reply(reply)))
}

/// A session, for whoever holds its token.
#[utoipa::path(get, path = "/api/v1/sessions/{id}", tag = "pay",
    params(("id" = String, Path, description = "The session's id")),
    security(("session" = [])),
    responses((status = 200, body = SessionView), (status = 401, body = Problem)))]
pub(super) async fn get_session(
    State(app): State<App>,
    headers: HeaderMap,
    Path(id): Path<SessionId>,
) -> Result<Reply<SessionView>, ApiError> {
    let session = authorised(&app, id, &headers).await?;
    Ok(Reply(view(&app, session).await?))
}

/// The session of that identity, for whoever sends its token.
pub(super) async fn authorised(
    app: &App,
    id: SessionId,
    headers: &HeaderMap,
) -> Result<Session, ApiError> {
    let token = bearer(headers).ok_or(ApiError::Unauthorized)?;
    session::find(app, id, token).await
}

pub(super) async fn view(app: &App, session: Session) -> Result<SessionView, ApiError> {
    let purchases = app.store.session_purchases(session.id).await?;
    let plate = if app.store.session_notice(session.id).await?.is_some() {
        session.plate.masked()
    } else {
        session.plate.reveal().to_owned()
    };
    let refunded = Vnd::checked_sum(purchases.iter().map(|bought| bought.refunded_vnd));
    Ok(SessionView {
        id: session.id,
        status: session::driver_status(&session, App::now()),
        plate,
        bay: session.bay_code,
        quote: session.quote,
        starts_at: session.starts_at,
        ends_at: session.ends_at,
        metered: session.metered,
        stopped_at: session.stopped_at,
        paid_vnd: paid_vnd(&purchases),
        refunded_vnd: refunded.unwrap_or_default(),
    })
}

#[derive(Deserialize, ToSchema)]
pub(super) struct NewPayment {
    /// Through whom to pay: `vietqr`, `vnpay`, `momo`, `zalopay` or `wallet`, whichever the city
    /// offers.
    #[schema(example = "vietqr")]
    gateway: String,
    /// The extension to pay for; the session's first time where none is named.
    purchase: Option<PurchaseId>,
    /// The wallet that pays, with the gateway `wallet`.
    wallet: Option<WalletKey>,
}

impl NewPayment {
    /// How it is to be paid; a wallet by whoever holds its token.
    pub(super) async fn means(&self, app: &App) -> Result<payment::Means<'_>, ApiError> {
        let wallet = match &self.wallet {
            Some(key) => Some(wallet::find(app, key.id, &key.token).await?),
            None => None,
        };
        Ok(payment::Means {
            gateway: &self.gateway,
            wallet,
            hold: false,
        })
    }
}

/// Asks for a session's money.
///
/// A session that already waits for money gets the payment it has.
#[utoipa::path(post, path = "/api/v1/sessions/{id}/payments", tag = "pay", request_body = NewPayment,
    params(("id" = String, Path, description = "The session's id"),
        ("Idempotency-Key" = String, Header, description = "8 to 128 characters, new for each intent")),
    security(("session" = [])),
    responses((status = 201, body = PaymentView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn create_payment(
    State(app): State<App>,
    headers: HeaderMap,
    Path(id): Path<SessionId>,
    IdempotencyKey(key): IdempotencyKey,
    Json(new): Json<NewPayment>,
) -> Result<(StatusCode, Reply<PaymentView>), ApiError> {
    let session = authorised(&app, id, &headers).await?;
    let means = new.means(&app).await?;
    let bay = app.store.bay_place(&session.bay_code).await?;
    let due = match new.purchase {
        Some(purchase) => {
            let more = change::existing(&app, session.id, purchase).await?;
            payment::Due::of_bay(&bay, purchase, more.quote.amount_vnd, more.created_at)?
        }
        None => payment::Due::start(&bay, &session)?,
    };
    let payment = payment::request(&app, &due, means, key, App::now()).await?;
    Ok((StatusCode::CREATED, Reply(PaymentView::from(&payment))))
}
