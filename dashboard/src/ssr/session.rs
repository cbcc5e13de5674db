//! `/s/{id}`: a driver's session: how long it runs, more time, the end, the right plate and bay.

use api::service::{change, payment, session, session_cookie};
use api::{ApiError, App};
use axum::extract::{Form, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use domain::id::SessionId;
use domain::money::Vnd;
use domain::plate::Plate;
use domain::session::{GRACE, StoppedBy};
use serde::Deserialize;
use store::audit::DRIVER;
use store::purchase::{bought_vnd, paid_vnd};
use store::session::Session;

use super::document::Document;
use super::session_bill::Bill;
use super::session_view::{Shown, view};
use super::ways::{self, Ways};
use super::{Reader, problem};
use crate::lang::Lang;

/// How much more time is offered, in minutes.
const MORE: [u32; 3] = [30, 60, 120];

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
    failed: Option<ApiError>,
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
    let status = failed.as_ref().map_or(StatusCode::OK, ApiError::status);
    let failed = failed.map(|error| reason(&error, lang));
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
    let bought = bought_vnd(&purchases);
    let more = MORE
        .into_iter()
        .filter_map(|minutes| {
            let priced = change::extension_price(&bay, &session, bought, minutes, now);
            Some((minutes, priced.ok()?))
        })
        .collect();
    let refunds = app.store.session_refunds(session.id).await?;
    Ok(Shown {
        back: change::refund_if_stopped(&bay, &session, paid_vnd(&purchases), now)?,
        is_double: app.store.session_is_double(session.id).await?,
        of_notice: app.store.session_is_of_notice(session.id).await?,
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
    let done = async {
        api::extract::check_key(&filled.key)?;
        let now = App::now();
        let session = load(&app, &id, &headers).await?;
        let means = ways::chosen(&app, &headers, &filled.gateway).await?;
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
    answer(&app, &reader, &id, &headers, done.await).await
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
    answer(&app, &reader, &id, &headers, done.await).await
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
    answer(&app, &reader, &id, &headers, done.await).await
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
    answer(&app, &reader, &id, &headers, done.await).await
}

async fn answer(
    app: &App,
    reader: &Reader,
    id: &str,
    headers: &HeaderMap,
    done: Result<String, ApiError>,
) -> Response {
    match done {
        Ok(to) => Redirect::to(&to).into_response(),
        Err(error @ (ApiError::Unauthorized | ApiError::NotFound("session"))) => {
            problem(reader, &error)
        }
        Err(error) => show(app, reader, id, headers, Some(error)).await,
    }
}

fn reason(error: &ApiError, lang: Lang) -> String {
    match (error, lang) {
        (ApiError::NotCovered, _) => lang.session().there_not_enough_wallet_please.to_owned(),
        (ApiError::NotFound(_), _) => lang.session().there_no_bay_code.to_owned(),
        (ApiError::Conflict(_), Lang::Vi) => {
            "Phiên không còn hiệu lực hoặc đã quá hạn sửa.".to_owned()
        }
        (ApiError::Unprocessable(_), Lang::Vi) => {
            "Không thực hiện được: xin xem lại biển số, mã chỗ hoặc thời gian.".to_owned()
        }
        (_, Lang::Vi) => "Xin thử lại sau ít phút.".to_owned(),
        (error, Lang::En) => format!("That did not work: {error}."),
    }
}
