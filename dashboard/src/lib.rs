//! Driver, staff and city pages.
//!
//! Pages are rendered on the server from the same services as the REST handlers (`ssr`). What
//! changes by itself is an island (`island`): rendered on the server too, then taken over by
//! WebAssembly in the browser. Without the bundle the same pages work by forms and a few lines of
//! script that fetch the page anew when an event arrives.

mod icon;
pub mod island;
pub mod lang;
mod text;
pub mod wish;

#[cfg(feature = "ssr")]
mod ssr;

#[cfg(feature = "ssr")]
pub use ssr::Pages;

/// The bundle's start: nothing but the islands is taken over.
#[cfg(feature = "hydrate")]
#[wasm_bindgen::prelude::wasm_bindgen]
pub fn hydrate() {
    console_error_panic_hook::set_once();
    leptos::mount::hydrate_islands();
}
