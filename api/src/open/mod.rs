//! Open data under `/open`: what anybody may read, in the formats that others' programs know.
//!
//! There is one list of feeds, [`catalogue::feeds`]. The routes, the OpenAPI document, `/open/catalogue.json`
//! and the page `/open` are made from it, so that they cannot disagree; the last two also name what is published
//! elsewhere ([`catalogue::BESIDE`]). Everything here is read-only, without
//! a login, and holds nothing of a person: no plate, no payment, no session's id.
//!
//! What a feed tells of the present comes from one [`snapshot::Snapshot`] of the live board, taken at most
//! every few seconds however many ask. What it tells of the past is computed once and remembered.

use std::sync::Arc;

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::TimeDelta;
use domain::Timestamp;
use store::Store;

use crate::places::Turns;
use crate::rate::{Rate, RateLimit};
use crate::remembered::Remembered;
use crate::secret::sha256;
use crate::{ApiError, App};

mod accept;
pub mod apds;
pub mod catalogue;
mod cds;
mod csv;
mod dcat;
mod examples;
mod geojson;
mod geometry;
mod ids;
mod ngsi;
mod page;
mod params;
mod parkapi;
pub mod publish;
mod rates;
mod routes;
mod snapshot;

pub use catalogue::{BESIDE, Entry, Feed, Source, feeds};
pub use examples::{Examples, examples};
pub(crate) use routes::{document, mount};

use params::Params;
use snapshot::{Places, Snapshot};

/// How old an answer may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// What is so now.
    Live,
    /// What was, and what is summed up.
    Past,
    /// What the city consists of.
    Place,
}

impl Freshness {
    /// How old an answer may be, in seconds.
    pub const fn seconds(self) -> i64 {
        match self {
            Self::Live => 10,
            Self::Past => 60,
            Self::Place => 300,
        }
    }

    /// The same as a length of time.
    pub const fn length(self) -> TimeDelta {
        TimeDelta::seconds(self.seconds())
    }
}

/// How many requests a second one reader may make for long, where nothing else is set.
const PER_SECOND: u32 = 50;
/// So many seconds' worth may come at once.
const BURST_S: u32 = 4;
/// All together may make as many as so many readers.
const READERS: u32 = 10;

/// How many answers about the past are remembered: some megabytes each at most.
const ANSWERS: usize = 24;

/// What all feeds share.
#[derive(Debug)]
pub struct OpenData {
    /// How often anybody may ask.
    pub rate: RateLimit,
    places: Remembered<(), Arc<Places>>,
    snapshots: Remembered<(), Arc<Snapshot>>,
    examples: Remembered<(), Arc<Examples>>,
    past: Remembered<String, Arc<Answer>>,
    last: std::sync::Mutex<Option<Arc<Snapshot>>>,
    /// Open data waits for its own turn at the database: its readers take none of those of the city's pages.
    turns: Turns,
}

impl OpenData {
    /// At most `per_second` requests of one reader, over some seconds.
    pub fn new(per_second: u32) -> Self {
        Self {
            rate: RateLimit::new(Rate::per_minute(
                per_second.max(1).saturating_mul(60),
                per_second.max(1).saturating_mul(BURST_S),
            ))
            .of_all(READERS),
            places: Remembered::new(Freshness::Place.length(), 1),
            snapshots: Remembered::new(Freshness::Live.length(), 1),
            examples: Remembered::new(Freshness::Live.length(), 1),
            past: Remembered::new(Freshness::Past.length(), ANSWERS),
            last: std::sync::Mutex::default(),
            turns: Turns::new("open_data"),
        }
    }
}

impl Default for OpenData {
    fn default() -> Self {
        Self::new(PER_SECOND)
    }
}

/// What a feed says.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    body: Bytes,
    content_type: &'static str,
    /// Until when it holds all that there was to tell.
    made_at: Timestamp,
    more: Vec<(HeaderName, String)>,
}

impl Answer {
    pub(crate) fn new(ask: &Ask, body: Vec<u8>) -> Self {
        Self {
            body: body.into(),
            content_type: ask.media,
            made_at: match ask.feed.fresh {
                Freshness::Past => ask.complete_until,
                Freshness::Live | Freshness::Place => ask.city.taken_at,
            },
            more: Vec::new(),
        }
    }

    pub(crate) fn json(ask: &Ask, body: &impl serde::Serialize) -> Result<Self, ApiError> {
        let body = serde_json::to_vec(body).map_err(|error| {
            tracing::error!(%error, "open data cannot be written");
            ApiError::Internal
        })?;
        Ok(Self::new(ask, body))
    }

    pub(crate) fn with(mut self, name: HeaderName, value: String) -> Self {
        self.more.push((name, value));
        self
    }
}

/// What is asked.
#[derive(Clone)]
pub(crate) struct Ask {
    app: App,
    now: Timestamp,
    /// Where the past is read, and until when it is complete there: of feeds that are made of the past.
    store: Store,
    complete_until: Timestamp,
    feed: &'static Feed,
    /// What stands in the address where the feed's path has `{id}`.
    id: String,
    params: Params,
    /// The media type that the reader takes.
    media: &'static str,
    /// The city as it is.
    city: Arc<Snapshot>,
}

