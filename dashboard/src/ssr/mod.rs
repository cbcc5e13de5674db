//! Pages, rendered on the server.

use std::path::Path;
use std::sync::Arc;

use api::limit::{MAX_PICTURE_BODY, PICTURE_PATH};
use api::service::sign_in::RETURN_PATH;
use api::{App, Oidc};
use axum::extract::{DefaultBodyLimit, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use tower_http::compression::CompressionLayer;

use crate::lang::Lang;

mod assets;
mod base_map;
mod chart;
mod city;
mod dispute;
mod document;
mod exemption_form;
mod exemption_request;
mod exemptions;
mod failure;
mod find;
mod lot;
mod map_labels;
mod mine;
mod notice;
mod offline;
mod open;
mod outlook;
mod parts;
mod passes;
mod pay;
mod pay_ask;
mod pay_form;
mod payment;
mod receipt;
mod reminder;
mod session;
mod session_bill;
mod session_view;
mod sign_in;
mod staff;
mod staff_accounts;
mod staff_bay;
mod staff_camera;
mod staff_code;
mod staff_confirm;
mod staff_devices;
mod staff_exemption_list;
mod staff_exemption_request;
mod staff_first;
mod staff_identity;
mod staff_money;
mod staff_notices;
mod staff_people;
mod staff_plate;
mod staff_refunds;
mod staff_second_factor;
mod staff_shift;
mod staff_shift_days;
mod staff_shifts;
mod staff_terminals;
mod verify;
mod wallet;
mod wallet_delete;
mod wallet_sign_in;
mod ways;

use assets::Bundle;
pub(crate) use failure::problem;

/// What all pages are made with.
#[derive(Debug)]
pub struct Pages {
    /// The browser's bundle.
    bundle: Option<Bundle>,
    /// Where people confirm who they are.
    oidc: Option<Arc<Oidc>>,
    /// Whether drivers can sign in, and so have a wallet.
    has_wallets: bool,
}

impl Pages {
    /// With the bundle in the folder `web_dir`, the provider where people confirm who they are, and whether drivers
    /// can sign in.
    pub fn load(web_dir: Option<&Path>, oidc: Option<Arc<Oidc>>, has_wallets: bool) -> Self {
        let bundle = web_dir.and_then(Bundle::load);
        if bundle.is_none() {
            match web_dir {
                // Somebody has named one.
                Some(folder) => tracing::warn!(
                    folder = %folder.display(),
                    "there is no browser bundle in CLEARBAY_WEB_DIR: pages work by forms and plain events"
                ),
                None => tracing::info!("no browser bundle: pages work by forms and plain events"),
            }
        }
        Self {
            bundle,
            oidc,
            has_wallets,
        }
    }

    /// The whole city, which `city` makes of its pages: where that refuses a page's reader, a page says so.
    pub fn within(self, city: impl FnOnce(Router<App>) -> Router) -> Router {
        city(router())
            .layer(middleware::from_fn(failure::refusal_as_page))
            .layer(Extension(Arc::new(self.bundle)))
            .layer(Extension(self.oidc))
            .layer(Extension(HasWallets(self.has_wallets)))
    }
}

/// Every page, by its address.
fn router() -> Router<App> {
    Router::new()
        // It holds no secret that compressing it could give away (as the pages of sessions do), and
        // shrinks to a tenth.
        .route("/", get(find::city_page).layer(CompressionLayer::new()))
        .route("/lots/{code}", get(lot::lot_page))
        .route("/b", get(pay::find_bay))
        .route("/b/{code}", get(pay::form_page).post(pay::submit))
        .route(
            "/b/{code}/pass",
            get(passes::form_page).post(passes::submit),
        )
        .route("/passes/{id}", get(passes::page))
        .route("/pay/{id}", get(payment::page))
        .route("/s/{id}", get(session::page))
        .route("/s/{id}/extend", get(session::back).post(session::extend))
        .route("/s/{id}/stop", get(session::back).post(session::stop))
        .route("/s/{id}/plate", get(session::back).post(session::plate))
        .route("/s/{id}/bay", get(session::back).post(session::bay))
        .route("/r/{id}", get(receipt::page))
        .route("/r/{id}/dispute", get(dispute::page).post(dispute::submit))
        .route("/sign-in", get(sign_in::start))
        .route(RETURN_PATH, get(sign_in::finish))
        .route("/sign-in/forget", post(sign_in::forget))
        .route("/my", get(mine::page))
        .route("/wallet", get(wallet::page))
        .route(
            "/wallet/code",
            get(wallet_sign_in::back).post(wallet_sign_in::send_code),
        )
        .route(
            "/wallet/sign-in",
            get(wallet_sign_in::back).post(wallet_sign_in::sign_in),
        )
        .route(
            "/wallet/top-up",
            get(wallet_sign_in::back).post(wallet::top_up),
        )
        .route("/wallet/sign-out", post(wallet_sign_in::sign_out))
        .route(
            "/wallet/delete",
            get(wallet_delete::page).post(wallet_delete::delete),
        )
        .route(
            "/exemptions",
            get(exemption_form::page).post(exemption_form::submit),
        )
        .route("/exemptions/{id}", get(exemption_request::page))
        .route(
            "/exemptions/{id}/withdraw",
            post(exemption_request::withdraw),
        )
        .route("/n", get(notice::look_up))
        .route("/n/{code}", get(notice::page).post(notice::pay))
        .route("/n/{code}/withdraw", post(notice::withdraw))
        .route("/staff", get(staff::lots_page))
        .route("/staff/bays/{code}", get(staff_bay::page))
        .route("/staff/bays/{code}/notice", post(staff_bay::write_notice))
        .route("/staff/notices", get(staff_notices::page))
        .route("/staff/sessions/{id}/bay", post(staff_plate::move_session))
        .route("/staff/sessions/{id}/plate", post(staff_plate::correct))
        .route("/staff/shift", get(staff_shift::page))
        .route(
            "/staff/shifts",
            get(staff_shifts::page).post(staff_shifts::add),
        )
        .route(
            "/staff/shifts/{id}",
            get(staff_shifts::edit).post(staff_shifts::change),
        )
        .route("/staff/shifts/{id}/cancel", post(staff_shifts::cancel))
        .route(
            "/staff/people",
            get(staff_people::page).post(staff_people::add),
        )
        .route("/staff/people/{login}", post(staff_people::change))
        .route(
            "/staff/terminals",
            get(staff_terminals::page).post(staff_terminals::add),
        )
        .route("/staff/terminals/{id}/end", post(staff_terminals::end))
        .route(
            "/staff/plates",
            get(staff_plate::page).post(staff_plate::look_up),
        )
        .route(
            PICTURE_PATH,
            post(staff_camera::read).layer(DefaultBodyLimit::max(MAX_PICTURE_BODY)),
        )
        .route("/staff/lots/{code}", get(staff::lot_page))
        .route("/staff/devices", get(staff_devices::page))
        .route("/staff/money", get(staff_money::page))
        .route("/staff/money/disputes/{id}", post(staff_money::decide))
        .route("/staff/money/suspense", post(staff_money::give_back))
        .route("/staff/money/refunds/{id}", post(staff_money::paid_back))
        .route("/staff/money/proposals/{id}", post(staff_refunds::second))
        .route("/staff/money/limits", post(staff_refunds::set_limits))
        .route("/staff/refunds", get(staff_refunds::page))
        .route(
            "/staff/exemptions",
            get(exemptions::page).post(exemptions::grant),
        )
        .route(
            "/staff/exemptions/of",
            get(exemptions::back_to_all).post(exemptions::of_plate),
        )
        .route(
            "/staff/exemptions/{id}/withdraw",
            post(exemptions::withdraw),
        )
        .route(
            "/staff/exemptions/requests/{id}",
            get(staff_exemption_request::page),
        )
        .route(
            "/staff/exemptions/requests/{id}/document",
            get(staff_exemption_request::document),
        )
        .route(
            "/staff/exemptions/requests/{id}/grant",
            post(staff_exemption_request::grant),
        )
        .route(
            "/staff/exemptions/requests/{id}/refuse",
            post(staff_exemption_request::refuse),
        )
        .route(
            "/staff/identity",
            get(staff_identity::page).post(staff_identity::change),
        )
        .route(
            "/staff/second-factor",
            get(staff_second_factor::page).post(staff_second_factor::change),
        )
        .route("/staff/login", get(staff::login).post(staff::sign_in))
        .route(
            "/staff/login/code",
            get(staff_code::page).post(staff_code::sign_in),
        )
        .route("/staff/logout", post(staff::sign_out))
        .route("/city", get(city::page))
        .route("/verify", get(verify::page))
        .route("/open", get(open::page))
        .route("/lang/{code}", get(choose_language))
        .route("/offline", get(offline::page))
        .route("/sw.js", get(offline::worker))
        .route("/manifest.webmanifest", get(offline::manifest))
        .route(
            "/static/{name}",
            get(assets::embedded).layer(CompressionLayer::new()),
        )
        .route("/pkg/{name}", get(assets::bundled))
        .fallback(document::not_found)
        .layer(middleware::from_fn(failure::as_page))
        .layer(middleware::from_fn(protect))
        .layer(Extension(Arc::new(base_map::BaseMap::default())))
}

/// Whether drivers can have a wallet here.
#[derive(Clone, Copy, Debug)]
struct HasWallets(bool);

/// What every page needs to know of its reader.
pub(crate) struct Reader {
    pub(crate) lang: Lang,
    pub(crate) bundle: Arc<Option<Bundle>>,
    pub(crate) oidc: Option<Arc<Oidc>>,
    /// Whether a driver can have a wallet here.
    pub(crate) has_wallets: bool,
}

impl<S: Send + Sync> FromRequestParts<S> for Reader {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let bundle = parts
            .extensions
            .get::<Arc<Option<Bundle>>>()
            .cloned()
            .unwrap_or_default();
        let oidc = parts.extensions.get::<Option<Arc<Oidc>>>().cloned();
        let lang = language(parts.uri.query(), &parts.headers);
        Ok(Self {
            lang,
            bundle,
            oidc: oidc.flatten(),
            has_wallets: matches!(parts.extensions.get(), Some(HasWallets(true))),
        })
    }
}

