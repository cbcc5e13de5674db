//! `/s/{id}`: a driver's session: how long it runs, more time, the end, the right plate and bay.

use api::service::session::Priced;
use api::service::{change, payment, session, session_cookie};
use api::{ApiError, App};
use axum::extract::{Form, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use chrono::{SecondsFormat, TimeDelta};
use chrono_tz::Tz;
use domain::Timestamp;
use domain::id::SessionId;
use domain::money::Vnd;
use domain::plate::Plate;
use domain::refund::RefundStatus;
use domain::session::{GRACE, PLATE_WINDOW, StoppedBy, WARN_BEFORE};
use leptos::prelude::*;
use serde::Deserialize;
use store::place::BayPlace;
use store::refund::Refund;
use store::session::Session;

use super::document::Document;
use super::parts::{clock, price_lines};
use super::pay_form::choice;
use super::ways::{self, Ways};
use super::{Reader, problem, reminder};
use crate::lang::Lang;

/// How much more time is offered, in minutes.
const MORE: [u32; 3] = [30, 60, 120];

/// What the page is made of.
struct Shown {
    session: Session,
    bay: BayPlace,
    paid: Vnd,
    /// More minutes, with their price.
    more: Vec<(u32, Priced)>,
    /// What would go back if it ended now.
    back: Vnd,
    refunds: Vec<Refund>,
    /// Whether it pays for a notice, which anybody may who finds it: the vehicle is another's.
    of_notice: bool,
}

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
    let token = session_cookie::held_token(headers, id).ok_or(ApiError::Unauthorized)?;
    session::find(app, id, &token).await
}

