//! Feeds for context brokers: NGSI-LD.

use super::super::params::OFFSET;
use super::super::standards::{LD, NGSI};
use super::super::{Feed, Param, Source, Words};
use crate::open::Freshness;

pub(super) const FEEDS: &[Feed] = &[
    Feed {
        source: Source::NgsiEntities,
        path: "/open/ngsi-ld/v1/entities",
        title: Words::new("NGSI-LD: thực thể", "NGSI-LD: entities"),
        about: Words::new(
            "ParkingSpot, OnStreetParking, OffStreetParking cho nền tảng FIWARE. Chỗ chưa rõ có status unknown; availableSpotNumber chỉ đếm chỗ chắc chắn trống.",
            "ParkingSpot, OnStreetParking, OffStreetParking for FIWARE platforms. An unknown bay has status unknown; availableSpotNumber counts only bays known to be free.",
        ),
        standard: NGSI,
        media: LD,
        versions: &[],
        params: &[
            Param::new(
                "type",
                "ParkingSpot, OnStreetParking, OffStreetParking; nhiều loại cách nhau bằng dấu phẩy; cần một trong type, id, attrs",
                "ParkingSpot, OnStreetParking, OffStreetParking; several with commas; one of type, id and attrs is needed",
            ),
            Param::new(
                "id",
                "Chỉ những thực thể này, theo URN, cách nhau bằng dấu phẩy",
                "Only these, by their URNs, with commas",
            ),
            Param::new(
                "attrs",
                "Chỉ thực thể và thuộc tính có những tên này, cách nhau bằng dấu phẩy",
                "Only entities and attributes of these names, with commas",
            ),
            Param::new(
                "options",
                "keyValues hoặc simplified: chỉ giá trị",
                "keyValues or simplified: bare values",
            ),
            Param::new(
                "format",
                "simplified: chỉ giá trị",
                "simplified: bare values",
            ),
            Param::new(
                "limit",
                "Nhiều nhất bao nhiêu thực thể, 20 nếu bỏ trống; 0 chỉ cùng với count",
                "How many at most, 20 where left out; 0 only with count",
            ),
            OFFSET,
            Param::new(
                "count",
                "true: NGSILD-Results-Count cho biết có bao nhiêu",
                "true: NGSILD-Results-Count says how many there are",
            ),
            Param::new(
                "local",
                "Không có tác dụng: chỉ có một nguồn",
                "Has no effect: there is one source",
            ),
        ],
        example: "type=ParkingSpot&limit=10&options=keyValues",
        fields: &[
            "id",
            "type",
            "category",
            "location",
            "name",
            "status",
            "refParkingSite",
            "totalSpotNumber",
            "availableSpotNumber",
            "occupiedSpotNumber",
            "allowedVehicleType",
            "occupancyDetectionType",
            "areaServed",
            "dataProvider",
            "observationDateTime",
            "width",
            "length",
        ],
        fresh: Freshness::Live,
    },
    Feed {
        source: Source::NgsiEntity,
        path: "/open/ngsi-ld/v1/entities/{id}",
        title: Words::new("NGSI-LD: một thực thể", "NGSI-LD: one entity"),
        about: Words::new(
            "Một thực thể theo URN của nó, ví dụ urn:ngsi-ld:ParkingSpot:clearbay:HK-01-001.",
            "One entity by its URN, such as urn:ngsi-ld:ParkingSpot:clearbay:HK-01-001.",
        ),
        standard: NGSI,
        media: LD,
        versions: &[],
        params: &[
            Param::new(
                "attrs",
                "Chỉ thuộc tính có những tên này, cách nhau bằng dấu phẩy",
                "Only attributes of these names, with commas",
            ),
            Param::new(
                "options",
                "keyValues hoặc simplified: chỉ giá trị",
                "keyValues or simplified: bare values",
            ),
            Param::new(
                "format",
                "simplified: chỉ giá trị",
                "simplified: bare values",
            ),
        ],
        example: "options=keyValues",
        fields: &[
            "id",
            "type",
            "category",
            "location",
            "name",
            "status",
            "refParkingSite",
        ],
        fresh: Freshness::Live,
    },
    Feed {
        source: Source::NgsiContext,
        path: "/open/ngsi-ld/context.jsonld",
        title: Words::new("NGSI-LD: @context", "NGSI-LD: the @context"),
        about: Words::new(
            "Ngữ cảnh JSON-LD mà các thực thể dùng.",
            "The JSON-LD context by which the entities are read.",
        ),
        standard: NGSI,
        media: &["application/ld+json", "application/json"],
        versions: &[],
        params: &[],
        example: "",
        fields: &["@context"],
        fresh: Freshness::Place,
    },
];
