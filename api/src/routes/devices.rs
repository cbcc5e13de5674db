use axum::Json as Reply;
use axum::extract::State;
use axum::http::HeaderMap;
use chrono::{DateTime, Utc};
use domain::health::{FaultDetail, FaultKind};
use serde::{Deserialize, Serialize};
use store::repair::{FaultyDevice, OpenFault};
use utoipa::{IntoParams, ToSchema};

use crate::App;
use crate::error::{ApiError, Problem};
use crate::extract::Query;
use crate::service::{device, staff};

#[derive(Deserialize, IntoParams)]
pub(super) struct DevicesQuery {
    /// Only this lot's devices, by its code.
    lot: Option<String>,
}

/// What is wrong with a sensor.
#[derive(Serialize, ToSchema)]
pub(super) struct FaultView {
    /// `comms_lost`, `stuck`, `flapping`, `clock` or `battery`. All but the last leave the bay unknown.
    kind: FaultKind,
    /// Since when.
    since: DateTime<Utc>,
    /// Its particulars.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<FaultDetail>,
    /// The same in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

/// A sensor that needs somebody to look after it.
#[derive(Serialize, ToSchema)]
pub(super) struct FaultyDeviceView {
    /// What it calls itself.
    device: String,
    /// Its model.
    model: String,
    /// The code of its bay.
    bay: String,
    /// The code of its lot.
    lot: String,
    /// The device's time of its last word; null where it was never heard.
    last_seen: Option<DateTime<Utc>>,
    /// What it last said of its battery, in millivolts, within the last week.
    battery_mv: Option<i32>,
    /// What is wrong, oldest first.
    faults: Vec<FaultView>,
}

/// How sensors do.
#[derive(Serialize, ToSchema)]
pub(super) struct Devices {
    /// How many stand in bays.
    devices: i64,
    /// With how many of them nothing is wrong.
    well: i64,
    /// The others, at most 500. First those that leave a bay unknown, then those with a weak battery;
    /// of each, first those of the lots with most vehicles to a bay within the last week, and of
    /// those the ones for longest at fault.
    repairs: Vec<FaultyDeviceView>,
}

impl From<OpenFault> for FaultView {
    fn from(fault: OpenFault) -> Self {
        Self {
            kind: fault.kind,
            since: fault.since,
            text: fault.detail.as_ref().map(ToString::to_string),
            detail: fault.detail,
        }
    }
}

impl From<FaultyDevice> for FaultyDeviceView {
    fn from(found: FaultyDevice) -> Self {
        Self {
            device: found.device,
            model: found.model.code().to_owned(),
            bay: found.bay,
            lot: found.lot,
            last_seen: found.last_seen,
            battery_mv: found.battery_mv,
            faults: found.faults.into_iter().map(FaultView::from).collect(),
        }
    }
}

/// Which sensors are to be repaired, the worst first; for staff, of the lots that they may see.
#[utoipa::path(get, path = "/api/v1/staff/devices", tag = "staff", params(DevicesQuery),
    security(("staff" = [])),
    responses((status = 200, body = Devices), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn list_devices(
    State(app): State<App>,
    headers: HeaderMap,
    Query(query): Query<DevicesQuery>,
) -> Result<Reply<Devices>, ApiError> {
    let now = App::now();
    let who = staff::signed_in(&app, &headers, now).await?;
    let found = device::health(&app, &who, query.lot.as_deref(), now).await?;
    Ok(Reply(Devices {
        devices: found.devices,
        well: found.devices - found.faulty,
        repairs: found
            .repairs
            .into_iter()
            .map(FaultyDeviceView::from)
            .collect(),
    }))
}
