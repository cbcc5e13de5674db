//! The city's wards, operators and lots. Names and places are real, to within a street corner;
//! lots, capacities and operators' accounts are invented.

use domain::place::{LotKind, Position};

/// What brings vehicles to a lot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// Full in working hours.
    Office,
    /// Full from morning to late evening.
    OldQuarter,
    /// Full in the evening and at the weekend.
    Shopping,
    /// Full at night.
    Residential,
}

/// A lot as the list below gives it.
pub(super) struct LotSpec {
    pub(super) code: &'static str,
    pub(super) name: &'static str,
    pub(super) kind: LotKind,
    pub(super) ward: &'static str,
    pub(super) zone: &'static str,
    /// Index into [`OPERATORS`].
    pub(super) operator: usize,
    pub(super) position: Position,
    /// Where a street runs to, clockwise from north.
    pub(super) bearing_deg: f32,
    /// Its share of the city's bays.
    pub(super) weight: u32,
    pub(super) motorbike_percent: u32,
    pub(super) demand: Demand,
}

/// Code and name.
pub(super) const WARDS: [(&str, &str); 12] = [
    ("HK", "Hoàn Kiếm"),
    ("CN", "Cửa Nam"),
    ("BD", "Ba Đình"),
    ("NH", "Ngọc Hà"),
    ("GV", "Giảng Võ"),
    ("DD", "Đống Đa"),
    ("OCD", "Ô Chợ Dừa"),
    ("VM", "Văn Miếu – Quốc Tử Giám"),
    ("HBT", "Hai Bà Trưng"),
    ("TH", "Tây Hồ"),
    ("CG", "Cầu Giấy"),
    ("TX", "Thanh Xuân"),
];

/// Code, name, NAPAS BIN of a bank, account. The accounts cannot exist, so that nobody who scans a
/// demo's code sends real money.
pub(super) const OPERATORS: [(&str, &str, &str, &str); 4] = [
    (
        "HKP",
        "Bến xe và bãi đỗ Hoàn Kiếm",
        "970415",
        "CLEARBAYDEMO01",
    ),
    (
        "HNP",
        "Khai thác điểm đỗ xe Hà Nội",
        "970436",
        "CLEARBAYDEMO02",
    ),
    ("THP", "Dịch vụ đô thị Tây Hồ", "970422", "CLEARBAYDEMO03"),
    (
        "CGP",
        "Bãi xe Cầu Giấy – Thanh Xuân",
        "970407",
        "CLEARBAYDEMO04",
    ),
];

