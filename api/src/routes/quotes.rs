use axum::Json as Reply;
use axum::extract::State;
use chrono::{DateTime, Utc};
use domain::money::Vnd;
use domain::place::VehicleClass;
use domain::tariff::QuoteLine;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::App;
use crate::error::{ApiError, Problem};
use crate::extract::Json;
use crate::service::session::price;

#[derive(Deserialize, ToSchema)]
pub(super) struct QuoteRequest {
    /// The bay's code, as on its sticker.
    #[schema(example = "HK-01-001")]
    bay: String,
    /// The vehicle.
    class: VehicleClass,
    /// For how long, in minutes.
    #[schema(example = 120)]
    minutes: u32,
}

/// A price and its reasons.
#[derive(Serialize, ToSchema)]
pub(super) struct QuoteReply {
    /// The sum of the lines.
    amount_vnd: Vnd,
    /// The reasons.
    lines: Vec<QuoteLine>,
    /// Until when a session started now may be paid at this price.
    valid_until: DateTime<Utc>,
}

/// The price of parking from now on, with its reasons.
#[utoipa::path(post, path = "/api/v1/quotes", tag = "pay", request_body = QuoteRequest,
    responses((status = 200, body = QuoteReply), (status = 404, body = Problem),
        (status = 422, body = Problem)))]
pub(super) async fn create_quote(
    State(app): State<App>,
    Json(request): Json<QuoteRequest>,
) -> Result<Reply<QuoteReply>, ApiError> {
    let bay = app.store.bay_place(&request.bay).await?;
    let priced = price(&bay, request.class, request.minutes, App::now())?;
    Ok(Reply(QuoteReply {
        valid_until: priced.valid_until(),
        amount_vnd: priced.quote.amount_vnd,
        lines: priced.quote.lines,
    }))
}
