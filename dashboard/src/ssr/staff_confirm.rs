//! Before what matters most, staff show once more that it is they. The form that they sent comes back with fields for
//! that, and with all that was typed into it; sent again, it does what it was sent for.

use api::client::Client;
use api::service::confirm::{self, Confirmed, Enrolling};
use api::service::second_factor::Answer;
use api::service::staff;
use api::{ApiError, App};
use axum::body::{Body, Bytes};
use axum::extract::{Form, FromRequest, FromRequestParts, RawForm, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use leptos::prelude::*;
use serde::de::DeserializeOwned;
use store::staff::StaffLogin;

use super::Reader;
use super::document::Document;
use super::sign_in::link;
use super::staff::{must_wait, refused, staff_bar};
use super::staff_code::code_fields;

/// How the names of the fields begin that are no part of what is asked for.
const OWN: &str = "confirm_";
const PASSWORD: &str = "confirm_password";
const CODE: &str = "confirm_code";
const RECOVERY: &str = "confirm_recovery";
/// Whose browser session was asked.
const OF: &str = "confirm_of";

const OF_ANOTHER: ApiError =
    ApiError::Conflict("this was asked for by somebody else, who was signed in here before");

/// A form that somebody has sent who is signed in. Anybody else gets the form to sign in.
pub(crate) struct Asked {
    pub(crate) reader: Reader,
    login: StaffLogin,
    /// By what its session is known in the question.
    mark: String,
    client: Client,
    parts: Parts,
    body: Bytes,
    fields: Vec<(String, String)>,
}

impl FromRequest<App> for Asked {
    type Rejection = Response;

    async fn from_request(request: Request, app: &App) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let Ok(reader) = Reader::from_request_parts(&mut parts, app).await;
        let Ok(client) = Client::from_request_parts(&mut parts, app).await;
        let token = staff::held_token(app, &parts.headers);
        let login = staff::login(app, token, App::now()).await;
        let login = login.map_err(|error| refused(&reader, &error))?;
        let sent = Request::from_parts(parts.clone(), body);
        let RawForm(body) = RawForm::from_request(sent, app)
            .await
            .map_err(IntoResponse::into_response)?;
        let mut asked = Self {
            mark: confirm::mark(app, &parts.headers),
            reader,
            login,
            client,
            parts,
            body,
            fields: Vec::new(),
        };
        asked.fields = asked
            .form()
            .await
            .map_err(|error| refused(&asked.reader, &error))?;
        Ok(asked)
    }
}

