//! `/r/{id}`: a receipt, for whoever has its address. It holds no plate.

use api::service::public_log;
use api::{ApiError, App, Oidc};
use axum::extract::{Path, State};
use axum::response::Response;
use chrono_tz::Tz;
use domain::dispute::DisputeStatus;
use domain::id::ReceiptId;
use domain::log::Inclusion;
use domain::money::Vnd;
use domain::purchase::Shares;
use domain::refund::RefundStatus;
use leptos::prelude::*;
use qrcode::EcLevel;
use store::dispute::Dispute;
use store::receipt::Receipt;
use store::refund::Refund;

use super::dispute;
use super::document::Document;
use super::parts::{full_time, price_lines, qr_of, qr_svg};
use super::payment::gateway_name;
use super::staff_money::reason_words;
use super::{Reader, problem};
use crate::lang::Lang;

pub(crate) async fn page(
    State(app): State<App>,
    reader: Reader,
    Path(id): Path<String>,
) -> Response {
    let lang = reader.lang;
    match load(&app, &id).await {
        Ok(loaded) => {
            let url = app.public_url.to_string();
            let title = lang.receipt().receipt;
            let oidc = reader.oidc.clone();
            Document {
                title,
                active: "",
                live: None,
            }
            .page(&reader, move || view(loaded, &url, oidc.as_deref(), lang))
        }
        Err(error) => problem(&reader, &error),
    }
}

struct Loaded {
    receipt: Receipt,
    /// Its place in the public log; none for the two seconds that it waits for that, or where there is no log.
    log: Option<Inclusion>,
    has_log: bool,
    /// Each with which entry of the log it is.
    refunds: Vec<(Refund, Option<u64>)>,
    disputes: Vec<Dispute>,
}

async fn load(app: &App, id: &str) -> Result<Loaded, ApiError> {
    let id: ReceiptId = id.parse().map_err(|_| ApiError::NotFound("receipt"))?;
    let receipt = app.store.receipt(id).await?;
    let mut refunds = Vec::new();
    for refund in app.store.receipt_refunds(id).await? {
        let leaf = app.store.log_leaf_of_refund(refund.id).await?;
        refunds.push((refund, leaf.map(|leaf| leaf.index)));
    }
    Ok(Loaded {
        receipt,
        log: public_log::receipt_inclusion(app, id).await?,
        has_log: app.log.is_some(),
        refunds,
        disputes: app.store.receipt_disputes(id).await?,
    })
}

fn view(loaded: Loaded, url: &str, oidc: Option<&Oidc>, lang: Lang) -> impl IntoView + use<> {
    let Loaded {
        receipt,
        log,
        has_log,
        refunds,
        disputes,
    } = loaded;
    let address = format!("{url}/r/{}", receipt.id);
    let tz: Tz = receipt.timezone.parse().unwrap_or(Tz::UTC);
    let amount = lang.money(receipt.amount_vnd);
    let vat = Shares::of(receipt.amount_vnd, receipt.vat_bp, 0).vat_vnd;
    let refunded = receipt.refunded_vnd;
    let id = receipt.id;
    let place = match receipt.session {
        Some(_) => lang.words().bay,
        None => lang.receipt().bought_at_bay,
    };
    let day = receipt.day;
    view! {
        <article class="card narrow receipt">
            <header>
                <h1>{lang.receipt().parking_receipt}</h1>
                <p class="big">{amount.clone()}</p>
                <p class="ok">"✓ " {lang.receipt().paid_at} {full_time(receipt.issued_at, tz)}</p>
                {(refunded > Vnd::ZERO).then(|| view! {
                    <p class="hint">{lang.receipt().given_back_sum} <b>{lang.money(refunded)}</b></p>
                })}
            </header>
            {price_lines(&receipt.lines, amount, lang)}
            <dl class="facts">
                <div><dt>{place}</dt><dd>{receipt.bay} " · " {receipt.lot_name}</dd></div>
                <div><dt>{lang.words().vehicle_class}</dt><dd>{lang.class(receipt.class)}</dd></div>
                <div><dt>{lang.receipt().zone}</dt><dd>{receipt.zone_name}</dd></div>
                <div><dt>{lang.words().from}</dt><dd>{full_time(receipt.starts_at, tz)}</dd></div>
                <div><dt>{lang.receipt().until}</dt><dd>{full_time(receipt.ends_at, tz)}</dd></div>
                <div><dt>{lang.receipt().collected_by}</dt><dd>{receipt.operator_name}</dd></div>
                <div><dt>{lang.receipt().vat}</dt><dd>{lang.money(vat)} {lang.receipt().included}</dd></div>
                <div><dt>{lang.receipt().paid_by}</dt><dd>{gateway_name(&receipt.gateway, lang)} " · " <code>{receipt.reference}</code></dd></div>
                <div><dt>{lang.words().number}</dt><dd><code class="id">{receipt.id.to_string()}</code></dd></div>
            </dl>
            <p class="note">
                {lang.receipt().payment_part_public_total}
                <a href=format!("/city?from={day}&to={day}")>{day.format("%d/%m/%Y").to_string()}</a> "."
            </p>
            <div class="receipt-code">
                <div role="img" aria-label=lang.receipt().qr_code_of_this_receipt inner_html=qr_svg(&address)></div>
                <p class="actions no-print">
                    <button type="button" hidden data-share>{lang.receipt().share}</button>
                    <button type="button" hidden data-print>{lang.receipt().print_or_save_as_pdf}</button>
                </p>
            </div>
            {has_log.then(|| log_view(id, log, url, lang)).into_any()}
            <p class="no-print"><a href=format!("/api/v1/receipts/{id}/invoice.xml")>{lang.receipt().e_invoice_xml}</a></p>
            {refunds_view(refunds, tz, lang)}
            {dispute_view(id, disputes, oidc, lang)}
        </article>
    }
}