#[rustfmt::skip]
pub(super) const LOTS: [LotSpec; 40] = [
    spec(("HK-01", "Phố Đinh Tiên Hoàng"), LotKind::Street, ("HK", "A", 0), [105.8533, 21.0295], 5.0, (6, 30), Demand::OldQuarter),
    spec(("HK-02", "Phố Hàng Bài"), LotKind::Street, ("HK", "A", 0), [105.8527, 21.0226], 350.0, (6, 35), Demand::OldQuarter),
    spec(("HK-03", "Phố Tràng Tiền"), LotKind::Street, ("HK", "A", 0), [105.8551, 21.0249], 80.0, (6, 30), Demand::Shopping),
    spec(("HK-04", "Phố Lý Thái Tổ"), LotKind::Street, ("HK", "A", 0), [105.8566, 21.0286], 10.0, (6, 30), Demand::Office),
    spec(("HK-05", "Phố Hàng Đường"), LotKind::Street, ("HK", "A", 0), [105.8489, 21.0367], 340.0, (4, 60), Demand::OldQuarter),
    spec(("HK-06", "Phố Hàng Đào"), LotKind::Street, ("HK", "A", 0), [105.8508, 21.0335], 350.0, (4, 60), Demand::OldQuarter),
    spec(("HK-07", "Phố Trần Nhật Duật"), LotKind::Street, ("HK", "A", 0), [105.8533, 21.0372], 330.0, (6, 40), Demand::OldQuarter),
    spec(("HK-08", "Phố Nguyễn Xí"), LotKind::Street, ("HK", "A", 0), [105.8541, 21.0238], 5.0, (3, 50), Demand::Shopping),
    spec(("HK-09", "Bãi xe Hồ Gươm"), LotKind::OffStreet, ("HK", "A", 0), [105.8558, 21.0307], 0.0, (10, 45), Demand::OldQuarter),
    spec(("HK-10", "Bãi xe chợ Đồng Xuân"), LotKind::OffStreet, ("HK", "A", 0), [105.8497, 21.0383], 0.0, (9, 60), Demand::OldQuarter),
    spec(("CN-01", "Phố Trần Hưng Đạo"), LotKind::Street, ("CN", "B", 1), [105.8472, 21.0226], 100.0, (7, 25), Demand::Office),
    spec(("CN-02", "Phố Lý Thường Kiệt"), LotKind::Street, ("CN", "B", 1), [105.8478, 21.024], 100.0, (7, 25), Demand::Office),
    spec(("CN-03", "Phố Phan Bội Châu"), LotKind::Street, ("CN", "B", 1), [105.8437, 21.0252], 10.0, (4, 35), Demand::Office),
    spec(("CN-04", "Bãi xe Ga Hà Nội"), LotKind::OffStreet, ("CN", "B", 1), [105.8416, 21.0248], 0.0, (12, 50), Demand::Office),
    spec(("BD-01", "Phố Phan Đình Phùng"), LotKind::Street, ("BD", "B", 1), [105.8423, 21.0402], 85.0, (6, 20), Demand::Office),
    spec(("BD-02", "Phố Quán Thánh"), LotKind::Street, ("BD", "B", 1), [105.8408, 21.0421], 85.0, (5, 35), Demand::Residential),
    spec(("BD-03", "Bãi xe Hoàng Thành"), LotKind::OffStreet, ("BD", "B", 1), [105.8389, 21.0354], 0.0, (9, 35), Demand::Office),
    spec(("NH-01", "Phố Đội Cấn"), LotKind::Street, ("NH", "B", 1), [105.8232, 21.0357], 95.0, (5, 45), Demand::Residential),
    spec(("NH-02", "Bãi xe Bách Thảo"), LotKind::OffStreet, ("NH", "B", 1), [105.8292, 21.0398], 0.0, (7, 35), Demand::Shopping),
    spec(("GV-01", "Phố Giảng Võ"), LotKind::Street, ("GV", "B", 1), [105.8246, 21.0282], 20.0, (6, 30), Demand::Office),
    spec(("GV-02", "Phố Kim Mã"), LotKind::Street, ("GV", "B", 1), [105.8198, 21.0313], 90.0, (6, 30), Demand::Office),
    spec(("GV-03", "Bãi xe Triển lãm Giảng Võ"), LotKind::OffStreet, ("GV", "B", 1), [105.8236, 21.0271], 0.0, (10, 35), Demand::Shopping),
    spec(("DD-01", "Phố Chùa Bộc"), LotKind::Street, ("DD", "B", 1), [105.8275, 21.007], 70.0, (5, 50), Demand::Shopping),
    spec(("DD-02", "Phố Thái Hà"), LotKind::Street, ("DD", "B", 1), [105.8213, 21.0121], 40.0, (5, 45), Demand::Shopping),
    spec(("DD-03", "Bãi xe hồ Đống Đa"), LotKind::OffStreet, ("DD", "B", 1), [105.8227, 21.0148], 0.0, (8, 45), Demand::Residential),
    spec(("OCD-01", "Phố Hào Nam"), LotKind::Street, ("OCD", "B", 1), [105.827, 21.0228], 20.0, (4, 45), Demand::Residential),
    spec(("OCD-02", "Bãi xe Xã Đàn"), LotKind::OffStreet, ("OCD", "B", 1), [105.8329, 21.0145], 0.0, (7, 45), Demand::Office),
    spec(("VM-01", "Phố Văn Miếu"), LotKind::Street, ("VM", "B", 1), [105.8363, 21.0283], 10.0, (4, 40), Demand::Shopping),
    spec(("VM-02", "Phố Tôn Đức Thắng"), LotKind::Street, ("VM", "B", 1), [105.8336, 21.0259], 20.0, (5, 40), Demand::Office),
    spec(("HBT-01", "Phố Bà Triệu"), LotKind::Street, ("HBT", "B", 1), [105.8497, 21.0138], 0.0, (6, 30), Demand::Office),
    spec(("HBT-02", "Phố Huế"), LotKind::Street, ("HBT", "B", 1), [105.8516, 21.014], 0.0, (5, 45), Demand::Shopping),
    spec(("HBT-03", "Bãi xe Vincom Bà Triệu"), LotKind::OffStreet, ("HBT", "B", 1), [105.8494, 21.0113], 0.0, (12, 40), Demand::Shopping),
    spec(("HBT-04", "Bãi xe công viên Thống Nhất"), LotKind::OffStreet, ("HBT", "B", 1), [105.8441, 21.0163], 0.0, (10, 45), Demand::Residential),
    spec(("TH-01", "Đường Thanh Niên"), LotKind::Street, ("TH", "C", 2), [105.8371, 21.0466], 330.0, (5, 40), Demand::Shopping),
    spec(("TH-02", "Phố Xuân Diệu"), LotKind::Street, ("TH", "C", 2), [105.827, 21.063], 20.0, (6, 30), Demand::Residential),
    spec(("TH-03", "Bãi xe Phủ Tây Hồ"), LotKind::OffStreet, ("TH", "C", 2), [105.8193, 21.0565], 0.0, (9, 45), Demand::Shopping),
    spec(("CG-01", "Bãi xe Trần Thái Tông"), LotKind::OffStreet, ("CG", "C", 3), [105.7884, 21.0353], 0.0, (12, 35), Demand::Office),
    spec(("CG-02", "Bãi xe Indochina Cầu Giấy"), LotKind::OffStreet, ("CG", "C", 3), [105.7823, 21.0361], 0.0, (11, 40), Demand::Shopping),
    spec(("TX-01", "Phố Nguyễn Tuân"), LotKind::Street, ("TX", "C", 3), [105.8036, 20.9985], 30.0, (5, 45), Demand::Residential),
    spec(("TX-02", "Bãi xe Royal City"), LotKind::OffStreet, ("TX", "C", 3), [105.8159, 21.0031], 0.0, (14, 45), Demand::Shopping),
];

/// One line of the list: where it belongs is (ward, zone, operator), its size (weight, per cent of
/// motorbikes).
const fn spec(
    (code, name): (&'static str, &'static str),
    kind: LotKind,
    (ward, zone, operator): (&'static str, &'static str, usize),
    position: Position,
    bearing_deg: f32,
    (weight, motorbike_percent): (u32, u32),
    demand: Demand,
) -> LotSpec {
    LotSpec {
        code,
        name,
        kind,
        ward,
        zone,
        operator,
        position,
        bearing_deg,
        weight,
        motorbike_percent,
        demand,
    }
}
