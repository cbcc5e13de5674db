//! `/staff/shifts`: who is where and when, planned by an administrator.

use api::service::shift_plan::{self, Plan, Wish};
use api::{ApiError, App};
use axum::extract::{Form, Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use chrono::{NaiveDate, NaiveTime};
use chrono_tz::Tz;
use domain::Timestamp;
use domain::board::LotSummary;
use domain::id::ShiftId;
use leptos::prelude::*;
use store::people::Member;
use store::shift::PlannedShift;
use store::staff::Staff;

use super::document::Document;
use super::staff::{SignedIn, staff_bar};
use super::staff_shift_days::days_view;
use super::{Reader, problem};
use crate::lang::Lang;

/// What of the form is known already.
#[derive(Clone, Debug, Default)]
struct Typed {
    login: String,
    lots: Vec<String>,
    day: String,
    from: String,
    until: String,
    note: String,
}

impl Typed {
    /// The form's fields; one of several boxes comes once for each that is ticked.
    fn of(fields: Vec<(String, String)>) -> Self {
        let mut typed = Self::default();
        for (name, value) in fields {
            match name.as_str() {
                "login" => typed.login = value,
                "lot" => typed.lots.push(value),
                "day" => typed.day = value,
                "from" => typed.from = value,
                "until" => typed.until = value,
                "note" => typed.note = value,
                _ => {}
            }
        }
        typed
    }

    fn of_shift(shift: &PlannedShift, tz: Tz) -> Self {
        let local = |at: Timestamp, format| at.with_timezone(&tz).format(format).to_string();
        Self {
            login: shift.login.clone(),
            lots: shift.lots.clone(),
            day: local(shift.starts_at, "%Y-%m-%d"),
            from: local(shift.starts_at, "%H:%M"),
            until: local(shift.ends_at, "%H:%M"),
            note: shift.note.clone(),
        }
    }

    fn wish(&self) -> Result<Wish, ApiError> {
        let no_time = || ApiError::Unprocessable("a day and two times are needed".to_owned());
        let time = |text: &str| {
            NaiveTime::parse_from_str(text, "%H:%M")
                .or_else(|_| NaiveTime::parse_from_str(text, "%H:%M:%S"))
                .map_err(|_| no_time())
        };
        Ok(Wish {
            login: self.login.clone(),
            lots: self.lots.clone(),
            day: self.day.parse::<NaiveDate>().map_err(|_| no_time())?,
            from: time(&self.from)?,
            until: time(&self.until)?,
            note: self.note.clone(),
        })
    }
}

/// `/staff/shifts`.
pub(crate) async fn page(
    State(app): State<App>,
    reader: Reader,
    RawQuery(query): RawQuery,
    SignedIn(who): SignedIn,
) -> Response {
    let text = reader.lang.staff_shifts();
    let told = match query.as_deref() {
        Some("saved") => Some(text.saved),
        Some("cancelled") => Some(text.cancelled),
        _ => None,
    };
    show(&app, &reader, who, None, told.map(Told::Done)).await
}

/// `/staff/shifts/{id}`: the form with a shift in it, to be changed or cancelled.
pub(crate) async fn edit(
    State(app): State<App>,
    reader: Reader,
    Path(id): Path<i32>,
    SignedIn(who): SignedIn,
) -> Response {
    show(&app, &reader, who, Some(ShiftId(id)), None).await
}

/// `POST /staff/shifts`.
pub(crate) async fn add(
    State(app): State<App>,
    reader: Reader,
    SignedIn(who): SignedIn,
    Form(fields): Form<Vec<(String, String)>>,
) -> Response {
    let typed = Typed::of(fields);
    let done = async {
        let now = App::now();
        shift_plan::add(&app, &who, typed.wish()?, now).await
    };
    let done = done.await.map(|_| ());
    answer(&app, &reader, who, None, typed, done).await
}

/// `POST /staff/shifts/{id}`: planned otherwise.
pub(crate) async fn change(
    State(app): State<App>,
    reader: Reader,
    Path(id): Path<i32>,
    SignedIn(who): SignedIn,
    Form(fields): Form<Vec<(String, String)>>,
) -> Response {
    let typed = Typed::of(fields);
    let done = async {
        let now = App::now();
        shift_plan::change(&app, &who, ShiftId(id), typed.wish()?, now).await
    };
    let done = done.await;
    answer(&app, &reader, who, Some(ShiftId(id)), typed, done).await
}

/// `POST /staff/shifts/{id}/cancel`.
pub(crate) async fn cancel(
    State(app): State<App>,
    reader: Reader,
    Path(id): Path<i32>,
    SignedIn(who): SignedIn,
) -> Response {
    match shift_plan::cancel(&app, &who, ShiftId(id), App::now()).await {
        // Cancelled a moment ago by somebody else: the list shows it.
        Ok(()) | Err(ApiError::NotFound(_)) => {
            Redirect::to("/staff/shifts?cancelled").into_response()
        }
        Err(error) => problem(&reader, &error),
    }
}

/// What the page says of the deed before it.
enum Told {
    /// It is done.
    Done(&'static str),
    /// It is not, and this was typed.
    Failed(Typed, ApiError),
}

async fn answer(
    app: &App,
    reader: &Reader,
    who: Staff,
    id: Option<ShiftId>,
    typed: Typed,
    done: Result<(), ApiError>,
) -> Response {
    match done {
        Ok(()) => Redirect::to("/staff/shifts?saved").into_response(),
        Err(
            error @ (ApiError::Conflict(_) | ApiError::Unprocessable(_) | ApiError::NotFound(_)),
        ) => show(app, reader, who, id, Some(Told::Failed(typed, error))).await,
        Err(error) => problem(reader, &error),
    }
}

async fn show(
    app: &App,
    reader: &Reader,
    who: Staff,
    id: Option<ShiftId>,
    told: Option<Told>,
) -> Response {
    let now = App::now();
    let loaded = async {
        let plan = shift_plan::plan(app, &who, now).await?;
        let shift = match id {
            Some(id) => Some(shift_plan::one(app, &who, id).await?),
            None => None,
        };
        Ok((who, plan, shift))
    };
    let (who, plan, shift) = match loaded.await {
        Ok(loaded) => loaded,
        Err(error) => return problem(reader, &error),
    };
    let (lang, tz) = (reader.lang, app.city.timezone);
    let title = lang.staff_shifts().shifts;
    let (typed, error, done) = match (told, &shift) {
        (Some(Told::Failed(typed, error)), _) => (typed, Some(error), None),
        (_, Some(shift)) => (Typed::of_shift(shift, tz), None, None),
        (Some(Told::Done(text)), None) => (Typed::default(), None, Some(text)),
        (None, None) => (Typed::default(), None, None),
    };
    let status = error.as_ref().map_or(StatusCode::OK, ApiError::status);
    let last_day = shift_plan::last_day(app, now).to_string();
    let today = now.with_timezone(&tz).date_naive();
    Document {
        title,
        active: "/staff",
        live: None,
    }
    .respond(reader, status, move || {
        let Plan {
            days,
            members,
            lots,
        } = plan;
        let form = form_view(
            FormParts {
                typed,
                error,
                members,
                lots,
                today,
                last_day,
            },
            &who,
            shift,
            now,
            lang,
        );
        view! {
            {staff_bar(&who, "/staff/shifts", lang)}
            <h1>{title} " " <small>{lang.staff_shifts().this_week_and_the_next}</small></h1>
            {done.map(|text| view! { <p class="ok" role="status">"✓ " {text}</p> })}
            <div class="plan">
                {form}
                <div>{days_view(days, who.operator.is_none(), tz, now, lang)}</div>
            </div>
        }
    })
}

/// What the form is made of.
struct FormParts {
    typed: Typed,
    error: Option<ApiError>,
    members: Vec<Member>,
    lots: Vec<LotSummary>,
    today: NaiveDate,
    last_day: String,
}

fn form_view(
    form: FormParts,
    who: &Staff,
    shift: Option<PlannedShift>,
    now: Timestamp,
    lang: Lang,
) -> AnyView {
    let FormParts {
        typed,
        error,
        members,
        lots,
        today,
        last_day,
    } = form;
    let city = who.operator.is_none();
    let over = shift
        .as_ref()
        .is_some_and(|shift| shift.cancelled_at.is_some() || shift.ends_at <= now);
    if over {
        return view! { <p class="hint">{lang.staff_shifts().shift_over_or_cancelled_can}
        " " <a href="/staff/shifts">{lang.staff_shifts().back_to_the_plan}</a></p> }
        .into_any();
    }
    let home = shift.as_ref().map_or_else(
        || "/staff/shifts".to_owned(),
        |shift| format!("/staff/shifts/{}", shift.id),
    );
    let title = match shift {
        Some(_) => lang.staff_shifts().change_the_shift,
        None => lang.staff_shifts().plan_a_shift,
    };
    let people = members
        .into_iter()
        .filter(|member| member.disabled_at.is_none())
        .map(|member| {
            let place = match (city, &member.operator) {
                (false, _) => String::new(),
                (true, Some(operator)) => format!(" · {operator}"),
                (true, None) => format!(" · {}", lang.staff_shifts().the_city),
            };
            let text = format!("{}{place}", member.name);
            let chosen = member.login == typed.login;
            view! { <option value=member.login.clone() selected=chosen>{text}</option> }
        })
        .collect_view();
    let lots = lots
        .into_iter()
        .map(|lot| {
            let ticked = typed.lots.contains(&lot.code);
            let operator = city.then(|| format!(" · {}", lot.operator));
            view! {
                <label><input type="checkbox" name="lot" value=lot.code.clone() checked=ticked /> " "
                    {lot.code.clone()} " " <small>{lot.name} {operator}</small></label>
            }
        })
        .collect_view();
    let day = match typed.day.is_empty() {
        true => today.to_string(),
        false => typed.day,
    };
    let cancel = shift.map(|shift| {
        view! {
            <form method="post" action=format!("/staff/shifts/{}/cancel", shift.id)>
                <button class="quiet">{lang.staff_shifts().cancel_this_shift}</button>
            </form>
            <p><a href="/staff/shifts">{lang.staff_shifts().leave_it_back_to_the_plan}</a></p>
        }
    });
    view! {
        <section class="card shift-form">
            <form method="post" action=home>
                <h2>{title}</h2>
                {error.map(|error| view! { <p class="error" role="alert">{reason(&error, lang)}</p> })}
                <label class="field"><span>{lang.staff_shifts().who}</span>
                    <select name="login" required>{people}</select></label>
                <label class="field"><span>{lang.staff_shifts().begins_on}</span>
                    <input type="date" name="day" value=day required max=last_day /></label>
                <div class="two">
                    <label class="field"><span>{lang.words().from}</span>
                        <input type="time" name="from" value=typed.from required /></label>
                    <label class="field"><span>{lang.staff_shifts().until}</span>
                        <input type="time" name="until" value=typed.until required /></label>
                </div>
                <p class="note">{lang.staff_shifts().until_time_before_its_start}</p>
                <fieldset class="lots-pick">
                    <legend>{lang.staff_shifts().at_which_lots}</legend>
                    {lots}
                </fieldset>
                <label class="field"><span>{lang.staff_shifts().note}</span>
                    <input name="note" maxlength="200" value=typed.note autocomplete="off" /></label>
                <button class="primary">{lang.staff_shifts().save}</button>
            </form>
            {cancel}
        </section>
    }
    .into_any()
}

fn reason(error: &ApiError, lang: Lang) -> String {
    match (error, lang) {
        (ApiError::Conflict(_), Lang::Vi) => {
            "Người này đã có ca khác vào giờ đó: không ai ở hai nơi cùng lúc.".to_owned()
        }
        (ApiError::NotFound(_), Lang::Vi) => "Không còn ca, người hoặc điểm đỗ đó.".to_owned(),
        (_, Lang::Vi) => {
            "Xin xem lại: chọn người và ít nhất một điểm của đơn vị người đó; ca dài 15 phút đến 16 giờ, chưa qua và không quá 60 ngày tới."
                .to_owned()
        }
        (error, Lang::En) => error.to_string(),
    }
}