/// Where the receipt is in the public log, and all that it takes to check that.
fn log_view(id: ReceiptId, log: Option<Inclusion>, url: &str, lang: Lang) -> impl IntoView + use<> {
    let text = lang.receipt();
    let Some(log) = log else {
        return view! { <p class="note">{text.log_waits}</p> }.into_any();
    };
    let proof = log.proof.len().to_string();
    // Whole in its own address, of which no server is told what stands after the mark.
    let check = log.to_code().map(|code| format!("/verify#r={code}"));
    // Scanned off paper: as few dots as there can be.
    let code = check
        .as_ref()
        .and_then(|path| qr_of(&format!("{url}{path}"), EcLevel::L, 480));
    view! {
        <details class="log" id="log">
            <summary>{text.in_public_log} " · " {text.log_entry} " " {log.index.to_string()}</summary>
            <p><a href=check>{text.log_check}</a> " · "
                <a href=format!("/api/v1/receipts/{id}") download=format!("{id}.json")>{text.log_json}</a></p>
            <dl class="facts">
                <div><dt>{text.log_entry}</dt><dd><code class="id">{log.entry}</code></dd></div>
                <div><dt>{text.log_salt}</dt><dd><code class="id">{log.salt.to_string()}</code></dd></div>
                <div><dt>{text.log_proof}</dt><dd>{proof} " " {text.log_hashes}
                    <ol class="hashes">{log.proof.into_iter().map(|hash| view! { <li><code class="id">{hash}</code></li> }).collect_view()}</ol></dd></div>
            </dl>
            {code.map(|code| view! {
                <p class="note">{text.log_code}</p>
                <div class="proof-code" role="img" aria-label=text.log_code_label inner_html=code></div>
            })}
        </details>
    }
    .into_any()
}

/// Each time that money went back, with its invoice.
fn refunds_view(refunds: Vec<(Refund, Option<u64>)>, tz: Tz, lang: Lang) -> impl IntoView {
    let row = move |(refund, entry): (Refund, Option<u64>)| {
        let status = match refund.status {
            RefundStatus::Done => lang.receipt().given_back,
            _ => lang.receipt().on_its_way,
        };
        view! {
            <li>
                {full_time(refund.created_at, tz)} ": " <b>{lang.money(refund.amount_vnd)}</b> " · " {status} " · "
                <a href=format!("/api/v1/refunds/{}/invoice.xml", refund.id)>{lang.receipt().adjusting_invoice}</a>
                {entry.map(|index| format!(" · {} {index}", lang.receipt().log_of_refund))}
            </li>
        }
    };
    (!refunds.is_empty()).then(|| {
        view! {
            <h2>{lang.receipt().given_back_heading}</h2>
            <ul>{refunds.into_iter().map(row).collect_view()}</ul>
        }
    })
}

fn dispute_view(
    id: ReceiptId,
    disputes: Vec<Dispute>,
    oidc: Option<&Oidc>,
    lang: Lang,
) -> impl IntoView + use<> {
    let open = disputes
        .iter()
        .any(|dispute| dispute.status == DisputeStatus::Open);
    let told = disputes.into_iter().map(|dispute| {
        let status = match dispute.status {
            DisputeStatus::Open if dispute.in_review => lang.receipt().is_being_looked_at,
            DisputeStatus::Open => lang.receipt().waits_for_an_answer,
            DisputeStatus::Refunded => lang.receipt().accepted_the_money_goes_back,
            DisputeStatus::Refused => lang.receipt().not_accepted,
        };
        let open = dispute.status == DisputeStatus::Open;
        view! {
            <p class="hint" data-dispute=dispute.status.code() data-in-review=dispute.in_review.then_some("")>
                <b>{reason_words(dispute.reason, lang)}</b> ": " {status} ". "
                {open.then_some(lang.receipt().answered_within)}
                {dispute.answer.unwrap_or_default()}
            </p>
        }
    });
    let told = told.collect_view();
    // The name itself stands on a page of its own: this one may be handed on, and is kept on the phone.
    let under_a_name = oidc.map(|oidc| {
        let text = format!("{} {}", lang.sign_in().confirm_who_i_am_with, oidc.name());
        view! { <p class="note"><a href=format!("/r/{id}/dispute")>{text}</a> " " {lang.sign_in().nobody_has_to}</p> }
    });
    view! {
        {told}
        {(!open).then(|| view! {
            <details class="no-print" id="dispute">
                <summary>{lang.receipt().something_wrong}</summary>
                {under_a_name}
                {dispute::form(id, None, String::new(), (), lang)}
            </details>
        })}
    }
}
