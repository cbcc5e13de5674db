//! Pieces that several pages share.

use chrono::TimeDelta;
use chrono_tz::Tz;
use domain::Timestamp;
use domain::tariff::QuoteLine;
use leptos::prelude::*;
use qrcode::EcLevel;
use store::exemption::KnownGround;

use crate::lang::Lang;

/// A short message in the middle of an otherwise empty page.
pub(crate) fn message(title: &'static str, text: String, lang: Lang) -> impl IntoView {
    message_with(title, text, None, lang)
}

/// The same of what has failed and may be tried anew, on that page.
pub(crate) fn try_again(
    title: &'static str,
    text: String,
    href: String,
    lang: Lang,
) -> impl IntoView {
    message_with(title, text, Some(href), lang)
}

fn message_with(
    title: &'static str,
    text: String,
    again: Option<String>,
    lang: Lang,
) -> impl IntoView {
    let again = again.map(|href| {
        view! { <p><a class="button primary" data-again href=href>{lang.part().try_again}</a></p> }
    });
    view! {
        <section class="card narrow center">
            <h1>{title}</h1>
            <p>{text}</p>
            {again}
            <p><a class="button" href="/">{lang.part().back_to_find_parking}</a></p>
        </section>
    }
}

/// The same where something failed, with the number by which it is found.
pub(crate) fn failure(
    title: &'static str,
    text: &str,
    number: Option<String>,
    lang: Lang,
) -> impl IntoView + use<> {
    let number = number.map(|number| {
        view! { <p class="center note">{lang.problem().number_for_staff} " " <code>{number}</code></p> }
    });
    view! {
        {message(title, text.to_owned(), lang)}
        {number}
    }
}

/// The reasons of a price, as a table whose last row is their sum.
pub(crate) fn price_lines(lines: &[QuoteLine], total: String, lang: Lang) -> impl IntoView + use<> {
    let rows = lines
        .iter()
        .map(|line| {
            let text = match lang {
                Lang::Vi => line.text.clone(),
                Lang::En => line.text_en.clone(),
            };
            view! { <tr><td>{text}</td><td class="amount">{lang.money(line.amount_vnd)}</td></tr> }
        })
        .collect_view();
    view! {
        <table class="lines">
            <tbody>{rows}</tbody>
            <tfoot>
                <tr><th scope="row">{lang.part().total}</th><td class="amount">{total}</td></tr>
            </tfoot>
        </table>
    }
}

/// A figure with what it means.
pub(crate) fn stat(figure: String, label: &'static str, note: String) -> impl IntoView {
    view! {
        <div class="stat">
            <small>{label}</small>
            <b>{figure}</b>
            <span>{note}</span>
        </div>
    }
}

/// A time of day in the city, with the date where it is not today.
pub(crate) fn clock(at: Timestamp, tz: Tz, now: Timestamp) -> String {
    let (local, today) = (at.with_timezone(&tz), now.with_timezone(&tz));
    if local.date_naive() == today.date_naive() {
        local.format("%H:%M").to_string()
    } else {
        local.format("%H:%M %d/%m").to_string()
    }
}

/// Whose deed it was: a member of staff by their login, a program by its name.
pub(crate) fn whose(actor: &str) -> String {
    actor.strip_prefix("staff:").unwrap_or(actor).to_owned()
}

/// A day in the city.
pub(crate) fn day(at: Timestamp, tz: Tz) -> String {
    at.with_timezone(&tz).format("%d/%m/%Y").to_string()
}

/// The last day of what ends at an instant: at midnight the one before.
pub(crate) fn last_day(until: Timestamp, tz: Tz) -> String {
    day(until - TimeDelta::microseconds(1), tz)
}

/// A date and time in the city, to the minute.
pub(crate) fn minute(at: Timestamp, tz: Tz) -> String {
    at.with_timezone(&tz).format("%H:%M %d/%m/%Y").to_string()
}

/// The name of a ground for exemptions; its code, where no tariff knows it any more.
pub(crate) fn ground_name(grounds: &[KnownGround], code: &str, lang: Lang) -> String {
    let known = grounds.iter().find(|ground| ground.code == code);
    known.map_or_else(
        || code.to_owned(),
        |ground| lang.pick(&ground.name_vi, &ground.name_en).to_owned(),
    )
}

/// A date and time in the city.
pub(crate) fn full_time(at: Timestamp, tz: Tz) -> String {
    at.with_timezone(&tz)
        .format("%H:%M:%S %d/%m/%Y")
        .to_string()
}

/// A QR code as SVG, with the quiet zone that scanners want.
pub(crate) fn qr_svg(payload: &str) -> String {
    qr_of(payload, EcLevel::M, 240).unwrap_or_default()
}

/// The same at a level of error correction, at least so many points wide; `None` for what no code can hold.
pub(crate) fn qr_of(payload: &str, level: EcLevel, width: u32) -> Option<String> {
    use qrcode::render::svg;
    let code = qrcode::QrCode::with_error_correction_level(payload, level).ok()?;
    let mut drawn = code.render::<svg::Color<'_>>();
    let drawn = drawn
        .min_dimensions(width, width)
        .dark_color(svg::Color("#000"))
        .light_color(svg::Color("#fff"));
    Some(drawn.build())
}
