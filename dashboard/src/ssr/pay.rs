//! Paying for a bay: the form behind the sticker's QR code.

use api::service::{change, payment, session, session_cookie};
use api::{ApiError, App};
use axum::extract::{Form, Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use chrono::TimeDelta;
use domain::Timestamp;
use domain::board::BayStatus;
use domain::id::SessionId;
use domain::money::Vnd;
use domain::plate::Plate;
use domain::session::{OFFLINE_WINDOW, PAYMENT_WINDOW, SessionStatus};
use leptos::prelude::*;
use serde::Deserialize;
use store::session::Session;

use super::document::Document;
use super::parts::message;
use super::pay_form::Start;
use super::ways::{self, Ways};
use super::{Reader, mine, pay_ask, pay_form, problem, wallet};

/// How many forms whose answers were lost are looked for.
const SENT_MAX: usize = 5;

#[derive(Deserialize)]
pub(crate) struct BayQuery {
    code: Option<String>,
}

/// `/b?code=`: from a code that was typed to its page.
pub(crate) async fn find_bay(reader: Reader, Query(query): Query<BayQuery>) -> Response {
    let code = typed_code(&query.code.unwrap_or_default());
    if code.is_empty() {
        return problem(&reader, &ApiError::NotFound("bay"));
    }
    Redirect::to(&format!("/b/{code}")).into_response()
}

/// A bay's code as it was typed: codes are written in capitals, and a phone likes to add a space.
pub(super) fn typed_code(text: &str) -> String {
    let joined = text.trim().replace(' ', "-");
    let plain = |letter: &char| letter.is_ascii_alphanumeric() || *letter == '-';
    let code: String = joined.chars().filter(plain).take(40).collect();
    code.to_uppercase()
}

/// What a driver fills in.
#[derive(Clone, Default, Deserialize)]
pub(crate) struct PayForm {
    pub(super) plate: String,
    pub(super) minutes: u32,
    /// How long whoever pays when leaving may stay, as the page told it.
    pub(super) longest: Option<u32>,
    key: String,
    /// The button that was pressed.
    #[serde(default)]
    pub(super) gateway: String,
    /// The keys under which the form was sent before the phone noted the start, with a space between them: whether they came
    /// is not known, for no answer did.
    #[serde(default)]
    sent: String,
    /// When the phone noted the start, where there was no signal then; `key` was made with it.
    pub(super) at: Option<Timestamp>,
    /// Whether the driver insists on the bay.
    #[serde(default)]
    confirm: bool,
}

/// How the form is asked for.
#[derive(Deserialize)]
pub(crate) struct FormQuery {
    /// `arrival`: the time is counted from when the vehicle came.
    from: Option<String>,
}

/// `/b/{code}`: the price and why, the plate, how long.
pub(crate) async fn form_page(
    State(app): State<App>,
    reader: Reader,
    Path(code): Path<String>,
    Query(asked): Query<FormQuery>,
    headers: HeaderMap,
) -> Response {
    // Somebody typed it: codes are written in capitals.
    let capitals = code.to_ascii_uppercase();
    if capitals != code
        && app.store.bay_place(&code).await.is_err()
        && let Ok(bay) = app.store.bay_place(&capitals).await
    {
        return Redirect::to(&format!("/b/{}", bay.code)).into_response();
    }
    let from_arrival = asked.from.as_deref() == Some("arrival");
    form(&app, &reader, &code, &headers, from_arrival, None).await
}

/// `POST /b/{code}`: opens the session and goes to its payment. A second click carries the same
/// key and comes to the same payment; so does a driver who came back for the same bay and plate.
pub(crate) async fn submit(
    State(app): State<App>,
    reader: Reader,
    Path(code): Path<String>,
    headers: HeaderMap,
    Form(filled): Form<PayForm>,
) -> Response {
    if let Some(running) = parked_elsewhere(&app, &code, &filled, &headers).await {
        let may_move = change::may_move(&app, &running, &code).await;
        return match may_move {
            Ok(may_move) => pay_ask::move_or_pay(&reader, &filled, &code, &running, may_move, &app),
            Err(ApiError::NotFound("bay")) => no_such_bay(&reader, &code),
            Err(error) => problem(&reader, &error),
        };
    }
    match open(&app, &code, &filled, &headers).await {
        Ok((session, token, to)) => {
            let kept = session_cookie::keep(&app, &headers, session, &token);
            (kept, Redirect::to(&to)).into_response()
        }
        Err(ApiError::WrongBay { meant, likelier }) => {
            pay_ask::which_bay(&reader, &filled, &meant, &likelier)
        }
        Err(ApiError::ParkedElsewhere) => pay_ask::entitled_elsewhere(&reader, &filled, &code),
        Err(error @ (ApiError::Unprocessable(_) | ApiError::KeyReused | ApiError::NotCovered)) => {
            let from_arrival = filled.at.is_some();
            let failed = Some((filled, error));
            form(&app, &reader, &code, &headers, from_arrival, failed).await
        }
        // Whoever chose the wallet is not signed in any more.
        Err(ApiError::Unauthorized) => wallet::sign_in_first(&format!("/b/{code}")),
        Err(error) => problem(&reader, &error),
    }
}

/// The session in force that this browser has for the same plate in another bay: whoever pays a
/// second time meant to move, as a rule. Nobody is asked twice, nor who was without a signal.
async fn parked_elsewhere(
    app: &App,
    code: &str,
    filled: &PayForm,
    headers: &HeaderMap,
) -> Option<Session> {
    if filled.confirm || filled.at.is_some() {
        return None;
    }
    let plate = Plate::parse(&filled.plate).ok()?;
    let running = mine::running(app, headers).await;
    let mut of_plate = running.into_iter().filter(|session| session.plate == plate);
    let other = of_plate.next()?;
    let is_here = |session: &Session| session.bay_code == code;
    (!is_here(&other) && !of_plate.any(|session| is_here(&session))).then_some(other)
}

/// Opens a session, or finds the one that there is, and asks for its money. The result is the
/// session, its token, and the page to go on with.
async fn open(
    app: &App,
    code: &str,
    filled: &PayForm,
    headers: &HeaderMap,
) -> Result<(SessionId, String, String), ApiError> {
    api::extract::check_key(&filled.key)?;
    let now = App::now();
    let bay = app.store.bay_place(code).await?;
    let plate = Plate::parse(&filled.plate)?;
    let means = ways::chosen_for_time(app, headers, &filled.gateway).await?;
    let longest = filled.longest.filter(|_| means.hold);
    if means.hold && longest.is_none() {
        return Err(ApiError::Unprocessable(
            "say how long the vehicle may stay".to_owned(),
        ));
    }
    let request = session::SessionRequest {
        bay: code.to_owned(),
        plate,
        class: bay.class,
        minutes: longest.unwrap_or(filled.minutes),
        at: filled.at,
        metered: means.hold,
        key: filled.key.clone(),
    };
    let there = match session::is_known(app, &request).await? {
        true => None,
        false => match came_before(app, &request, &filled.sent, now).await? {
            Some(came) => Some(came),
            None => there_already(app, &request, headers, now).await?,
        },
    };
    let (session, token) = match there {
        Some(there) => there,
        None => {
            let opened = session::open(app, &bay, &request, filled.confirm, now).await?;
            (opened.session, opened.token)
        }
    };
    if session.status == SessionStatus::Paid || session.quote.amount_vnd == Vnd::ZERO {
        return Ok((session.id, token, format!("/s/{}", session.id)));
    }
    if let Some(wallet) = means.wallet.filter(|_| means.hold) {
        session::hold(app, &bay, &session, wallet, filled.key.clone(), now).await?;
        return Ok((session.id, token, format!("/s/{}", session.id)));
    }
    let due = payment::Due::start(&bay, &session)?;
    let payment = payment::request(app, &due, means, filled.key.clone(), now).await?;
    Ok((session.id, token, format!("/pay/{}", payment.id)))
}

/// The session of a form that a phone had sent before it noted the start, where that had come after all: for the same bay
/// and plate, and in force or waiting for its money.
async fn came_before(
    app: &App,
    request: &session::SessionRequest,
    sent: &str,
    now: Timestamp,
) -> Result<Option<(Session, String)>, ApiError> {
    for key in sent.split(' ').take(SENT_MAX) {
        if api::extract::check_key(key).is_err() {
            continue;
        }
        let Some(session) = session::opened_under(app, key).await? else {
            continue;
        };
        let same = session.bay_code == request.bay && session.plate == request.plate;
        let counts = match session.status {
            SessionStatus::Paid => true,
            SessionStatus::Pending => {
                session.metered == request.metered && now < session.created_at + PAYMENT_WINDOW
            }
            SessionStatus::Lapsed => false,
        };
        if same && counts {
            let token = app.secrets.session_token(session.id);
            return Ok(Some((session, token)));
        }
    }
    Ok(None)
}

/// The session for the same bay, plate and time that this browser has opened before and that waits
/// for its money, or that is in force: nobody pays twice for having gone back.
async fn there_already(
    app: &App,
    request: &session::SessionRequest,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<Option<(Session, String)>, ApiError> {
    for (id, token) in session_cookie::held(app, headers) {
        if !app.secrets.session_token_matches(id, &token) {
            continue;
        }
        let session = match app.store.session(id).await {
            Ok(session) => session,
            Err(store::StoreError::NotFound(_)) => continue,
            Err(error) => return Err(error.into()),
        };
        let same = session.bay_code == request.bay && session.plate == request.plate;
        let waits = session.status == SessionStatus::Pending
            && session.metered == request.metered
            && now < session.created_at + PAYMENT_WINDOW
            && session.ends_at - session.starts_at
                == TimeDelta::minutes(i64::from(request.minutes));
        let in_force = session.status == SessionStatus::Paid && now < session.ends_at;
        if same && (waits || in_force) {
            return Ok(Some((session, token)));
        }
    }
    Ok(None)
}

async fn form(
    app: &App,
    reader: &Reader,
    code: &str,
    headers: &HeaderMap,
    from_arrival: bool,
    failed: Option<(PayForm, ApiError)>,
) -> Response {
    let lang = reader.lang;
    let bay = match app.store.bay_place(code).await {
        Ok(bay) => bay,
        Err(store::StoreError::NotFound(_)) => return no_such_bay(reader, code),
        Err(error) => return problem(reader, &error.into()),
    };
    let now = App::now();
    let seen = app.live.staff_lot(&bay.lot_code, now).await;
    let seen = seen.and_then(|(_, bays)| bays.into_iter().find(|seen| seen.code == bay.code));
    // Since when a vehicle stands here for which nobody has paid; not longer than a start may be noted late.
    let due_from = seen
        .as_ref()
        .and_then(|seen| seen.is_due_from(now))
        .filter(|from| now - *from < OFFLINE_WINDOW);
    let start = match due_from.filter(|_| from_arrival) {
        Some(from) => Start::Arrival(from),
        None => Start::Now { due_from },
    };
    let options = pay_form::options(&bay, start.at(now), now);
    let seen_free = seen.is_some_and(|seen| seen.status == BayStatus::Free);
    let status = failed
        .as_ref()
        .map_or(StatusCode::OK, |(_, error)| error.status());
    let title = format!("{} {}", lang.pay().park_at, bay.code);
    let ways = Ways::of(app, headers).await;
    Document {
        title: &title,
        active: "",
        live: None,
    }
    .respond(reader, status, move || {
        if options.is_empty() {
            let text = lang.pay().bay_has_no_price_yet;
            return message(lang.pay().not_for_sale, text.to_owned(), lang).into_any();
        }
        pay_form::view(&bay, options, (start, seen_free), failed, &ways, lang).into_any()
    })
}

/// Nobody mistypes on purpose: what was typed stands there to be put right.
fn no_such_bay(reader: &Reader, code: &str) -> Response {
    let (lang, code) = (reader.lang, code.to_owned());
    let title = lang.pay().there_is_no_such_bay;
    Document {
        title,
        active: "",
        live: None,
    }
    .respond(reader, StatusCode::NOT_FOUND, move || {
        view! {
            <section class="card narrow">
                <h1>{title}</h1>
                <p>{lang.pay().please_check_code_bay_sign}</p>
                <form class="inline plate-search" method="get" action="/b">
                    <label class="field">
                        <span>{lang.pay().the_code_on_the_sign}</span>
                        <input name="code" value=code required maxlength="40" autocomplete="off" autocapitalize="characters" spellcheck="false" />
                    </label>
                    <button class="primary">{lang.pay().go_on}</button>
                </form>
                <p><a href="/">{lang.pay().back_to_find_parking}</a></p>
            </section>
        }
    })
}
