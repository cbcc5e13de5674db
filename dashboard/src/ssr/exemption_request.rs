//! `/exemptions/{id}`: what has become of a driver's request, for the browser that sent it.

use api::service::{exemption_request, session_cookie};
use api::{ApiError, App};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Redirect, Response};
use chrono_tz::Tz;
use domain::Timestamp;
use domain::exemption::RequestStatus;
use domain::id::ExemptionRequestId;
use leptos::prelude::*;
use store::exemption::KnownGround;
use store::exemption_request::ExemptionRequest;

use super::document::Document;
use super::parts::{day, ground_name, last_day, minute};
use super::{Reader, problem};
use crate::lang::Lang;

/// What a request is for its driver now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Now {
    Waiting,
    /// Granted; not over yet.
    Granted,
    /// Granted, and taken back by the city.
    TakenBack,
    /// Granted, and over.
    Ended,
    Refused,
    Withdrawn,
}

impl Now {
    pub(super) fn of(request: &ExemptionRequest, now: Timestamp) -> Self {
        match (request.status, request.granted) {
            (RequestStatus::Waiting, _) => Self::Waiting,
            (RequestStatus::Refused, _) => Self::Refused,
            (RequestStatus::Withdrawn, _) => Self::Withdrawn,
            (RequestStatus::Granted, Some(granted)) if granted.withdrawn_at.is_some() => {
                Self::TakenBack
            }
            (RequestStatus::Granted, Some(granted)) if granted.ends_at <= now => Self::Ended,
            (RequestStatus::Granted, _) => Self::Granted,
        }
    }

    const fn code(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Granted => "granted",
            Self::TakenBack => "taken-back",
            Self::Ended => "ended",
            Self::Refused => "refused",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// In a word of a list.
    pub(super) const fn words(self, lang: Lang) -> &'static str {
        match self {
            Self::Waiting => lang.t("đang chờ", "waits"),
            Self::Granted => lang.t("được miễn phí", "granted"),
            Self::TakenBack => lang.t("bị thu hồi", "taken back by the city"),
            Self::Ended => lang.t("đã hết hạn", "ended"),
            Self::Refused => lang.t("bị từ chối", "refused"),
            Self::Withdrawn => lang.t("đã rút", "withdrawn"),
        }
    }

    const fn title(self, lang: Lang) -> &'static str {
        match self {
            Self::Waiting => lang.t("Đang chờ thành phố trả lời", "Waiting for the city"),
            Self::Granted => lang.t("Xe được miễn phí", "You are exempt"),
            Self::TakenBack => lang.t("Miễn phí đã bị thu hồi", "The city took the exemption back"),
            Self::Ended => lang.t("Miễn phí đã hết hạn", "The exemption has ended"),
            Self::Refused => lang.t("Yêu cầu bị từ chối", "The request was refused"),
            Self::Withdrawn => lang.t("Bạn đã rút yêu cầu này", "You withdrew this request"),
        }
    }
}

async fn load(
    app: &App,
    headers: &HeaderMap,
    id: ExemptionRequestId,
) -> Result<(ExemptionRequest, Vec<KnownGround>), ApiError> {
    let token = session_cookie::held_request_token(headers, id).ok_or(ApiError::Unauthorized)?;
    let request = exemption_request::find(app, id, &token).await?;
    Ok((request, app.store.exemption_grounds(None).await?))
}

/// `/exemptions/{id}`.
pub(crate) async fn page(
    State(app): State<App>,
    reader: Reader,
    Path(id): Path<ExemptionRequestId>,
    headers: HeaderMap,
) -> Response {
    let (request, grounds) = match load(&app, &headers, id).await {
        Ok(loaded) => loaded,
        Err(error) => return problem(&reader, &error),
    };
    let (lang, tz) = (reader.lang, app.city.timezone);
    let state = Now::of(&request, App::now());
    Document {
        title: state.title(lang),
        active: "/my",
        live: None,
    }
    .page(&reader, move || {
        let ground = ground_name(&grounds, &request.ground, lang);
        view(state, request, ground, tz, lang)
    })
}

/// `POST /exemptions/{id}/withdraw`.
pub(crate) async fn withdraw(
    State(app): State<App>,
    reader: Reader,
    Path(id): Path<ExemptionRequestId>,
    headers: HeaderMap,
) -> Response {
    let done = async {
        let token =
            session_cookie::held_request_token(&headers, id).ok_or(ApiError::Unauthorized)?;
        exemption_request::withdraw(&app, id, &token, App::now()).await?;
        Ok(token)
    };
    let back = Redirect::to(&format!("/exemptions/{id}"));
    match done.await {
        Ok(token) => {
            let cookie = session_cookie::set_request_cookie(&app, id, &token, true);
            ([(header::SET_COOKIE, cookie)], back).into_response()
        }
        // Decided meanwhile: the page says how.
        Err(ApiError::Conflict(_)) => back.into_response(),
        Err(error) => problem(&reader, &error),
    }
}

fn view(
    state: Now,
    request: ExemptionRequest,
    ground: String,
    tz: Tz,
    lang: Lang,
) -> impl IntoView {
    let granted = state == Now::Granted;
    let title = state.title(lang);
    let told = told_view(state, &request, tz, lang).into_any();
    let next = next_view(state, request.id, lang).into_any();
    let facts = facts_view(request, ground, tz, lang).into_any();
    view! {
        <section class="card narrow" class:paid=granted data-request=state.code()>
            {granted.then(|| view! { <div class="tick" aria-hidden="true">"✓"</div> })}
            <h1>{title}</h1>
            {told}
            {facts}
            {next}
        </section>
    }
}

