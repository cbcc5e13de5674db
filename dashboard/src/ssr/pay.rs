//! Paying for a bay: the form behind the sticker's QR code.

use api::service::{payment, session, session_cookie};
use api::{ApiError, App};
use axum::extract::{Form, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use chrono::TimeDelta;
use chrono_tz::Tz;
use domain::Timestamp;
use domain::board::Occupancy;
use domain::id::SessionId;
use domain::money::Vnd;
use domain::plate::Plate;
use domain::session::{PAYMENT_WINDOW, SessionStatus};
use leptos::prelude::*;
use serde::Deserialize;
use store::place::BayPlace;
use store::session::Session;

use super::document::Document;
use super::parts::{clock, message, price_lines};
use super::{Reader, problem};
use crate::lang::Lang;

/// The lengths of time that are offered, in minutes.
pub(super) const CHOICES: [u32; 8] = [30, 60, 120, 180, 240, 480, 720, 1440];

#[derive(Deserialize)]
pub(crate) struct BayQuery {
    code: Option<String>,
}

/// `/b?code=`: from a code that was typed to its page.
pub(crate) async fn find_bay(reader: Reader, Query(query): Query<BayQuery>) -> Response {
    let code: String = query
        .code
        .unwrap_or_default()
        .trim()
        .replace(' ', "-")
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
        .take(40)
        .collect();
    if code.is_empty() {
        return problem(&reader, &ApiError::NotFound("bay"));
    }
    Redirect::to(&format!("/b/{}", code.to_uppercase())).into_response()
}

/// What a driver fills in.
#[derive(Clone, Default, Deserialize)]
pub(crate) struct PayForm {
    plate: String,
    minutes: u32,
    key: String,
    /// The gateway whose button was pressed.
    #[serde(default)]
    gateway: String,
    /// When the phone noted the start, where there was no signal then; `key` was made with it.
    at: Option<Timestamp>,
    /// Whether the driver insists on the bay.
    #[serde(default)]
    confirm: bool,
}

/// `/b/{code}`: the price and why, the plate, how long.
pub(crate) async fn form_page(
    State(app): State<App>,
    reader: Reader,
    Path(code): Path<String>,
) -> Response {
    // Somebody typed it: codes are written in capitals.
    let capitals = code.to_ascii_uppercase();
    if capitals != code
        && app.store.bay_place(&code).await.is_err()
        && let Ok(bay) = app.store.bay_place(&capitals).await
    {
        return Redirect::to(&format!("/b/{}", bay.code)).into_response();
    }
    form(&app, &reader, &code, None).await
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
    match open(&app, &code, &filled, &headers).await {
        Ok((session, token, to)) => {
            let cookie = session_cookie::set_cookie(&app, session, &token);
            ([(header::SET_COOKIE, cookie)], Redirect::to(&to)).into_response()
        }
        Err(ApiError::WrongBay { meant, likelier }) => {
            which_bay(&reader, &filled, &meant, &likelier)
        }
        Err(error) if error.status() == StatusCode::UNPROCESSABLE_ENTITY => {
            form(&app, &reader, &code, Some((filled, error))).await
        }
        Err(error) => problem(&reader, &error),
    }
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
    let gateway = match filled.gateway.as_str() {
        "" => api::gateway::vietqr::CODE,
        named => named,
    };
    let request = session::SessionRequest {
        bay: code.to_owned(),
        plate,
        class: bay.class,
        minutes: filled.minutes,
        at: filled.at,
        metered: false,
        key: filled.key.clone(),
    };
    let there = match session::is_known(app, &request).await? {
        true => None,
        false => there_already(app, &request, headers, now).await?,
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
    let due = payment::Due::start(&bay, &session)?;
    let means = payment::Means::gateway(gateway);
    let payment = payment::request(app, &due, means, filled.key.clone(), now).await?;
    Ok((session.id, token, format!("/pay/{}", payment.id)))
}

/// The session for the same bay, plate and time that this browser has opened before and that waits
/// for its money, or that is in force: nobody pays twice for having gone back.
async fn there_already(
    app: &App,
    request: &session::SessionRequest,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<Option<(Session, String)>, ApiError> {
    for (id, token) in session_cookie::held(headers) {
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

/// Asks which of two bays the driver stands in.
fn which_bay(reader: &Reader, filled: &PayForm, meant: &str, likelier: &str) -> Response {
    let lang = reader.lang;
    let title = lang.t("Bạn đỗ ở chỗ nào?", "Which bay are you in?");
    let (filled, meant, likelier) = (filled.clone(), meant.to_owned(), likelier.to_owned());
    let option = move |bay: &str, key: String, class: &'static str, text: &'static str| {
        view! {
            <form method="post" action=format!("/b/{bay}")>
                <input type="hidden" name="plate" value=filled.plate.clone() />
                <input type="hidden" name="minutes" value=filled.minutes.to_string() />
                <input type="hidden" name="gateway" value=filled.gateway.clone() />
                <input type="hidden" name="key" value=key />
                <input type="hidden" name="confirm" value="true" />
                <button class=class>{format!("{bay} — {text}")}</button>
            </form>
        }
    };
    Document {
        title,
        active: "",
        live: None,
    }
    .respond(reader, StatusCode::CONFLICT, move || {
        let other = api::secret::random_token();
        let same = api::secret::random_token();
        view! {
            <section class="card narrow which-bay" data-status="which-bay">
                <h1>{title}</h1>
                <p>
                    {lang.t("Cảm biến thấy chỗ ", "The sensors see that bay ")} <b>{meant.clone()}</b>
                    {lang.t(" còn trống, còn chỗ ", " is empty, and that a vehicle has just come to bay ")}
                    <b>{likelier.clone()}</b> {lang.t(" vừa có xe đỗ. Xin xem lại biển.", ". Please look at the sign.")}
                </p>
                {option(&likelier, other, "primary", lang.t("chỗ này mới đúng", "this is where I am"))}
                {option(&meant, same, "", lang.t("tôi chắc chắn", "I am sure"))}
                <p class="note">{lang.t("Chưa thu khoản nào.", "Nothing has been charged yet.")}</p>
            </section>
        }
    })
}

async fn form(
    app: &App,
    reader: &Reader,
    code: &str,
    failed: Option<(PayForm, ApiError)>,
) -> Response {
    let lang = reader.lang;
    let bay = match app.store.bay_place(code).await {
        Ok(bay) => bay,
        Err(store::StoreError::NotFound(_)) => return no_such_bay(reader, code),
        Err(error) => return problem(reader, &error.into()),
    };
    let now = App::now();
    let options: Vec<(u32, session::Priced)> = CHOICES
        .into_iter()
        .filter_map(|minutes| Some((minutes, session::price(&bay, bay.class, minutes, now).ok()?)))
        .collect();
    let occupancy = app
        .live
        .lot(&bay.lot_code, now)
        .await
        .and_then(|(_, bays)| bays.into_iter().find(|seen| seen.code == bay.code))
        .map(|seen| seen.state);
    let status = if failed.is_some() {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    let title = format!("{} {}", lang.t("Đỗ xe ở", "Park at"), bay.code);
    let gateways = gateways(app);
    Document {
        title: &title,
        active: "",
        live: None,
    }
    .respond(reader, status, move || {
        if options.is_empty() {
            let text = lang.t(
                "Chỗ này chưa có giá nên chưa thu tiền được.",
                "This bay has no price yet, so nothing can be paid.",
            );
            return message(
                lang.t("Chưa thu tiền", "Not for sale"),
                text.to_owned(),
                lang,
            )
            .into_any();
        }
        form_view(&bay, options, occupancy, failed, &gateways, lang).into_any()
    })
}

/// Nobody mistypes on purpose: what was typed stands there to be put right.
fn no_such_bay(reader: &Reader, code: &str) -> Response {
    let (lang, code) = (reader.lang, code.to_owned());
    let title = lang.t("Không có chỗ này", "There is no such bay");
    Document {
        title,
        active: "",
        live: None,
    }
    .respond(reader, StatusCode::NOT_FOUND, move || {
        view! {
            <section class="card narrow">
                <h1>{title}</h1>
                <p>{lang.t(
                    "Xin xem lại mã trên biển chỗ đỗ, ví dụ HK-01-001.",
                    "Please check the code on the bay's sign, such as HK-01-001.",
                )}</p>
                <form class="inline plate-search" method="get" action="/b">
                    <label class="field">
                        <span>{lang.t("Mã trên biển", "The code on the sign")}</span>
                        <input name="code" value=code required maxlength="40" autocomplete="off" autocapitalize="characters" spellcheck="false" />
                    </label>
                    <button class="primary">{lang.t("Tiếp", "Go on")}</button>
                </form>
                <p><a href="/">{lang.t("Về trang tìm chỗ", "Back to find parking")}</a></p>
            </section>
        }
    })
}

/// The gateways that a driver may choose, by code and name: bank transfer first.
pub(crate) fn gateways(app: &App) -> Vec<(&'static str, &'static str)> {
    let mut offered: Vec<_> = app
        .gateways
        .iter()
        .filter(|gateway| gateway.code() != api::gateway::wallet::CODE)
        .map(|gateway| (gateway.code(), gateway.name()))
        .collect();
    offered.sort_by_key(|(code, _)| *code != api::gateway::vietqr::CODE);
    offered
}

/// A button for each gateway; the first is the one that is recommended.
pub(crate) fn pay_buttons(
    gateways: &[(&'static str, &'static str)],
    lang: Lang,
) -> impl IntoView + use<> {
    let buttons = gateways.iter().enumerate().map(|(index, (code, name))| {
        let class = if index == 0 { "primary" } else { "" };
        let text = match *code {
            api::gateway::vietqr::CODE => lang.t("Trả bằng mã VietQR", "Pay by VietQR").to_owned(),
            _ => (*name).to_owned(),
        };
        view! { <button class=class name="gateway" value=*code>{text}</button> }
    });
    let buttons = buttons.collect_view();
    view! { <div class="pay-buttons">{buttons}</div> }
}

fn form_view(
    bay: &BayPlace,
    options: Vec<(u32, session::Priced)>,
    occupancy: Option<Occupancy>,
    failed: Option<(PayForm, ApiError)>,
    gateways: &[(&'static str, &'static str)],
    lang: Lang,
) -> impl IntoView + use<> {
    // What is wrong stands beside what it is about.
    let (filled, error, wrong_plate) = match failed {
        Some((filled, _)) if Plate::parse(&filled.plate).is_err() => (filled, None, true),
        Some((filled, error)) => (filled, Some(reason(&error, lang)), false),
        None => (PayForm::default(), None, false),
    };
    let chosen = if filled.minutes == 0 {
        60
    } else {
        filled.minutes
    };
    let has_chosen = options.iter().any(|(minutes, _)| *minutes == chosen);
    let tz = bay.timezone;
    let choices = options
        .into_iter()
        .enumerate()
        .map(|(index, (minutes, priced))| {
            let checked = if has_chosen {
                minutes == chosen
            } else {
                index == 0
            };
            let label = lang.duration(TimeDelta::minutes(i64::from(minutes)));
            let day = (tz, priced.starts_at);
            choice(minutes, label, &priced, checked, day, lang)
        })
        .collect_view();
    let has_passes = session::tariff_of(bay, bay.class, App::now())
        .is_ok_and(|(_, rules)| !rules.passes.is_empty());
    let has_grounds = session::tariff_of(bay, bay.class, App::now())
        .is_ok_and(|(_, rules)| !rules.exemptions.is_empty());
    let seen_free = occupancy == Some(Occupancy::Free);
    view! {
        <form class="pay narrow" method="post" action=format!("/b/{}", bay.code)>
            <input type="hidden" name="key" value=api::secret::random_token() />
            <header class="bay-sign">
                <span class="bay-code-sign" aria-hidden="true">{bay.code.clone()}</span>
                <div>
                    <h1><span class="spoken">{bay.code.clone()} ", "</span>{bay.lot_name.clone()}</h1>
                    <small>{lang.class(bay.class)} " · " {bay.zone_name.clone()}</small>
                </div>
            </header>
            {error.map(|text| view! { <p class="error" role="alert">{text}</p> })}
            {seen_free.then(|| view! {
                <p class="hint">{lang.t(
                    "Cảm biến chưa thấy xe ở chỗ này. Xin xem lại mã trên biển.",
                    "The sensor sees no vehicle here yet. Please check the code on the sign.",
                )}</p>
            })}
            <label class="field">
                <span>{lang.t("Biển số xe", "Licence plate")}</span>
                <input
                    name="plate"
                    value=filled.plate
                    required
                    minlength="4"
                    maxlength="20"
                    autocomplete="off"
                    autocapitalize="characters"
                    spellcheck="false"
                    placeholder="30A-123.45"
                    data-remember="plate"
                    aria-invalid=wrong_plate.then_some("true")
                    aria-describedby=wrong_plate.then_some("plate-error")
                    autofocus=wrong_plate
                />
                {wrong_plate.then(|| view! {
                    <small id="plate-error" class="error" role="alert">{lang.t(
                        "Biển số có từ 4 đến 12 chữ và số, ví dụ 30A-123.45.",
                        "A licence plate has 4 to 12 letters and digits, such as 30A-123.45.",
                    )}</small>
                })}
            </label>
            <fieldset>
                <legend>{lang.t("Đỗ bao lâu?", "For how long?")}</legend>
                <div class="choices">{choices}</div>
            </fieldset>
            {pay_buttons(gateways, lang)}
            {has_passes.then(|| view! {
                <p><a href=format!("/b/{}/pass", bay.code)>{lang.t("Đỗ thường xuyên? Mua vé tháng", "Park here often? Buy a monthly pass")}</a></p>
            })}
            {has_grounds.then(|| view! {
                <p><a href="/exemptions">{lang.t("Xe thuộc đối tượng miễn phí? Gửi giấy tờ", "Exempt from paying? Send your document")}</a></p>
            })}
            <p class="note">
                {lang.t(
                    "Không cần tài khoản hay ứng dụng. Không trả thêm tiền mặt cho ai.",
                    "No account, no app. Do not pay anybody in cash on top.",
                )}
            </p>
        </form>
    }
}

/// A length of time to choose, with its price and why. Its end is shown as on the day of `now`.
pub(super) fn choice(
    minutes: u32,
    label: String,
    priced: &session::Priced,
    checked: bool,
    (tz, now): (Tz, Timestamp),
    lang: Lang,
) -> impl IntoView + use<> {
    let amount = lang.money(priced.quote.amount_vnd);
    let until = clock(priced.ends_at, tz, now);
    let lines = price_lines(&priced.quote.lines, amount.clone(), lang);
    view! {
        <label class="choice">
            <input type="radio" name="minutes" value=minutes.to_string() checked=checked />
            <span class="choice-head">
                <b>{label}</b>
                <small>{lang.t("đến ", "until ")} {until}</small>
                <b class="amount">{amount}</b>
            </span>
            <span class="why">{lines}</span>
        </label>
    }
}

/// Why a form was refused, in the reader's language.
fn reason(error: &ApiError, lang: Lang) -> String {
    match (error, lang) {
        (ApiError::KeyReused, _) => lang
            .t(
                "Thông tin đã đổi sau lần gửi trước. Xin kiểm tra rồi gửi lại.",
                "The details have changed since they were first sent. Please check and send again.",
            )
            .to_owned(),
        (_, Lang::Vi) => {
            "Biển số hoặc thời gian chưa đúng. Biển số có từ 4 đến 12 chữ và số, ví dụ 30A-123.45."
                .to_owned()
        }
        (error, Lang::En) => format!("Please check: {error}."),
    }
}
