//! `/open`: what anybody may read of the city's parking, out of the list from which the addresses themselves are
//! made.

use api::App;
use api::open::catalogue::{BROKER_OF_THE_CITY, LICENCE, TOPICS, Topic};
use api::open::{BESIDE, Entry, Examples, Feed, Source, examples, feeds};
use axum::extract::State;
use axum::response::Response;
use leptos::prelude::*;

use super::Reader;
use super::document::Document;
use crate::lang::Lang;

/// Feeds that belong together.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Group {
    Plain,
    ParkApi,
    Cds,
    Apds,
    Ngsi,
    Machines,
    Money,
}

const GROUPS: [Group; 7] = [
    Group::Plain,
    Group::Money,
    Group::Cds,
    Group::Apds,
    Group::Ngsi,
    Group::ParkApi,
    Group::Machines,
];

impl Group {
    const fn of(feed: &Feed) -> Self {
        match feed.source {
            Source::CsvLots | Source::CsvLive | Source::GeoJsonLots | Source::GeoJsonBays => {
                Self::Plain
            }
            Source::ParkApiCities | Source::ParkApiLots => Self::ParkApi,
            Source::NgsiEntities | Source::NgsiEntity | Source::NgsiContext => Self::Ngsi,
            Source::ApdsPlaces | Source::ApdsRates | Source::ApdsRights | Source::ApdsSessions => {
                Self::Apds
            }
            Source::Catalogue => Self::Machines,
            _ => Self::Cds,
        }
    }

    /// What belongs to it.
    fn entries(self, has_log: bool) -> Vec<Entry> {
        if self == Self::Money {
            let there = BESIDE.iter().filter(|entry| has_log || !entry.is_of_log());
            return there.copied().collect();
        }
        let feeds = feeds().filter(|feed| Self::of(feed) == self);
        feeds.map(Feed::entry).collect()
    }

    const fn name(self, lang: Lang) -> &'static str {
        let text = lang.open_data();
        match self {
            Self::Plain => text.for_everybody,
            Self::ParkApi => "ParkAPI",
            Self::Cds => "CDS",
            Self::Apds => "APDS",
            Self::Ngsi => "NGSI-LD",
            Self::Machines => text.for_machines,
            Self::Money => text.money_and_its_log,
        }
    }

    const fn anchor(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::ParkApi => "parkapi",
            Self::Cds => "cds",
            Self::Apds => "apds",
            Self::Ngsi => "ngsi",
            Self::Machines => "machines",
            Self::Money => "money",
        }
    }
}

pub(crate) async fn page(State(app): State<App>, reader: Reader) -> Response {
    let lang = reader.lang;
    let text = lang.open_data();
    let (url, city) = (app.public_url.clone(), app.city.name.clone());
    let (broker, has_log) = (app.public_mqtt_url.clone(), app.log.is_some());
    // The page says what there is though nothing can be named just now.
    let examples = examples(&app, App::now()).await;
    let examples = examples.map_or_else(|_| Examples::default(), |known| (*known).clone());
    Document {
        title: text.open_data,
        active: "/city",
        live: None,
    }
    .page(&reader, move || {
        let ways = GROUPS.map(|group| {
            view! { <a class="chip" href=format!("#{}", group.anchor())>{group.name(lang)}</a> }
        });
        let groups = GROUPS.map(|group| {
            let entries = group.entries(has_log).into_iter();
            let entries = entries.map(|entry| entry_view(&entry, &url, &examples, lang).into_any());
            view! {
                <section id=group.anchor() class="feeds">
                    <h2>{group.name(lang)}</h2>
                    {entries.collect_view()}
                </section>
            }
        });
        let broker = broker.as_deref();
        let topics = TOPICS.iter().map(|topic| topic_view(topic, broker, lang).into_any());
        view! {
            <h1>{city} ": " {text.open_data}</h1>
            <p class="note">{text.lead}</p>
            <section class="card">
                <h2>{text.licence} <a href=LICENCE.url rel="license">{LICENCE.name}</a></h2>
                <p>{text.licence_why}</p>
                <p>{text.unknown_why}</p>
                <p>{text.privacy}</p>
                <p>{text.limits}</p>
            </section>
            <p class="chips">{ways.into_iter().collect_view()} <a class="chip" href="#mqtt">"MQTT"</a></p>
            {groups.into_iter().collect_view()}
            <section id="mqtt" class="feeds">
                <h2>"MQTT"</h2>
                {topics.collect_view()}
            </section>
        }
    })
}

