//! Driver, staff and city pages.

#[cfg(feature = "ssr")]
/// Every page, by its address. `web_dir` is the folder with the browser's bundle.
pub fn router(_web_dir: Option<&std::path::Path>) -> axum::Router<api::App> {
    axum::Router::new()
}
