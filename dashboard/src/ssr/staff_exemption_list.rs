//! The requests on `/staff/exemptions`: those that wait, oldest first, and those decided lately.

use api::App;
use api::service::exemption_decision::Requests;
use chrono_tz::Tz;
use leptos::prelude::*;
use store::exemption::KnownGround;
use store::exemption_request::ExemptionRequest;

use super::exemption_request::Now;
use super::parts::{ground_name, minute};
use crate::lang::Lang;

/// Both lists; of the second nothing where there is nothing.
pub(super) fn view(
    requests: Requests,
    grounds: &[KnownGround],
    tz: Tz,
    lang: Lang,
) -> impl IntoView + use<> {
    let Requests { waiting, decided } = requests;
    let count = waiting.len();
    let waiting = waiting_view(waiting, grounds, tz, lang).into_any();
    let decided = decided_view(decided, grounds, tz, lang).into_any();
    view! {
        <section class="card" data-waiting=count.to_string()>
            <h2>{lang.staff_exemption_list().requests_that_wait} <span class="chip">{count}</span></h2>
            {waiting}
            {decided}
        </section>
    }
}

fn link(request: &ExemptionRequest) -> impl IntoView + use<> {
    let href = format!("/staff/exemptions/requests/{}", request.id);
    view! { <a href=href>{request.plate.reveal().to_owned()}</a> }
}

fn waiting_view(
    waiting: Vec<ExemptionRequest>,
    grounds: &[KnownGround],
    tz: Tz,
    lang: Lang,
) -> AnyView {
    if waiting.is_empty() {
        return view! { <p class="empty">{lang.staff_exemption_list().no_request_waits_drivers_send}</p> }
        .into_any();
    }
    let now = App::now();
    let row = |request: ExemptionRequest| {
        view! {
            <tr>
                <th scope="row">{link(&request)} <small>{lang.class(request.class)}</small></th>
                <td data-label=lang.words().ground>{ground_name(grounds, &request.ground, lang)}</td>
                <td data-label=lang.words().document>{request.document_kind} " " {request.document_number}</td>
                <td data-label=lang.staff_exemption_list().has_waited>{lang.duration(now - request.asked_at)} <br/> <small>{minute(request.asked_at, tz)}</small></td>
            </tr>
        }
    };
    view! {
        <div class="scroll"><table class="grid rows">
            <thead><tr>
                <th scope="col">{lang.words().vehicle}</th>
                <th scope="col">{lang.words().ground}</th>
                <th scope="col">{lang.words().document}</th>
                <th scope="col">{lang.staff_exemption_list().has_waited}</th>
            </tr></thead>
            <tbody>{waiting.into_iter().map(row).collect_view()}</tbody>
        </table></div>
    }
    .into_any()
}

fn decided_view(
    decided: Vec<ExemptionRequest>,
    grounds: &[KnownGround],
    tz: Tz,
    lang: Lang,
) -> impl IntoView + use<> {
    let now = App::now();
    let row = |request: ExemptionRequest| {
        let state = Now::of(&request, now).words(lang);
        view! {
            <tr>
                <th scope="row">{link(&request)} <small>{lang.class(request.class)}</small></th>
                <td data-label=lang.words().ground>{ground_name(grounds, &request.ground, lang)}</td>
                <td data-label=lang.staff_exemption_list().answer>{state} {request.reason.map(|reason| view! { <br/> <small>{reason}</small> })}</td>
                <td>{request.decided_at.map(|at| minute(at, tz))} " · " {request.decided_by}</td>
            </tr>
        }
    };
    let some = !decided.is_empty();
    let rows = decided.into_iter().map(row).collect_view();
    some.then(|| {
        view! {
            <details>
                <summary>{lang.staff_exemption_list().answered_in_the_last_30_days}</summary>
                <div class="scroll"><table class="grid rows">
                    <thead><tr>
                        <th scope="col">{lang.words().vehicle}</th>
                        <th scope="col">{lang.words().ground}</th>
                        <th scope="col">{lang.staff_exemption_list().answer}</th>
                        <th scope="col">{lang.staff_exemption_list().when_by_whom}</th>
                    </tr></thead>
                    <tbody>{rows}</tbody>
                </table></div>
            </details>
        }
    })
}
