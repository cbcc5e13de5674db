//! The standards that feeds follow, with their units, and the media types by which they are asked for.

use super::{Standard, Words};

const CDS_UNITS: Words = Words::new(
    "Thời điểm là mili giây từ 1970-01-01T00:00:00Z (UTC), kích thước chỗ đỗ là xentimét, thời gian đỗ trung bình là phút, date và hour theo giờ thành phố, giá là đồng.",
    "Times are milliseconds since 1970-01-01T00:00:00Z (UTC), a space's length and width centimetres, average dwell time minutes, date and hour the city's local ones, prices đồng.",
);
pub(super) const CDS_CURBS: Option<Standard> = Some(Standard {
    name: "Curb Data Specification 1.1, Curbs",
    url: "https://github.com/openmobilityfoundation/curb-data-specification/tree/main/curbs",
    units: CDS_UNITS,
});
pub(super) const CDS_EVENTS: Option<Standard> = Some(Standard {
    name: "Curb Data Specification 1.1, Events",
    url: "https://github.com/openmobilityfoundation/curb-data-specification/tree/main/events",
    units: CDS_UNITS,
});
pub(super) const CDS_METRICS: Option<Standard> = Some(Standard {
    name: "Curb Data Specification 1.1, Metrics",
    url: "https://github.com/openmobilityfoundation/curb-data-specification/tree/main/metrics",
    units: CDS_UNITS,
});
pub(super) const APDS: Option<Standard> = Some(Standard {
    name: "APDS 4.0 (ISO/TS 5206-1)",
    url: "https://github.com/parkingdata/spec",
    units: Words::new(
        "Thời điểm theo RFC 3339 (UTC), riêng meta.referenceInstant và các tham số thời gian là giây từ 1970-01-01T00:00:00Z; khoảng thời gian theo ISO 8601 (PT60M) hoặc giờ:phút; giá là đồng, taxRate và percentage là phần trăm.",
        "Times are RFC 3339 (UTC), but meta.referenceInstant and the parameters of time, which are seconds since 1970-01-01T00:00:00Z; lengths of time are ISO 8601 (PT60M) or hours:minutes; prices are đồng, taxRate and percentage per cent.",
    ),
});
pub(super) const NGSI: Option<Standard> = Some(Standard {
    name: "NGSI-LD (ETSI GS CIM 009), Smart Data Models Parking",
    url: "https://github.com/smart-data-models/dataModel.Parking",
    units: Words::new(
        "Thời điểm theo RFC 3339 (UTC), length và width là mét, vị trí là kinh độ rồi vĩ độ (WGS 84).",
        "Times are RFC 3339 (UTC), length and width metres, positions longitude and then latitude (WGS 84).",
    ),
});
pub(super) const PARK_API: Option<Standard> = Some(Standard {
    name: "ParkAPI 1.0",
    url: "https://github.com/offenesdresden/ParkAPI",
    units: Words::new(
        "Thời điểm theo ISO 8601 không ghi múi giờ, là giờ UTC; lng và lat là độ (WGS 84).",
        "Times are ISO 8601 without an offset, in UTC; lng and lat are degrees (WGS 84).",
    ),
});
pub(super) const GEOJSON: Option<Standard> = Some(Standard {
    name: "GeoJSON (RFC 7946)",
    url: "https://www.rfc-editor.org/rfc/rfc7946",
    units: Words::new(
        "Thời điểm theo RFC 3339 (UTC); vị trí là kinh độ rồi vĩ độ, độ (WGS 84).",
        "Times are RFC 3339 (UTC); positions are longitude and then latitude in degrees (WGS 84).",
    ),
});
pub(super) const CSV: Option<Standard> = Some(Standard {
    name: "CSV (RFC 4180)",
    url: "https://www.rfc-editor.org/rfc/rfc4180",
    units: Words::new(
        "Thời điểm theo RFC 3339 (UTC); kinh độ và vĩ độ là độ (WGS 84); còn lại là số chỗ.",
        "Times are RFC 3339 (UTC); longitude and latitude are degrees (WGS 84); the other numbers are bays.",
    ),
});
pub(super) const DCAT: Option<Standard> = Some(Standard {
    name: "DCAT 3",
    url: "https://www.w3.org/TR/vocab-dcat-3/",
    units: Words::new(
        "freshnessSeconds là giây; khoảng thời gian theo ISO 8601.",
        "freshnessSeconds are seconds; lengths of time are ISO 8601.",
    ),
});

/// Revenue that is published by day: no standard names its fields.
const MONEY: Words = Words::new(
    "Số tiền là đồng, đã gồm thuế; ngày theo giờ thành phố.",
    "Amounts are đồng, tax included; days are the city's local ones.",
);
pub(super) const TILES: Option<Standard> = Some(Standard {
    name: "C2SP tlog-tiles",
    url: "https://c2sp.org/tlog-tiles",
    units: MONEY,
});
pub(super) const CHECKPOINT: Option<Standard> = Some(Standard {
    name: "C2SP tlog-checkpoint",
    url: "https://c2sp.org/tlog-checkpoint",
    units: Words::new(
        "Kích thước là số mục; gốc cây là SHA-256 viết bằng base64.",
        "The size is a number of entries; the root is a SHA-256 in base64.",
    ),
});
pub(super) const SIGNED_NOTE: Option<Standard> = Some(Standard {
    name: "C2SP signed-note",
    url: "https://c2sp.org/signed-note",
    units: MONEY,
});

pub(super) const CDS_JSON: &[&str] = &["application/vnd.cds+json;version=1.1", "application/json"];
pub(super) const CDS_CSV: &[&str] = &["application/vnd.cds+csv;version=1.1", "text/csv"];
/// 1.0 as well: what is told has the same fields there.
pub(super) const CDS_VERSIONS: &[&str] = &["1.1", "1.1.0", "1.0", "1.0.0"];
pub(super) const JSON: &[&str] = &["application/json"];
pub(super) const GEO: &[&str] = &["application/geo+json", "application/json"];
pub(super) const TABLE: &[&str] = &["text/csv; charset=utf-8"];
pub(super) const LD: &[&str] = &[
    "application/json",
    "application/ld+json",
    "application/geo+json",
];
pub(super) const NOTE: &[&str] = &["text/plain; charset=utf-8"];
pub(super) const BYTES: &[&str] = &["application/octet-stream"];
