//! The REST interface: one file per resource, its OpenAPI attributes beside each handler.

use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::http::{Request, Response};
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use axum::{Router, middleware};
use store::request::RequestId;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::classify::ServerErrorsFailureClass;
use tower_http::trace::TraceLayer;
use tracing::Span;
use utoipa::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::cookie::Cookies;
use crate::error::Expected;
use crate::limit::guard;
use crate::{ApiError, App, client, request_id};

mod collection;
mod confirmations;
mod demand;
mod devices;
mod disputes;
mod docs;
mod driver_data;
mod drivers;
mod exemption_requests;
mod exemptions;
mod forecast;
pub(crate) mod gateways;
mod health;
pub(crate) mod imports;
mod live;
mod lots;
mod notices;
mod occupancy;
mod offers;
mod over_capacity;
mod passes;
mod payments;
mod protection;
mod public_log;
mod push_subscriptions;
mod quotes;
mod read_only;
mod readable;
mod receipts;
mod refunds;
mod refusals;
mod reports;
mod session_changes;
mod sessions;
mod wallets;

pub(crate) use collection::FIELDS as COLLECTION_FIELDS;

#[derive(OpenApi)]
#[openapi(
    // Its path has slashes in it, which no route of this document can say: it is mounted by itself.
    paths(public_log::get_tile),
    info(
        title = "Clearbay",
        description = "Cashless smart parking: live occupancy, prices that explain themselves, payments and open revenue.\n\nEvery request that creates something carries an `Idempotency-Key`; asking again with the same key changes nothing and gets the same reply. Errors are RFC 9457 problem details. Money is whole đồng; times are RFC 3339 in UTC."
    ),
    tags(
        (name = "lots", description = "Where one can park, live"),
        (name = "pay", description = "Quote, session, payment, receipt: what a driver's phone does"),
        (name = "reports", description = "What the city publishes"),
        (name = "open", description = "Open data, in formats that others' programs know"),
        (name = "log", description = "The public log, by which anybody can check what the city publishes"),
        (name = "staff", description = "For those who are signed in"),
        (name = "partners", description = "Banks and handheld terminals"),
        (name = "service", description = "For those who run it"),
    )
)]
struct Document;

/// The OpenAPI document and the routes it describes.
fn documented(cookies: Cookies) -> (Router<App>, utoipa::openapi::OpenApi) {
    let (router, mut document) = OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(lots::list_lots))
        .routes(routes!(lots::get_lot))
        .routes(routes!(occupancy::get_lot_occupancy))
        .routes(routes!(forecast::get_lot_forecast))
        .routes(routes!(offers::list_offers))
        .routes(routes!(live::live_lots))
        .routes(routes!(live::live_payment))
        .routes(routes!(quotes::create_quote))
        .routes(routes!(sessions::create_session))
        .routes(routes!(sessions::get_session))
        .routes(routes!(sessions::create_payment))
        .routes(routes!(session_changes::extend_session))
        .routes(routes!(session_changes::stop_session))
        .routes(routes!(session_changes::correct_plate))
        .routes(routes!(session_changes::move_session))
        .routes(routes!(drivers::send_code))
        .routes(routes!(drivers::sign_in))
        .routes(routes!(drivers::sign_out))
        .routes(routes!(driver_data::delete_driver))
        .routes(routes!(driver_data::export_driver))
        .routes(routes!(push_subscriptions::create_push_subscription))
        .routes(routes!(
            push_subscriptions::get_push_subscription,
            push_subscriptions::delete_push_subscription
        ))
        .routes(routes!(wallets::create_wallet))
        .routes(routes!(wallets::get_wallet))
        .routes(routes!(wallets::list_wallet_entries))
        .routes(routes!(wallets::top_up_wallet))
        .routes(routes!(passes::create_pass))
        .routes(routes!(passes::get_pass))
        .routes(routes!(passes::pay_pass))
        .routes(routes!(notices::get_notice))
        .routes(routes!(notices::pay_notice))
        .routes(routes!(payments::get_payment))
        .routes(routes!(receipts::get_receipt))
        .routes(routes!(receipts::get_invoice))
        .routes(routes!(receipts::get_refund_invoice))
        .routes(routes!(
            disputes::create_dispute,
            disputes::list_receipt_disputes
        ))
        .routes(routes!(disputes::list_disputes))
        .routes(routes!(disputes::decide_dispute))
        .routes(routes!(refunds::list_refund_proposals))
        .routes(routes!(refunds::decide_refund_proposal))
        .routes(routes!(refunds::get_refunds_by_person))
        .routes(routes!(
            exemptions::list_exemptions,
            exemptions::grant_exemption
        ))
        .routes(routes!(exemptions::withdraw_exemption))
        .routes(routes!(exemption_requests::create_exemption_request))
        .routes(routes!(
            exemption_requests::get_exemption_request,
            exemption_requests::withdraw_exemption_request
        ))
        .routes(routes!(reports::get_revenue))
        .routes(routes!(reports::get_occupancy))
        .routes(routes!(reports::get_parking))
        .routes(routes!(collection::get_collection))
        .routes(routes!(over_capacity::get_over_capacity))
        .routes(routes!(demand::get_week))
        .routes(routes!(demand::get_price_advice))
        .routes(routes!(public_log::get_checkpoint))
        .routes(routes!(public_log::get_witnessed_checkpoint))
        .routes(routes!(public_log::get_keys))
        .routes(routes!(public_log::list_reports))
        .routes(routes!(public_log::get_day_report))
        .routes(routes!(public_log::get_report_revision))
        .routes(routes!(lots::get_staff_lot))
        .routes(routes!(notices::write_notice))
        .routes(routes!(notices::withdraw_notice))
        .routes(routes!(notices::look_up_plate))
        .routes(routes!(devices::list_devices))
        .routes(routes!(confirmations::confirm))
        .routes(routes!(health::livez))
        .routes(routes!(health::readyz))
        .routes(routes!(imports::import_sessions))
        .routes(routes!(gateways::vietqr_webhook))
        .routes(routes!(
            gateways::provider_webhook,
            gateways::provider_webhook_get
        ))
        .split_for_parts();
    crate::open::document(&mut document);
    refusals::document(&mut document);
    let components = document.components.get_or_insert_default();
    let bearer = |description: &str| {
        SecurityScheme::Http(
            HttpBuilder::new()
                .scheme(HttpAuthScheme::Bearer)
                .description(Some(description.to_owned()))
                .build(),
        )
    };
    components.add_security_scheme("session", bearer("The token that opening the session gave"));
    components.add_security_scheme(
        "wallet",
        bearer("The token that opening the wallet gave, or its driver's"),
    );
    components.add_security_scheme("driver", bearer("The token that signing in gave"));
    components.add_security_scheme("pass", bearer("The token that opening the pass gave"));
    components.add_security_scheme(
        "exemption_request",
        bearer("The token that sending the request gave"),
    );
    components.add_security_scheme("import", bearer("A terminal's token"));
    components.add_security_scheme(
        "staff",
        SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new(
            cookies.name(crate::service::staff::COOKIE),
        ))),
    );
    (router, document)
}