async fn look(app: &App, session: Session) -> Result<Shown, ApiError> {
    let now = App::now();
    let bay = app.store.bay_place(&session.bay_code).await?;
    let paid = change::paid_vnd(&app.store.session_purchases(session.id).await?);
    let more = MORE
        .into_iter()
        .filter_map(|minutes| {
            let priced = change::extension_price(&bay, &session, paid, minutes, now);
            Some((minutes, priced.ok()?))
        })
        .collect();
    Ok(Shown {
        back: change::refund_if_stopped(&bay, &session, paid, now)?,
        refunds: app.store.session_refunds(session.id).await?,
        of_notice: app.store.session_is_of_notice(session.id).await?,
        session,
        bay,
        paid,
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
        let by = (StoppedBy::Driver, "driver");
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
        change::move_to(&app, &session, &bay, "driver", App::now()).await?;
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

fn view(
    shown: Shown,
    failed: Option<String>,
    ways: &Ways,
    push_key: Option<String>,
    now: Timestamp,
    lang: Lang,
) -> impl IntoView + use<> {
    let Shown {
        session,
        bay,
        paid,
        more,
        back,
        refunds,
        of_notice,
    } = shown;
    let tz = bay.timezone;
    let status = session::driver_status(&session, now);
    let running = status == "paid";
    let in_grace =
        status == "ended" && session.stopped_at.is_none() && now < session.ends_at + GRACE;
    let home = format!("/s/{}", session.id);
    let left = session.ends_at - now;
    let plate = if of_notice {
        session.plate.masked()
    } else {
        session.plate.reveal().to_owned()
    };
    view! {
        <section class="card narrow session" data-status=status data-tick="20">
            {failed.map(|text| view! { <p class="error" role="alert">{text}</p> })}
            {headline(&session, status, left, in_grace, tz, now, lang)}
            {push_key.map(|key| reminder::block(key, &session, tz, now, lang).into_any())}
            <dl class="facts">
                <div><dt>{lang.words().bay}</dt><dd>{bay.code.clone()} " · " {bay.lot_name.clone()}</dd></div>
                <div><dt>{lang.words().plate}</dt><dd>{plate}</dd></div>
                <div><dt>{lang.words().time}</dt><dd>{clock(session.starts_at, tz, now)} " – " {clock(session.ends_at, tz, now)}</dd></div>
                <div><dt>{lang.words().paid}</dt><dd>{lang.money(paid)}</dd></div>
            </dl>
            <details>
                <summary>{lang.session().why_this_price}</summary>
                {price_lines(&session.quote.lines, lang.money(session.quote.amount_vnd), lang)}
            </details>
            {refund_list(&refunds, lang)}
            {(!more.is_empty()).then(|| more_view(&home, more, ways, tz, now, lang))}
            {running.then(|| stop_view(&home, back, session.metered, lang))}
            {(running && !of_notice).then(|| corrections(&home, &session, now, lang))}
        </section>
    }
}

fn headline(
    session: &Session,
    status: &str,
    left: TimeDelta,
    in_grace: bool,
    tz: Tz,
    now: Timestamp,
    lang: Lang,
) -> impl IntoView + use<> {
    let until = clock(session.ends_at, tz, now);
    let warn = status == "paid" && left <= WARN_BEFORE;
    let title = match status {
        "paid" => lang.session().parked,
        "pending" => lang.session().not_paid_yet,
        "lapsed" => lang.session().given_up,
        _ => lang.session().ended,
    };
    let time = |at: Timestamp| at.to_rfc3339_opts(SecondsFormat::Millis, true);
    let big = match status {
        "paid" => view! {
            {lang.session().left} " "
            <span role="timer" data-until=time(session.ends_at) data-now=time(now)>{lang.duration(left)}</span>
        }
        .into_any(),
        _ => until.clone().into_any(),
    };
    view! {
        <h1>{title}</h1>
        <p class="big">{big}</p>
        {(status == "paid").then(|| view! { <p>{lang.session().you_may_park_until} <b>{until}</b></p> })}
        {warn.then(|| view! {
            <p class="error" role="alert">{lang.session().time_nearly_over_add_some}</p>
        })}
        {in_grace.then(|| view! {
            <p class="error" role="alert">{lang.session().time_over_few_minutes_can}</p>
        })}
    }
}

fn refund_list(refunds: &[Refund], lang: Lang) -> impl IntoView + use<> {
    let row = |refund: &Refund| {
        let text = match refund.status {
            RefundStatus::Done => lang.session().given_back,
            RefundStatus::Pending => lang.session().on_its_way_back,
            RefundStatus::Manual => lang.session().staff_will_give_it_back,
        };
        view! { <li><b>{lang.money(refund.amount_vnd)}</b> " " {text}</li> }
    };
    let rows = refunds.iter().map(row).collect_view();
    (!refunds.is_empty()).then(|| view! { <ul class="refunds">{rows}</ul> })
}

fn more_view(
    home: &str,
    more: Vec<(u32, Priced)>,
    ways: &Ways,
    tz: Tz,
    now: Timestamp,
    lang: Lang,
) -> impl IntoView + use<> {
    let is_free = more
        .iter()
        .all(|(_, priced)| priced.quote.amount_vnd == Vnd::ZERO);
    // Not what costs nothing beside buttons that ask for money.
    let usual = more
        .iter()
        .position(|(_, priced)| priced.quote.amount_vnd > Vnd::ZERO)
        .unwrap_or(0);
    let choices = more
        .into_iter()
        .enumerate()
        .map(|(index, (minutes, priced))| {
            let length = lang.duration(TimeDelta::minutes(i64::from(minutes)));
            choice(
                minutes,
                format!("+ {length}"),
                &priced,
                (index == usual, false),
                (tz, now),
                lang,
            )
        });
    let choices = choices.collect_view();
    let buttons = if is_free {
        // The form names a gateway, which has nothing to do.
        view! { <button class="primary" name="gateway" value=ways.first()>{lang.session().add_the_time}</button> }
            .into_any()
    } else {
        ways.buttons(lang).into_any()
    };
    view! {
        <details class="more" open>
            <summary>{lang.session().more_time}</summary>
            <form class="pay" method="post" action=format!("{home}/extend")>
                <input type="hidden" name="key" value=api::secret::random_token() />
                <div class="choices">{choices}</div>
                {buttons}
            </form>
        </details>
    }
}

fn stop_view(home: &str, back: Vnd, metered: bool, lang: Lang) -> impl IntoView + use<> {
    let text = match (metered, back > Vnd::ZERO) {
        (true, _) => lang.session().ends_now_pay_time_parked.to_owned(),
        (false, true) => format!(
            "{} {}.",
            lang.session().ending_now_gives_you_back,
            lang.money(back),
        ),
        (false, false) => lang.session().ending_now_gives_nothing_back.to_owned(),
    };
    view! {
        <details>
            <summary>{lang.session().leave_early}</summary>
            <form method="post" action=format!("{home}/stop")>
                <p>{text}</p>
                <button>{lang.session().end_it_now}</button>
            </form>
            <p class="note">{lang.session().when_sensor_sees_have_left}</p>
        </details>
    }
}

fn corrections(home: &str, session: &Session, now: Timestamp, lang: Lang) -> impl IntoView + use<> {
    // A price that rests on the plate stays with it.
    let correctable = now <= session.created_at + PLATE_WINDOW && session.entitlement.is_none();
    let plate = correctable.then(|| {
        view! {
            <form method="post" action=format!("{home}/plate")>
                <label class="field">
                    <span>{lang.session().the_right_plate}</span>
                    <input name="plate" required minlength="4" maxlength="20" autocomplete="off" autocapitalize="characters" value=session.plate.reveal().to_owned() />
                </label>
                <button>{lang.session().correct_the_plate}</button>
            </form>
        }
    });
    view! {
        <details>
            <summary>{lang.session().wrong_plate_or_wrong_bay}</summary>
            {plate}
            <form method="post" action=format!("{home}/bay")>
                <label class="field">
                    <span>{lang.session().the_right_bay_code}</span>
                    <input name="bay" required maxlength="40" autocomplete="off" autocapitalize="characters" />
                </label>
                <button>{lang.session().move_there}</button>
            </form>
        </details>
    }
}
