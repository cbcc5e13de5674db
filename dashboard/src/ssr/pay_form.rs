//! The form by which a driver pays: the bay, the plate, how long, what it costs and why, and how to pay.

use api::service::session::{self, tariff_of};
use api::{ApiError, App};
use chrono::TimeDelta;
use chrono_tz::Tz;
use domain::Timestamp;
use domain::money::Vnd;
use domain::place::Amenities;
use domain::plate::Plate;
use leptos::prelude::*;
use store::place::BayPlace;

use super::parts::{clock, price_lines};
use super::pay::PayForm;
use super::ways::{METERED, Ways};
use crate::icon;
use crate::lang::Lang;

/// The lengths of time that are listed, in minutes.
pub(super) const CHOICES: [u32; 8] = [30, 60, 120, 180, 240, 480, 720, 1440];

/// Those that the slider has, in minutes.
const STEPS: [u32; 17] = [
    30, 60, 90, 120, 150, 180, 210, 240, 300, 360, 420, 480, 540, 600, 660, 720, 1440,
];

/// From when on the driver pays.
#[derive(Clone, Copy)]
pub(super) enum Start {
    /// From now; `due_from` is since when a vehicle has stood there for which nobody has paid.
    Now { due_from: Option<Timestamp> },
    /// From when the vehicle came.
    Arrival(Timestamp),
}

impl Start {
    pub(super) const fn at(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Now { .. } => now,
            Self::Arrival(at) => at,
        }
    }
}

/// The lengths of time that can be bought in a bay from `start` on and are not over, with their prices.
pub(super) fn options(
    bay: &BayPlace,
    start: Timestamp,
    now: Timestamp,
) -> Vec<(u32, session::Priced)> {
    let lasting = |minutes: &u32| start + TimeDelta::minutes((*minutes).into()) > now;
    STEPS
        .into_iter()
        .filter(lasting)
        .filter_map(|minutes| {
            Some((
                minutes,
                session::price(bay, bay.class, minutes, start).ok()?,
            ))
        })
        .collect()
}

/// The longest of them that a wallet can hold the price of, and that price: how long whoever pays when
/// leaving may stay.
pub(super) fn longest_held(options: &[(u32, session::Priced)], wallet: Vnd) -> Option<(u32, Vnd)> {
    options
        .iter()
        .rev()
        .map(|(minutes, priced)| (*minutes, priced.quote.amount_vnd))
        .find(|(_, price)| *price <= wallet)
        .filter(|(_, price)| *price > Vnd::ZERO)
}

/// The form.
pub(super) fn view(
    bay: &BayPlace,
    options: Vec<(u32, session::Priced)>,
    (start, seen_free): (Start, bool),
    failed: Option<(PayForm, ApiError)>,
    ways: &Ways,
    lang: Lang,
) -> impl IntoView + use<> {
    // What is wrong stands beside what it is about.
    let (filled, error, wrong_plate) = match failed {
        Some((filled, _)) if Plate::parse(&filled.plate).is_err() => (filled, None, true),
        Some((filled, error)) => {
            let why = reason(&error, filled.at.is_some(), lang);
            (filled, Some(why), false)
        }
        None => (PayForm::default(), None, false),
    };
    let chosen = if filled.minutes == 0 {
        60
    } else {
        filled.minutes
    };
    let held = ways
        .wallet()
        .and_then(|wallet| longest_held(&options, wallet));
    let at = options.iter().position(|(minutes, _)| *minutes == chosen);
    let (at, last) = (at.unwrap_or(0), options.len().saturating_sub(1));
    let length = |option: Option<&(u32, session::Priced)>| {
        option.map(|(minutes, _)| lang.duration(TimeDelta::minutes((*minutes).into())))
    };
    let (shortest, longest) = (length(options.first()), length(options.last()));
    let tz = bay.timezone;
    let choices = options
        .into_iter()
        .enumerate()
        .map(|(index, (minutes, priced))| {
            let label = lang.duration(TimeDelta::minutes(i64::from(minutes)));
            let day = (tz, priced.starts_at);
            let is_fine = !CHOICES.contains(&minutes);
            choice(minutes, label, &priced, (index == at, is_fine), day, lang)
        })
        .collect_view();
    let has_passes =
        tariff_of(bay, bay.class, App::now()).is_ok_and(|(_, rules)| !rules.passes.is_empty());
    let has_grounds =
        tariff_of(bay, bay.class, App::now()).is_ok_and(|(_, rules)| !rules.exemptions.is_empty());
    view! {
        <form class="pay narrow" method="post" action=format!("/b/{}", bay.code)>
            {start_fields(start)}
            <header class="bay-sign">
                <span class="bay-code-sign" aria-hidden="true">{bay.code.clone()}</span>
                <div>
                    <h1><span class="spoken">{bay.code.clone()} ", "</span>{bay.lot_name.clone()}</h1>
                    <small>{lang.class(bay.class)} " · " {bay.zone_name.clone()}</small>
                </div>
            </header>
            {amenities(bay.amenities, lang)}
            {error.map(|text| view! { <p class="error" role="alert">{text}</p> })}
            {start_words(start, &bay.code, tz, lang)}
            {seen_free.then(|| view! {
                <p class="hint">{lang.pay_form().sensor_sees_no_vehicle_here}</p>
            })}
            <label class="field">
                <span>{lang.words().licence_plate}</span>
                <input
                    name="plate"
                    value=filled.plate
                    required
                    minlength="4"
                    maxlength="20"
                    autocomplete="off"
                    autocapitalize="characters"
                    spellcheck="false"
                    placeholder="30A-123.45"
                    data-remember="plate"
                    aria-invalid=wrong_plate.then_some("true")
                    aria-describedby=wrong_plate.then_some("plate-error")
                    autofocus=wrong_plate
                />
                {wrong_plate.then(|| view! {
                    <small id="plate-error" class="error" role="alert">{lang.pay_form().licence_plate_has_4_12}</small>
                })}
            </label>
            {(has_passes || has_grounds).then(|| view! {
                <p class="note">{lang.pay_form().entitled_plates_pay_nothing}</p>
            })}
            <fieldset data-slides>
                <legend>{lang.pay_form().for_how_long}</legend>
                <input type="range" min="0" max=last.to_string() value=at.to_string() autocomplete="off" aria-label=lang.pay_form().for_how_long />
                <p class="ends" aria-hidden="true"><span>{shortest}</span><span>{longest}</span></p>
                <div class="choices">{choices}</div>
            </fieldset>
            {ways.buttons_or(lang.ways().park_for_nothing, lang)}
            {metered_button(held, lang)}
            {ways.to_wallet(&format!("/b/{}", bay.code), lang)}
            {has_passes.then(|| view! {
                <p><a href=format!("/b/{}/pass", bay.code)>{lang.pay_form().park_here_often_buy_monthly}</a></p>
            })}
            {has_grounds.then(|| view! {
                <p><a href="/exemptions">{lang.pay_form().exempt_from_paying_send_your_document}</a></p>
            })}
            <p class="note">
                {lang.pay_form().no_account_no_app_do}
            </p>
        </form>
    }
}

