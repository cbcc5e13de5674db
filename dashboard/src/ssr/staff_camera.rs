//! `/staff/plates/picture`: a plate by the camera, for whoever has one hand free. What is read is a
//! suggestion; the picture is read and forgotten.

use api::limit::PICTURE_PATH;
use api::{ApiError, App};
use axum::body::Bytes;
use axum::extract::{Multipart, State};
use axum::response::Response;
use domain::plate::Plate;
use leptos::prelude::*;

use super::staff::SignedIn;
use super::staff_plate::{Asked, answer};
use super::{Reader, assets, problem};
use crate::lang::Lang;

/// `POST /staff/plates/picture`: reads a plate off a picture, and shows the form with it.
pub(crate) async fn read(
    State(app): State<App>,
    reader: Reader,
    SignedIn(who): SignedIn,
    form: Multipart,
) -> Response {
    let done = async {
        let plate_reader = app.plate_reader.as_ref();
        let plate_reader = plate_reader.ok_or(ApiError::NotFound("plate reader"))?;
        plate_reader.read(picture(form).await?).await
    };
    let suggested = match done.await {
        Ok(plates) => plates,
        // No picture, or none that can be decoded: nothing is read in it.
        Err(ApiError::Unprocessable(_)) => Vec::new(),
        Err(error) => return problem(&reader, &error),
    };
    let asked = Asked {
        suggested: Some(suggested),
        ..Asked::default()
    };
    answer(&app, &reader, who, asked).await
}

/// The form's picture.
async fn picture(mut form: Multipart) -> Result<Bytes, ApiError> {
    let unreadable = |_| ApiError::BadRequest("the form cannot be read".to_owned());
    while let Some(field) = form.next_field().await.map_err(unreadable)? {
        if field.name() == Some("picture") {
            return field.bytes().await.map_err(unreadable);
        }
    }
    Err(ApiError::Unprocessable("there is no picture".to_owned()))
}

/// The camera's button.
pub(super) fn form(lang: Lang) -> impl IntoView {
    view! {
        <form class="card plate-picture" method="post" action=PICTURE_PATH enctype="multipart/form-data">
            <label class="field">
                <span>{lang.staff_camera().or_take_picture_plate}</span>
                <input type="file" name="picture" accept="image/*" capture="environment" required data-plate-picture />
            </label>
            <button>{lang.staff_camera().read_the_plate}</button>
            <p class="note">{lang.staff_camera().close_straight_plate_about_half}</p>
            <script src=assets::url("plate.js") defer></script>
        </form>
    }
}

/// What was read, to be confirmed: the first stands in the form already.
pub(super) fn suggested(plates: Vec<Plate>, lang: Lang) -> AnyView {
    if plates.is_empty() {
        return view! { <p class="error" role="alert" data-read="nothing">{lang.staff_camera().no_plate_could_read_picture}</p> }
        .into_any();
    }
    let others = plates
        .into_iter()
        .skip(1)
        .map(|plate| {
            let plate = plate.reveal().to_owned();
            view! {
                <form method="post" action="/staff/plates">
                    <input type="hidden" name="plate" value=plate.clone() />
                    <input type="hidden" name="read" value=plate.clone() />
                    <button>{plate}</button>
                </form>
            }
        })
        .collect_view();
    view! {
        <div class="hint" role="status" data-read="plate">
            <p>{lang.staff_camera().read_off_picture_compare_vehicle}</p>
            <div class="actions">{others}</div>
        </div>
    }
    .into_any()
}