/// What that means, and what happens next.
fn told_view(state: Now, request: &ExemptionRequest, tz: Tz, lang: Lang) -> impl IntoView + use<> {
    let days = request
        .granted
        .map(|granted| (day(granted.starts_at, tz), last_day(granted.ends_at, tz)));
    let span = days.map(|(first, last)| {
        view! {
            <p>{lang.t("Từ ngày ", "From ")} <b>{first}</b>
                {lang.t(" đến hết ngày ", " until the end of ")} <b>{last}</b> "."</p>
        }
    });
    match state {
        Now::Waiting => view! {
            <p class="waiting"><span class="pulse" aria-hidden="true"></span>
                <span>{lang.t("Gửi lúc ", "Sent at ")} {minute(request.asked_at, tz)}</span></p>
            <p>{lang.t(
                "Cán bộ của thành phố xem giấy tờ rồi trả lời ngay trên trang này. Trong lúc chờ, đỗ xe vẫn tính tiền như thường.",
                "The city's staff look at the document and answer on this page. While you wait, parking costs what it always does.",
            )}</p>
            <p class="hint">
                {lang.t("Xin mở lại trang này sau vài ngày: nó nằm trong ", "Please come back in a few days: this page is listed under ")}
                <a href="/my">{lang.t("Lượt đỗ của tôi", "My parking")}</a>
                {lang.t(", chỉ trên máy này.", ", on this device only.")}
            </p>
        }
        .into_any(),
        Now::Granted => view! {
            {span}
            <p>{lang.t(
                "Khi đỗ ở bất cứ đâu trong thành phố, chỉ cần nhập biển số: giá tự về 0. Lượt đỗ đã bắt đầu trước đó không đổi.",
                "Wherever you park in the city, enter the plate, and the price is 0. What began before stays as it was.",
            )}</p>
        }
        .into_any(),
        Now::TakenBack => view! {
            <p>{lang.t(
                "Thành phố đã thu hồi miễn phí của xe này. Lượt đỗ bắt đầu từ nay tính tiền như thường.",
                "The city has taken this vehicle's exemption back. Parking that begins from now on is charged.",
            )}</p>
        }
        .into_any(),
        Now::Ended => view! { {span} }.into_any(),
        Now::Refused => view! {
            <p>{lang.t("Thành phố trả lời:", "The city answers:")}</p>
            <blockquote>{request.reason.clone()}</blockquote>
            <p>{lang.t(
                "Nếu có giấy tờ khác hoặc ảnh rõ hơn, bạn có thể gửi lại.",
                "With another document, or a better picture of it, you can ask again.",
            )}</p>
        }
        .into_any(),
        Now::Withdrawn => view! {
            <p>{lang.t(
                "Ảnh giấy tờ đã bị xóa. Không ai xét yêu cầu này nữa.",
                "The picture of the document is deleted. Nobody looks at this request any more.",
            )}</p>
        }
        .into_any(),
    }
}

fn facts_view(request: ExemptionRequest, ground: String, tz: Tz, lang: Lang) -> impl IntoView {
    let decided = (request.status != RequestStatus::Waiting)
        .then_some(request.decided_at)
        .flatten();
    let kept = request.scan.and(request.scan_until);
    let fact = |name: &'static str, value: String| {
        view! { <div><dt>{name}</dt><dd>{value}</dd></div> }
    };
    let vehicle = format!("{} · {}", request.plate.reveal(), lang.class(request.class));
    let document = format!("{} · {}", request.document_kind, request.document_number);
    view! {
        <dl class="facts">
            {fact(lang.t("Đối tượng", "Ground"), ground)}
            {fact(lang.t("Xe", "Vehicle"), vehicle)}
            {fact(lang.t("Giấy tờ", "Document"), document)}
            {fact(lang.t("Gửi lúc", "Sent"), minute(request.asked_at, tz))}
            {decided.map(|at| fact(lang.t("Trả lời lúc", "Answered"), minute(at, tz)))}
            {kept.map(|at| fact(lang.t("Ảnh giữ đến", "Picture kept until"), day(at, tz)))}
        </dl>
    }
}

/// What the driver may do now.
fn next_view(state: Now, id: ExemptionRequestId, lang: Lang) -> impl IntoView {
    match state {
        Now::Waiting => view! {
            <details>
                <summary>{lang.t("Rút yêu cầu", "Withdraw the request")}</summary>
                <p>{lang.t(
                    "Thành phố sẽ không xét nữa, và ảnh giấy tờ bị xóa ngay.",
                    "The city looks at it no more, and the picture of the document is deleted at once.",
                )}</p>
                <form method="post" action=format!("/exemptions/{id}/withdraw")>
                    <button>{lang.t("Rút và xóa ảnh", "Withdraw and delete the picture")}</button>
                </form>
            </details>
        }
        .into_any(),
        Now::Granted => view! {
            <p><a class="button" href="/">{lang.t("Tìm chỗ đỗ", "Find parking")}</a></p>
        }
        .into_any(),
        Now::TakenBack | Now::Ended | Now::Refused => view! {
            <p><a class="button" href=format!("/exemptions?again={id}")>{lang.t("Gửi lại yêu cầu", "Ask again")}</a></p>
        }
        .into_any(),
        Now::Withdrawn => view! {
            <p><a class="button" href="/exemptions">{lang.t("Gửi yêu cầu khác", "Send another request")}</a></p>
        }
        .into_any(),
    }
}
