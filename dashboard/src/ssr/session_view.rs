//! What `/s/{id}` shows of a session, and the forms by which it is changed.

use api::service::session::{self, Priced};
use chrono::{SecondsFormat, TimeDelta};
use chrono_tz::Tz;
use domain::Timestamp;
use domain::money::Vnd;
use domain::session::{GRACE, PLATE_WINDOW, WARN_BEFORE};
use leptos::prelude::*;
use store::place::BayPlace;
use store::receipt::ReceiptOf;
use store::session::Session;

use super::parts::clock;
use super::pay_form::choice;
use super::reminder;
use super::session_bill::Bill;
use super::ways::Ways;
use crate::lang::Lang;

/// What the page is made of.
pub(super) struct Shown {
    pub(super) session: Session,
    pub(super) bay: BayPlace,
    pub(super) bill: Bill,
    pub(super) receipts: Vec<ReceiptOf>,
    /// Where its payment goes on, or is begun anew, while it is not paid.
    pub(super) begin: Option<Begin>,
    /// More minutes, with their price.
    pub(super) more: Vec<(u32, Priced)>,
    /// What would go back if it ended now.
    pub(super) back: Vnd,
    /// Whether another session of the vehicle shares some of its time.
    pub(super) is_double: bool,
    /// Whether it pays for a notice, which anybody may who finds it: the vehicle is another's.
    pub(super) of_notice: bool,
}

/// How something that is not paid is paid after all, on the page of that address.
pub(super) enum Begin {
    /// By the payment that waits for its money.
    GoOn(String),
    /// From the start.
    Anew(String),
}

impl Begin {
    pub(super) fn button(self, lang: Lang) -> impl IntoView {
        let (href, text) = match self {
            Self::GoOn(href) => (href, lang.session().pay_now),
            Self::Anew(href) => (href, lang.session().begin_anew),
        };
        view! { <p><a class="button primary" data-begin href=href>{text}</a></p> }
    }
}

pub(super) fn view(
    shown: Shown,
    failed: Option<&'static str>,
    ways: &Ways,
    push_key: Option<String>,
    now: Timestamp,
    lang: Lang,
) -> impl IntoView + use<> {
    let Shown {
        session,
        bay,
        bill,
        receipts,
        begin,
        more,
        back,
        is_double,
        of_notice,
    } = shown;
    let tz = bay.timezone;
    let status = session::driver_status(&session, now);
    let running = status == "paid";
    let in_grace =
        status == "ended" && session.stopped_at.is_none() && now < session.ends_at + GRACE;
    let home = format!("/s/{}", session.id);
    let left = session.ends_at - now;
    let plate = if of_notice {
        session.plate.masked()
    } else {
        session.plate.reveal().to_owned()
    };
    view! {
        <section class="card narrow session" data-status=status data-tick="20">
            {failed.map(|text| view! { <p class="error" role="alert">{text}</p> })}
            {headline(&session, status, left, (in_grace, !more.is_empty()), tz, now, lang)}
            {begin.map(|begin| begin.button(lang))}
            {push_key.map(|key| reminder::block(key, &session, tz, now, lang).into_any())}
            <dl class="facts">
                <div><dt>{lang.words().bay}</dt><dd>{bay.code.clone()} " · " {bay.lot_name.clone()}</dd></div>
                <div><dt>{lang.words().plate}</dt><dd>{plate}</dd></div>
                <div><dt>{lang.words().time}</dt><dd>{clock(session.starts_at, tz, now)} " – " {clock(session.ends_at, tz, now)}</dd></div>
                {bill.sums(lang)}
            </dl>
            {bill.reasons(lang).into_any()}
            {bill.refunds(lang).into_any()}
            {receipt_links(&receipts, tz, now, lang).into_any()}
            {is_double.then(|| view! { <p class="hint">{lang.session().paid_twice}</p> })}
            {(!more.is_empty()).then(|| more_view(&home, more, ways, tz, now, lang).into_any())}
            {running.then(|| if session.metered {
                metered_stop_view(&home, &bill, lang).into_any()
            } else {
                stop_view(&home, back, lang).into_any()
            })}
            {(running && !of_notice).then(|| corrections(&home, &session, now, lang))}
        </section>
    }
}

/// A way to each receipt, and to a complaint: on the last.
fn receipt_links(
    receipts: &[ReceiptOf],
    tz: Tz,
    now: Timestamp,
    lang: Lang,
) -> impl IntoView + use<> {
    let row = |receipt: &ReceiptOf| {
        let amount = lang.money(receipt.amount_vnd);
        let at = clock(receipt.issued_at, tz, now);
        view! { <li><a href=format!("/r/{}", receipt.id)>{lang.words().receipt} " " {amount}</a> " · " {at}</li> }
    };
    let rows = receipts.iter().map(row).collect_view();
    let last = receipts.last().map(|receipt| receipt.id);
    last.map(|last| {
        view! {
            <ul class="refunds" data-receipts>{rows}</ul>
            <p><a href=format!("/r/{last}#dispute")>{lang.session().something_wrong}</a></p>
        }
    })
}

