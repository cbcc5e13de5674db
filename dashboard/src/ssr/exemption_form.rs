//! `/exemptions`: a driver asks the city for an exemption, with a picture of the document.

use api::client::Client;
use api::service::exemption_request::{self, Asked, Asking, NotAsked};
use api::service::identity;
use api::service::session_cookie;
use api::service::sign_in::Destination;
use api::{ApiError, App};
use axum::extract::multipart::{MultipartError, MultipartRejection};
use axum::extract::{Multipart, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use domain::exemption::{DOCUMENT_KIND_MAX, DOCUMENT_NUMBER_MAX, Flaw};
use domain::id::ExemptionRequestId;
use domain::identity::Identity;
use domain::place::VehicleClass;
use leptos::prelude::*;
use serde::Deserialize;
use store::exemption::KnownGround;

use super::document::Document;
use super::parts::message;
use super::sign_in::{Step, Told};
use super::{Reader, assets, problem};
use crate::lang::Lang;

/// How many fields the form may have: more than it has.
const FIELDS_MAX: usize = 16;
/// The longest text of a field, in bytes: longer than any that is right.
const TEXT_MAX: usize = 2_000;

#[derive(Deserialize)]
pub(crate) struct AgainQuery {
    /// The request that was refused, of which the form is filled.
    again: Option<ExemptionRequestId>,
    #[serde(flatten)]
    told: Told,
}

/// What a driver types.
#[derive(Clone, Default)]
struct Filled {
    ground: String,
    plate: String,
    class: String,
    document_kind: String,
    document_number: String,
    /// The mark of the name that the form showed.
    confirmed: String,
    key: String,
}

/// Why the form is shown again.
enum Refusal {
    Flaws(Vec<Flaw>),
    /// Something that is about no single field, in words.
    Other(StatusCode, &'static str),
}

/// `GET /exemptions`.
pub(crate) async fn page(
    State(app): State<App>,
    reader: Reader,
    headers: HeaderMap,
    query: Result<Query<AgainQuery>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let (again, told) = match query {
        Ok(Query(query)) => (query.again, query.told.why()),
        Err(_) => (None, None),
    };
    let mut filled = Filled::default();
    if let Some(id) = again
        && let Some(token) = session_cookie::held_request_token(&app, &headers, id)
        && let Ok(request) = exemption_request::find(&app, id, &token).await
    {
        filled = Filled {
            ground: request.ground,
            plate: request.plate.reveal().to_owned(),
            class: request.class.code().to_owned(),
            document_kind: request.document_kind,
            document_number: request.document_number,
            ..Filled::default()
        };
    }
    let step = Step::of(&app, &headers, Destination::Exemption(again), told);
    form(&app, &reader, step, filled, None).await
}

/// `POST /exemptions`: sends the request and goes to its page.
pub(crate) async fn submit(
    State(app): State<App>,
    reader: Reader,
    client: Client,
    headers: HeaderMap,
    multipart: Result<Multipart, MultipartRejection>,
) -> Response {
    let (filled, scans) = match read(multipart).await {
        Ok(read) => read,
        Err(error) => return problem(&reader, &error),
    };
    let lang = reader.lang;
    let shown = identity::of_form(&app, &headers, &filled.confirmed, App::now());
    let is_named = matches!(shown, Ok(Some(_)));
    let asked = match shown {
        Ok(identity) => ask(&app, &filled, scans, identity, client).await,
        Err(error) => Err(NotAsked::Failed(error)),
    };
    let refusal = match asked {
        Ok(asked) => {
            let id = asked.request.id;
            let token = session_cookie::set_request_cookie(&app, id, &asked.token, false);
            let used = is_named.then(|| identity::forget_cookie(&app));
            let cookies = [token].into_iter().chain(used);
            let cookies: Vec<_> = cookies.map(|cookie| (header::SET_COOKIE, cookie)).collect();
            let to = format!("/exemptions/{id}");
            return (AppendHeaders(cookies), Redirect::to(&to)).into_response();
        }
        Err(NotAsked::Failed(ApiError::Conflict(_))) => {
            Refusal::Other(StatusCode::CONFLICT, lang.sign_in().run_out)
        }
        Err(NotAsked::Flawed(flaws)) => Refusal::Flaws(flaws),
        Err(NotAsked::TooManyOfPlate) => Refusal::Other(
            StatusCode::CONFLICT,
            lang.exemption_form().three_requests_plate_wait_already,
        ),
        Err(NotAsked::TooMany) => Refusal::Other(
            StatusCode::CONFLICT,
            lang.exemption_form().so_many_requests_wait_city,
        ),
        Err(NotAsked::Failed(ApiError::TooOften { .. })) => Refusal::Other(
            StatusCode::TOO_MANY_REQUESTS,
            lang.exemption_form().many_requests_came_from_here,
        ),
        Err(NotAsked::Failed(ApiError::KeyReused)) => Refusal::Other(
            StatusCode::UNPROCESSABLE_ENTITY,
            lang.exemption_form().details_have_changed_since_they,
        ),
        Err(NotAsked::Failed(error)) => return problem(&reader, &error),
    };
    let step = Step::of(&app, &headers, Destination::Exemption(None), None);
    form(&app, &reader, step, filled, Some(refusal)).await
}

async fn ask(
    app: &App,
    filled: &Filled,
    scans: Vec<Vec<u8>>,
    identity: Option<Identity>,
    client: Client,
) -> Result<Asked, NotAsked> {
    api::extract::check_key(&filled.key).map_err(NotAsked::Failed)?;
    let class = VehicleClass::from_code(&filled.class).ok_or_else(|| {
        NotAsked::Failed(ApiError::BadRequest("there is no such vehicle".to_owned()))
    })?;
    let filled = filled.clone();
    let asking = Asking {
        ground: filled.ground,
        plate: filled.plate,
        class,
        document_kind: filled.document_kind,
        document_number: filled.document_number,
        scans,
        identity,
        key: filled.key,
    };
    exemption_request::ask(app, asking, client, App::now()).await
}

/// Reads the form: its texts, and the files that were chosen.
async fn read(
    multipart: Result<Multipart, MultipartRejection>,
) -> Result<(Filled, Vec<Vec<u8>>), ApiError> {
    let unreadable = |error: MultipartError| ApiError::BadRequest(error.body_text());
    let mut multipart = multipart.map_err(|error| ApiError::BadRequest(error.body_text()))?;
    let (mut filled, mut scans) = (Filled::default(), Vec::new());
    for _ in 0..FIELDS_MAX {
        let Some(field) = multipart.next_field().await.map_err(unreadable)? else {
            return Ok((filled, scans));
        };
        let name = field.name().unwrap_or_default().to_owned();
        let content = field.bytes().await.map_err(unreadable)?;
        if matches!(name.as_str(), "photo" | "file") {
            // An input in which nothing was chosen comes as an empty file.
            if !content.is_empty() {
                scans.push(content.into());
            }
            continue;
        }
        if content.len() > TEXT_MAX {
            return Err(ApiError::BadRequest("a field is too long".to_owned()));
        }
        let text = String::from_utf8_lossy(&content).into_owned();
        match name.as_str() {
            "ground" => filled.ground = text,
            "plate" => filled.plate = text,
            "class" => filled.class = text,
            "document_kind" => filled.document_kind = text,
            "document_number" => filled.document_number = text,
            "confirmed" => filled.confirmed = text,
            "key" => filled.key = text,
            _ => {}
        }
    }
    Err(ApiError::BadRequest(
        "the form has too many fields".to_owned(),
    ))
}

async fn form(
    app: &App,
    reader: &Reader,
    step: Step,
    filled: Filled,
    refusal: Option<Refusal>,
) -> Response {
    let grounds = match app.store.exemption_grounds(None).await {
        Ok(grounds) => grounds,
        Err(error) => return problem(reader, &error.into()),
    };
    let lang = reader.lang;
    let title = lang.exemption_form().ask_for_an_exemption;
    let status = match &refusal {
        Some(Refusal::Flaws(_)) => StatusCode::UNPROCESSABLE_ENTITY,
        Some(Refusal::Other(status, _)) => *status,
        None => StatusCode::OK,
    };
    Document {
        title,
        active: "/my",
        live: None,
    }
    .respond(reader, status, move || {
        if grounds.is_empty() {
            let text = lang.exemption_form().city_tariffs_know_no_ground;
            return message(title, text.to_owned(), lang).into_any();
        }
        form_view(title, &grounds, step, filled, refusal, lang).into_any()
    })
}

fn form_view(
    title: &'static str,
    grounds: &[KnownGround],
    step: Step,
    filled: Filled,
    refusal: Option<Refusal>,
    lang: Lang,
) -> impl IntoView + use<> {
    let (flaws, other) = match refusal {
        Some(Refusal::Flaws(flaws)) => (flaws, None),
        Some(Refusal::Other(_, text)) => (Vec::new(), Some(text)),
        None => (Vec::new(), None),
    };
    let again = !flaws.is_empty() || other.is_some();
    let wrong = (!flaws.is_empty()).then(|| lang.exemption_form().please_look_what_marked_again);
    let fields = fields_view(grounds, filled, &flaws, lang).into_any();
    let scan = scan_view(&flaws, again, lang).into_any();
    let confirmed = step.field();
    view! {
        <header class="narrow">
            <h1>{title}</h1>
            <p>{lang.exemption_form().if_city_exempts_send_document}</p>
        </header>
        {step.view(lang)}
        <form class="pay narrow" method="post" action="/exemptions" enctype="multipart/form-data">
            <input type="hidden" name="key" value=api::secret::random_token() />
            {confirmed}
            {wrong.or(other).map(|text| view! { <p class="error" role="alert">{text}</p> })}
            {fields}
            {scan}
            <button class="primary">{lang.exemption_form().send_to_the_city}</button>
            <p class="note">{lang.exemption_form().only_city_staff_can_see}</p>
        </form>
        <script src=assets::url("scan.js") defer></script>
    }
}

/// The first of those flaws that there is, in words, under the id by which its field names it.
fn flaw_view(
    id: &'static str,
    flaws: &[Flaw],
    of: &[Flaw],
    lang: Lang,
) -> Option<impl IntoView + use<>> {
    let flaw = flaws.iter().find(|flaw| of.contains(flaw))?;
    let text = flaw_words(*flaw, lang);
    Some(view! { <small id=id class="error" role="alert">{text}</small> })
}

fn fields_view(
    grounds: &[KnownGround],
    filled: Filled,
    flaws: &[Flaw],
    lang: Lang,
) -> impl IntoView + use<> {
    let has = |flaw: Flaw| flaws.contains(&flaw);
    // Where something is wrong, the reader is taken to the first of it.
    let is_first = |flaw: Flaw| flaws.first() == Some(&flaw);
    let invalid = |flaw: Flaw| has(flaw).then_some("true");
    let described = |flaw: Flaw, id: &'static str| has(flaw).then_some(id);
    let ground = |known: &KnownGround| {
        let name = lang.pick(&known.name_vi, &known.name_en).to_owned();
        let is_chosen = known.code == filled.ground;
        view! { <option value=known.code.clone() selected=is_chosen>{name}</option> }
    };
    let options = grounds.iter().map(ground).collect_view();
    let classes = [VehicleClass::Car, VehicleClass::Motorbike].map(|class| {
        let is_chosen = class.code() == filled.class;
        view! { <option value=class.code() selected=is_chosen>{lang.class(class)}</option> }
    });
    let ground_flaw = flaw_view("ground-error", flaws, &[Flaw::Ground], lang);
    let plate_flaw = flaw_view("plate-error", flaws, &[Flaw::Plate], lang);
    let kind_flaw = flaw_view("kind-error", flaws, &[Flaw::DocumentKind], lang);
    let number_flaw = flaw_view("number-error", flaws, &[Flaw::DocumentNumber], lang);
    let vehicle = view! {
        <label class="field">
            <span>{lang.words().ground}</span>
            <select name="ground" required aria-invalid=invalid(Flaw::Ground)
                aria-describedby=described(Flaw::Ground, "ground-error") autofocus=is_first(Flaw::Ground)>
                <option value="">{lang.exemption_form().choose}</option>
                {options}
            </select>
            {ground_flaw}
        </label>
        <label class="field">
            <span>{lang.words().licence_plate}</span>
            <input name="plate" value=filled.plate.clone() required minlength="4" maxlength="20" autocomplete="off"
                autocapitalize="characters" spellcheck="false" placeholder="30A-123.45" data-remember="plate"
                aria-invalid=invalid(Flaw::Plate) aria-describedby=described(Flaw::Plate, "plate-error")
                autofocus=is_first(Flaw::Plate) />
            {plate_flaw}
        </label>
        <label class="field">
            <span>{lang.words().vehicle_class}</span>
            <select name="class">{classes.collect_view()}</select>
        </label>
    }
    .into_any();
    let document = view! {
        <label class="field">
            <span>{lang.exemption_form().kind_of_document}</span>
            <input name="document_kind" value=filled.document_kind.clone() required maxlength=DOCUMENT_KIND_MAX.to_string()
                autocomplete="off" placeholder=lang.exemption_form().disability_certificate
                aria-invalid=invalid(Flaw::DocumentKind) aria-describedby=described(Flaw::DocumentKind, "kind-error")
                autofocus=is_first(Flaw::DocumentKind) />
            {kind_flaw}
        </label>
        <label class="field">
            <span>{lang.exemption_form().its_number}</span>
            <input name="document_number" value=filled.document_number.clone() required
                maxlength=DOCUMENT_NUMBER_MAX.to_string() autocomplete="off" autocapitalize="characters" spellcheck="false"
                aria-invalid=invalid(Flaw::DocumentNumber)
                aria-describedby=described(Flaw::DocumentNumber, "number-error")
                autofocus=is_first(Flaw::DocumentNumber) />
            {number_flaw}
        </label>
    }
    .into_any();
    view! { {vehicle} {document} }
}

/// Two ways to one picture: where a device has a camera, an input that opens it, for the other would
/// leave it out or hide it, and would let nobody send a PDF.
fn scan_view(flaws: &[Flaw], again: bool, lang: Lang) -> impl IntoView + use<> {
    const OF_SCAN: [Flaw; 4] = [Flaw::NoScan, Flaw::TwoScans, Flaw::ScanKind, Flaw::ScanSize];
    let flaw = flaw_view("scan-error", flaws, &OF_SCAN, lang);
    let invalid = flaw.is_some().then_some("true");
    let described = if flaw.is_some() {
        "scan-hint scan-error"
    } else {
        "scan-hint"
    };
    let hint = lang.exemption_form().whole_sheet_number_name_readable;
    let choose_again = again.then(|| lang.exemption_form().browsers_do_not_keep_chosen);
    view! {
        <fieldset class="scan-input" aria-describedby=described>
            <legend>{lang.exemption_form().picture_of_the_document}</legend>
            <p id="scan-hint" class="note">{hint} {choose_again.map(|text| view! { <b>{text}</b> })}</p>
            <label class="field on-phone">
                <span>{lang.exemption_form().take_it_now}</span>
                <input type="file" name="photo" accept="image/jpeg,image/png,image/webp" capture="environment"
                    aria-invalid=invalid aria-describedby=described />
            </label>
            <label class="field">
                <span>{lang.exemption_form().choose_a_picture_or_pdf}</span>
                <input type="file" name="file" accept="image/jpeg,image/png,image/webp,application/pdf"
                    aria-invalid=invalid aria-describedby=described />
            </label>
            {flaw}
        </fieldset>
    }
}

const fn flaw_words(flaw: Flaw, lang: Lang) -> &'static str {
    match flaw {
        Flaw::Ground => lang.exemption_form().please_choose_a_ground,
        Flaw::Plate => lang.exemption_form().licence_plate_has_4_12,
        Flaw::DocumentKind => lang.exemption_form().please_say_what_kind_document,
        Flaw::DocumentNumber => lang.exemption_form().please_give_document_number_most,
        Flaw::NoScan => lang.exemption_form().please_take_or_choose_picture,
        Flaw::TwoScans => lang.exemption_form().send_one_picture_or_one,
        Flaw::ScanKind => lang.exemption_form().file_no_jpeg_png_or,
        Flaw::ScanSize => lang.exemption_form().file_larger_than_4_mb,
    }
}
