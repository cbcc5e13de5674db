//! The catalogue for machines: DCAT 3 (<https://www.w3.org/TR/vocab-dcat-3/>) as JSON-LD.

use serde_json::{Value, json};

use super::catalogue::{LICENCE, TOPICS, Words};
use super::{Answer, Ask, FEEDS};
use crate::ApiError;

fn both(words: Words) -> Value {
    json!([
        {"@language": "vi", "@value": words.vi},
        {"@language": "en", "@value": words.en},
    ])
}

/// `/open/catalogue.json`
pub(super) fn catalogue(ask: &Ask) -> Result<Answer, ApiError> {
    let url = &ask.app.public_url;
    let feeds = FEEDS.iter().map(|feed| {
        let mut known = json!({
            "@type": "dcat:Dataset",
            "@id": format!("{url}/open#{}", feed.anchor()),
            "title": both(feed.title),
            "description": both(feed.about),
            "license": LICENCE.url,
            // ISO 8601: how old an answer may be.
            "dcat:temporalResolution": {
                "@type": "xsd:duration",
                "@value": format!("PT{}S", feed.fresh.seconds()),
            },
            "freshnessSeconds": feed.fresh.seconds(),
            "fields": feed.fields,
            "parameters": feed.params.iter().map(|param| param.name).collect::<Vec<_>>(),
            "example": feed.example(url),
            "distribution": feed.media.iter().map(|media| json!({
                "@type": "dcat:Distribution",
                "accessURL": format!("{url}{}", feed.path),
                "mediaType": media,
                "license": LICENCE.url,
            })).collect::<Vec<_>>(),
        });
        if let Some(standard) = feed.standard {
            known["conformsTo"] = json!({"@id": standard.url, "title": standard.name});
        }
        known
    });
    let topics = TOPICS.iter().map(|topic| {
        json!({
            "@type": "dcat:Dataset",
            "title": topic.topic,
            "description": both(topic.about),
            "license": LICENCE.url,
            "fields": topic.fields,
            "distribution": [{
                "@type": "dcat:Distribution",
                "mqttTopic": topic.topic.replace("{id}", "+"),
                "mediaType": "application/json",
                "license": LICENCE.url,
            }],
        })
    });
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
            "example": "clearbay:example",
            "mqttTopic": "clearbay:mqttTopic",
        },
        "@type": "dcat:Catalog",
        "@id": format!("{url}/open"),
        "title": both(Words::new("Dữ liệu mở về đỗ xe", "Open data of parking")),
        "license": LICENCE.url,
        "publisher": {"@type": "foaf:Agent", "foaf:name": ask.app.city.name},
        "dataset": feeds.chain(topics).collect::<Vec<_>>(),
    });
    Answer::json(ask, &body)
}
