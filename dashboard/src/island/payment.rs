use leptos::prelude::*;

use crate::lang::Lang;

/// Waits for the bank's word and turns the page when it comes.
#[island]
pub fn PaymentWatch(
    /// Where the payment's events come from.
    events: String,
    /// The language of the page.
    lang: Lang,
) -> impl IntoView {
    #[cfg(feature = "hydrate")]
    Effect::new(move || {
        super::listen(events.clone(), "payment", |text| {
            let pending = serde_json::from_str::<serde_json::Value>(&text)
                .is_ok_and(|payment| payment["status"] == "pending");
            if !pending && let Some(window) = web_sys::window() {
                let _ = window.location().reload();
            }
        });
    });
    #[cfg(not(feature = "hydrate"))]
    let _ = events;
    view! {
        <p class="waiting" role="status">
            <span class="pulse" aria-hidden="true"></span>
            {lang.payment_wait().waiting_money_page_changes_itself}
        </p>
    }
}
