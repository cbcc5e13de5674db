//! Parameters that several feeds know.

use super::Param;

pub(super) const LIMIT: Param = Param::new("limit", "Nhiều nhất bao nhiêu mục", "How many at most");
pub(super) const OFFSET: Param = Param::new(
    "offset",
    "Bỏ qua bao nhiêu mục đầu",
    "How many to pass over",
);
pub(super) const MIN_LAT: Param = Param::new(
    "min_lat",
    "Cạnh nam của khung, độ vĩ (WGS 84); đủ bốn cạnh hoặc không cạnh nào",
    "A box's south, in degrees of latitude (WGS 84); all four sides or none",
);
pub(super) const MIN_LNG: Param = Param::new(
    "min_lng",
    "Cạnh tây của khung, độ kinh",
    "A box's west, in degrees of longitude",
);
pub(super) const MAX_LAT: Param = Param::new(
    "max_lat",
    "Cạnh bắc của khung, độ vĩ",
    "A box's north, in degrees of latitude",
);
pub(super) const MAX_LNG: Param = Param::new(
    "max_lng",
    "Cạnh đông của khung, độ kinh",
    "A box's east, in degrees of longitude",
);
pub(super) const LAT: Param = Param::new(
    "lat",
    "Vĩ độ của tâm vòng tròn, độ (WGS 84); đủ cả ba hoặc không tham số nào",
    "The latitude of a circle's middle, in degrees (WGS 84); all three or none",
);
pub(super) const LNG: Param = Param::new(
    "lng",
    "Kinh độ của tâm vòng tròn, độ",
    "The longitude of a circle's middle, in degrees",
);
pub(super) const RADIUS: Param = Param::new(
    "radius",
    "Bán kính vòng tròn, xentimét; gần nhất đứng trước",
    "A circle's radius in centimetres; the nearest come first",
);
pub(super) const TIME: Param = Param::new(
    "time",
    "Mili giây từ 1970-01-01T00:00:00Z: chỉ những gì có hiệu lực khi đó",
    "Milliseconds since 1970-01-01T00:00:00Z: only what was valid then",
);
pub(super) const LOT: Param = Param::new(
    "lot",
    "Chỉ bãi này, theo mã của nó",
    "Only this lot, by its code",
);
pub(super) const PLACE_TYPE: Param = Param::new(
    "curb_place_type",
    "zone hoặc area (của sessions cả space), cùng với curb_place_id",
    "zone or area (of sessions also space); with curb_place_id",
);
pub(super) const PLACE_ID: Param = Param::new(
    "curb_place_id",
    "id (UUID) của nơi đó, cùng với curb_place_type",
    "The id (a UUID) of that place; with curb_place_type",
);
pub(super) const START_TIME: Param = Param::new(
    "start_time",
    "Thời điểm đầu, mili giây từ 1970-01-01T00:00:00Z; một ngày trước end_time nếu bỏ trống",
    "The first instant, in milliseconds since 1970-01-01T00:00:00Z; a day before end_time where left out",
);
pub(super) const END_TIME: Param = Param::new(
    "end_time",
    "Thời điểm ngay sau cùng, mili giây từ 1970-01-01T00:00:00Z; bây giờ nếu bỏ trống",
    "The instant after the last, in milliseconds since 1970-01-01T00:00:00Z; now where left out",
);
pub(super) const FROM: Param = Param::new(
    "from",
    "Ngày đầu, như 2026-11-20, theo giờ thành phố; sáu ngày trước ngày cuối nếu bỏ trống",
    "The first day, such as 2026-11-20, in the city's time; six days before the last where left out",
);
pub(super) const TO: Param = Param::new(
    "to",
    "Ngày cuối, được tính cả; hôm nay nếu bỏ trống",
    "The last day, which is included; today where left out",
);
pub(super) const FORMAT: Param = Param::new(
    "format",
    "csv cho bảng tính; json nếu bỏ trống",
    "csv for a spreadsheet; json where left out",
);
