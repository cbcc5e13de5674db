//! `/verify`: anybody checks the public log, or one receipt, in their own browser.
//!
//! The server only says what each result will be called; `static/verify.js` fetches, and the verifier's own
//! WebAssembly checks.

use api::App;
use axum::extract::State;
use axum::response::Response;
use leptos::prelude::*;

use super::assets::{self, Bundle};
use super::document::Document;
use super::{Reader, parts};
use crate::lang::Lang;

pub(crate) async fn page(State(app): State<App>, reader: Reader) -> Response {
    let lang = reader.lang;
    let title = lang.verify().title;
    let document = Document {
        title,
        active: "/city",
        live: None,
    };
    let Some(log) = &app.log else {
        return document.page(&reader, move || {
            parts::message(title, lang.verify().no_log.to_owned(), lang)
        });
    };
    let keys: Vec<String> = log.keys().iter().map(ToString::to_string).collect();
    let keys = keys.join("\n");
    let url = app.public_url.to_string();
    let timezone = app.city.timezone.name();
    let code = reader.bundle.as_ref().as_ref().map(Code::of);
    document.page(&reader, move || view(&url, keys, timezone, code, lang))
}

/// Where the verifier's code is.
struct Code {
    module: String,
    wasm: String,
}

impl Code {
    fn of(bundle: &Bundle) -> Self {
        Self {
            module: bundle.url("verifier.js"),
            wasm: bundle.url("verifier_bg.wasm"),
        }
    }
}

fn view(
    url: &str,
    keys: String,
    timezone: &'static str,
    code: Option<Code>,
    lang: Lang,
) -> impl IntoView + use<> {
    let text = lang.verify();
    // Not the server's own key: that is what is to be checked.
    let command = format!("clearbay verify --url {url} --key KEY");
    let start = code
        .is_some()
        .then(|| view! { <script type="module" src=assets::url("verify.js")></script> });
    let (module, wasm) = code.map(|code| (code.module, code.wasm)).unzip();
    view! {
        <section class="hero">
            <h1>{text.title}</h1>
            <p>{text.lead}</p>
        </section>
        // Shown where the script does not come to take it away.
        <p class="hint" data-without>{text.needs_script} <br/><code>{command.clone()}</code></p>
        <div class="two" id="verify" hidden data-module=module data-wasm=wasm data-checking=text.checking data-again=text.again data-begins=text.begins data-cannot=text.cannot
            data-too-large=text.too_large data-nothing=text.nothing_chosen data-not-found=text.not_found data-key-needed=text.key_needed
            data-no-connection=text.no_connection data-timezone=timezone>
            {whole(keys, command, lang).into_any()}
            {one(lang).into_any()}
        </div>
        {start}
    }
}

/// The check of everything.
fn whole(keys: String, command: String, lang: Lang) -> impl IntoView {
    let text = lang.verify();
    let served = keys
        .lines()
        .map(|key| view! { <p><code>{key.to_owned()}</code></p> });
    let served = served.collect_view();
    let step = |name: &'static str, says: &'static str| view! { <li data-step=name data-text=says hidden></li> };
    view! {
        <section class="card" aria-labelledby="whole">
            <h2 id="whole">{text.whole_log}</h2>
            <form id="check">
                <label class="field">
                    <span>{text.key}</span>
                    <textarea name="key" rows="3" spellcheck="false" autocomplete="off" required aria-describedby="key-hint"></textarea>
                </label>
                <p class="note" id="key-hint">{text.key_hint}</p>
                <p class="error" data-changed hidden role="alert">{text.key_changed} " " <code></code></p>
                <button class="primary wide">{text.check_all}</button>
                <p role="status" data-progress hidden><span></span><progress></progress></p>
                <p class="error" data-failed hidden role="alert"></p>
            </form>
            <details data-served=keys>
                <summary>{text.served_key}</summary>
                <p class="note">{text.served_key_text}</p>
                {served}
            </details>
            <div data-verdict hidden tabindex="-1">
                <div class="hint verdict" data-holds hidden><b class="ok">"✓ " {text.holds}</b> " " {text.holds_text}</div>
                <div class="hint verdict" data-empty hidden>{text.empty}</div>
                <div class="hint verdict" data-not-yet hidden>
                    <b>{text.not_yet}</b>
                    <ul data-findings></ul>
                    {text.not_yet_text}
                </div>
                <div class="error verdict" data-wrong hidden>
                    <b>"✗ " {text.wrong}</b>
                    <ul data-findings></ul>
                    {text.wrong_text}
                </div>
                {other_key(lang).into_any()}
                <div data-shown hidden>
                    <h3>{text.shown}</h3>
                    <ol class="proved">
                        {step("signed", text.step_signed)}
                        {step("known", text.step_known)}
                        {step("first", text.step_first)}
                        {step("witnessed", text.step_witnessed)}
                        {step("entries", text.step_entries)}
                        {step("reports", text.step_reports)}
                        {step("no-report", text.step_no_report)}
                        {step("totals", text.step_totals)}
                    </ol>
                </div>
                <ul class="note" data-notes></ul>
                {days("published", text.published, "", lang).into_any()}
                {days("unpublished", text.unpublished, text.unpublished_text, lang).into_any()}
            </div>
            <details>
                <summary>{text.not_shown}</summary>
                <ul>
                    <li>{text.not_shown_all}</li>
                    <li>{text.not_shown_same}</li>
                    <li>{text.not_shown_code} <br/><code>{command}</code></li>
                </ul>
                <p class="note">{text.format} " " <code>"docs/public-log.md"</code></p>
            </details>
        </section>
    }
}

