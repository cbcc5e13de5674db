//! What is published beside the feeds, at addresses of its own: money, and the log by which anybody checks it.

use super::params::{FORMAT, FROM, LOT, TO};
use super::standards::{BYTES, CHECKPOINT, JSON, NOTE, SIGNED_NOTE, TILES};
use super::{Entry, Param, Words};
use crate::routes::COLLECTION_FIELDS;

const JSON_OR_TABLE: &[&str] = &["application/json", "text/csv; charset=utf-8"];

/// Money, and its log. A city without a key for the log has no log.
pub const BESIDE: &[Entry] = &[
    Entry {
        path: "/api/v1/reports/revenue",
        title: Words::new("Doanh thu", "Revenue"),
        about: Words::new(
            "Số tiền đã thu theo ngày, phường, khu giá, bãi, đơn vị vận hành, loại xe hoặc cách trả, tối đa 366 ngày một lần hỏi. amount_vnd là số còn lại sau khi trừ tiền hoàn, refunded_vnd là tiền đã hoàn trong những ngày đó; bằng đồng, đã gồm thuế. key là mã (hoặc ngày), name là tên.",
            "What was collected by day, ward, price zone, lot, operator, class or method, 366 days at most at once. amount_vnd is what remains after refunds, refunded_vnd what went back on those days; in đồng, tax included. key is the code (or the day), name the name.",
        ),
        standard: None,
        media: JSON_OR_TABLE,
        params: &[
            FROM,
            TO,
            Param::new(
                "by",
                "day (nếu bỏ trống), ward, zone, lot, operator, class hoặc method",
                "day (where left out), ward, zone, lot, operator, class or method",
            ),
            FORMAT,
        ],
        example: "by=lot",
        fields: &["key", "name", "receipts", "amount_vnd", "refunded_vnd"],
        // From a replica, a minute behind at most; complete_until says it.
        fresh_s: 60,
    },
    Entry {
        path: "/api/v1/reports/collection",
        title: Words::new("Đã thu so với cảm biến", "Collected against sensed"),
        about: Words::new(
            "Các lượt đỗ mà cảm biến thấy đáng lẽ phải thu bao nhiêu, đã thu bao nhiêu, và từng lý do chênh lệch, tối đa 31 ngày một lần hỏi. Số tiền là đồng, thời gian (_ms) là mili giây. owed_low_vnd và owed_high_vnd là khoảng mà phần không ai trả có thể nằm trong đó; too_little_known là true khi chưa đến nửa thời gian được biết.",
            "What the stays that sensors saw should have brought, what came, and each reason why the two differ, 31 days at most at once. Amounts are đồng, times (_ms) milliseconds. Between owed_low_vnd and owed_high_vnd lies what nobody paid; too_little_known is true where less than half of the time was known.",
        ),
        standard: None,
        media: JSON_OR_TABLE,
        params: &[
            FROM,
            TO,
            Param::new(
                "by",
                "day (nếu bỏ trống), lot, lot_day, ward hoặc operator",
                "day (where left out), lot, lot_day, ward or operator",
            ),
            LOT,
            FORMAT,
        ],
        example: "by=lot",
        fields: COLLECTION_FIELDS,
        // Remembered for half a minute, from a replica a minute behind at most.
        fresh_s: 90,
    },
    Entry {
        path: "/log/checkpoint",
        title: Words::new(
            "Nhật ký công khai: gốc cây đã ký",
            "Public log: the signed tree head",
        ),
        about: Words::new(
            "Mỗi biên lai và mỗi khoản hoàn tiền là một mục của một nhật ký chỉ được thêm vào. Ba dòng: tên nhật ký, số mục, gốc cây; sau dòng trống là các chữ ký. Kiểm tra tại trang /verify hoặc bằng lệnh clearbay verify; định dạng: docs/public-log.md trong mã nguồn.",
            "Each receipt and each refund is an entry of a log that is only ever added to. Three lines: the log's name, the number of entries, the root; after an empty line the signatures. Check it at /verify or by clearbay verify; the format is docs/public-log.md of the source.",
        ),
        standard: CHECKPOINT,
        media: NOTE,
        params: &[],
        example: "",
        fields: &["origin", "size", "root"],
        fresh_s: 2,
    },
    Entry {
        path: "/log/tile/entries/{N}",
        title: Words::new("Nhật ký công khai: các mục", "Public log: its entries"),
        about: Words::new(
            "256 mục một gói; trước mỗi mục là hai byte độ dài. ward, lot và operator là mã; tên ở /open/csv/lots.csv. Không có biển số, chỗ đỗ hay thời gian đỗ: commitment chỉ mở được bằng biên lai.",
            "256 entries to a bundle, two bytes of length before each. ward, lot and operator are codes; their names stand in /open/csv/lots.csv. No plate, bay or time of parking: only the receipt opens the commitment.",
        ),
        standard: TILES,
        media: BYTES,
        params: &[],
        example: "",
        fields: &[
            "v",
            "kind",
            "day",
            "ward",
            "lot",
            "operator",
            "amount_vnd",
            "commitment",
        ],
        fresh_s: 2,
    },
    Entry {
        path: "/log/tile/{level}/{N}",
        title: Words::new(
            "Nhật ký công khai: các băm của cây",
            "Public log: the tree's hashes",
        ),
        about: Words::new(
            "256 băm SHA-256 (32 byte) một ô; tầng 0 là các lá.",
            "256 hashes (SHA-256, 32 bytes) to a tile; level 0 are the leaves.",
        ),
        standard: TILES,
        media: BYTES,
        params: &[],
        example: "",
        fields: &["hash"],
        fresh_s: 2,
    },
    Entry {
        path: "/log/reports",
        title: Words::new(
            "Nhật ký công khai: những ngày đã có báo cáo",
            "Public log: which days have a report",
        ),
        about: Words::new(
            "Báo cáo của một ngày được ký hai giờ sau khi ngày đó kết thúc; tiền mà ngân hàng báo muộn tạo thành bản sửa đổi (revision) tiếp theo.",
            "A day's report is signed two hours after the day has ended; what a bank tells late makes the next revision.",
        ),
        standard: None,
        media: JSON,
        params: &[],
        example: "",
        fields: &["day", "revision", "signed_at"],
        fresh_s: 60,
    },
    Entry {
        path: "/log/report/{day}",
        title: Words::new(
            "Nhật ký công khai: báo cáo đã ký của một ngày",
            "Public log: a day's signed report",
        ),
        about: Words::new(
            "Doanh thu của ngày theo bãi, và cây mà nó dựa vào; bản sửa đổi mới nhất. Một bản nhất định ở /log/report/{day}/{revision}. receipts_vnd là số thu, refunds_vnd là số đã hoàn.",
            "A day's revenue lot by lot, and the tree on which it stands; the newest revision. One revision is at /log/report/{day}/{revision}. receipts_vnd is what came in, refunds_vnd what went back.",
        ),
        standard: SIGNED_NOTE,
        media: NOTE,
        params: &[],
        example: "",
        fields: &[
            "ward",
            "lot",
            "operator",
            "receipts",
            "receipts_vnd",
            "refunds",
            "refunds_vnd",
        ],
        fresh_s: 60,
    },
    Entry {
        path: "/log/keys",
        title: Words::new("Nhật ký công khai: các khóa", "Public log: its keys"),
        about: Words::new(
            "Các khóa đang ký và các khóa cũ, do khóa đang ký ký tên. Hãy ghim khóa mà thành phố công bố bằng cách khác: máy chủ nói dối có thể đưa ra bất kỳ khóa nào.",
            "The keys that sign now and earlier ones, signed by those that sign now. Pin the key that the city has told you by another way: a server that lies can tell you any.",
        ),
        standard: SIGNED_NOTE,
        media: NOTE,
        params: &[],
        example: "",
        fields: &["key"],
        fresh_s: 60,
    },
];
