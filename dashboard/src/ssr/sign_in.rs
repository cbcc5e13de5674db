//! `/sign-in`: the way to the city's identity provider and back, and what pages say of it that ask for a name.

use std::sync::Arc;

use api::client::Client;
use api::oidc::{Claims, Oidc};
use api::service::identity;
use api::service::sign_in::{self as service, Answer, Destination, Finished, NotSignedIn};
use api::service::staff::{self, Browser};
use api::service::staff_identity;
use api::{ApiError, App};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use domain::identity::Identity;
use leptos::prelude::*;
use serde::Deserialize;

use super::document::Document;
use super::parts::message;
use super::{Reader, problem};
use crate::lang::Lang;

/// Why a page is shown again to whoever comes back from the provider.
#[derive(Default, Deserialize)]
pub(crate) struct Told {
    sign_in: Option<String>,
}

impl Told {
    pub(super) fn why(&self) -> Option<NotSignedIn> {
        NotSignedIn::from_code(self.sign_in.as_deref()?)
    }
}

#[derive(Deserialize)]
pub(crate) struct Whither {
    to: String,
}

/// `GET /sign-in?to=`: sends the browser to the provider. A link leads here and no form: no form of ours may lead
/// to another site, not even by a redirection (`form-action`).
pub(crate) async fn start(
    State(app): State<App>,
    reader: Reader,
    headers: HeaderMap,
    query: Result<Query<Whither>, QueryRejection>,
) -> Response {
    let destination = query.ok().and_then(|Query(to)| Destination::parse(&to.to));
    let (Some(oidc), Some(destination)) = (&app.oidc, destination) else {
        return problem(&reader, &ApiError::NotFound("page"));
    };
    match service::begin(&app, oidc, &headers, destination, App::now()).await {
        Ok(begun) => (set(begun.cookies), Redirect::to(&begun.address)).into_response(),
        Err(why) => Redirect::to(&back(destination, why)).into_response(),
    }
}

/// `GET /sign-in/return`: where the provider sends the browser back to.
pub(crate) async fn finish(
    State(app): State<App>,
    reader: Reader,
    client: Client,
    headers: HeaderMap,
    query: Result<Query<Answer>, QueryRejection>,
) -> Response {
    let Some(oidc) = app.oidc.clone() else {
        return problem(&reader, &ApiError::NotFound("page"));
    };
    let Ok(Query(answer)) = query else {
        return over(&reader);
    };
    let now = App::now();
    let finished = service::finish(&app, &oidc, &headers, &answer, now).await;
    let Finished {
        destination,
        forget,
        who,
    } = match finished {
        Ok(Some(finished)) => finished,
        Ok(None) => return over(&reader),
        Err(error) => return problem(&reader, &error),
    };
    let arrived = match who {
        Ok(claims) => {
            let browser = Browser::new(&app, client, &headers);
            arrive(&app, &oidc, destination, claims, browser).await
        }
        Err(why) => Err(why),
    };
    let (to, cookie) = match arrived {
        Ok(cookie) => (destination.to_string(), Some(cookie)),
        Err(why) => (back(destination, why), None),
    };
    let cookies = set([forget].into_iter().chain(cookie.clone()));
    match destination {
        Destination::Exemption(_) | Destination::Dispute(_) => {
            (cookies, Redirect::to(&to)).into_response()
        }
        Destination::Staff if cookie.is_none() => (cookies, Redirect::to(&to)).into_response(),
        Destination::Staff | Destination::StaffLink => {
            (cookies, onward(&reader, &to)).into_response()
        }
    }
}

/// The cookie by which the browser keeps what it came for.
async fn arrive(
    app: &App,
    oidc: &Oidc,
    destination: Destination,
    claims: Claims,
    browser: Browser<'_>,
) -> Result<String, NotSignedIn> {
    let now = App::now();
    match destination {
        Destination::Staff => {
            let token = staff_identity::sign_in(app, oidc, &claims, browser, now).await?;
            Ok(staff::set_cookie(app, &token))
        }
        Destination::Exemption(_) | Destination::Dispute(_) | Destination::StaffLink => {
            let identity = identity::of(oidc, claims)?;
            identity::set_cookie(app, identity, now).map_err(|_| NotSignedIn::Unavailable)
        }
    }
}

/// `POST /sign-in/forget`: the name is not to be used.
pub(crate) async fn forget(State(app): State<App>, Form(form): Form<Whither>) -> Response {
    let to = Destination::parse(&form.to).map_or_else(|| "/".to_owned(), |to| to.to_string());
    (
        [(header::SET_COOKIE, identity::forget_cookie(&app))],
        Redirect::to(&to),
    )
        .into_response()
}

fn set(cookies: impl IntoIterator<Item = String>) -> impl axum::response::IntoResponseParts {
    let header = |cookie| (header::SET_COOKIE, cookie);
    AppendHeaders(cookies.into_iter().map(header).collect::<Vec<_>>())
}

/// The page to go back to, with the reason why nothing came of it.
fn back(destination: Destination, why: NotSignedIn) -> String {
    let page = match destination {
        Destination::Staff => "/staff/login".to_owned(),
        other => other.to_string(),
    };
    let separator = if page.contains('?') { '&' } else { '?' };
    format!("{page}{separator}sign_in={}", why.code())
}