impl Ask {
    /// Another page of the same answer.
    fn link(&self, offset: usize, limit: usize) -> String {
        let path = self.feed.path.replace("{id}", &self.id);
        let kept = self.params.without(&["limit", "offset"]);
        format!(
            "{}{path}?{kept}limit={limit}&offset={offset}",
            self.app.public_url
        )
    }
}

/// The answer to what is asked, remembered for as long as it is fresh: the present with the snapshot that it is
/// made from, the past by itself.
async fn answer(ask: Ask) -> Result<Arc<Answer>, ApiError> {
    let path = ask.feed.path.replace("{id}", &ask.id);
    let about = format!("{path}?{}#{}", ask.params.without(&[]), ask.media);
    if ask.feed.fresh == Freshness::Past {
        let (open, now) = (ask.app.open.clone(), ask.now);
        let compute = async move {
            let past = ask.app.past.clone();
            let asking = past.ask(now, |store, complete_until| {
                let ask = Ask {
                    store,
                    complete_until,
                    ..ask.clone()
                };
                async move { Ok(Arc::new(make(&ask).await?)) }
            });
            asking.await
        };
        return open
            .past
            .get_in_turn(&open.turns, about, now, compute)
            .await;
    }
    if let Some(known) = ask.city.written(&about) {
        return Ok(known);
    }
    let made = Arc::new(make(&ask).await?);
    ask.city.keep_written(about, made.clone());
    Ok(made)
}

async fn make(ask: &Ask) -> Result<Answer, ApiError> {
    match ask.feed.source {
        Source::Catalogue => dcat::catalogue(ask).await,
        Source::CdsZones => cds::curbs::zones(ask).await,
        Source::CdsZone => cds::curbs::zone(ask).await,
        Source::CdsAreas => cds::curbs::areas(ask).await,
        Source::CdsArea => cds::curbs::area(ask).await,
        Source::CdsSpaces => cds::curbs::spaces(ask).await,
        Source::CdsSpace => cds::curbs::space(ask).await,
        Source::CdsPolicies => cds::policies::policies(ask).await,
        Source::CdsPolicy => cds::policies::policy(ask).await,
        Source::CdsEvents => cds::events::events(ask).await,
        Source::CdsStatus => cds::events::status(ask).await,
        Source::CdsSessions => cds::metrics::sessions(ask).await,
        Source::CdsAggregates => cds::metrics::aggregates(ask).await,
        Source::ApdsPlaces => apds::places(ask).await,
        Source::ApdsRates => apds::rates(ask).await,
        Source::ApdsRights => apds::rights(ask).await,
        Source::ApdsSessions => apds::sessions(ask).await,
        Source::NgsiEntities => ngsi::entities(ask).await,
        Source::NgsiEntity => ngsi::entity(ask).await,
        Source::NgsiContext => ngsi::context(ask),
        Source::ParkApiCities => parkapi::cities(ask).await,
        Source::ParkApiLots => parkapi::lots(ask).await,
        Source::GeoJsonLots => geojson::lots(ask).await,
        Source::GeoJsonBays => geojson::bays(ask).await,
        Source::CsvLots => csv::lots(ask).await,
        Source::CsvLive => csv::live(ask).await,
    }
}

/// The answer as HTTP has it: readable from any page, kept by caches for as long as it is fresh, and not sent
/// again to who has it (RFC 9110, 13.1.2).
fn reply(answer: &Answer, feed: &Feed, asked: &HeaderMap, now: Timestamp) -> Response {
    // Of the answer as it is sent, headers included: a page's links are part of it.
    let etag = format!("\"{}\"", hex::encode(&sha256(&answer.body)[..16]));
    let known = asked.get_all(header::IF_NONE_MATCH).iter();
    let is_known = known.filter_map(|value| value.to_str().ok()).any(|list| {
        let mut tags = list.split(',').map(str::trim);
        tags.any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag)
    });
    let left_s = feed.fresh.seconds() - (now - answer.made_at).num_seconds();
    let keep = format!("public, max-age={}", left_s.clamp(1, feed.fresh.seconds()));
    let mut response = match is_known {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => answer.body.clone().into_response(),
    };
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.append(name, value);
        }
    };
    set(header::ETAG, &etag);
    let made = answer.made_at.format("%a, %d %b %Y %H:%M:%S GMT");
    set(header::LAST_MODIFIED, &made.to_string());
    set(header::CACHE_CONTROL, &keep);
    set(header::VARY, "accept");
    for (name, value) in &answer.more {
        set(name.clone(), value);
    }
    let headers = response.headers_mut();
    // axum sets one of its own for bytes.
    if !is_known && let Ok(value) = HeaderValue::from_str(answer.content_type) {
        headers.insert(header::CONTENT_TYPE, value);
    }
    response
}

/// A time as RFC 3339 has it, in UTC, to the second.
fn instant(at: Timestamp) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}
