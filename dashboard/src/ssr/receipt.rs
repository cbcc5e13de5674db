//! `/r/{id}`: a receipt, for whoever has its address. It holds no plate.

use api::{ApiError, App};
use axum::extract::{Path, State};
use axum::response::Response;
use chrono_tz::Tz;
use domain::id::ReceiptId;
use leptos::prelude::*;
use store::receipt::Receipt;

use super::document::Document;
use super::parts::{full_time, price_lines};
use super::{Reader, problem};
use crate::lang::Lang;

pub(crate) async fn page(
    State(app): State<App>,
    reader: Reader,
    Path(id): Path<String>,
) -> Response {
    let lang = reader.lang;
    let found = match id.parse::<ReceiptId>() {
        Ok(id) => app.store.receipt(id).await.map_err(ApiError::from),
        Err(_) => Err(ApiError::NotFound("receipt")),
    };
    match found {
        Ok(receipt) => {
            let title = lang.t("Biên lai", "Receipt");
            Document {
                title,
                active: "",
                live: None,
            }
            .page(&reader, move || view(receipt, lang))
        }
        Err(error) => problem(&reader, &error),
    }
}

fn view(receipt: Receipt, lang: Lang) -> impl IntoView {
    let tz: Tz = receipt.timezone.parse().unwrap_or(Tz::UTC);
    let amount = receipt.amount_vnd.to_string();
    let day = receipt.issued_at.with_timezone(&tz).date_naive();
    view! {
        <article class="card narrow receipt">
            <header>
                <h1>{lang.t("Biên lai đỗ xe", "Parking receipt")}</h1>
                <p class="big">{amount.clone()}</p>
                <p class="ok">"✓ " {lang.t("Đã trả lúc ", "Paid at ")} {full_time(receipt.issued_at, tz)}</p>
            </header>
            {price_lines(&receipt.lines, amount, lang)}
            <dl class="facts">
                <div><dt>{lang.t("Chỗ", "Bay")}</dt><dd>{receipt.bay} " · " {receipt.lot_name}</dd></div>
                <div><dt>{lang.t("Loại xe", "Vehicle")}</dt><dd>{lang.class(receipt.class)}</dd></div>
                <div><dt>{lang.t("Vùng giá", "Zone")}</dt><dd>{receipt.zone_name}</dd></div>
                <div><dt>{lang.t("Từ", "From")}</dt><dd>{full_time(receipt.starts_at, tz)}</dd></div>
                <div><dt>{lang.t("Đến", "Until")}</dt><dd>{full_time(receipt.ends_at, tz)}</dd></div>
                <div><dt>{lang.t("Đơn vị thu", "Collected by")}</dt><dd>{receipt.operator_name}</dd></div>
                <div><dt>{lang.t("Cách trả", "Paid by")}</dt><dd>"VietQR · " <code>{receipt.reference}</code></dd></div>
                <div><dt>{lang.t("Số", "Number")}</dt><dd><code class="id">{receipt.id.to_string()}</code></dd></div>
            </dl>
            <p class="note">
                {lang.t("Khoản này nằm trong tổng công khai của ngày ", "This payment is part of the public total of ")}
                <a href=format!("/city?from={day}&to={day}")>{day.format("%d/%m/%Y").to_string()}</a> "."
            </p>
        </article>
    }
}