fn entry_view(entry: &Entry, url: &str, examples: &Examples, lang: Lang) -> impl IntoView + use<> {
    let text = lang.open_data();
    let standard = entry.standard.map(|standard| {
        view! {
            <dt>{text.standard}</dt><dd><a href=standard.url>{standard.name}</a></dd>
            <dt>{text.units}</dt><dd>{lang.pick(standard.units.vi, standard.units.en)}</dd>
        }
    });
    let address = match entry.is_direct() {
        true => view! { <a href=entry.path><code>{entry.path}</code></a> }.into_any(),
        false => view! { <code>{entry.path}</code> }.into_any(),
    };
    let example = entry.example(url, examples);
    let example = example.map(|command| {
        view! { <dt>{text.example}</dt><dd><code>{command}</code></dd> }
    });
    let params = (!entry.params.is_empty()).then(|| {
        let params = entry.params.iter().map(|param| {
            let about = lang.pick(param.about.vi, param.about.en);
            view! { <li><code>{param.name}</code> " " <small>{about}</small></li> }
        });
        view! { <dt>{text.parameters}</dt><dd><ul>{params.collect_view()}</ul></dd> }
    });
    view! {
        <article class="card feed" id=entry.anchor()>
            <h3>{lang.pick(entry.title.vi, entry.title.en)}</h3>
            <p>{lang.pick(entry.about.vi, entry.about.en)}</p>
            <dl class="how">
                <dt>{text.address}</dt><dd>{address} " " <small>{entry.media[0]}</small></dd>
                {standard}
                {example}
                <dt>{text.fresh}</dt><dd>{fresh(entry.fresh_s, lang)}</dd>
                <dt>{text.fields}</dt><dd>{codes(entry.fields.iter().copied())}</dd>
                {params}
            </dl>
        </article>
    }
}

fn topic_view(topic: &'static Topic, broker: Option<&str>, lang: Lang) -> impl IntoView + use<> {
    let text = lang.open_data();
    let address = match broker {
        Some(broker) => view! { <code>{broker.to_owned()}</code> }.into_any(),
        None => lang
            .pick(BROKER_OF_THE_CITY.vi, BROKER_OF_THE_CITY.en)
            .into_any(),
    };
    let example = broker.map(|broker| {
        view! { <dt>{text.example}</dt><dd><code>{topic.example(broker)}</code></dd> }
    });
    view! {
        <article class="card feed">
            <h3><code>{topic.topic}</code></h3>
            <p>{lang.pick(topic.about.vi, topic.about.en)}</p>
            <dl class="how">
                <dt>{text.broker}</dt><dd>{address}</dd>
                {example}
                <dt>{text.fresh}</dt><dd>{fresh(1, lang)}</dd>
                <dt>{text.fields}</dt><dd>{codes(topic.fields.iter().copied())}</dd>
            </dl>
        </article>
    }
}

fn codes(names: impl Iterator<Item = &'static str>) -> impl IntoView {
    let codes = names.map(|name| view! { <code>{name}</code> " " });
    codes.collect_view()
}

fn fresh(seconds: i64, lang: Lang) -> String {
    match lang {
        Lang::Vi => format!("cũ nhất {seconds} giây"),
        Lang::En => format!("at most {seconds} s old"),
    }
}
