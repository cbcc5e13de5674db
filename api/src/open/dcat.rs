//! The catalogue for machines: DCAT 3 (<https://www.w3.org/TR/vocab-dcat-3/>) as JSON-LD.

use serde_json::{Value, json};

use super::catalogue::{BROKER_OF_THE_CITY, LICENCE, TOPICS, Topic, Words};
use super::examples::{Examples, examples};
use super::{Answer, Ask, BESIDE, Entry, Feed, feeds};
use crate::ApiError;

fn both(words: Words) -> Value {
    json!([
        {"@language": "vi", "@value": words.vi},
        {"@language": "en", "@value": words.en},
    ])
}

fn dataset(entry: &Entry, url: &str, examples: &Examples) -> Value {
    let params = entry.params.iter();
    let mut known = json!({
        "@type": "dcat:Dataset",
        "@id": format!("{url}/open#{}", entry.anchor()),
        "title": both(entry.title),
        "description": both(entry.about),
        "license": LICENCE.url,
        // ISO 8601: how old an answer may be.
        "dcat:temporalResolution": {
            "@type": "xsd:duration",
            "@value": format!("PT{}S", entry.fresh_s),
        },
        "freshnessSeconds": entry.fresh_s,
        "fields": entry.fields,
        "parameters": params.clone().map(|param| param.name).collect::<Vec<_>>(),
        "parameterNotes": params.map(|param| json!({
            "title": param.name,
            "description": both(param.about),
        })).collect::<Vec<_>>(),
        "distribution": entry.media.iter().map(|media| json!({
            "@type": "dcat:Distribution",
            "accessURL": format!("{url}{}", entry.path),
            "mediaType": media,
            "license": LICENCE.url,
        })).collect::<Vec<_>>(),
    });
    if let Some(example) = entry.example(url, examples) {
        known["example"] = example.into();
    }
    if let Some(standard) = entry.standard {
        known["conformsTo"] = json!({"@id": standard.url, "title": standard.name});
        known["units"] = both(standard.units);
    }
    known
}

fn topic_dataset(topic: &Topic, broker: Option<&str>) -> Value {
    let mut distribution = json!({
        "@type": "dcat:Distribution",
        "mqttTopic": topic.filter(),
        "mediaType": "application/json",
        "license": LICENCE.url,
    });
    let mut known = json!({
        "@type": "dcat:Dataset",
        "title": topic.topic,
        "description": both(topic.about),
        "license": LICENCE.url,
        "fields": topic.fields,
    });
    match broker {
        Some(broker) => {
            distribution["accessURL"] = broker.into();
            known["example"] = topic.example(broker).into();
        }
        None => distribution["description"] = both(BROKER_OF_THE_CITY),
    }
    known["distribution"] = json!([distribution]);
    known
}

/// `/open/catalogue.json`
pub(super) async fn catalogue(ask: &Ask) -> Result<Answer, ApiError> {
    let url = &ask.app.public_url;
    let examples = examples(&ask.app, ask.now).await?;
    let has_log = ask.app.log.is_some();
    let beside = BESIDE.iter().filter(|entry| has_log || !entry.is_of_log());
    let entries = feeds().map(Feed::entry).chain(beside.copied());
    let datasets = entries.map(|entry| dataset(&entry, url, &examples));
    let broker = ask.app.public_mqtt_url.as_deref();
    let topics = TOPICS.iter().map(|topic| topic_dataset(topic, broker));
    let body = json!({
        "@context": {
            "@vocab": "http://purl.org/dc/terms/",
            "dcat": "http://www.w3.org/ns/dcat#",
            "xsd": "http://www.w3.org/2001/XMLSchema#",
            "foaf": "http://xmlns.com/foaf/0.1/",
            "clearbay": format!("{url}/open#"),
            "license": {"@type": "@id"},
            "conformsTo": {"@type": "@id"},
            "dataset": "dcat:dataset",
            "distribution": "dcat:distribution",
            "accessURL": {"@id": "dcat:accessURL", "@type": "@id"},
            "mediaType": "dcat:mediaType",
            "freshnessSeconds": "clearbay:freshnessSeconds",
            "fields": "clearbay:fields",
            "parameters": "clearbay:parameters",
            "parameterNotes": "clearbay:parameterNotes",
            "units": "clearbay:units",
            "example": "clearbay:example",
            "mqttTopic": "clearbay:mqttTopic",
        },
        "@type": "dcat:Catalog",
        "@id": format!("{url}/open"),
        "title": both(Words::new("Dữ liệu mở về đỗ xe", "Open data of parking")),
        "license": LICENCE.url,
        "publisher": {"@type": "foaf:Agent", "foaf:name": ask.app.city.name},
        "dataset": datasets.chain(topics).collect::<Vec<_>>(),
    });
    Answer::json(ask, &body)
}
