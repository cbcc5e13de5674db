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
                <span>{lang.t("Hoặc chụp biển số", "Or take a picture of the plate")}</span>
                <input type="file" name="picture" accept="image/*" capture="environment" required data-plate-picture />
            </label>
            <button>{lang.t("Đọc biển số trong ảnh", "Read the plate")}</button>
            <p class="note">{lang.t(
                "Chụp gần và thẳng, biển số chiếm khoảng nửa ảnh. Ảnh không được lưu.",
                "Close and straight, the plate about half of the picture. The picture is not kept.",
            )}</p>
            <script src=assets::url("plate.js") defer></script>
        </form>
    }
}

/// What was read, to be confirmed: the first stands in the form already.
pub(super) fn suggested(plates: Vec<Plate>, lang: Lang) -> AnyView {
    if plates.is_empty() {
        return view! { <p class="error" role="alert" data-read="nothing">{lang.t(
            "Không đọc được biển số trong ảnh này. Xin gõ, hoặc chụp lại gần và thẳng hơn.",
            "No plate could be read in this picture. Please type it, or take another, closer and straighter.",
        )}</p> }
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
            <p>{lang.t(
                "Đọc từ ảnh: hãy so với biển số trên xe, sửa nếu sai, rồi bấm Tra.",
                "Read off the picture: compare it with the vehicle, correct it where it is wrong, then look it up.",
            )}</p>
            <div class="actions">{others}</div>
        </div>
    }
    .into_any()
}
