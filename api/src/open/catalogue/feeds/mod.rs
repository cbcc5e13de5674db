//! The feeds themselves, by the standards that they follow.

use super::standards::DCAT;
use super::{Feed, Source, Words};
use crate::open::Freshness;

mod apds;
mod cds;
mod ngsi;
mod plain;

/// All that there is; the catalogue itself comes last.
pub fn feeds() -> impl Iterator<Item = &'static Feed> {
    [
        plain::FEEDS,
        ngsi::FEEDS,
        cds::FEEDS,
        apds::FEEDS,
        CATALOGUE,
    ]
    .into_iter()
    .flatten()
}

const CATALOGUE: &[Feed] = &[Feed {
    source: Source::Catalogue,
    path: "/open/catalogue.json",
    title: Words::new("Danh mục này cho máy", "This catalogue for machines"),
    about: Words::new(
        "Danh mục dữ liệu mở theo DCAT, JSON-LD: mỗi nguồn với địa chỉ, loại, giấy phép và độ tươi.",
        "The catalogue as DCAT in JSON-LD: each feed with its address, type, licence and freshness.",
    ),
    standard: DCAT,
    media: &["application/ld+json", "application/json"],
    versions: &[],
    params: &[],
    example: "",
    fields: &[
        "@context",
        "@type",
        "title",
        "license",
        "publisher",
        "dataset",
    ],
    fresh: Freshness::Place,
}];
