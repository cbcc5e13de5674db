//! `/r/{id}/dispute`: to object to a receipt, under a confirmed name where the driver wants that. Apart from the
//! receipt, whose page may be handed on and is kept on the phone.

use api::service::dispute as service;
use api::service::identity;
use api::service::sign_in::Destination;
use api::{ApiError, App};
use axum::extract::{Form, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use domain::dispute::{DisputeReason, DisputeStatus};
use domain::id::ReceiptId;
use leptos::prelude::*;
use serde::Deserialize;
use store::receipt::Receipt;

use super::document::Document;
use super::sign_in::{Step, Told};
use super::staff_money::reason_words;
use super::{Reader, problem};
use crate::lang::Lang;

/// What a driver has filled in.
#[derive(Default)]
struct Filled {
    reason: Option<DisputeReason>,
    text: String,
}

/// `GET /r/{id}/dispute`.
pub(crate) async fn page(
    State(app): State<App>,
    reader: Reader,
    Path(id): Path<String>,
    headers: HeaderMap,
    Query(told): Query<Told>,
) -> Response {
    let Ok(id) = id.parse::<ReceiptId>() else {
        return problem(&reader, &ApiError::NotFound("receipt"));
    };
    let step = Step::of(&app, &headers, Destination::Dispute(id), told.why());
    show(&app, &reader, id, step, Filled::default(), None).await
}

#[derive(Deserialize)]
pub(crate) struct DisputeForm {
    reason: DisputeReason,
    #[serde(default)]
    text: String,
    key: String,
    /// The mark of the name that the form showed.
    #[serde(default)]
    confirmed: String,
}

/// `POST /r/{id}/dispute`: opens a dispute about the receipt.
pub(crate) async fn submit(
    State(app): State<App>,
    reader: Reader,
    Path(id): Path<ReceiptId>,
    headers: HeaderMap,
    Form(form): Form<DisputeForm>,
) -> Response {
    let now = App::now();
    let Ok(identity) = identity::of_form(&app, &headers, &form.confirmed, now) else {
        let step = Step::of(&app, &headers, Destination::Dispute(id), None);
        let filled = Filled {
            reason: Some(form.reason),
            text: form.text,
        };
        let gone = Some(reader.lang.sign_in().run_out);
        return show(&app, &reader, id, step, filled, gone).await;
    };
    let done = async {
        api::extract::check_key(&form.key)?;
        let who = identity.as_ref();
        service::open(&app, id, form.reason, &form.text, who, form.key, now).await
    };
    match done.await {
        Ok(_) => {
            let used = identity.map(|_| (header::SET_COOKIE, identity::forget_cookie(&app)));
            (AppendHeaders(used), Redirect::to(&format!("/r/{id}"))).into_response()
        }
        Err(error) => problem(&reader, &error),
    }
}

async fn show(
    app: &App,
    reader: &Reader,
    id: ReceiptId,
    step: Step,
    filled: Filled,
    refusal: Option<&'static str>,
) -> Response {
    let loaded = async {
        let disputes = app.store.receipt_disputes(id).await?;
        let open = |dispute: &store::dispute::Dispute| dispute.status == DisputeStatus::Open;
        Ok::<_, ApiError>((app.store.receipt(id).await?, disputes.iter().any(open)))
    };
    let receipt = match loaded.await {
        // It waits for its answer on the receipt.
        Ok((_, true)) => return Redirect::to(&format!("/r/{id}")).into_response(),
        Ok((receipt, false)) => receipt,
        Err(error) => return problem(reader, &error),
    };
    let lang = reader.lang;
    let title = lang.receipt().something_wrong;
    let status = match refusal {
        Some(_) => StatusCode::CONFLICT,
        None => StatusCode::OK,
    };
    Document {
        title,
        active: "",
        live: None,
    }
    .respond(reader, status, move || {
        view(title, &receipt, step, filled, refusal, lang)
    })
}

fn view(
    title: &'static str,
    receipt: &Receipt,
    step: Step,
    filled: Filled,
    refusal: Option<&'static str>,
    lang: Lang,
) -> impl IntoView + use<> {
    let id = receipt.id;
    let what = format!("{} · {}", receipt.bay, lang.money(receipt.amount_vnd));
    let field = step.field();
    view! {
        <header class="narrow">
            <h1>{title}</h1>
            <p>{lang.words().receipt} " " <a href=format!("/r/{id}")>{what}</a></p>
        </header>
        {step.view(lang)}
        <div class="card narrow">
            {refusal.map(|text| view! { <p class="error" role="alert">{text}</p> })}
            {form(id, filled.reason, filled.text, field, lang)}
        </div>
    }
}

/// The form by which one objects, with what else it carries.
pub(super) fn form(
    id: ReceiptId,
    chosen: Option<DisputeReason>,
    text: String,
    more: impl IntoView,
    lang: Lang,
) -> impl IntoView {
    let reason = |reason: DisputeReason| {
        let is_chosen = chosen == Some(reason);
        view! { <option value=reason.code() selected=is_chosen>{reason_words(reason, lang)}</option> }
    };
    let reasons = DisputeReason::ALL.map(reason).collect_view();
    view! {
        <form method="post" action=format!("/r/{id}/dispute")>
            <input type="hidden" name="key" value=api::secret::random_token() />
            {more}
            <label class="field">
                <span>{lang.receipt().what_is_it}</span>
                <select name="reason" required><option value="">{lang.receipt().please_choose}</option>{reasons}</select>
            </label>
            <label class="field">
                <span>{lang.receipt().tell_more_optional}</span>
                <textarea name="text" maxlength="2000" rows="3">{text}</textarea>
            </label>
            <button>{lang.receipt().send}</button>
        </form>
    }
}
