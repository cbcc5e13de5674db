//! `/staff/shift`: when one's shifts are, and what one did in one, to be handed over or printed.

use api::App;
use api::extract::Query;
use api::service::shift;
use api::service::shift::OwnShifts;
use axum::extract::State;
use axum::response::Response;
use chrono_tz::Tz;
use domain::Timestamp;
use domain::id::ShiftId;
use leptos::prelude::*;
use serde::Deserialize;
use store::audit::Deed;
use store::shift::PlannedShift;

use super::document::Document;
use super::parts::{clock, stat};
use super::staff::{SignedIn, staff_bar};
use super::staff_shift_days::{day_words, hours};
use super::{Reader, problem};
use crate::lang::Lang;

/// What the record calls an action, in words.
fn words(action: &str, lang: Lang) -> String {
    let known = match action {
        "parking_notice.issue" => lang.staff_shift().notice_written,
        "parking_notice.withdraw" => lang.staff_shift().notice_withdrawn,
        "plate.look_up" => lang.staff_shift().plate_looked_up,
        "dispute.decide" => lang.staff_shift().dispute_decided,
        "refund.promise" => lang.staff_shift().refund_promised,
        "refund.propose" => lang.staff_shift().refund_proposed,
        "refund.confirm" => lang.staff_shift().refund_confirmed,
        "refund.refuse" => lang.staff_shift().refund_not_confirmed,
        "refund.limits" => lang.staff_shift().refund_limits_set,
        "refund.done" => lang.staff_shift().refund_noted_as_paid,
        "exemption.grant" => lang.staff_shift().exemption_granted,
        "exemption.withdraw" => lang.staff_shift().exemption_withdrawn,
        "exemption.refuse" => lang.staff_shift().exemption_refused,
        "exemption.look" => lang.staff_shift().document_of_a_request_opened,
        "session.plate" => lang.staff_shift().plate_corrected,
        "session.move" => lang.staff_shift().session_moved,
        "staff.add" => lang.staff_shift().member_of_staff_added,
        "staff.role" => lang.staff_shift().role_changed,
        "staff.password" => lang.staff_shift().password_given,
        "staff.shut_out" => lang.staff_shift().member_shut_out,
        "staff.let_in" => lang.staff_shift().member_let_in_again,
        "second_factor.enrol" => lang.staff_shift().second_factor_begun,
        "second_factor.end" => lang.staff_shift().second_factor_ended,
        "second_factor.recovery_codes" => lang.staff_shift().recovery_codes_made,
        "second_factor.recovery_code" => lang.staff_shift().recovery_code_used,
        "second_factor.wrong_code" => lang.staff_shift().wrong_code_entered,
        "staff.link" => lang.staff_shift().identity_linked,
        "staff.unlink" => lang.staff_shift().identity_unlinked,
        "terminal.add" => lang.staff_shift().terminal_added,
        "terminal.end" => lang.staff_shift().terminal_ended,
        "shift.plan" => lang.staff_shift().shift_planned,
        "shift.change" => lang.staff_shift().shift_changed,
        "shift.cancel" => lang.staff_shift().shift_cancelled,
        "session.stop" => lang.staff_shift().session_ended,
        other => other,
    };
    known.to_owned()
}

#[derive(Deserialize)]
pub(crate) struct ShiftQuery {
    planned: Option<i32>,
}