/// That what is checked is signed by a key that is not among the pinned ones.
fn other_key(lang: Lang) -> impl IntoView {
    let text = lang.verify();
    view! {
        <div class="hint verdict" data-other-key hidden>
            <b>"≠ " {text.other_key}</b>
            <p data-says></p>
            <p>{text.other_key_text}</p>
        </div>
    }
}

/// What the log has of some days.
fn days(which: &'static str, title: &'static str, note: &'static str, lang: Lang) -> impl IntoView {
    let text = lang.verify();
    view! {
        <div data-days=which hidden>
            <h3>{title}</h3>
            {(!note.is_empty()).then(|| view! { <p class="note">{note}</p> })}
            <div class="scroll" tabindex="0" role="region" aria-label=title><table class="grid">
                <thead><tr>
                    <th scope="col">{text.day}</th>
                    <th scope="col" class="amount">{text.receipts}</th>
                    <th scope="col" class="amount">{text.refunds}</th>
                    <th scope="col" class="amount">{text.revenue}</th>
                </tr></thead>
                <tbody></tbody>
                <tfoot hidden><tr>
                    <th scope="row">{text.all_days}</th>
                    <td class="amount"></td><td class="amount"></td><td class="amount"></td>
                </tr></tfoot>
            </table></div>
        </div>
    }
}

/// The check of one receipt.
fn one(lang: Lang) -> impl IntoView {
    let text = lang.verify();
    view! {
        <section class="card" aria-labelledby="one">
            <h2 id="one">{text.one_receipt}</h2>
            <form id="check-receipt">
                <p class="note">{text.receipt_hint}</p>
                <label class="field">
                    <span>{text.receipt_text}</span>
                    <input name="receipt" autocomplete="off" spellcheck="false" />
                </label>
                <label class="field">
                    <span>{text.receipt_file}</span>
                    <input type="file" name="file" accept="application/json,.json" />
                </label>
                <button class="wide">{text.check_receipt}</button>
                <p class="error" data-failed hidden role="alert"></p>
            </form>
            <div data-receipt hidden tabindex="-1">
                <div class="hint verdict" data-holds hidden>
                    <b class="ok">"✓ " {text.in_log}</b>
                    <p data-text=text.in_log_text></p>
                    <p data-refund hidden>{text.refund_text}</p>
                    <dl class="facts">
                        <div><dt>{lang.words().number}</dt><dd><code class="id" data-fact="receipt"></code></dd></div>
                        <div data-of-receipt><dt>{text.bay}</dt><dd data-fact="bay"></dd></div>
                        <div><dt>{text.issued}</dt><dd data-fact="at"></dd></div>
                    </dl>
                    <table class="lines"><tbody></tbody></table>
                    <p class="note" data-lines="english" hidden>{text.lines_english}</p>
                    <p class="note" data-lines="vietnamese" hidden>{text.lines_vietnamese}</p>
                </div>
                {other_key(lang).into_any()}
                <div class="error verdict" data-wrong hidden><b>"✗ " {text.not_in_log}</b> <p></p></div>
            </div>
        </section>
    }
}
