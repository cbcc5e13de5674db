use axum::Json as Reply;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, NaiveDate, Utc};
use domain::log::LogPath;
use serde::Serialize;
use utoipa::ToSchema;

use crate::App;
use crate::error::{ApiError, Problem};
use crate::extract::Path;
use crate::service::public_log;

/// How those who read the log may keep what they get.
enum Keep {
    /// It changes.
    Ask,
    /// It never changes.
    ForEver,
}

fn answer(content_type: &'static str, keep: &Keep, body: Vec<u8>) -> Response {
    let keep = match keep {
        Keep::Ask => "no-cache",
        Keep::ForEver => "public, max-age=31536000, immutable",
    };
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, keep),
    ];
    (headers, body).into_response()
}

const NOTE: &str = "text/plain; charset=utf-8";

/// The signed tree head: how many entries the log has, and the root over all of them.
#[utoipa::path(get, path = "/log/checkpoint", tag = "log",
    responses((status = 200, content_type = "text/plain", body = String), (status = 404, body = Problem)))]
pub(super) async fn get_checkpoint(State(app): State<App>) -> Result<Response, ApiError> {
    let checkpoint = public_log::resource(&app, LogPath::Checkpoint).await?;
    Ok(answer(NOTE, &Keep::Ask, checkpoint))
}

/// The newest signed tree head that others have witnessed, with their signatures (C2SP tlog-cosignature): that the
/// tree begins with each one that they saw before.
#[utoipa::path(get, path = "/log/checkpoint/witnessed", tag = "log",
    responses((status = 200, content_type = "text/plain", body = String), (status = 404, body = Problem)))]
pub(super) async fn get_witnessed_checkpoint(State(app): State<App>) -> Result<Response, ApiError> {
    let checkpoint = public_log::witnessed(&app).await?;
    Ok(answer(NOTE, &Keep::Ask, checkpoint))
}

/// Hashes of the tree and bundles of entries, as C2SP tlog-tiles has them.
///
/// The path is `{level}/{N}` for hashes and `entries/{N}` for entries, with `.p/{width}` behind it where the tile is
/// not full; its slashes stand in the address as they are. `N` has three digits, with groups of three before it that
/// begin with `x`: 1234067 is `x001/x234/067`.
#[utoipa::path(get, path = "/log/tile/{path}", tag = "log",
    params(("path" = String, Path, 
        description = "Such as `0/000`, `0/x001/234.p/7` or `entries/000`; slashes are part of it")),
    responses((status = 200, content_type = "application/octet-stream", body = Vec<u8>),
        (status = 404, body = Problem)))]
pub(super) async fn get_tile(
    State(app): State<App>,
    Path(path): Path<String>,
) -> Result<Response, ApiError> {
    let path: LogPath = format!("tile/{path}")
        .parse()
        .map_err(|_| ApiError::NotFound("tile"))?;
    let bytes = public_log::resource(&app, path).await?;
    Ok(answer("application/octet-stream", &Keep::ForEver, bytes))
}

/// The log's keys, those that sign now and earlier ones, signed by those that sign now. Pin the one that the
/// city has told you by another way: a server that lies can tell you any key.
#[utoipa::path(get, path = "/log/keys", tag = "log",
    responses((status = 200, content_type = "text/plain", body = String), (status = 404, body = Problem)))]
pub(super) async fn get_keys(State(app): State<App>) -> Result<Response, ApiError> {
    let list = public_log::of(&app)?.list().to_vec();
    Ok(answer(NOTE, &Keep::Ask, list))
}

/// A signed report that there is.
#[derive(Serialize, ToSchema)]
pub(super) struct ReportView {
    /// Its day.
    day: NaiveDate,
    /// 1 for the day's first; later ones have what a bank told late.
    revision: i32,
    /// When it was signed.
    signed_at: DateTime<Utc>,
}

/// The signed reports that there are.
#[derive(Serialize, ToSchema)]
pub(super) struct Reports {
    /// Oldest day first.
    reports: Vec<ReportView>,
}

/// Which days have a signed report of their revenue.
#[utoipa::path(get, path = "/log/reports", tag = "log",
    responses((status = 200, body = Reports), (status = 404, body = Problem)))]
pub(super) async fn list_reports(State(app): State<App>) -> Result<Response, ApiError> {
    let reports = public_log::reports(&app).await?.into_iter();
    let reports = reports.map(|report| ReportView {
        day: report.day,
        revision: report.revision,
        signed_at: report.signed_at,
    });
    let reply = Reply(Reports {
        reports: reports.collect(),
    });
    Ok(([(header::CACHE_CONTROL, "no-cache")], reply).into_response())
}

/// The newest signed report of a day: what was collected and given back, lot by lot, and the tree on which it
/// stands.
#[utoipa::path(get, path = "/log/report/{day}", tag = "log",
    params(("day" = NaiveDate, Path, description = "The city's local date")),
    responses((status = 200, content_type = "text/plain", body = String), (status = 404, body = Problem)))]
pub(super) async fn get_day_report(
    State(app): State<App>,
    Path(day): Path<NaiveDate>,
) -> Result<Response, ApiError> {
    let note = public_log::day_report(&app, day, None).await?;
    Ok(answer(NOTE, &Keep::Ask, note))
}

/// One revision of a day's report.
#[utoipa::path(get, path = "/log/report/{day}/{revision}", tag = "log",
    params(("day" = NaiveDate, Path, description = "The city's local date"),
        ("revision" = i32, Path, description = "1 for the first")),
    responses((status = 200, content_type = "text/plain", body = String), (status = 404, body = Problem)))]
pub(super) async fn get_report_revision(
    State(app): State<App>,
    Path((day, revision)): Path<(NaiveDate, i32)>,
) -> Result<Response, ApiError> {
    let note = public_log::day_report(&app, day, Some(revision)).await?;
    Ok(answer(NOTE, &Keep::ForEver, note))
}
