//! The parts of pages that live on in the browser.

mod bays;
mod drag;
mod lots;
mod map;
mod markers;
mod payment;
mod row;

pub(crate) use bays::Shape;
pub use bays::StaffBays;
#[cfg(feature = "ssr")]
pub(crate) use bays::{draw, number};
pub use lots::LotFinder;
#[cfg(feature = "ssr")]
pub(crate) use map::{FINE, HEIGHT, Map, WIDTH, Window};
pub use payment::PaymentWatch;

/// The present, in the browser; on the server nothing asks.
#[cfg(feature = "hydrate")]
fn now() -> domain::Timestamp {
    chrono::DateTime::from_timestamp_millis(js_sys::Date::now() as i64).unwrap_or_default()
}

/// Takes the data of each event.
#[cfg(feature = "hydrate")]
type Handler = std::rc::Rc<std::cell::RefCell<dyn FnMut(String)>>;

/// Calls `handle` with the data of each event of that name for as long as the page is open. While
/// the connection is broken the page says so.
#[cfg(feature = "hydrate")]
fn listen(url: String, name: &'static str, handle: impl FnMut(String) + 'static) {
    connect(url, name, std::rc::Rc::new(std::cell::RefCell::new(handle)));
}

#[cfg(feature = "hydrate")]
fn connect(url: String, name: &'static str, handle: Handler) {
    use wasm_bindgen::JsCast;
    use wasm_bindgen::prelude::Closure;
    let Ok(source) = web_sys::EventSource::new(&url) else {
        return;
    };
    let told = handle.clone();
    let message =
        Closure::<dyn FnMut(web_sys::MessageEvent)>::new(move |event: web_sys::MessageEvent| {
            if let Some(text) = event.data().as_string() {
                (told.borrow_mut())(text);
            }
        });
    let opened = Closure::<dyn FnMut()>::new(|| say_offline(false));
    let stream = source.clone();
    let failed = Closure::<dyn FnMut()>::new(move || {
        say_offline(true);
        // The browser connects again by itself after a break, but not after a refusal.
        if stream.ready_state() == web_sys::EventSource::CLOSED {
            let (url, handle) = (url.clone(), handle.clone());
            let wait = std::time::Duration::from_secs_f64(4.0 + 4.0 * js_sys::Math::random());
            leptos::prelude::set_timeout(move || connect(url, name, handle), wait);
        }
    });
    // A page that stood still would look true: the form to sign in is better.
    let signed_out = Closure::<dyn FnMut()>::new(|| {
        let window = web_sys::window();
        let _ = window.and_then(|window| window.location().reload().ok());
    });
    let _ = source.add_event_listener_with_callback(name, message.as_ref().unchecked_ref());
    let _ =
        source.add_event_listener_with_callback("signed-out", signed_out.as_ref().unchecked_ref());
    source.set_onopen(Some(opened.as_ref().unchecked_ref()));
    source.set_onerror(Some(failed.as_ref().unchecked_ref()));
    // They live as long as the page.
    message.forget();
    signed_out.forget();
    opened.forget();
    failed.forget();
}

/// Shows or hides the document's word that what it shows may be old.
#[cfg(feature = "hydrate")]
fn say_offline(offline: bool) {
    use wasm_bindgen::JsCast;
    let document = web_sys::window().and_then(|window| window.document());
    let notice = document.and_then(|document| document.get_element_by_id("offline"));
    if let Some(notice) = notice.and_then(|notice| notice.dyn_into::<web_sys::HtmlElement>().ok()) {
        notice.set_hidden(!offline);
    }
}

/// Shows another address without going there, so that what is seen can be shared and opened again.
#[cfg(feature = "hydrate")]
fn show_address(href: &str) {
    let history = web_sys::window().and_then(|window| window.history().ok());
    if let Some(history) = history {
        let state = wasm_bindgen::JsValue::NULL;
        // Where it is not allowed, the address stays.
        let _ = history.replace_state_with_url(&state, "", Some(href));
    }
}

/// Moves what lies under the markers, which the server has drawn, to where they are.
#[cfg(feature = "hydrate")]
fn show_section(window: map::Window) {
    let document = web_sys::window().and_then(|window| window.document());
    let base = document.and_then(|document| document.query_selector(".map.base").ok().flatten());
    if let Some(base) = base {
        let _ = base.set_attribute("viewBox", &window.view_box());
        let _ = base.set_attribute("class", &format!("map base zoom-{}", window.zoom));
    }
}
