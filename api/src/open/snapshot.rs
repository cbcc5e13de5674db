//! The city at one moment, from which all that is told of the present is made.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::Timestamp;
use domain::board::{BaySummary, LotSummary};
use domain::place::{Position, VehicleClass};
use domain::tariff::Tariff;
use store::open_data::{OpenBay, OpenPlaces};
use uuid::Uuid;

use super::geometry::{hull, offset};
use super::{Answer, ids};
use crate::{ApiError, App};

/// What the city consists of.
#[derive(Debug)]
pub(super) struct Places {
    pub(super) known: OpenPlaces,
}

/// How many answers are kept with the snapshot that they are made from.
const WRITTEN: usize = 32;
/// How large one of them may be, in bytes.
const WRITTEN_BYTES: usize = 1024 * 1024;

/// The city as it was at one moment.
#[derive(Debug)]
pub(super) struct Snapshot {
    /// When it was taken.
    pub(super) taken_at: Timestamp,
    /// When something in it changed last, as far as snapshots have shown.
    pub(super) at: Timestamp,
    /// In order of code; only lots that have bays.
    pub(super) lots: Vec<SnapLot>,
    pub(super) places: Arc<Places>,
    by_zone_id: HashMap<Uuid, usize>,
    written: Mutex<HashMap<String, Arc<Answer>>>,
}

/// A lot, and where it belongs.
#[derive(Debug, PartialEq)]
pub(super) struct SnapLot {
    pub(super) lot: LotSummary,
    pub(super) bays: Vec<SnapBay>,
    /// The hull of its bays.
    pub(super) ring: Vec<Position>,
    pub(super) ward: String,
    pub(super) zone: String,
    pub(super) zone_name: String,
    pub(super) operator: String,
    pub(super) operator_name: String,
    pub(super) published_at: Timestamp,
    pub(super) changed_at: Timestamp,
    /// Its id as a curb zone: another where its outline has changed.
    pub(super) zone_id: Uuid,
    /// Its ward's as a curb area.
    pub(super) area_id: Uuid,
}

/// A bay.
#[derive(Debug, PartialEq)]
pub(super) struct SnapBay {
    pub(super) bay: BaySummary,
    pub(super) ring: [Position; 4],
    pub(super) space_id: Uuid,
}

impl SnapLot {
    /// Whether it has bays for vehicles of a class.
    pub(super) fn has(&self, class: VehicleClass) -> bool {
        self.bays.iter().any(|bay| bay.bay.class == class)
    }
}

impl Snapshot {
    /// An answer that was made from it.
    pub(super) fn written(&self, about: &str) -> Option<Arc<Answer>> {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.get(about).cloned()
    }

    /// Keeps an answer for others who ask the same.
    pub(super) fn keep_written(&self, about: String, answer: Arc<Answer>) {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if written.len() < WRITTEN && answer.body.len() <= WRITTEN_BYTES {
            written.insert(about, answer);
        }
    }

    /// The lot that is that curb zone.
    pub(super) fn zone(&self, id: Uuid) -> Option<&SnapLot> {
        self.lots.get(*self.by_zone_id.get(&id)?)
    }

    /// The lot of that code.
    pub(super) fn lot(&self, code: &str) -> Option<&SnapLot> {
        let found = self
            .lots
            .binary_search_by(|lot| lot.lot.code.as_str().cmp(code));
        self.lots.get(found.ok()?)
    }

    /// The bay that is that curb space, and its lot.
    pub(super) fn space(&self, id: Uuid) -> Option<(&SnapLot, &SnapBay)> {
        self.lots.iter().find_map(|lot| {
            let bay = lot.bays.iter().find(|bay| bay.space_id == id)?;
            Some((lot, bay))
        })
    }

    /// What the city's registry knows of a bay.
    pub(super) fn registered(&self, bay: &str) -> Option<&OpenBay> {
        self.places.known.bays.get(bay)
    }

    /// Every version of the tariffs of a price zone.
    pub(super) fn tariffs(&self, zone: &str) -> &[Tariff] {
        let known = self.places.known.tariffs.get(zone);
        known.map(Vec::as_slice).unwrap_or_default()
    }
}

/// The city as it is, or was some seconds ago.
///
/// # Errors
/// Where the database fails.
pub(super) async fn snapshot(app: &App, now: Timestamp) -> Result<Arc<Snapshot>, ApiError> {
    let open = app.open.clone();
    let places = places(app, now).await?;
    let take = take(app.clone(), places, now);
    open.snapshots.get_in_turn(&open.turns, (), now, take).await
}

async fn places(app: &App, now: Timestamp) -> Result<Arc<Places>, ApiError> {
    let (past, city) = (app.past.clone(), app.city.code.clone());
    let read = async move {
        let city = &city;
        let asking = past.ask(now, |store, _| async move {
            let known = store.open_places(city).await?;
            Ok(Arc::new(Places { known }))
        });
        asking.await
    };
    app.open
        .places
        .get_in_turn(&app.open.turns, (), now, read)
        .await
}

async fn take(app: App, places: Arc<Places>, now: Timestamp) -> Result<Arc<Snapshot>, ApiError> {
    let mut lots = Vec::new();
    for summary in app.live.lots(Some(&app.city.code), now).await {
        // A lot that was installed since is told once all is known of it.
        let Some(known) = places.known.lots.get(&summary.code) else {
            continue;
        };
        let Some((lot, bays)) = app.live.lot(&summary.code, now).await else {
            continue;
        };
        if bays.is_empty() {
            continue;
        }
        let bays: Vec<SnapBay> = bays.into_iter().map(|bay| snap_bay(bay, &lot)).collect();
        let ring = hull(bays.iter().flat_map(|bay| bay.ring));
        let outline = format!("{ring:.5?}");
        lots.push(SnapLot {
            zone_id: ids::public("zone", &[&app.city.code, &lot.code, &outline]),
            area_id: ids::public("area", &[&app.city.code, &known.ward]),
            ward: known.ward.clone(),
            zone: known.zone.clone(),
            zone_name: known.zone_name.clone(),
            operator: known.operator.clone(),
            operator_name: known.operator_name.clone(),
            published_at: known.published_at,
            changed_at: known.changed_at,
            lot,
            bays,
            ring,
        });
    }
    let mut last = app.open.last.lock().unwrap_or_else(PoisonError::into_inner);
    // Where nothing has changed readers are told so: their copies are still good.
    let at = match &*last {
        Some(last) if last.lots == lots && Arc::ptr_eq(&last.places, &places) => last.at,
        _ => now,
    };
    let by_zone_id = lots.iter().enumerate().map(|(i, lot)| (lot.zone_id, i));
    let snapshot = Arc::new(Snapshot {
        taken_at: now,
        at,
        by_zone_id: by_zone_id.collect(),
        lots,
        places,
        written: Mutex::default(),
    });
    *last = Some(snapshot.clone());
    Ok(snapshot)
}

fn snap_bay(bay: BaySummary, lot: &LotSummary) -> SnapBay {
    SnapBay {
        ring: bay.outline.map(|corner| offset(lot.position, corner)),
        space_id: ids::public("space", &[&lot.city, &bay.code]),
        bay,
    }
}