/// `/staff/shift`: one's last hours, or a planned shift.
pub(crate) async fn page(
    State(app): State<App>,
    reader: Reader,
    SignedIn(who): SignedIn,
    Query(query): Query<ShiftQuery>,
) -> Response {
    let now = App::now();
    let loaded = async {
        let own = shift::own(&app, &who, now).await?;
        let (planned, shift) = match query.planned {
            Some(id) => {
                let (planned, shift) = shift::of_planned(&app, &who, ShiftId(id)).await?;
                (Some(planned), shift)
            }
            None => (None, shift::shift(&app, &who, now).await?),
        };
        Ok((who, own, planned, shift))
    };
    let (who, own, planned, shift) = match loaded.await {
        Ok(loaded) => loaded,
        Err(error) => return problem(&reader, &error),
    };
    let (lang, tz) = (reader.lang, app.city.timezone);
    let title = lang.staff_shift().my_shift;
    let (paid, sum) = shift.paid();
    let written = shift.notices.len();
    let counts: Vec<(String, usize)> = shift
        .counts()
        .into_iter()
        .map(|(action, count)| (words(action, lang), count))
        .collect();
    let empty = shift.deeds.is_empty();
    let elsewhere = match shift.elsewhere {
        0 => String::new(),
        more => format!("+ {more} {}", lang.staff_shift().elsewhere),
    };
    let row = move |deed: Deed| {
        view! {
            <tr>
                <td>{clock(deed.at, tz, now)}</td>
                <td>{words(&deed.action, lang)}</td>
                <td>{deed.about}</td>
            </tr>
        }
    };
    Document {
        title,
        active: "/staff",
        live: None,
    }
    .page(&reader, move || {
        let head = match planned {
            Some(planned) => planned_head(planned, now, tz, lang).into_any(),
            None => view! {
                <h1>{title} " " <small>{who.name.clone()} " · " {clock(shift.span.0, tz, now)} " – " {clock(now, tz, now)}</small></h1>
                {own_view(&own, now, tz, lang)}
                {ended_view(own.ended, tz, lang)}
            }
            .into_any(),
        };
        view! {
            {staff_bar(&who, "/staff/shift", lang)}
            {head}
            <div class="stats">
                {stat(written.to_string(), lang.staff_shift().notices_written, elsewhere)}
                {stat(paid.to_string(), lang.staff_shift().of_those_paid, lang.money(sum))}
            </div>
            <p>{counts.into_iter().map(|(what, count)| view! { <span class="chip">{what} ": " <b>{count}</b></span> " " }).collect_view()}</p>
            {empty.then(|| view! { <p class="empty">{lang.staff_shift().nothing_done_in_this_shift_yet}</p> })}
            {(!empty).then(|| view! {
                <div class="scroll card"><table class="grid rows">
                    <thead><tr>
                        <th scope="col">{lang.words().at}</th>
                        <th scope="col">{lang.staff_shift().what}</th>
                        <th scope="col">{lang.staff_shift().about}</th>
                    </tr></thead>
                    <tbody>{shift.deeds.into_iter().map(row).collect_view()}</tbody>
                </table></div>
            })}
            <p><button type="button" hidden data-print>{lang.staff_shift().print}</button></p>
        }
    })
}

/// Whose planned shift is summed up.
fn planned_head(planned: PlannedShift, now: Timestamp, tz: Tz, lang: Lang) -> impl IntoView {
    let day = day_words(planned.starts_at.with_timezone(&tz).date_naive(), lang);
    let state = match (planned.cancelled_at, planned.ends_at <= now) {
        (Some(_), _) => Some(lang.staff_shift().this_shift_was_cancelled),
        (None, false) => Some(lang.staff_shift().this_shift_is_not_over_yet),
        (None, true) => None,
    };
    view! {
        <nav class="crumbs"><a href="/staff/shift">{lang.staff_shift().my_shift}</a></nav>
        <h1>{planned.name} " " <small>{day} " · " {hours((planned.starts_at, planned.ends_at), tz, lang)} " · " {planned.lots.join(", ")}</small></h1>
        {state.map(|text| view! { <p class="hint">{text}</p> })}
        {(!planned.note.is_empty()).then(|| view! { <p>{planned.note.clone()}</p> })}
    }
}

/// Where one is to be, now and next.
pub(super) fn own_view(
    own: &OwnShifts,
    now: Timestamp,
    tz: Tz,
    lang: Lang,
) -> impl IntoView + use<> {
    let on = own.now.as_ref().map(|shift| {
        let until = clock(shift.ends_at, tz, now);
        let text = match lang {
            Lang::Vi => format!("Bạn đang trong ca đến {until} ở {}", shift.lots.join(", ")),
            Lang::En => format!("You are on until {until} at {}", shift.lots.join(", ")),
        };
        view! { <p class="hint" data-shift="now"><b>{text}</b> {note(shift)} " "
            <a href=format!("/staff/shift?planned={}", shift.id)>{lang.staff_shift().this_shift_summary}</a></p> }
    });
    let next = own.next.as_ref().map(|shift| {
        let day = day_words(shift.starts_at.with_timezone(&tz).date_naive(), lang);
        view! { <p data-shift="next">{lang.staff_shift().your_next_shift} {day} " · "
            {hours((shift.starts_at, shift.ends_at), tz, lang)} " · " {shift.lots.join(", ")} {note(shift)}</p> }
    });
    view! { {on} {next} }
}

fn note(shift: &PlannedShift) -> Option<String> {
    (!shift.note.is_empty()).then(|| format!(" · {}", shift.note))
}

/// One's own shifts of the last days, each with its summary.
fn ended_view(ended: Vec<PlannedShift>, tz: Tz, lang: Lang) -> impl IntoView {
    let entry = move |shift: PlannedShift| {
        let day = day_words(shift.starts_at.with_timezone(&tz).date_naive(), lang);
        view! { <a class="chip" href=format!("/staff/shift?planned={}", shift.id)>
        {day} " · " {hours((shift.starts_at, shift.ends_at), tz, lang)}</a> " " }
    };
    (!ended.is_empty()).then(|| {
        view! {
            <details><summary>{lang.staff_shift().summaries_of_your_last_shifts}</summary>
                <p>{ended.into_iter().map(entry).collect_view()}</p></details>
        }
    })
}
