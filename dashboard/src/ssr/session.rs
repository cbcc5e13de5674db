//! `/s/{id}`: a driver's session: how long it runs, more time, the end, the right plate and bay.

use api::service::{change, payment, session, session_cookie};
use api::{ApiError, App};
use axum::extract::{Form, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use domain::id::{PurchaseId, SessionId};
use domain::money::Vnd;
use domain::plate::Plate;
use domain::session::{GRACE, SessionStatus, StoppedBy};
use serde::Deserialize;
use store::audit::DRIVER;
use store::purchase::{bought_vnd, paid_vnd};
use store::session::Session;

use super::document::Document;
use super::payment::begin_again;
use super::session_bill::Bill;
use super::session_view::{Begin, Shown, view};
use super::ways::{self, Ways};
use super::{Reader, problem, wallet};
use crate::lang::Lang;

/// `/s/{id}`.
pub(crate) async fn page(
    State(app): State<App>,
    reader: Reader,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    show(&app, &reader, &id, &headers, None).await
}

async fn show(
    app: &App,
    reader: &Reader,
    id: &str,
    headers: &HeaderMap,
    failed: Option<(Wish, ApiError)>,
) -> Response {
    let shown = match load(app, id, headers).await {
        Ok(session) => look(app, session).await,
        Err(error) => Err(error),
    };
    let shown = match shown {
        Ok(shown) => shown,
        Err(error) => return problem(reader, &error),
    };
    let lang = reader.lang;
    let status = failed
        .as_ref()
        .map_or(StatusCode::OK, |(_, error)| error.status());
    let failed = failed.map(|(wish, error)| reason(wish, &error, lang));
    let title = lang.session().your_parking;
    let live = (shown.session.ends_at + GRACE > App::now())
        .then(|| format!("/api/v1/live?lot={}", shown.bay.lot_code));
    let ways = Ways::of(app, headers).await;
    let push_key = app.push.as_ref().map(|push| push.key.public().to_owned());
    Document {
        title,
        active: "",
        live,
    }
    .respond(reader, status, move || {
        view(shown, failed, &ways, push_key, App::now(), lang)
    })
}

async fn load(app: &App, id: &str, headers: &HeaderMap) -> Result<Session, ApiError> {
    let id: SessionId = id.parse().map_err(|_| ApiError::NotFound("session"))?;
    let token = session_cookie::held_token(app, headers, id).ok_or(ApiError::Unauthorized)?;
    session::find(app, id, &token).await
}

async fn look(app: &App, session: Session) -> Result<Shown, ApiError> {
    let now = App::now();
    let bay = app.store.bay_place(&session.bay_code).await?;
    let purchases = app.store.session_purchases(session.id).await?;
    let more = change::more_time(&bay, &session, bought_vnd(&purchases), now);
    let refunds = app.store.session_refunds(session.id).await?;
    let notice = app.store.session_notice(session.id).await?;
    let (is_pending, purchase) = (
        session.status == SessionStatus::Pending,
        PurchaseId(session.id.0),
    );
    // A session's first purchase goes by its own number.
    let waiting = match is_pending {
        true => app.store.payment_waiting(purchase, now).await?,
        false => None,
    };
    let begin = match waiting {
        Some(payment) => Begin::GoOn(format!("/pay/{payment}")),
        None => Begin::Anew(begin_again(&session, notice.as_ref())),
    };
    Ok(Shown {
        begin: (session.status != SessionStatus::Paid).then_some(begin),
        back: change::refund_if_stopped(&bay, &session, paid_vnd(&purchases), now)?,
        is_double: app.store.session_is_double(session.id).await?,
        of_notice: notice.is_some(),
        receipts: app.store.receipts_of(&[session.id], &[]).await?,
        bill: Bill::of(&bay, &session, purchases, refunds, now)?,
        session,
        bay,
        more,
    })
}

#[derive(Deserialize)]
pub(crate) struct ExtendForm {
    minutes: u32,
    key: String,
    gateway: String,
}

/// `POST /s/{id}/extend`: to the payment of more time.
pub(crate) async fn extend(
    State(app): State<App>,
    reader: Reader,
    Path(id): Path<String>,
    headers: HeaderMap,
    Form(filled): Form<ExtendForm>,
) -> Response {
    let session = match load(&app, &id, &headers).await {
        Ok(session) => session,
        Err(error) => return problem(&reader, &error),
    };
    let means = match ways::chosen(&app, &headers, &filled.gateway).await {
        Err(ApiError::Unauthorized) => return wallet::sign_in_first(&format!("/s/{id}")),
        means => means,
    };
    let done = async {
        api::extract::check_key(&filled.key)?;
        let now = App::now();
        let means = means?;
        let bay = app.store.bay_place(&session.bay_code).await?;
        let more = change::extend(&app, &session, filled.minutes, filled.key.clone(), now).await?;
        if more.quote.amount_vnd == Vnd::ZERO {
            return Ok(format!("/s/{}", session.id));
        }
        let (purchase, amount) = (more.purchase, more.quote.amount_vnd);
        let due = payment::Due::of_bay(&bay, purchase, amount, more.created_at)?;
        let payment = payment::request(&app, &due, means, filled.key.clone(), now).await?;
        Ok(format!("/pay/{}", payment.id))
    };
    answer(&app, &reader, &id, &headers, Wish::More, done.await).await
}

/// `POST /s/{id}/stop`: ends the session now.
pub(crate) async fn stop(
    State(app): State<App>,
    reader: Reader,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let done = async {
        let session = load(&app, &id, &headers).await?;
        let now = App::now();
        let by = (StoppedBy::Driver, DRIVER);
        change::stop(&app, &session, now, by, now).await?;
        Ok(format!("/s/{}", session.id))
    };
    answer(&app, &reader, &id, &headers, Wish::Stop, done.await).await
}

#[derive(Deserialize)]
pub(crate) struct PlateForm {
    plate: String,
}

/// `POST /s/{id}/plate`: corrects the plate.
pub(crate) async fn plate(
    State(app): State<App>,
    reader: Reader,
    Path(id): Path<String>,
    headers: HeaderMap,
    Form(filled): Form<PlateForm>,
) -> Response {
    let done = async {
        let session = load(&app, &id, &headers).await?;
        let plate = Plate::parse(&filled.plate)?;
        change::correct_plate(&app, &session, &plate, None, App::now()).await?;
        Ok(format!("/s/{}", session.id))
    };
    answer(&app, &reader, &id, &headers, Wish::Plate, done.await).await
}

#[derive(Deserialize)]
pub(crate) struct BayForm {
    bay: String,
}

/// `POST /s/{id}/bay`: moves the session to the bay in which the vehicle stands.
pub(crate) async fn bay(
    State(app): State<App>,
    reader: Reader,
    Path(id): Path<String>,
    headers: HeaderMap,
    Form(filled): Form<BayForm>,
) -> Response {
    let done = async {
        let session = load(&app, &id, &headers).await?;
        let bay = filled.bay.trim().to_ascii_uppercase();
        change::move_to(&app, &session, &bay, DRIVER, App::now()).await?;
        Ok(format!("/s/{}", session.id))
    };
    answer(&app, &reader, &id, &headers, Wish::Bay, done.await).await
}

async fn answer(
    app: &App,
    reader: &Reader,
    id: &str,
    headers: &HeaderMap,
    wish: Wish,
    done: Result<String, ApiError>,
) -> Response {
    match done {
        Ok(to) => Redirect::to(&to).into_response(),
        Err(error @ (ApiError::Unauthorized | ApiError::NotFound("session"))) => {
            problem(reader, &error)
        }
        Err(error) => show(app, reader, id, headers, Some((wish, error))).await,
    }
}

/// The addresses of its forms, where one of them was answered and the page is asked for again: in another language,
/// or by the browser's history.
pub(crate) async fn back(Path(id): Path<SessionId>) -> Redirect {
    Redirect::to(&format!("/s/{id}"))
}

/// What a driver asked for.
#[derive(Clone, Copy)]
enum Wish {
    More,
    Stop,
    Plate,
    Bay,
}

/// Why it was not done, and what to do instead.
fn reason(wish: Wish, error: &ApiError, lang: Lang) -> &'static str {
    let text = lang.session();
    match (error, wish) {
        (ApiError::NotCovered, _) => text.there_not_enough_wallet_please,
        (ApiError::KeyReused, _) => lang.pay_form().details_have_changed_since_they,
        (ApiError::NotFound(_), _) => text.there_no_bay_code,
        (ApiError::Unprocessable(_), Wish::More) => text.too_long,
        (ApiError::Unprocessable(_), Wish::Plate) => text.no_plate,
        (ApiError::Unprocessable(_), Wish::Bay) => text.other_terms,
        (ApiError::Conflict(_), Wish::Plate) => text.plate_stays,
        (ApiError::Conflict(_), Wish::Bay) => text.bay_stays,
        (ApiError::Conflict(_), _) => text.not_in_force,
        _ => text.try_again_soon,
    }
}
