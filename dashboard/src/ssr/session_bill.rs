//! What a session costs and why, as its driver reads it: what was bought, what went back, what remains;
//! while the meter runs, what it costs so far.

use api::ApiError;
use api::service::change;
use api::service::session::tariff_of;
use chrono::TimeDelta;
use domain::Timestamp;
use domain::money::Vnd;
use domain::purchase::PurchaseStatus;
use domain::refund::{RefundGround, RefundStatus};
use domain::tariff::{Quote, Unused};
use leptos::prelude::*;
use store::place::BayPlace;
use store::purchase::{Purchase, paid_vnd};
use store::refund::Refund;
use store::session::Session;

use super::parts::price_lines;
use crate::lang::Lang;

/// A session's bill.
pub(super) struct Bill {
    /// What was paid for; what is free, too.
    bought: Vec<Quote>,
    /// What remains of it after refunds.
    paid: Vnd,
    refunds: Vec<Refund>,
    /// How much of the time was not used, and what becomes of that.
    unused: Option<(TimeDelta, Unused)>,
    /// While the meter runs: what it costs so far, and what the wallet holds.
    metered: Option<(Quote, Vnd)>,
}

impl Bill {
    /// The bill of a session at `now`.
    ///
    /// # Errors
    /// Where its time cannot be priced.
    pub(super) fn of(
        bay: &BayPlace,
        session: &Session,
        purchases: Vec<Purchase>,
        refunds: Vec<Refund>,
        now: Timestamp,
    ) -> Result<Self, ApiError> {
        let metered = change::cost_so_far(bay, session, now)?
            .map(|so_far| (so_far, session.quote.amount_vnd));
        let is_paid = |purchase: &Purchase| purchase.status == PurchaseStatus::Paid;
        let bought = purchases.iter().filter(|purchase| is_paid(purchase));
        let bought_until = bought.clone().filter_map(|purchase| Some(purchase.time?.1));
        let unused = bought_until.max().map(|end| end - session.ends_at);
        let rule = tariff_of(bay, session.class, session.starts_at).map(|(_, rules)| rules.unused);
        Ok(Self {
            paid: paid_vnd(&purchases),
            bought: bought.map(|purchase| purchase.quote.clone()).collect(),
            unused: unused
                .filter(|unused| *unused > TimeDelta::zero() && session.stopped_at.is_some())
                .zip(rule.ok()),
            refunds,
            metered,
        })
    }

    /// What it costs so far, while the meter runs.
    pub(super) fn so_far(&self) -> Option<Vnd> {
        self.metered.as_ref().map(|(so_far, _)| so_far.amount_vnd)
    }

    /// Its sums, as rows of a list of facts.
    pub(super) fn sums(&self, lang: Lang) -> impl IntoView + use<> {
        let row = |name: &'static str, amount: Vnd| {
            view! { <div><dt>{name}</dt><dd>{lang.money(amount)}</dd></div> }
        };
        match &self.metered {
            Some((so_far, held)) => vec![
                row(lang.session().cost_so_far, so_far.amount_vnd),
                row(lang.session().held_in_the_wallet, *held),
            ],
            None => vec![row(lang.words().paid, self.paid)],
        }
    }

    /// Where the sums come from, line by line.
    pub(super) fn reasons(&self, lang: Lang) -> impl IntoView + use<> {
        let quotes: Vec<&Quote> = match &self.metered {
            Some((so_far, _)) => vec![so_far],
            None => self.bought.iter().collect(),
        };
        // Several sums beside each other have to say what each is of.
        let many = quotes.len() > 1;
        let tables = quotes.into_iter().enumerate().map(|(index, quote)| {
            let name = match index {
                0 => lang.session().first_time,
                _ => lang.session().time_in_addition,
            };
            view! {
                {many.then(|| view! { <p class="note"><b>{name}</b></p> })}
                {price_lines(&quote.lines, lang.money(quote.amount_vnd), lang)}
            }
        });
        let tables = tables.collect_view();
        let back = |is_of: fn(RefundGround) -> bool| {
            let of = self.refunds.iter().filter(|refund| is_of(refund.ground));
            Vnd::checked_sum(of.map(|refund| refund.amount_vnd)).unwrap_or_default()
        };
        let unused_back = back(|ground| ground == RefundGround::Unused);
        let other_back = back(|ground| ground != RefundGround::Unused);
        let taken_off = |text: String, amount: Vnd| {
            (amount > Vnd::ZERO).then(|| {
                view! { <tr><td>{text}</td><td class="amount">"−" {lang.money(amount)}</td></tr> }
            })
        };
        let unused = self.unused.map_or_else(
            || lang.session().given_back.to_owned(),
            |(time, _)| format!("{} {}", lang.duration(time), lang.session().unused_of_it),
        );
        let rule = self.unused.map(|(_, rule)| match rule {
            Unused::Kept => lang.session().unused_is_kept,
            Unused::ProRata => lang.session().unused_by_its_share,
            Unused::Repriced => lang.session().unused_is_repriced,
        });
        let after = (!self.refunds.is_empty()).then(|| {
            view! {
                <table class="lines">
                    <tbody>
                        {taken_off(unused, unused_back)}
                        {taken_off(lang.session().back_of_disputes.to_owned(), other_back)}
                    </tbody>
                    <tfoot>
                        <tr><th scope="row">{lang.session().it_cost}</th><td class="amount">{lang.money(self.paid)}</td></tr>
                    </tfoot>
                </table>
            }
        });
        let is_empty = self.metered.is_none() && self.bought.is_empty();
        (!is_empty).then(|| {
            view! {
                <details open=self.unused.is_some()>
                    <summary>{lang.session().why_this_price}</summary>
                    {tables}
                    {after}
                    {rule.map(|rule| view! { <p class="note">{rule}</p> })}
                </details>
            }
        })
    }

    /// What went back, and where that stands.
    pub(super) fn refunds(&self, lang: Lang) -> impl IntoView + use<> {
        let row = |refund: &Refund| {
            let text = match refund.status {
                RefundStatus::Done => lang.session().given_back,
                RefundStatus::Pending => lang.session().on_its_way_back,
                RefundStatus::Manual => lang.session().staff_will_give_it_back,
            };
            view! { <li><b>{lang.money(refund.amount_vnd)}</b> " " {text}</li> }
        };
        let rows = self.refunds.iter().map(row).collect_view();
        (!self.refunds.is_empty()).then(|| view! { <ul class="refunds">{rows}</ul> })
    }
}
