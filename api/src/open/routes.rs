//! Routes and OpenAPI of the feeds, out of the catalogue.

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequestParts, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, Required, ResponseBuilder, ResponsesBuilder};

use super::params::Params;
use super::{Ask, Feed, accept, answer, feeds, ngsi, reply, snapshot};
use crate::client::Client;
use crate::extract::Path;
use crate::{ApiError, App};

/// The feeds' routes. Errors may be read from any page, too.
pub(crate) fn mount(app: &App, mut router: Router<App>) -> Router<App> {
    let mut open = Router::new();
    for feed in feeds() {
        let handler = move |state: State<App>, request: Request| async move {
            let answer = serve(feed, state, request).await;
            answer.unwrap_or_else(|error| refusal(feed.path, error))
        };
        open = open.route(feed.path, get(handler).options(preflight));
    }
    let guarded = middleware::from_fn_with_state(app.clone(), limit_and_open);
    router = router.merge(open.route_layer(guarded));
    router
}

/// What a page's script is told that sets headers of its own, such as `If-None-Match` (Fetch, 4.8).
async fn preflight() -> Response {
    let allowed = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD"),
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "accept, if-none-match",
        ),
        (header::ACCESS_CONTROL_MAX_AGE, "86400"),
    ];
    (StatusCode::NO_CONTENT, allowed).into_response()
}

/// Whether an address is one of NGSI-LD's, which has problems of its own form.
fn is_ngsi(path: &str) -> bool {
    path.starts_with("/open/ngsi-ld/")
}

/// A problem, in the words of the format that was asked for.
fn refusal(path: &str, error: ApiError) -> Response {
    match is_ngsi(path) {
        true => ngsi::problem(error),
        false => error.into_response(),
    }
}

/// Counts the request, and lets any page read what is said.
async fn limit_and_open(
    State(app): State<App>,
    client: Client,
    request: Request,
    next: Next,
) -> Response {
    let mut response = match app.open.rate.take(client.turns_of(), App::now()) {
        Ok(()) => next.run(request).await,
        Err(wait_s) => {
            metrics::counter!("clearbay_open_data_refused_total").increment(1);
            refusal(request.uri().path(), ApiError::TooOften { wait_s })
        }
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            "etag, link, retry-after, ngsild-results-count",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn serve(
    feed: &'static Feed,
    State(app): State<App>,
    request: Request,
) -> Result<Response, ApiError> {
    let now = App::now();
    let (mut parts, _) = request.into_parts();
    let id = match feed.entry().is_direct() {
        true => String::new(),
        false => Path::<String>::from_request_parts(&mut parts, &()).await?.0,
    };
    let headers: HeaderMap = parts.headers;
    let query = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri);
    let Query(query) = query.map_err(|why| ApiError::BadRequest(why.body_text()))?;
    let ask = Ask {
        store: app.store.clone(),
        complete_until: now,
        media: accept::choose(&headers, feed.media, feed.versions)?,
        params: Params::new(query, feed.params)?,
        city: snapshot::snapshot(&app, now).await?,
        feed,
        id,
        now,
        app,
    };
    let answer: Arc<_> = answer(ask).await?;
    Ok(reply(&answer, feed, &headers, now))
}

/// Adds the feeds to the OpenAPI document.
pub(crate) fn document(document: &mut OpenApi) {
    for feed in feeds() {
        let text = ContentBuilder::new().build();
        let content = feed
            .media
            .iter()
            .map(|media| ((*media).to_owned(), text.clone()));
        let content: Vec<_> = content.collect();
        let mut ok = ResponseBuilder::new().description(feed.title.en);
        for (media, content) in content {
            ok = ok.content(media, content);
        }
        let problem_media = match is_ngsi(feed.path) {
            true => "application/json",
            false => "application/problem+json",
        };
        let problem = |what: &str| {
            let content = ContentBuilder::new()
                .schema(Some(Ref::from_schema_name("Problem")))
                .build();
            ResponseBuilder::new()
                .description(what)
                .content(problem_media, content)
                .build()
        };
        let mut responses = ResponsesBuilder::new()
            .response("200", ok.build())
            .response(
                "304",
                ResponseBuilder::new().description("Not modified").build(),
            )
            .response("400", problem("A parameter cannot be read"))
            .response("406", problem("No media type that is taken"))
            .response("429", problem("Asked too often; see Retry-After"));
        // A parameter may name a place, too.
        if !feed.entry().is_direct() || !feed.params.is_empty() {
            responses = responses.response("404", problem("There is no such thing"));
        }
        let units = feed.standard.map(|standard| standard.units.en);
        let about: Vec<&str> = [feed.about.en].into_iter().chain(units).collect();
        let about = about.join("\n\n");
        let mut operation = OperationBuilder::new()
            .tag("open")
            .operation_id(Some(format!("open_{:?}", feed.source)))
            .summary(Some(feed.title.en))
            .description(Some(about))
            .responses(responses.build());
        if !feed.entry().is_direct() {
            let id = ParameterBuilder::new()
                .name("id")
                .parameter_in(ParameterIn::Path)
                .required(Required::True)
                .build();
            operation = operation.parameter(id);
        }
        for param in feed.params {
            let query = ParameterBuilder::new()
                .name(param.name)
                .parameter_in(ParameterIn::Query)
                .required(Required::False)
                .description(Some(param.about.en))
                .build();
            operation = operation.parameter(query);
        }
        document
            .paths
            .add_path_operation(feed.path, vec![HttpMethod::Get], operation.build());
    }
}