/// A page of ours that leads on by itself. Staff's cookie goes with what our own pages lead to, and with no
/// redirection that another site began (`SameSite=Strict`).
fn onward(reader: &Reader, to: &str) -> Response {
    let lang = reader.lang;
    let text = lang.sign_in();
    let link = to.to_owned();
    let document = Document {
        title: text.one_moment,
        active: "/staff",
        live: None,
    };
    let mut response = document.page(reader, move || {
        view! {
            <section class="card narrow center">
                <h1>{text.one_moment}</h1>
                <p><a class="button" href=link>{text.go_on}</a></p>
            </section>
        }
    });
    if let Ok(value) = HeaderValue::from_str(&format!("0; url={to}")) {
        let headers = response.headers_mut();
        headers.insert(HeaderName::from_static("refresh"), value);
    }
    response
}

/// What whoever comes back a second time sees, too late, or in another browser.
fn over(reader: &Reader) -> Response {
    let lang = reader.lang;
    let title = lang.sign_in().is_over;
    Document {
        title,
        active: "",
        live: None,
    }
    .respond(reader, StatusCode::BAD_REQUEST, move || {
        message(title, lang.sign_in().please_start_again.to_owned(), lang)
    })
}

/// Why somebody is not signed in, in a sentence.
pub(super) const fn words(why: NotSignedIn, lang: Lang) -> &'static str {
    let text = lang.sign_in();
    match why {
        NotSignedIn::Denied => text.denied,
        NotSignedIn::Failed => text.failed,
        NotSignedIn::Unavailable => text.unavailable,
        NotSignedIn::Nameless => text.nameless,
        NotSignedIn::Unlinked => text.unlinked,
        NotSignedIn::TooOften => text.too_often,
    }
}

/// What whoever vouches for a name is called: as the city calls its provider, else by its host.
pub(super) fn provider_name(oidc: Option<&Oidc>, issuer: &str) -> String {
    let host = || issuer.split('/').nth(2).unwrap_or(issuer).to_owned();
    oidc.filter(|oidc| oidc.issuer() == issuer)
        .map_or_else(host, |oidc| oidc.name().to_owned())
}

/// By whom a name is confirmed, in words.
pub(super) fn confirmed_by(oidc: Option<&Oidc>, issuer: &str, lang: Lang) -> String {
    let by = provider_name(oidc, issuer);
    format!("{} {by}", lang.sign_in().name_confirmed_by)
}

/// The link to the provider.
pub(super) fn link(text: &str, oidc: &Oidc, to: &str) -> impl IntoView + use<> {
    // Addresses of ours have nothing in them but this that a query could take for its own.
    let to = to.replace('?', "%3F").replace('=', "%3D");
    let text = format!("{text} {}", oidc.name());
    view! { <a class="button" href=format!("/sign-in?to={to}")>{text}</a> }
}

/// The step at the top of a form that may be sent under a confirmed name.
pub(super) struct Step {
    oidc: Option<Arc<Oidc>>,
    identity: Option<Identity>,
    mark: Option<String>,
    to: Destination,
    told: Option<NotSignedIn>,
}

impl Step {
    /// The step for whoever sends these headers.
    pub(super) fn of(
        app: &App,
        headers: &HeaderMap,
        to: Destination,
        told: Option<NotSignedIn>,
    ) -> Self {
        let identity = identity::held(app, headers, App::now());
        Self {
            oidc: app.oidc.clone(),
            mark: identity.as_ref().map(|held| identity::mark(app, held)),
            identity,
            to,
            told,
        }
    }

    /// What the form carries, so that it is sent under the name that it shows.
    pub(super) fn field(&self) -> impl IntoView + use<> {
        let mark = self.mark.clone();
        mark.map(|mark| view! { <input type="hidden" name="confirmed" value=mark /> })
    }

    /// The step itself; nothing where the city has no provider.
    pub(super) fn view(self, lang: Lang) -> Option<impl IntoView> {
        let text = lang.sign_in();
        let oidc = self.oidc?;
        let to = self.to.to_string();
        let told = self.told.map(|why| {
            view! { <p class="error" role="alert">{words(why, lang)}</p> }
        });
        let step = match self.identity {
            None => view! {
                <h2>{text.say_who_you_are}</h2>
                {told}
                <p class="note">{text.nobody_has_to}</p>
                <p>{link(text.confirm_who_i_am_with, &oidc, &to)}</p>
            }
            .into_any(),
            Some(identity) => view! {
                <h2>{text.you_send_this_as} " " <b data-confirmed-name>{identity.name}</b></h2>
                {told}
                <p class="note">{format!("{} {}. ", text.name_confirmed_by, oidc.name())} {text.only_who_decides_sees_it}</p>
                <form method="post" action="/sign-in/forget">
                    <input type="hidden" name="to" value=to />
                    <button>{text.do_not_use_my_name}</button>
                </form>
            }
            .into_any(),
        };
        Some(view! { <section class="card narrow" data-sign-in>{step}</section> })
    }
}
