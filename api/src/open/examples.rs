//! Things that there are in this city, so that each example of the catalogue can be run as it stands.

use std::collections::HashMap;
use std::sync::Arc;

use domain::Timestamp;
use domain::log::LogPath;

use super::snapshot::{Snapshot, snapshot};
use super::{ngsi, rates};
use crate::service::public_log;
use crate::{ApiError, App};

/// Addresses with a name in them, filled in with what there is.
#[derive(Clone, Debug, Default)]
pub struct Examples(HashMap<&'static str, String>);

impl Examples {
    /// The address of something that there is, for an address of the catalogue with braces in it.
    pub(super) fn path(&self, path: &str) -> Option<&str> {
        self.0.get(path).map(String::as_str)
    }

    fn of(app: &App, city: &Snapshot) -> Self {
        let mut paths = HashMap::new();
        let mut fill = |path: &'static str, id: String| {
            paths.insert(path, path.replace("{id}", &id));
        };
        fill("/open/parkapi/{id}", app.city.code.clone());
        if let Some(lot) = city.lots.first() {
            fill("/open/cds/curbs/zones/{id}", lot.zone_id.to_string());
            fill("/open/cds/curbs/areas/{id}", lot.area_id.to_string());
            if let Some(bay) = lot.bays.first() {
                fill("/open/cds/curbs/spaces/{id}", bay.space_id.to_string());
                fill("/open/ngsi-ld/v1/entities/{id}", ngsi::spot(&bay.bay.code));
            }
            let prices = rates::prices(&lot.zone, city.tariffs(&lot.zone), city.taken_at);
            if let Some(price) = prices.first() {
                fill("/open/cds/curbs/policies/{id}", price.id.to_string());
            }
        }
        Self(paths)
    }

    /// Adds what there is of the public log.
    async fn with_log(mut self, app: &App) -> Result<Self, ApiError> {
        if app.log.is_none() {
            return Ok(self);
        }
        let size = public_log::size(app).await?;
        let mut fill = |path: &'static str, there: Option<LogPath>| {
            self.0
                .extend(there.map(|there| (path, format!("/log/{there}"))));
        };
        fill("/log/tile/entries/{N}", LogPath::bundles(0, size).next());
        fill("/log/tile/{level}/{N}", LogPath::tiles(size).next());
        if let Some(report) = public_log::reports(app).await?.pop() {
            let path = format!("/log/report/{}", report.day);
            self.0.insert("/log/report/{day}", path);
        }
        Ok(self)
    }
}

/// What there is, at most some seconds old.
///
/// # Errors
/// Where the database fails.
pub async fn examples(app: &App, now: Timestamp) -> Result<Arc<Examples>, ApiError> {
    let city = snapshot(app, now).await?;
    let (asking, open) = (app.clone(), &app.open);
    let find = async move {
        let examples = Examples::of(&asking, &city).with_log(&asking).await?;
        Ok(Arc::new(examples))
    };
    open.examples.get_in_turn(&open.turns, (), now, find).await
}