/// The language that the address names (`?lang=`), else the one chosen earlier, else the browser's
/// first that we have, else Vietnamese.
fn language(query: Option<&str>, headers: &HeaderMap) -> Lang {
    let named = query
        .into_iter()
        .flat_map(|query| query.split('&'))
        .find_map(|pair| Lang::from_code(pair.strip_prefix("lang=")?));
    let chosen = api::cookie::plain(headers, "lang").and_then(Lang::from_code);
    let asked = headers
        .get(header::ACCEPT_LANGUAGE)
        .and_then(|value| value.to_str().ok());
    let asked = asked.and_then(|list| {
        list.split(',')
            .find_map(|item| Lang::from_code(item.trim_start().get(..2)?))
    });
    named.or(chosen).or(asked).unwrap_or_default()
}

async fn choose_language(
    axum::extract::Path(code): axum::extract::Path<String>,
    headers: HeaderMap,
) -> Response {
    let lang = Lang::from_code(&code).unwrap_or_default();
    // Only back to a page of ours.
    let back = headers
        .get(header::REFERER)
        .and_then(|value| value.to_str().ok())
        .and_then(|url| url.split_once("://")?.1.split_once('/'))
        .map_or_else(
            || "/".to_owned(),
            |(_, path)| format!("/{}", path.trim_start_matches('/')),
        );
    let cookie = format!(
        "lang={}; Path=/; Max-Age=31536000; SameSite=Lax",
        lang.code()
    );
    ([(header::SET_COOKIE, cookie)], Redirect::to(&back)).into_response()
}

/// Headers that keep a page from being framed or fed with scripts of others, beside those of every answer
/// (`api::routes`).
async fn protect(request: Request, next: Next) -> Response {
    protected(next.run(request).await)
}

fn protected(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
        ),
    );
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_is_named_or_chosen_or_the_browser_s_or_vietnamese() {
        let mut headers = HeaderMap::new();
        assert_eq!(language(None, &headers), Lang::Vi);
        let asked = HeaderValue::from_static("fr-FR, fr;q=0.9, en;q=0.8");
        headers.insert(header::ACCEPT_LANGUAGE, asked);
        assert_eq!(language(None, &headers), Lang::En);
        headers.insert(header::COOKIE, HeaderValue::from_static("lang=vi"));
        assert_eq!(language(Some("from=1"), &headers), Lang::Vi);
        assert_eq!(language(Some("from=1&lang=en"), &headers), Lang::En);
        assert_eq!(language(Some("lang=xx"), &headers), Lang::Vi);
    }
}
