use axum::extract::State;

use crate::App;
use crate::drain::DRAINING;
use crate::error::{ApiError, Problem};
use crate::service::figures;

/// Whether the process runs.
#[utoipa::path(get, path = "/livez", tag = "service", responses((status = 200, body = String)))]
pub(super) async fn livez() -> &'static str {
    "ok"
}

/// Whether the process can do its work: the database answers, the broker's deltas arrive, and it is not about to end.
#[utoipa::path(get, path = "/readyz", tag = "service",
    responses((status = 200, body = String), (status = 503, body = Problem)))]
pub(super) async fn readyz(State(app): State<App>) -> Result<&'static str, ApiError> {
    if app.drain.has_begun() {
        return Err(ApiError::Unavailable(DRAINING));
    }
    figures::ready(&app).await?;
    Ok("ok")
}
