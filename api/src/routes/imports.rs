use axum::Json as Reply;
use axum::extract::State;
use axum::http::HeaderMap;
use chrono::{DateTime, Utc};
use domain::id::{PaymentId, SessionId};
use domain::place::VehicleClass;
use domain::plate::Plate;
use serde::{Deserialize, Serialize};
use store::terminal::Terminal;
use utoipa::ToSchema;

use crate::App;
use crate::error::{ApiError, Problem};
use crate::extract::{Json, TERMINAL_KEY, bearer, check_key};
use crate::limit::MAX_BULK_ITEMS;
use crate::service::payment::request_many;
use crate::service::session::{SessionRequest, open_many};
use crate::service::terminal;

#[derive(Deserialize, ToSchema)]
pub(super) struct Upload {
    /// At most 1,000, each with its own key.
    sessions: Vec<UploadedSession>,
}

#[derive(Deserialize, ToSchema)]
pub(super) struct UploadedSession {
    /// The idempotency key of this sale.
    key: String,
    /// The bay's code.
    bay: String,
    /// The licence plate.
    plate: String,
    /// The vehicle.
    class: VehicleClass,
    /// For how long, in minutes.
    minutes: u32,
    /// From when.
    at: DateTime<Utc>,
}

/// What became of each uploaded session, in order.
#[derive(Serialize, ToSchema)]
pub(super) struct Uploaded {
    sessions: Vec<UploadResult>,
}

/// What became of one uploaded session.
#[derive(Serialize, ToSchema)]
pub(super) struct UploadResult {
    /// Its key.
    key: String,
    /// Its identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<SessionId>,
    /// Its payment.
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_id: Option<PaymentId>,
    /// What the payer's bank app reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    qr: Option<String>,
    /// Why it was not taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Which terminal sends a request, as its head says; none is told where it is by the token that all share.
///
/// # Errors
/// [`ApiError::Unauthorized`].
pub(crate) async fn uploading(
    app: &App,
    headers: &HeaderMap,
) -> Result<Option<Terminal>, ApiError> {
    terminal::uploading(app, bearer(headers).unwrap_or_default()).await
}

/// Takes what handheld terminals sold while they were offline.
///
/// Each sale is priced by the tariff in force at its start and waits for its money like any other.
/// Sending it again changes nothing. A terminal sells in its operator's lots; keys are unique among all terminals.
#[utoipa::path(post, path = "/api/v1/imports/sessions", tag = "partners", request_body = Upload,
    security(("import" = [])),
    responses((status = 200, body = Uploaded), (status = 400, body = Problem),
        (status = 401, body = Problem)))]
pub(super) async fn import_sessions(
    State(app): State<App>,
    headers: HeaderMap,
    Json(upload): Json<Upload>,
) -> Result<Reply<Uploaded>, ApiError> {
    let terminal = uploading(&app, &headers).await?;
    check(&upload.sessions)?;
    let now = App::now();
    let mut results: Vec<UploadResult> = upload
        .sessions
        .iter()
        .map(|sale| UploadResult {
            key: sale.key.clone(),
            session_id: None,
            payment_id: None,
            qr: None,
            error: None,
        })
        .collect();
    let (mut rows, mut requests) = (Vec::new(), Vec::new());
    for (row, sale) in upload.sessions.into_iter().enumerate() {
        match Plate::parse(&sale.plate) {
            Err(error) => results[row].error = Some(error.to_string()),
            Ok(plate) => {
                rows.push(row);
                requests.push(SessionRequest {
                    bay: sale.bay,
                    plate,
                    class: sale.class,
                    minutes: sale.minutes,
                    at: Some(sale.at),
                    metered: false,
                    key: format!("{TERMINAL_KEY}{}", sale.key),
                });
            }
        }
    }
    let opened = open_many(&app, &requests, terminal.as_ref(), now).await?;
    let ids: Vec<SessionId> = opened
        .iter()
        .filter_map(|id| id.as_ref().ok())
        .copied()
        .collect();
    let sessions = app.store.sessions(&ids).await?;
    let (mut paying, mut wanted) = (Vec::new(), Vec::new());
    for ((row, request), opened) in rows.into_iter().zip(requests).zip(opened) {
        match opened {
            Err(error) => results[row].error = Some(error.to_string()),
            Ok(id) => {
                results[row].session_id = Some(id);
                if let Some(session) = sessions.get(&id) {
                    paying.push(row);
                    wanted.push((session.clone(), request.key));
                }
            }
        }
    }
    let payments = request_many(&app, &wanted, now).await?;
    let ids: Vec<PaymentId> = payments
        .iter()
        .filter_map(|id| id.as_ref().ok())
        .copied()
        .collect();
    let mut found = app.store.payments(&ids).await?;
    for (row, payment) in paying.into_iter().zip(payments) {
        match payment {
            Err(error) => results[row].error = Some(error.to_string()),
            Ok(id) => {
                results[row].payment_id = Some(id);
                results[row].qr = found.remove(&id).and_then(|payment| payment.qr);
            }
        }
    }
    Ok(Reply(Uploaded { sessions: results }))
}

fn check(sales: &[UploadedSession]) -> Result<(), ApiError> {
    if sales.len() > MAX_BULK_ITEMS {
        return Err(ApiError::BadRequest(format!(
            "at most {MAX_BULK_ITEMS} sessions at once"
        )));
    }
    let mut keys = std::collections::HashSet::with_capacity(sales.len());
    for sale in sales {
        check_key(&sale.key)?;
        if !keys.insert(sale.key.as_str()) {
            return Err(ApiError::BadRequest(format!(
                "key {:?} appears twice",
                sale.key
            )));
        }
    }
    Ok(())
}
