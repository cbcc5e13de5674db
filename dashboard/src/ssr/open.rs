//! `/open`: what anybody may read of the city's parking, out of the list from which the addresses themselves are
//! made.

use api::App;
use api::open::catalogue::{LICENCE, TOPICS, Topic};
use api::open::{FEEDS, Feed, Source};
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
}

const GROUPS: [Group; 6] = [
    Group::Plain,
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

    const fn name(self, lang: Lang) -> &'static str {
        let text = lang.open_data();
        match self {
            Self::Plain => text.for_everybody,
            Self::ParkApi => "ParkAPI",
            Self::Cds => "CDS",
            Self::Apds => "APDS",
            Self::Ngsi => "NGSI-LD",
            Self::Machines => text.for_machines,
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
        }
    }
}

pub(crate) async fn page(State(app): State<App>, reader: Reader) -> Response {
    let lang = reader.lang;
    let text = lang.open_data();
    let (url, city) = (app.public_url.clone(), app.city.name.clone());
    Document {
        title: text.open_data,
        active: "/city",
        live: None,
    }
    .page(&reader, move || {
        let ways = GROUPS.map(|group| {
            view! { <a class="chip" href=format!("#{}", group.anchor())>{group.name(lang)}</a> }
        });
        let groups = GROUPS.map(|group| group_view(group, &url, lang).into_any());
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
                {TOPICS.iter().map(|topic| topic_view(topic, lang)).collect_view()}
            </section>
        }
    })
}

fn group_view(group: Group, url: &str, lang: Lang) -> impl IntoView + use<> {
    let feeds = FEEDS.iter().filter(|feed| Group::of(feed) == group);
    let feeds: Vec<_> = feeds
        .map(|feed| feed_view(feed, url, lang).into_any())
        .collect();
    view! {
        <section id=group.anchor() class="feeds">
            <h2>{group.name(lang)}</h2>
            {feeds}
        </section>
    }
}

fn feed_view(feed: &'static Feed, url: &str, lang: Lang) -> impl IntoView + use<> {
    let text = lang.open_data();
    let standard = feed.standard.map(|standard| {
        view! { <dt>{text.standard}</dt><dd><a href=standard.url>{standard.name}</a></dd> }
    });
    let address = match feed.is_direct() {
        true => view! { <a href=feed.path><code>{feed.path}</code></a> }.into_any(),
        false => view! { <code>{feed.path}</code> }.into_any(),
    };
    let params = (!feed.params.is_empty()).then(|| {
        let names = feed.params.iter().map(|param| param.name);
        view! { <dt>{text.parameters}</dt><dd>{codes(names)}</dd> }
    });
    view! {
        <article class="card feed" id=feed.anchor()>
            <h3>{lang.pick(feed.title.vi, feed.title.en)}</h3>
            <p>{lang.pick(feed.about.vi, feed.about.en)}</p>
            <dl class="how">
                <dt>{text.address}</dt><dd>{address} " " <small>{feed.media[0]}</small></dd>
                {standard}
                <dt>{text.example}</dt><dd><code>{feed.example(url)}</code></dd>
                <dt>{text.fresh}</dt><dd>{fresh(feed.fresh.seconds(), lang)}</dd>
                <dt>{text.fields}</dt><dd>{codes(feed.fields.iter().copied())}</dd>
                {params}
            </dl>
        </article>
    }
}

fn topic_view(topic: &'static Topic, lang: Lang) -> impl IntoView {
    let text = lang.open_data();
    let example = topic.topic.replace("{id}", "+");
    view! {
        <article class="card feed">
            <h3><code>{topic.topic}</code></h3>
            <p>{lang.pick(topic.about.vi, topic.about.en)}</p>
            <dl class="how">
                <dt>{text.example}</dt><dd><code>{format!("mosquitto_sub -u open-data-reader -t '{example}' -v")}</code></dd>
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
