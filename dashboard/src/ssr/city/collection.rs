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
    let text = lang.city_collection();
    [
        (sum.unpaid_vnd, true, text.not_paid, text.not_paid_why),
        (sum.short_vnd, true, text.overstayed, text.overstayed_why),
        (sum.grace_vnd, true, text.grace, text.grace_why),
        (sum.pass_vnd, true, text.passes, text.passes_why),
        (sum.exempt_vnd, true, text.exemptions, text.exemptions_why),
        (sum.beyond_vnd, false, text.unused, text.unused_why),
        (sum.unseen_vnd, false, text.unseen, text.unseen_why),
    ]
}

pub(super) fn view(
    collected: Option<&Collected>,
    range: &Range,
    lang: Lang,
) -> impl IntoView + use<> {
    let title = lang.city_collection().collected_against_what_sensors_saw;
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
            <p class="source">{lang.city_collection().source_stays_sensors_saw_whole}</p>
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
        lang.city_collection().stays_sensors_saw_price_board
    );
    view! {
        <table class="grid sums">
            <tbody>
                <tr>
                    <th scope="row">{lang.city_collection().collected} <small>{lang.city_collection().from_these_stays}</small></th>
                    <td class="amount"><b>{lang.money(Vnd::new(total.collected_vnd))}</b></td>
                </tr>
                {rows.into_iter().collect_view()}
            </tbody>
            <tfoot>
                <tr>
                    <th scope="row">{lang.city_collection().should_have_been_collected} <small>{stays}</small></th>
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
            <h3>{lang.city_collection().where_most_is_owed}</h3>
            <div class="scroll" tabindex="0" role="region" aria-label=lang.city_collection().where_most_is_owed><table class="grid">
                <thead><tr>
                    <th scope="col">{lang.words().lot}</th>
                    <th scope="col" class="amount">{lang.city_collection().due}</th>
                    <th scope="col" class="amount">{lang.city_collection().collected}</th>
                    <th scope="col" class="amount">{lang.city_collection().owed}</th>
                    <th scope="col" class="amount">"%"</th>
                </tr></thead>
                <tbody>{lots.into_iter().map(lot).collect_view()}</tbody>
            </table></div>
        </div>
    }
}
