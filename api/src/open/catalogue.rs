//! The list of all feeds: the one place that says what there is.

use super::Freshness;

mod feeds;

pub use feeds::FEEDS;

/// Under which terms the data may be used.
pub const LICENCE: Licence = Licence {
    name: "CC BY 4.0",
    url: "https://creativecommons.org/licenses/by/4.0/",
};

/// Terms of use.
#[derive(Clone, Copy, Debug)]
pub struct Licence {
    /// Their short name.
    pub name: &'static str,
    /// Where they stand.
    pub url: &'static str,
}

/// A text in both languages of the pages.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    /// In Vietnamese.
    pub vi: &'static str,
    /// In English.
    pub en: &'static str,
}

impl Words {
    pub(super) const fn new(vi: &'static str, en: &'static str) -> Self {
        Self { vi, en }
    }
}

/// A parameter of a request.
#[derive(Clone, Copy, Debug)]
pub struct Param {
    /// Its name.
    pub name: &'static str,
    /// What it does, in English, for the OpenAPI document.
    pub about: &'static str,
}

impl Param {
    pub(super) const fn new(name: &'static str, about: &'static str) -> Self {
        Self { name, about }
    }
}

/// A standard that a feed follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standard {
    /// Its name and version.
    pub name: &'static str,
    /// Where it stands.
    pub url: &'static str,
}

/// How a feed reaches its reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The list of feeds itself.
    Catalogue,
    /// `GET /curbs/zones`.
    CdsZones,
    /// `GET /curbs/zones/{id}`.
    CdsZone,
    /// `GET /curbs/areas`.
    CdsAreas,
    /// `GET /curbs/areas/{id}`.
    CdsArea,
    /// `GET /curbs/spaces`.
    CdsSpaces,
    /// `GET /curbs/spaces/{id}`.
    CdsSpace,
    /// `GET /curbs/policies`.
    CdsPolicies,
    /// `GET /curbs/policies/{id}`.
    CdsPolicy,
    /// `GET /events/events`.
    CdsEvents,
    /// `GET /events/status`.
    CdsStatus,
    /// `GET /metrics/sessions`.
    CdsSessions,
    /// `GET /metrics/aggregates`.
    CdsAggregates,
    /// Places of APDS.
    ApdsPlaces,
    /// Rates of APDS.
    ApdsRates,
    /// Right specifications of APDS.
    ApdsRights,
    /// Sessions of APDS.
    ApdsSessions,
    /// Entities of NGSI-LD.
    NgsiEntities,
    /// One entity of NGSI-LD.
    NgsiEntity,
    /// The context of those entities.
    NgsiContext,
    /// ParkAPI's list of cities.
    ParkApiCities,
    /// ParkAPI's lots of a city.
    ParkApiLots,
    /// Lots as GeoJSON.
    GeoJsonLots,
    /// Bays as GeoJSON.
    GeoJsonBays,
    /// Lots as a table.
    CsvLots,
    /// What is free now as a table.
    CsvLive,
}

/// One thing that anybody may read.
#[derive(Debug)]
pub struct Feed {
    /// What answers.
    pub source: Source,
    /// Its address; `{id}` stands for what one asks for.
    pub path: &'static str,
    /// What it is called.
    pub title: Words,
    /// What it tells, and how it tells that something is not known.
    pub about: Words,
    /// The standard that it follows, if it follows one.
    pub standard: Option<Standard>,
    /// Its media types, the usual one first.
    pub media: &'static [&'static str],
    /// The versions of the media type that a reader may ask for.
    pub versions: &'static [&'static str],
    /// Its parameters.
    pub params: &'static [Param],
    /// What may stand behind its address in an example, after the question mark.
    pub example: &'static str,
    /// The fields of each thing that it tells of.
    pub fields: &'static [&'static str],
    /// How old it may be.
    pub fresh: Freshness,
}

impl Feed {
    /// A name by which it is found on the page.
    pub fn anchor(&self) -> String {
        let name = self.path.trim_start_matches("/open/");
        name.replace(['/', '.'], "-")
            .replace("-{id}", "-id")
            .replace("{id}", "id")
    }

    /// A command that reads it.
    pub fn example(&self, public_url: &str) -> String {
        let id = if self.path.contains("{id}") { "ID" } else { "" };
        let path = self.path.replace("{id}", id);
        match self.example {
            "" => format!("curl {public_url}{path}"),
            query => format!("curl '{public_url}{path}?{query}'"),
        }
    }

    /// Its address where it needs nothing named.
    pub fn is_direct(&self) -> bool {
        !self.path.contains("{id}")
    }
}

/// Something that is sent to whoever listens.
#[derive(Debug)]
pub struct Topic {
    /// The MQTT topic; `{id}` stands for a lot's code.
    pub topic: &'static str,
    /// What it tells.
    pub about: Words,
    /// Its fields.
    pub fields: &'static [&'static str],
}

/// What is published over MQTT, retained, at most once a second for each lot.
pub const TOPICS: &[Topic] = &[Topic {
    topic: "clearbay/v1/open/lots/{id}",
    about: Words::new(
        "Tình trạng của từng bãi, gửi ngay khi thay đổi, nhiều nhất một lần mỗi giây cho mỗi bãi. Tin nhắn được giữ lại (retained): ai đăng ký cũng nhận ngay tình trạng mới nhất. Chỗ chưa rõ được đếm riêng.",
        "The state of each lot, sent as soon as it changes, at most once a second for each lot. Messages are retained: whoever subscribes gets the newest at once. Unknown bays are counted apart.",
    ),
    fields: &[
        "code",
        "capacity",
        "occupied",
        "free",
        "unknown",
        "classes",
        "updated_at",
    ],
}];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_feed_has_an_address_of_its_own_and_says_all_that_a_reader_needs() {
        let paths: HashSet<&str> = FEEDS.iter().map(|feed| feed.path).collect();
        let anchors: HashSet<String> = FEEDS.iter().map(Feed::anchor).collect();
        assert_eq!((paths.len(), anchors.len()), (FEEDS.len(), FEEDS.len()));
        for feed in FEEDS {
            assert!(feed.path.starts_with("/open/"), "{}", feed.path);
            assert!(
                !feed.media.is_empty() && !feed.fields.is_empty(),
                "{}",
                feed.path
            );
            for words in [feed.title, feed.about] {
                assert!(
                    !words.vi.is_empty() && !words.en.is_empty(),
                    "{}",
                    feed.path
                );
            }
        }
    }
}
