//! Finding a place: the city's lots, on a map and in a list.

use std::sync::Arc;

use api::App;
use api::service::{map, offer};
use axum::Extension;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};
use leptos::prelude::*;

use super::base_map::{BaseMap, base_map};
use super::document::Document;
use super::{Reader, mine, pay};
use crate::icon;
use crate::island::{LotFinder, Map};
use crate::wish::Wish;

/// `/`: all lots, or those that the address asks for. A bay's code leads to its page instead.
pub(crate) async fn city_page(
    State(app): State<App>,
    Extension(base): Extension<Arc<BaseMap>>,
    Query(query): Query<Vec<(String, String)>>,
    reader: Reader,
    headers: HeaderMap,
) -> Response {
    let wish = Wish::read(&query);
    if let Some(code) = bay_code(&app, &wish.words).await {
        return Redirect::to(&format!("/b/{code}")).into_response();
    }
    let lang = reader.lang;
    let now = App::now();
    let lots = app.live.lots(Some(&app.city.code), now).await;
    // Without prices, or streets, one can still see where there is room.
    let offers = offer::offers(&app, now).await.unwrap_or_default();
    let features = map::features(&app, now).await.unwrap_or_default();
    let running = mine::running(&app, &headers).await;
    let events = format!("/api/v1/live?city={}", app.city.code);
    let title = lang.find().find_parking;
    let document = Document {
        title,
        active: "/",
        live: Some(events.clone()),
    };
    document.page(&reader, move || {
        let empty = lots.is_empty();
        let map = Map::around(&lots);
        let streets = base_map(&base.markup(&features, map), map.window(wish.section));
        view! {
            {icon::symbols()}
            {mine::running_view(&running, &app, lang)}
            <LotFinder lots=lots offers=offers.to_vec() wish=wish events=events lang=lang>{streets}</LotFinder>
            {empty.then(|| view! { <p class="empty">{lang.find().no_lots_are_installed_yet}</p> })}
        }
    })
}

/// The code of the bay whose sign says what was typed, if there is one: every code has a digit, few
/// streets have.
async fn bay_code(app: &App, words: &str) -> Option<String> {
    let code = pay::typed_code(words);
    if !code.contains(|letter: char| letter.is_ascii_digit()) {
        return None;
    }
    app.store.bay_place(&code).await.ok().map(|bay| bay.code)
}
