//! What the city's map shows beside the lots.

use std::sync::Arc;

use chrono::TimeDelta;
use domain::Timestamp;
use domain::map::MapFeature;

use crate::{ApiError, App};

/// For how long the map that was read last will do: streets move rarely.
pub const FRESH_FOR: TimeDelta = TimeDelta::minutes(5);

/// The city's streets, waters and parks, in the order in which they are drawn.
///
/// # Errors
/// Where the database fails.
pub async fn features(app: &App, now: Timestamp) -> Result<Arc<Vec<MapFeature>>, ApiError> {
    let (store, city) = (app.store.clone(), app.city.code.clone());
    let read = {
        let city = city.clone();
        async move { Ok(Arc::new(store.map_features(&city).await?)) }
    };
    app.answers.maps.get(&app.limits, city, now, read).await
}