impl Asked {
    /// What the form says.
    pub(crate) async fn form<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        let again = Request::from_parts(self.parts.clone(), Body::from(self.body.clone()));
        match Form::from_request(again, &()).await {
            Ok(Form(form)) => Ok(form),
            Err(error) => Err(ApiError::BadRequest(error.body_text())),
        }
    }

    fn field(&self, name: &str) -> &str {
        let found = self.fields.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }

    /// Refuses what somebody else had asked for in this browser.
    fn of_this_session(&self) -> Result<(), ApiError> {
        let of = self.field(OF);
        match of.is_empty() || of == self.mark {
            true => Ok(()),
            false => Err(OF_ANOTHER),
        }
    }

    /// What the form says of who sends it, where it says anything.
    async fn take(&self, app: &App) -> Result<(), ApiError> {
        let password = self.field(PASSWORD);
        if password.is_empty() {
            return Ok(());
        }
        let answer = Answer::of(self.field(CODE), self.field(RECOVERY));
        let (headers, now) = (&self.parts.headers, App::now());
        confirm::confirm(
            app,
            headers,
            password.to_owned(),
            answer.as_ref(),
            self.client,
            now,
        )
        .await
    }

    /// Who sent it, if they have shown lately that it is they, or do so by it. Of two touches of one button the second
    /// finds what the first has shown.
    pub(crate) async fn confirmed(&self, app: &App) -> Result<Confirmed, ApiError> {
        self.of_this_session()?;
        let known = confirm::confirmed(app, &self.parts.headers, App::now()).await;
        let Err(ApiError::ConfirmationRequired) = known else {
            return known;
        };
        self.take(app).await?;
        confirm::confirmed(app, &self.parts.headers, App::now()).await
    }

    /// The same of somebody who sees to their own second factor.
    pub(crate) async fn enrolling(&self, app: &App) -> Result<Enrolling, ApiError> {
        self.of_this_session()?;
        let known = confirm::enrolling(app, &self.parts.headers, App::now()).await;
        let Err(ApiError::ConfirmationRequired) = known else {
            return known;
        };
        self.take(app).await?;
        confirm::enrolling(app, &self.parts.headers, App::now()).await
    }

    /// What its sender sees instead of an answer: the question whether it is still they, the form to sign in, or
    /// what went wrong.
    pub(crate) fn refused(self, error: &ApiError) -> Response {
        let lang = self.reader.lang;
        let why = match error {
            ApiError::ConfirmationRequired => None,
            ApiError::NotConfirmed => Some(lang.staff_second_factor().not_confirmed.to_owned()),
            error => match must_wait(error, lang) {
                Some(why) => Some(why),
                None => return refused(&self.reader, error),
            },
        };
        let kept = self.fields.into_iter();
        let kept = kept.filter(|(name, _)| !name.starts_with(OWN)).collect();
        let action = self.parts.uri.path().to_owned();
        ask(
            &self.reader,
            (self.login, self.mark),
            action,
            kept,
            error.status(),
            why,
        )
    }
}

/// A form that is done by whoever has shown lately that it is they.
pub(crate) struct ConfirmedForm<T>(pub(crate) Confirmed, pub(crate) T);

impl<T: DeserializeOwned> FromRequest<App> for ConfirmedForm<T> {
    type Rejection = Response;

    async fn from_request(request: Request, app: &App) -> Result<Self, Response> {
        let asked = Asked::from_request(request, app).await?;
        let taken = async { Ok((asked.confirmed(app).await?, asked.form().await?)) };
        match taken.await {
            Ok((who, form)) => Ok(Self(who, form)),
            Err(error) => Err(asked.refused(&error)),
        }
    }
}

/// The question whether it is still they, of the browser session of that mark ([`confirm::mark`]); the answer goes to
/// `action`, with the fields that were `kept`.
pub(super) fn ask(
    reader: &Reader,
    (login, mark): (StaffLogin, String),
    action: String,
    kept: Vec<(String, String)>,
    status: StatusCode,
    why: Option<String>,
) -> Response {
    let lang = reader.lang;
    let text = lang.staff_second_factor();
    let oidc = reader.oidc.clone().filter(|_| login.by_identity);
    Document {
        title: text.is_it_you,
        active: "/staff",
        live: None,
    }
    .respond(reader, status, move || {
        let kept = kept.into_iter().map(|(name, value)| {
            view! { <input type="hidden" name=name value=value /> }
        });
        view! {
            {staff_bar(&login.staff, "", lang)}
            <form class="card narrow" method="post" action=action data-confirm>
                <h1>{text.is_it_you}</h1>
                {why.map(|why| view! { <p class="error" role="alert">{why}</p> })}
                <p>{text.give_password_again}</p>
                <input type="hidden" name=OF value=mark />
                {kept.collect_view()}
                <label class="field">
                    <span>{lang.staff().password}</span>
                    <input name=PASSWORD type="password" required autocomplete="current-password" />
                </label>
                {login.has_second_factor.then(|| code_fields(CODE, RECOVERY, lang))}
                <button class="primary wide">{text.confirm}</button>
                {oidc.map(|oidc| view! { <p>{link(text.sign_in_again, &oidc, "/staff")}</p> })}
                <p><a href="/staff">{text.cancel}</a></p>
            </form>
        }
    })
}