fn headline(
    session: &Session,
    status: &str,
    left: TimeDelta,
    (in_grace, can_add): (bool, bool),
    tz: Tz,
    now: Timestamp,
    lang: Lang,
) -> impl IntoView + use<> {
    let until = clock(session.ends_at, tz, now);
    let warn = status == "paid" && left <= WARN_BEFORE;
    let title = match status {
        "paid" => lang.session().parked,
        "pending" => lang.session().not_paid_yet,
        "lapsed" => lang.session().given_up,
        _ => lang.session().ended,
    };
    let time = |at: Timestamp| at.to_rfc3339_opts(SecondsFormat::Millis, true);
    let big = match status {
        "paid" => view! {
            {lang.session().left} " "
            <span role="timer" data-until=time(session.ends_at) data-now=time(now)>{lang.duration(left)}</span>
        }
        .into_any(),
        "pending" | "lapsed" => ().into_any(),
        _ => until.clone().into_any(),
    };
    view! {
        <h1>{title}</h1>
        <p class="big">{big}</p>
        {(status == "paid").then(|| view! { <p>{lang.session().you_may_park_until} <b>{until}</b></p> })}
        {warn.then(|| view! {
            <p class="error" role="alert">{if can_add {
                lang.session().time_nearly_over_add_some
            } else {
                lang.session().time_nearly_over
            }}</p>
        })}
        {(in_grace && can_add).then(|| view! {
            <p class="error" role="alert">{lang.session().time_over_few_minutes_can}</p>
        })}
    }
}

fn more_view(
    home: &str,
    more: Vec<(u32, Priced)>,
    ways: &Ways,
    tz: Tz,
    now: Timestamp,
    lang: Lang,
) -> impl IntoView + use<> {
    let choices = more
        .into_iter()
        .enumerate()
        .map(|(index, (minutes, priced))| {
            let length = lang.duration(TimeDelta::minutes(i64::from(minutes)));
            choice(
                minutes,
                format!("+ {length}"),
                &priced,
                (index == 0, false),
                (tz, now),
                lang,
            )
        });
    let choices = choices.collect_view();
    view! {
        <details class="more" open>
            <summary>{lang.session().more_time}</summary>
            <form class="pay" method="post" action=format!("{home}/extend")>
                <input type="hidden" name="key" value=api::secret::random_token() />
                <div class="choices">{choices}</div>
                {ways.buttons_or(lang.session().add_the_time, lang)}
            </form>
        </details>
    }
}

/// The button that nobody may have to look for: the meter runs until it is pressed.
fn metered_stop_view(home: &str, bill: &Bill, lang: Lang) -> impl IntoView + use<> {
    let so_far = bill.so_far().map(|amount| lang.money(amount));
    view! {
        <form method="post" action=format!("{home}/stop")>
            <button class="primary">{lang.session().stop_and_pay} " " <small>{so_far}</small></button>
        </form>
        <p class="note">{lang.session().pay_only_for_time_parked} " " {lang.session().when_sensor_sees_have_left}</p>
    }
}

fn stop_view(home: &str, back: Vnd, lang: Lang) -> impl IntoView + use<> {
    let text = if back > Vnd::ZERO {
        let back = lang.money(back);
        format!("{} {back}.", lang.session().ending_now_gives_you_back)
    } else {
        lang.session().ending_now_gives_nothing_back.to_owned()
    };
    view! {
        <details>
            <summary>{lang.session().leave_early}</summary>
            <form method="post" action=format!("{home}/stop")>
                <p>{text}</p>
                <button>{lang.session().end_it_now}</button>
            </form>
            <p class="note">{lang.session().when_sensor_sees_have_left}</p>
        </details>
    }
}

fn corrections(home: &str, session: &Session, now: Timestamp, lang: Lang) -> impl IntoView + use<> {
    // A price that rests on the plate stays with it.
    let correctable = now <= session.created_at + PLATE_WINDOW && session.entitlement.is_none();
    let plate = correctable.then(|| {
        view! {
            <form method="post" action=format!("{home}/plate")>
                <label class="field">
                    <span>{lang.session().the_right_plate}</span>
                    <input name="plate" required minlength="4" maxlength="20" autocomplete="off" autocapitalize="characters" value=session.plate.reveal().to_owned() />
                </label>
                <button>{lang.session().correct_the_plate}</button>
            </form>
        }
    });
    view! {
        <details>
            <summary>{lang.session().wrong_plate_or_wrong_bay}</summary>
            {plate}
            <form method="post" action=format!("{home}/bay")>
                <label class="field">
                    <span>{lang.session().the_right_bay_code}</span>
                    <input name="bay" required maxlength="40" autocomplete="off" autocapitalize="characters" />
                </label>
                <button>{lang.session().move_there}</button>
            </form>
        </details>
    }
}