/// The key of the form; with the time of a start that is past, as a phone would have noted it.
fn start_fields(start: Start) -> impl IntoView {
    let (key, at) = match start {
        Start::Now { .. } => (api::secret::random_token(), None),
        Start::Arrival(at) => {
            let noted = at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
            (api::secret::key_made_at(at), Some(noted))
        }
    };
    view! {
        <input type="hidden" name="key" value=key />
        {at.map(|at| view! { <input type="hidden" name="at" value=at /> })}
    }
}

/// Who has stood here for long may pay for that time as well, and is told of it: a guard would ask for it.
fn start_words(start: Start, code: &str, tz: Tz, lang: Lang) -> impl IntoView + use<> {
    let (text, now) = (lang.pay_form(), App::now());
    match start {
        Start::Now { due_from: None } => None,
        Start::Now {
            due_from: Some(from),
        } => {
            let at = clock(from, tz, now);
            Some(
                view! {
                    <p class="hint" data-due>
                        {text.seen_since} " " <b>{at.clone()}</b> " " {text.and_nobody_paid} " "
                        <a href=format!("/b/{code}?from=arrival")>{text.pay_from_then} " " {at}</a>
                    </p>
                }
                .into_any(),
            )
        }
        Start::Arrival(from) => Some(
            view! {
                <p class="hint" data-from>
                    {text.counted_from} " " <b>{clock(from, tz, now)}</b> ". "
                    <a href=format!("/b/{code}")>{text.from_now_instead}</a>
                </p>
            }
            .into_any(),
        ),
    }
}

/// The button for who pays when leaving: how long that may be, in minutes, and what is held meanwhile.
fn metered_button(held: Option<(u32, Vnd)>, lang: Lang) -> impl IntoView + use<> {
    let (minutes, price) = held?;
    let (longest, price) = (
        lang.duration(TimeDelta::minutes(minutes.into())),
        lang.money(price),
    );
    Some(view! {
        <div class="pay-buttons later">
            <input type="hidden" name="longest" value=minutes.to_string() />
            <button name="gateway" value=METERED>{lang.pay_form().pay_when_i_leave}</button>
            <p class="note">{lang.pay_form().pay_when_you_leave_at_most} {longest}
                {lang.pay_form().the_wallet_holds} {price} {lang.pay_form().gives_only_what_parked}</p>
        </div>
    })
}

/// What the bay has, and for whom it is kept, before anybody pays for it.
fn amenities(amenities: Amenities, lang: Lang) -> impl IntoView {
    let kept = amenities
        .accessible
        .then(|| lang.pay_form().please_leave_those_who_need);
    (!amenities.is_none()).then(|| {
        view! {
            {icon::symbols()}
            <p class="amenities">{icon::labels(amenities, lang)} <small>{kept}</small></p>
        }
    })
}

/// A length of time to choose, with its price and why. Its end is shown as on the day of `now`. What
/// is fine is for the slider: too much for a list.
pub(super) fn choice(
    minutes: u32,
    label: String,
    priced: &session::Priced,
    (checked, is_fine): (bool, bool),
    (tz, now): (Tz, Timestamp),
    lang: Lang,
) -> impl IntoView + use<> {
    let amount = lang.money(priced.quote.amount_vnd);
    let is_free = priced.quote.amount_vnd == Vnd::ZERO;
    let until = clock(priced.ends_at, tz, now);
    let lines = price_lines(&priced.quote.lines, amount.clone(), lang);
    view! {
        <label class="choice" class:fine=is_fine>
            <input type="radio" name="minutes" value=minutes.to_string() checked=checked data-free=is_free.then_some("") />
            <span class="choice-head">
                <b>{label}</b>
                <small>{lang.words().until} {until}</small>
                <b class="amount">{amount}</b>
            </span>
            <span class="why">{lines}</span>
        </label>
    }
}

/// Why a form was refused, in the reader's language.
fn reason(error: &ApiError, is_noted: bool, lang: Lang) -> &'static str {
    let text = lang.pay_form();
    match error {
        ApiError::NotCovered => text.there_not_enough_wallet_put,
        ApiError::KeyReused => text.details_have_changed_since_they,
        _ if is_noted => text.start_not_believed,
        _ => text.time_cannot_be_sold,
    }
}
