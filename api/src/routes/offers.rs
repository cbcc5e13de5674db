use axum::Json as Reply;
use axum::extract::State;
use domain::offer::LotOffer;
use serde::Serialize;
use utoipa::ToSchema;

use crate::App;
use crate::error::{ApiError, Problem};
use crate::service::offer;

/// What the city's lots offer.
#[derive(Serialize, ToSchema)]
pub(super) struct Offers {
    /// A row for each lot.
    offers: Vec<LotOffer>,
}

/// What parking from now on costs in each lot, and how full it will be; at most a minute old.
#[utoipa::path(get, path = "/api/v1/offers", tag = "lots",
    responses((status = 200, body = Offers), (status = 503, body = Problem)))]
pub(super) async fn list_offers(State(app): State<App>) -> Result<Reply<Offers>, ApiError> {
    let offers = offer::offers(&app, App::now()).await?;
    Ok(Reply(Offers {
        offers: offers.to_vec(),
    }))
}