/// The OpenAPI document of a service that browsers reach by TLS.
pub fn openapi() -> utoipa::openapi::OpenApi {
    documented(Cookies::new(true)).1
}

/// Every route of the API, with the pages of `dashboard` beside them, behind the limits.
pub fn router(app: App, pages: Router<App>) -> Router {
    let (router, document) = documented(app.cookies());
    let trace = TraceLayer::new_for_http()
        .on_failure(|failure: ServerErrorsFailureClass, _: Duration, _: &Span| {
            // Of a status `on_response` tells, which sees whether it was expected.
            if let ServerErrorsFailureClass::Error(error) = failure {
                tracing::error!(error, "response failed");
            }
        })
        .on_response(|response: &Response<_>, latency: Duration, _: &Span| {
            let (status, latency_ms) = (response.status(), latency.as_millis());
            if status.is_server_error() && response.extensions().get::<Expected>().is_none() {
                tracing::error!(%status, latency_ms, "response failed");
            }
        })
        .make_span_with(|request: &Request<_>| {
            // The path only: a query or a body may hold what is personal.
            tracing::info_span!(
                "http",
                method = %request.method(),
                path = request.uri().path(),
                request_id = request.extensions().get::<RequestId>().map(RequestId::as_str),
            )
        });
    crate::open::mount(&app, router)
        .route("/log/tile/{*path}", get(public_log::get_tile))
        .route(
            "/log/{*rest}",
            axum::routing::any(|| async { ApiError::NotFound("path") }),
        )
        .merge(docs::router(document))
        .route("/api", get(|| async { Html(API_HOME) }))
        .route(
            "/api/{*rest}",
            axum::routing::any(|| async { ApiError::NotFound("path") }),
        )
        .merge(pages)
        .method_not_allowed_fallback(|| async { ApiError::MethodNotAllowed.into_response() })
        // The guard knows how large each body may be.
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::from_fn_with_state(
            app.clone(),
            read_only::refuse_auditors,
        ))
        .layer(middleware::from_fn_with_state(app.clone(), guard))
        .layer(middleware::from_fn_with_state(
            app.clone(),
            protection::protect,
        ))
        .layer(CatchPanicLayer::custom(
            |_: Box<dyn std::any::Any + Send>| ApiError::Internal.into_response(),
        ))
        .layer(middleware::from_fn_with_state(
            app.clone(),
            client::identify,
        ))
        .layer(middleware::from_fn(readable::from_any_page))
        .layer(trace)
        .layer(middleware::from_fn(request_id::identify))
        .with_state(app)
}

const API_HOME: &str = "<!doctype html><meta charset=utf-8><title>Clearbay API</title>\
<p><a href=/api/docs/>Documentation</a>, <a href=/api/openapi.json>OpenAPI document</a>.";
