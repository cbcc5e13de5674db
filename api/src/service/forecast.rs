//! How full a lot will be in the next two hours.

use std::sync::Arc;

use chrono::TimeDelta;
use domain::Timestamp;
use domain::board::LotSummary;
use domain::forecast::{ForecastStep, Forecaster, HISTORY, NoForecast};
use domain::occupancy::BayCount;

use crate::{ApiError, App};

/// What a lot's past has taught, or why it has taught nothing.
pub type Learnt = Arc<Result<Forecaster, NoForecast>>;

/// How long what was learnt is good for: what has ended since is taken into account all the same.
pub const LEARNT_FOR: TimeDelta = TimeDelta::hours(6);

/// How full a lot is and is expected to be, or why nothing can be said.
#[derive(Clone, Debug)]
pub struct Outlook {
    /// The lot as it is now.
    pub lot: LotSummary,
    /// A row for each quarter of an hour.
    pub steps: Result<Vec<ForecastStep>, NoForecast>,
}

/// The next two hours of a lot.
///
/// # Errors
/// [`ApiError::NotFound`] where there is no such lot; where the database fails.
pub async fn outlook(app: &App, lot: &str, now: Timestamp) -> Result<Outlook, ApiError> {
    let lot = summary(app, lot, now).await?;
    let learnt = learnt(app, &lot.code, now).await?;
    outlook_by(app, lot, &learnt, now).await
}

/// As [`outlook`], where the lot's past has been learnt; else `None`, and it is begun.
///
/// # Errors
/// As there.
pub async fn outlook_if_learnt(
    app: &App,
    lot: &str,
    now: Timestamp,
) -> Result<Option<Outlook>, ApiError> {
    let lot = summary(app, lot, now).await?;
    let Some(learnt) = app.answers.forecasters.remembered(lot.code.clone(), now) else {
        let (app, code) = (app.clone(), lot.code);
        tokio::spawn(async move {
            if let Err(error) = learnt(&app, &code, now).await {
                tracing::debug!(%error, code, "a lot's past could not be learnt yet");
            }
        });
        return Ok(None);
    };
    outlook_by(app, lot, &learnt, now).await.map(Some)
}

async fn summary(app: &App, lot: &str, now: Timestamp) -> Result<LotSummary, ApiError> {
    let found = app.live.lot(lot, now).await;
    found.map(|(lot, _)| lot).ok_or(ApiError::NotFound("lot"))
}

async fn learnt(app: &App, code: &str, now: Timestamp) -> Result<Learnt, ApiError> {
    let learning = learn(app.clone(), code.to_owned(), now);
    let forecasters = &app.answers.forecasters;
    forecasters
        .get(&app.limits, code.to_owned(), now, learning)
        .await
}

async fn outlook_by(
    app: &App,
    lot: LotSummary,
    learnt: &Learnt,
    now: Timestamp,
) -> Result<Outlook, ApiError> {
    let steps = match &**learnt {
        Err(why) => Err(*why),
        Ok(forecaster) => {
            let since = forecaster.learnt_until();
            let recent = app.store.lot_occupancy(&lot.code, since, now, now).await?;
            let present = BayCount {
                occupied: lot.occupied,
                free: lot.free,
            };
            forecaster.forecast(&recent, present, now)
        }
    };
    Ok(Outlook { lot, steps })
}

async fn learn(app: App, lot: String, now: Timestamp) -> Result<Learnt, ApiError> {
    let history = app
        .store
        .lot_occupancy(&lot, now - HISTORY, now, now)
        .await?;
    let tz = app.city.timezone;
    // Some milliseconds of reckoning, during which other requests would wait.
    let learning = tokio::task::spawn_blocking(move || Forecaster::learn(&history, tz, now));
    Ok(Arc::new(learning.await.map_err(|_| ApiError::Internal)?))
}
