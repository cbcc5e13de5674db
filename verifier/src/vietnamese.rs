//! What does not hold, in Vietnamese. In English it is what [`Display`](std::fmt::Display) writes.

use chrono::NaiveDate;
use domain::log::{BundleError, InclusionError, LATE_DAYS, NoteError, ReportError};
use domain::money::Vnd;

use crate::{By, Finding, Flaw, HeldError, NoLog, OtherKey, PinError, ReceiptError};

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

/// Why what somebody gives is no key.
pub fn pin(why: &PinError) -> String {
    let form =
        "khóa là một dòng dạng tên+số+khóa, chép nguyên vẹn, như hanoi.example/log+1a2b3c4d+AQ...";
    match why {
        PinError::None => format!("chưa có khóa nào; {form}"),
        PinError::Form(line) => format!("dòng {line} không phải là khóa; {form}"),
        PinError::Mistyped(line) => format!(
            "dòng {line} không phải là khóa: đúng dạng nhưng thiếu hoặc sai một chữ; hãy chép lại nguyên vẹn"
        ),
        PinError::SeveralLogs => {
            "các khóa thuộc nhiều sổ khác nhau: mỗi sổ có một tên, đứng trước dấu + đầu tiên"
                .to_owned()
        }
    }
}

/// That the log is another's, or its key was exchanged.
pub fn other_key(other: &OtherKey) -> String {
    let OtherKey { signed_by, trusted } = other;
    let (signed_by, trusted) = (signed_by.join(", "), trusted.join(", "));
    format!("được ký bằng khóa {signed_by}, không phải khóa của bạn, {trusted}")
}

/// Why nothing can be told.
pub const fn no_log(why: NoLog) -> &'static str {
    match why {
        NoLog::NotServed => "ở đây không có sổ công khai: không có /log/checkpoint",
        NoLog::NoCheckpoint => {
            "ở đây không có sổ công khai: /log/checkpoint không phải là đầu của một cuốn sổ"
        }
    }
}

fn flaw(why: &Flaw) -> String {
    match why {
        Flaw::Json { line, column } => {
            format!("không phải JSON đúng dạng (dòng {line}, cột {column})")
        }
        Flaw::Version(version) => {
            format!("mục có dạng {version}, công cụ kiểm này chỉ biết dạng 1")
        }
        Flaw::NotCanonical => "mục không được viết theo dạng duy nhất của nó".to_owned(),
        Flaw::Amount => "mục có số tiền không lớn hơn 0".to_owned(),
        Flaw::Bundle(BundleError::CutOff) => "gói mục bị cắt giữa một mục".to_owned(),
        Flaw::Bundle(BundleError::TooMany) => "gói mục có hơn 256 mục".to_owned(),
        Flaw::Entries(count) => format!("gói có {count} mục, không đúng với chỗ của nó"),
    }
}

/// Of what a published total is.
fn published_for(by: By, key: Option<&str>, (from, to): (NaiveDate, NaiveDate)) -> String {
    let by = match by {
        By::Day => "ngày",
        By::Ward => "phường",
        By::Lot => "bãi",
        By::Operator => "đơn vị",
    };
    match key {
        None => format!("tổng theo {by} từ {from} đến {to}"),
        Some(key) => format!("{by} {key}, từ {from} đến {to}"),
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
        ReceiptError::OtherKey(other) => other_key(other),
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
        InclusionError::Entry(why) => format!("mục sổ không đọc được: {}", flaw(&Flaw::entry(why))),
        InclusionError::Document(why) => {
            format!(
                "nội dung biên lai không đọc được: {}",
                flaw(&Flaw::json(why))
            )
        }
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
        Finding::Unreadable { path, why } => format!("không đọc được {path}: {}", flaw(why)),
        Finding::OtherKey(other) => other_key(other),
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
        Finding::Entry { index, why } => format!("mục {index}: {}", flaw(why)),
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
            "báo cáo ngày {day} đã có bản sửa: {} đến sau lần ký đầu. Đó là theo quy định: khoản mà ngân hàng báo muộn được tính cho ngày của nó trong {LATE_DAYS} ngày; từng đồng đều là một mục của sổ này, và báo cáo đã sửa đã được đối chiếu với các mục ấy",
            vnd(*added_vnd)
        ),
        Finding::Published {
            by,
            key,
            days,
            published,
            logged,
        } => format!(
            "công bố cho {}: {}; trong sổ là {}",
            published_for(*by, key.as_deref(), *days),
            vnd(*published),
            vnd(*logged)
        ),
    }
}
