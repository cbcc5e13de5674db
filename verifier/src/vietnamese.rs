//! What does not hold, in Vietnamese. In English it is what [`Display`](std::fmt::Display) writes.

use domain::log::{InclusionError, NoteError, ReportError};
use domain::money::Vnd;

use crate::{Finding, HeldError, ReceiptError};

fn note(why: &NoteError) -> String {
    match why {
        NoteError::Malformed => "không phải bản ký đúng dạng".to_owned(),
        NoteError::Forged => "chữ ký không phải của khóa mà nó nêu".to_owned(),
        NoteError::Stranger => {
            "không khóa nào bạn tin đã ký: đây là sổ khác, hoặc khóa đã bị tráo".to_owned()
        }
        NoteError::Origin(origin) => format!("đây là sổ của {origin}"),
    }
}

fn report(why: &ReportError) -> String {
    match why {
        ReportError::Note(why) => note(why),
        ReportError::Line(line) => format!("không đọc được dòng {line} của báo cáo"),
        ReportError::Total => "tổng không bằng tổng các bãi của nó".to_owned(),
    }
}

/// Why a text is no receipt that can be checked.
pub fn held(why: &HeldError) -> &'static str {
    match why {
        HeldError::Waiting => "biên lai chưa có chỗ trong sổ, việc này mất hai giây: hãy tải lại",
        HeldError::Code(_) | HeldError::Shape(_) => "đây không phải một biên lai",
    }
}

/// Why a receipt does not hold.
pub fn receipt(why: &ReceiptError) -> String {
    match why {
        ReceiptError::Inclusion(why) => inclusion(why),
        ReceiptError::Shown { shown, logged } => {
            format!("biên lai ghi {shown}, trong sổ là {logged}")
        }
        ReceiptError::NotWitnessed { needed, found } => {
            format!("{found} nhân chứng mà bạn tin đã thấy cây chứa nó, cần {needed}")
        }
    }
}

fn inclusion(why: &InclusionError) -> String {
    match why {
        InclusionError::Checkpoint(why) => format!("đầu sổ đã ký: {}", note(why)),
        InclusionError::Entry(why) => format!("mục sổ không đọc được: {why}"),
        InclusionError::Document(why) => format!("nội dung biên lai không đọc được: {why}"),
        InclusionError::Commitment => {
            "nội dung biên lai không phải là nội dung mà mục sổ đã cam kết: nó đã bị sửa".to_owned()
        }
        InclusionError::Differs { entry, receipt } => {
            format!("sổ ghi {entry}, biên lai ghi {receipt}")
        }
        InclusionError::Hash => "bằng chứng chứa thứ không phải mã băm".to_owned(),
        InclusionError::NotIncluded(index) => {
            format!("bằng chứng không dẫn từ mục {index} tới đầu sổ đã ký: nó không có trong sổ")
        }
    }
}

/// A finding.
pub fn finding(finding: &Finding) -> String {
    let vnd = |amount: i64| Vnd::new(amount).to_string();
    match finding {
        Finding::NotServed(path) => format!("không tải được {path}"),
        Finding::Unreadable { what, why } => format!("không đọc được {what}: {why}"),
        Finding::Checkpoint(why) => format!("không thể tin đầu sổ đã ký: {}", note(why)),
        Finding::Shrunk { known, now } => format!(
            "sổ đã ngắn đi: lần trước {} mục, nay {}; có mục bị lấy đi, hoặc bạn đang được cho xem sổ khác",
            known.size, now.size
        ),
        Finding::Fork { known, now } => format!(
            "sổ rẽ nhánh: hai sổ cùng {} mục đều được ký, lần trước gốc {}, nay gốc {}; mỗi người được cho xem một sổ khác nhau",
            now.size, known.root, now.root
        ),
        Finding::Rewritten { known, entries } => {
            let place = entries.map_or_else(String::new, |(from, to)| {
                format!("; chỗ khác đầu tiên nằm trong các mục {from} đến {to}")
            });
            format!(
                "quá khứ đã bị sửa: sổ không bắt đầu bằng {} mục của lần trước{place}",
                known.size
            )
        }
        Finding::NotWitnessed { needed, found } => format!(
            "{found} nhân chứng mà bạn tin đã thấy sổ này, cần {needed}: có thể bạn đang được cho xem sổ khác với họ"
        ),
        Finding::WitnessedTree { head, now } => format!(
            "sổ rẽ nhánh: các nhân chứng đã thấy sổ {} mục với gốc {}, còn {} mục được cho xem không bắt đầu như thế",
            head.size, head.root, now.size
        ),
        Finding::Entry { index, why } => format!("mục {index}: {why}"),
        Finding::NotInTree { index } => {
            format!("mục {index} không phải mục đã dựng nên cây: nó bị sửa, bị tráo hoặc chèn vào")
        }
        Finding::Tile(path) => format!("{path} không khớp với các mục và ô bên dưới nó"),
        Finding::Root { signed, made } => format!(
            "{} mục được cho xem dựng nên gốc {}, còn gốc đã ký là {} của {} mục",
            made.size, made.root, signed.root, signed.size
        ),
        Finding::Backdated { index, day, after } => format!(
            "mục {index} được tính cho ngày {day}, dù trước nó đã có mục của ngày {after}: bị ghi lùi ngày"
        ),
        Finding::Report { path, why } => format!("không thể tin {path}: {}", report(why)),
        Finding::ReportElsewhere { path, day } => format!("{path} là báo cáo của ngày {day}"),
        Finding::ReportTree {
            day,
            revision,
            head,
        } => format!(
            "báo cáo ngày {day} (bản {revision}) dựa trên cây {} mục không phải phần đầu của sổ này",
            head.size
        ),
        Finding::ReportSums {
            day,
            revision,
            place,
            reported,
            logged,
        } => format!(
            "báo cáo ngày {day} (bản {revision}) ghi {} từ {} biên lai và {} lần hoàn tiền cho bãi {} (phường {}, đơn vị {}); trong sổ là {} từ {} biên lai và {} lần hoàn tiền",
            vnd(reported.revenue_vnd()),
            reported.receipts,
            reported.refunds,
            place.lot,
            place.ward,
            place.operator,
            vnd(logged.revenue_vnd()),
            logged.receipts,
            logged.refunds
        ),
        Finding::Unreported { day, entries } => {
            format!("{entries} mục của ngày {day} không có trong báo cáo nào đã ký")
        }
        Finding::Revised { day, added_vnd } => format!(
            "báo cáo ngày {day} đã có bản sửa: {} đến sau lần ký đầu",
            vnd(*added_vnd)
        ),
        Finding::Published {
            what,
            published,
            logged,
        } => format!(
            "công bố cho {what}: {}; trong sổ là {}",
            vnd(*published),
            vnd(*logged)
        ),
    }
}
