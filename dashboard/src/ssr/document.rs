//! The document around every page.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use hydration_context::SsrSharedContext;
use leptos::prelude::*;

use super::{Reader, assets, offline, problem};

/// What a page tells the document.
pub(crate) struct Document<'a> {
    pub(crate) title: &'a str,
    /// The address of the menu's entry under which the page lies.
    pub(crate) active: &'a str,
    /// Where events come from that concern the page's content. Where no island listens to them,
    /// `live.js` fetches the page anew when one arrives.
    pub(crate) live: Option<String>,
}

impl Document<'_> {
    /// The page as a reply.
    pub(crate) fn page<V: IntoView + 'static>(
        self,
        reader: &Reader,
        content: impl FnOnce() -> V,
    ) -> Response {
        self.respond(reader, StatusCode::OK, content)
    }

    /// The page as a reply with a status.
    pub(crate) fn respond<V: IntoView + 'static>(
        self,
        reader: &Reader,
        status: StatusCode,
        content: impl FnOnce() -> V,
    ) -> Response {
        let owner = Owner::new_root(Some(Arc::new(SsrSharedContext::new_islands())));
        let html = owner.with(|| self.shell(reader, content()).to_html());
        (status, Html(format!("<!DOCTYPE html>{html}"))).into_response()
    }

    fn shell<V: IntoView + 'static>(self, reader: &Reader, content: V) -> impl IntoView + use<V> {
        let lang = reader.lang;
        let title = format!("{} · Clearbay", self.title);
        let bundle = reader.bundle.as_ref().as_ref();
        let live_script = assets::url("live.js");
        let script = match (bundle, &self.live) {
            (Some(bundle), _) => {
                let (module, wasm) = (bundle.url("clearbay.js"), bundle.url("clearbay_bg.wasm"));
                view! { <script src=assets::url("boot.js") data-bundle=module data-wasm=wasm data-fallback=live_script defer></script> }
                    .into_any()
            }
            (None, Some(_)) => view! { <script src=live_script defer></script> }.into_any(),
            (None, None) => ().into_any(),
        };
        let live = self.live;
        let active = self.active.to_owned();
        let has_wallets = reader.has_wallets;
        // Behind the counter nothing is kept on the device.
        let is_kept = active != "/staff";
        let entry = move |href: &'static str, text: &'static str| {
            let current = (active == href).then_some("page");
            view! { <a href=href aria-current=current>{text}</a> }
        };
        let other = lang.frame().other_code;
        view! {
            <html lang=lang.code()>
                <head>
                    <meta charset="utf-8" />
                    <meta name="viewport" content="width=device-width, initial-scale=1" />
                    <meta name="theme-color" content="#0b5d52" />
                    <title>{title}</title>
                    <link rel="icon" href=assets::url("icon.svg") type="image/svg+xml" />
                    <link rel="stylesheet" href=assets::url("style.css") />
                    <link rel="manifest" href="/manifest.webmanifest" />
                    {script}
                    <script src=assets::url("phone.js") defer></script>
                    {is_kept.then(|| view! { <script src=assets::url("offline.js") defer></script> })}
                </head>
                <body>
                    <a class="skip" href="#content">{lang.frame().skip_to_content}</a>
                    <header class="top">
                        <a class="brand" href="/">
                            <span class="brand-mark" aria-hidden="true">"P"</span>
                            "Clearbay"
                        </a>
                        <nav aria-label=lang.frame().main>
                            {entry("/", lang.frame().find)}
                            {entry("/my", lang.frame().mine)}
                            {entry("/city", lang.frame().city)}
                            {entry("/staff", lang.frame().staff)}
                            <a class="lang" href=format!("/lang/{other}") hreflang=other>
                                {lang.frame().other_name}
                            </a>
                        </nav>
                    </header>
                    <p id="offline" class="error" role="alert" hidden>
                        {lang.frame().connection_lost_what_see_may}
                    </p>
                    {is_kept.then(|| offline::notices(lang))}
                    <main id="content" data-live=live>
                        {content}
                    </main>
                    <footer class="foot">
                        <p>
                            {lang.frame().every_payment_has_receipt_enters}
                            " "
                            <a href="/my">{lang.words().my_parking}</a> " · "
                            {has_wallets.then(|| view! { <a href="/wallet">{lang.frame().wallet}</a> " · " })}
                            <a href="/n">{lang.frame().got_a_notice}</a> " · "
                            <a href="/staff">{lang.frame().staff}</a> " · "
                            <a href="/verify">{lang.verify().title}</a> " · "
                            <a href="/open">{lang.open_data().open_data}</a> " · "
                            <a href="/api/docs/">"API"</a>
                        </p>
                    </footer>
                </body>
            </html>
        }
    }
}

/// For addresses that are no page.
pub(crate) async fn not_found(reader: Reader) -> Response {
    problem(&reader, &api::ApiError::NotFound("page"))
}
