//! The list of all feeds: the one place that says what there is.

use super::Freshness;
use super::examples::Examples;

mod beside;
mod feeds;
mod params;
mod standards;

pub use beside::BESIDE;
pub use feeds::feeds;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// What it does, in which unit.
    pub about: Words,
}

impl Param {
    pub(super) const fn new(name: &'static str, vi: &'static str, en: &'static str) -> Self {
        Self {
            name,
            about: Words::new(vi, en),
        }
    }
}

/// A standard that a feed follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standard {
    /// Its name and version.
    pub name: &'static str,
    /// Where it stands.
    pub url: &'static str,
    /// In which units it tells times, lengths and money.
    pub units: Words,
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
    /// What its reader is told of it.
    pub const fn entry(&self) -> Entry {
        Entry {
            path: self.path,
            title: self.title,
            about: self.about,
            standard: self.standard,
            media: self.media,
            params: self.params,
            example: self.example,
            fields: self.fields,
            fresh_s: self.fresh.seconds(),
        }
    }
}

/// What the catalogue says of something that anybody may read: of each feed, and of what is published beside them.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Its address; what stands in braces is what one asks for.
    pub path: &'static str,
    /// What it is called.
    pub title: Words,
    /// What it tells, and how it tells that something is not known.
    pub about: Words,
    /// The standard that it follows, if it follows one.
    pub standard: Option<Standard>,
    /// Its media types, the usual one first.
    pub media: &'static [&'static str],
    /// Its parameters.
    pub params: &'static [Param],
    /// What may stand behind its address in an example, after the question mark.
    pub example: &'static str,
    /// The fields of each thing that it tells of.
    pub fields: &'static [&'static str],
    /// How old an answer may be, in seconds.
    pub fresh_s: i64,
}

impl Entry {
    /// A name by which it is found on the page.
    pub fn anchor(&self) -> String {
        let name = self.path.trim_start_matches("/open/");
        let name = name.trim_start_matches('/').replace(['/', '.'], "-");
        name.replace(['{', '}'], "")
    }

    /// A command that reads it, as it can be pasted; `None` where there is nothing yet that could be named in its
    /// address.
    pub fn example(&self, public_url: &str, examples: &Examples) -> Option<String> {
        let path = match self.is_direct() {
            true => self.path,
            false => examples.path(self.path)?,
        };
        Some(match self.example {
            "" => format!("curl {public_url}{path}"),
            query => format!("curl '{public_url}{path}?{query}'"),
        })
    }

    /// Whether its address needs nothing named.
    pub fn is_direct(&self) -> bool {
        !self.path.contains('{')
    }

    /// Whether it is a part of the public log, which a city may not have.
    pub fn is_of_log(&self) -> bool {
        self.path.starts_with("/log/")
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

impl Topic {
    /// Its name as one subscribes to it for every lot.
    pub fn filter(&self) -> String {
        self.topic.replace("{id}", "+")
    }

    /// A command that listens to it at the broker of that address, as it can be pasted.
    pub fn example(&self, broker: &str) -> String {
        let (broker, filter) = (broker.trim_end_matches('/'), self.filter());
        format!("mosquitto_sub -L '{broker}/{filter}' -u {MQTT_READER} -v")
    }
}

/// The name by which readers of open data come to the broker (`deploy/mosquitto.acl`).
pub const MQTT_READER: &str = "open-data-reader";

/// What is said of the broker where its address is not published.
pub const BROKER_OF_THE_CITY: Words = Words::new(
    "Thành phố cấp địa chỉ máy chủ MQTT và mật khẩu cho ai muốn nghe.",
    "The city gives the broker's address, and a password, to whoever wants to listen.",
);

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
        let paths: HashSet<&str> = feeds().map(|feed| feed.path).collect();
        assert_eq!(paths.len(), feeds().count());
        assert!(paths.iter().all(|path| path.starts_with("/open/")));
        let feeds = feeds().map(Feed::entry);
        let entries: Vec<Entry> = feeds.chain(BESIDE.iter().copied()).collect();
        let anchors: HashSet<String> = entries.iter().map(Entry::anchor).collect();
        assert_eq!(anchors.len(), entries.len());
        for entry in entries {
            let path = entry.path;
            assert!(
                !entry.media.is_empty() && !entry.fields.is_empty(),
                "{path}"
            );
            let params = entry.params.iter().map(|param| param.about);
            let units = entry.standard.map(|standard| standard.units);
            for words in [entry.title, entry.about]
                .into_iter()
                .chain(params)
                .chain(units)
            {
                assert!(!words.vi.is_empty() && !words.en.is_empty(), "{path}");
            }
        }
    }
}
