//! The parts of pages that live on in the browser.

mod bays;
mod lots;
mod payment;

pub use bays::StaffBays;
#[cfg(feature = "ssr")]
pub(crate) use bays::{Shape, draw};
pub use lots::LotFinder;
pub use payment::PaymentWatch;

/// The present, in the browser; on the server nothing asks.
#[cfg(feature = "hydrate")]
fn now() -> domain::Timestamp {
    chrono::DateTime::from_timestamp_millis(js_sys::Date::now() as i64).unwrap_or_default()
}

/// Calls `handle` with the data of each event of that name for as long as the page is open. The
/// browser connects again by itself when the connection breaks.
#[cfg(feature = "hydrate")]
fn listen(source: &web_sys::EventSource, name: &str, handle: impl FnMut(String) + 'static) {
    use wasm_bindgen::JsCast;
    use wasm_bindgen::prelude::Closure;
    let mut handle = handle;
    let closure =
        Closure::<dyn FnMut(web_sys::MessageEvent)>::new(move |event: web_sys::MessageEvent| {
            if let Some(text) = event.data().as_string() {
                handle(text);
            }
        });
    let _ = source.add_event_listener_with_callback(name, closure.as_ref().unchecked_ref());
    // It lives as long as the page.
    closure.forget();
}
