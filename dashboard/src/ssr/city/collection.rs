//! What was collected against what sensors saw, with the reasons for the gap.

use api::service::collection::{Collected, CollectedBy, CollectedRow, MAX_DAYS};
use api::service::report::Range;
use domain::collection::Collection;
use domain::money::Vnd;
use leptos::prelude::*;

use super::csv;
use super::parking::percent;
use crate::lang::Lang;

/// How many lots are shown by themselves: those where most is owed.
const LOTS: usize = 10;

/// Why what came differs from what was due: the amount, its sign in the sum, and its name.
fn reasons(sum: &Collection, lang: Lang) -> [(i64, bool, &'static str, &'static str); 7] {
    let t = |vi, en| lang.t(vi, en);
    [
        (
            sum.unpaid_vnd,
            true,
            t("Không trả", "Not paid at all"),
            t(
                "xe đỗ mà không có lượt trả tiền nào",
                "a vehicle stood there without any session",
            ),
        ),
        (
            sum.short_vnd,
            true,
            t("Đỗ quá giờ", "Stayed longer than paid"),
            t(
                "phần đỗ thêm sau giờ đã trả",
                "the time after the paid time had ended",
            ),
        ),
        (
            sum.grace_vnd,
            true,
            t("Trong phút ân hạn", "Within the grace"),
            t(
                "năm phút mà ai cũng được",
                "the five minutes that everybody has",
            ),
        ),
        (
            sum.pass_vnd,
            true,
            t("Vé tháng", "Passes"),
            t("đã trả khi mua vé", "paid for when the pass was bought"),
        ),
        (
            sum.exempt_vnd,
            true,
            t("Được miễn", "Exemptions"),
            t("đối tượng thành phố cho miễn", "granted by the city"),
        ),
        (
            sum.beyond_vnd,
            false,
            t("Trả dư giờ", "Paid for time not used"),
            t("rời sớm hơn giờ đã trả", "left before the paid time ended"),
        ),
        (
            sum.unseen_vnd,
            false,
            t("Không thấy xe", "Paid where no vehicle was seen"),
            t(
                "cảm biến không rõ, hoặc xe đỗ chỗ khác",
                "the sensor was in doubt or silent, or the vehicle stood elsewhere",
            ),
        ),
    ]
}

pub(super) fn view(
    collected: Option<&Collected>,
    range: &Range,
    lang: Lang,
) -> impl IntoView + use<> {
    let title = lang.t(
        "Thu được so với cảm biến thấy",
        "Collected against what sensors saw",
    );
    let Some(collected) = collected else {
        return view! {
            <section class="card">
                <h2>{title}</h2>
                <p class="empty">{match lang {
                    Lang::Vi => format!("Chọn tối đa {MAX_DAYS} ngày: từng lượt đỗ được tính giá."),
                    Lang::En => format!("Choose at most {MAX_DAYS} days: every stay of them is priced."),
                }}</p>
            </section>
        }
        .into_any();
    };
    let mut lots = collected.by(CollectedBy::Lot);
    lots.sort_by_key(|row| std::cmp::Reverse(row.sum.owed_vnd()));
    lots.truncate(LOTS);
    let total = collected.total();
    // Each by itself: the type of a view that holds them both is too deep to be compiled.
    let (sums, most) = (
        sums(&total, lang).into_any(),
        most_owed(lots, lang).into_any(),
    );
    view! {
        <section class="card" data-due=total.due_vnd.to_string()>
            <h2>{title} {csv(range, "collection", "&by=lot")}</h2>
            <div class="two">{sums}{most}</div>
            <p class="source">{lang.t(
                "Nguồn: lượt đỗ mà cảm biến thấy trọn vẹn, theo ngày bắt đầu; giá theo bảng giá lúc đó; tiền của các lượt trả gắn với lượt đỗ, trừ phần đã hoàn. Lượt có cảm biến đáng ngờ hoặc mất tín hiệu không tính là phải thu. Khác với tổng thu theo ngày lập biên lai.",
                "Source: stays that sensors saw whole, by the day they began; prices by the board of that time; the money of the sessions that belong to them, less what was refunded. Stays with a sensor in doubt or silent are not counted as due. It is not the total by day of receipt.",
            )}</p>
        </section>
    }
    .into_any()
}

/// What came, each reason why it differs, and what was due.
fn sums(total: &Collection, lang: Lang) -> impl IntoView + use<> {
    let rows = reasons(total, lang).map(|(amount, adds, name, why)| {
        let sign = if adds { "+" } else { "−" };
        view! {
            <tr>
                <th scope="row">{name} <small>{why}</small></th>
                <td class="amount">{sign} " " {lang.money(Vnd::new(amount))}</td>
            </tr>
        }
    });
    let stays = format!(
        "{} {}",
        lang.number(total.stays),
        lang.t(
            "lượt cảm biến thấy, theo bảng giá",
            "stays that sensors saw, by the price board"
        )
    );
    view! {
        <table class="grid sums">
            <tbody>
                <tr>
                    <th scope="row">{lang.t("Thu được", "Collected")} <small>{lang.t("của các lượt đỗ này", "from these stays")}</small></th>
                    <td class="amount"><b>{lang.money(Vnd::new(total.collected_vnd))}</b></td>
                </tr>
                {rows.into_iter().collect_view()}
            </tbody>
            <tfoot>
                <tr>
                    <th scope="row">{lang.t("Lẽ ra phải thu", "Should have been collected")} <small>{stays}</small></th>
                    <td class="amount"><b>{lang.money(Vnd::new(total.due_vnd))}</b></td>
                </tr>
            </tfoot>
        </table>
    }
}

/// The lots where most is owed.
fn most_owed(lots: Vec<CollectedRow>, lang: Lang) -> impl IntoView {
    let lot = |row: CollectedRow| {
        let (due, owed) = (row.sum.due_vnd, row.sum.owed_vnd());
        view! {
            <tr>
                <th scope="row">{row.name} <small>{row.key}</small></th>
                <td class="amount">{lang.money(Vnd::new(due))}</td>
                <td class="amount">{lang.money(Vnd::new(row.sum.collected_vnd))}</td>
                <td class="amount">{lang.money(Vnd::new(owed))}</td>
                <td class="amount">{percent(owed, due)} " %"</td>
            </tr>
        }
    };
    view! {
        <div>
            <h3>{lang.t("Nơi còn nợ nhiều nhất", "Where most is owed")}</h3>
            <div class="scroll"><table class="grid">
                <thead><tr>
                    <th scope="col">{lang.t("Điểm đỗ", "Lot")}</th>
                    <th scope="col" class="amount">{lang.t("Phải thu", "Due")}</th>
                    <th scope="col" class="amount">{lang.t("Thu được", "Collected")}</th>
                    <th scope="col" class="amount">{lang.t("Chưa trả", "Owed")}</th>
                    <th scope="col" class="amount">"%"</th>
                </tr></thead>
                <tbody>{lots.into_iter().map(lot).collect_view()}</tbody>
            </table></div>
        </div>
    }
}
