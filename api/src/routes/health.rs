use axum::extract::State;

use crate::App;
use crate::drain::DRAINING;
use crate::error::{ApiError, Problem};
use crate::extract::Query;
use crate::service::readiness;

/// Whether the process runs.
#[utoipa::path(get, path = "/livez", tag = "service", responses((status = 200, body = String)))]
pub(super) async fn livez() -> &'static str {
    "ok"
}

/// Whether the process can do its work: the database answers, the broker's deltas arrive, its clock is the database's, and
/// it is not about to end.
///
/// `ok`, and what of the excluded is missing.
#[utoipa::path(get, path = "/readyz", tag = "service",
    params(("exclude" = Option<Vec<String>>, Query,
        description = "A check that is told and does not count, `broker`, `clock` or `database`, any number of times. \
                       Another name excludes nothing. Of a process that is about to end nothing is asked.")),
    responses((status = 200, body = String), (status = 503, body = Problem)))]
pub(super) async fn readyz(
    State(app): State<App>,
    Query(asked): Query<Vec<(String, String)>>,
) -> Result<String, ApiError> {
    if app.drain.has_begun() {
        return Err(ApiError::Unavailable(DRAINING));
    }
    let names = asked.iter().filter(|(key, _)| key == "exclude");
    let excluded: Vec<_> = names.filter_map(|(_, name)| name.parse().ok()).collect();
    let missing = readiness::ready_but_for(&app, &excluded).await?;
    Ok(match missing.is_empty() {
        true => "ok".to_owned(),
        false => format!("ok, although {}", missing.join(", ")),
    })
}
