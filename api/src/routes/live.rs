use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use domain::id::PaymentId;
use domain::payment::PaymentStatus;
use futures::Stream;
use serde::{Deserialize, Serialize};
use store::payment::Payment;
use store::staff::Staff;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use utoipa::{IntoParams, ToSchema};

use super::payments::PaymentView;
use crate::App;
use crate::error::{ApiError, Problem};
use crate::extract::{Path, Query, bearer, cookie};
use crate::live::LotChange;
use crate::service::{payment, staff};

/// How often a waiting driver's payment is looked up, beside being told: another process may have
/// taken the bank's word.
const PAYMENT_POLL: Duration = Duration::from_secs(3);

/// How often it is asked whether somebody who watches bays may still do so.
const LOGIN_CHECK: Duration = Duration::from_secs(10);

#[derive(Deserialize, IntoParams)]
pub(super) struct LiveQuery {
    /// Only this lot, by its code.
    lot: Option<String>,
    /// Only this city's lots, by its code.
    city: Option<String>,
}

impl LiveQuery {
    fn wants(&self, change: &LotChange) -> bool {
        self.lot.as_ref().is_none_or(|lot| *lot == change.lot.code)
            && self
                .city
                .as_ref()
                .is_none_or(|city| *city == change.lot.city)
    }
}

#[derive(Serialize, ToSchema)]
pub(super) struct LiveBay<'a> {
    /// The lot's code.
    lot: &'a str,
    #[serde(flatten)]
    bay: &'a domain::board::StaffBay,
}

fn event(name: &str, data: &impl Serialize) -> Option<Event> {
    Event::default().event(name).json_data(data).ok()
}

/// Live changes as server-sent events.
///
/// `lot` events hold a lot as in `/api/v1/lots`; all lots asked for come first, then each as it
/// changes. Staff who are signed in and ask for one of their lots get `bay` events as well.
#[utoipa::path(get, path = "/api/v1/live", tag = "lots", params(LiveQuery),
    responses((status = 200, content_type = "text/event-stream", body = String),
        (status = 503, body = Problem)))]
pub(super) async fn live_lots(
    State(app): State<App>,
    headers: HeaderMap,
    Query(query): Query<LiveQuery>,
) -> Result<Response, ApiError> {
    let permit = app.limits.stream()?;
    let token = cookie(&headers, staff::COOKIE).map(str::to_owned);
    let who = match &token {
        Some(token) => staff::find(&app, Some(token), App::now()).await.ok(),
        None => None,
    };
    let (send, receive) = mpsc::channel::<Result<Event, Infallible>>(256);
    tokio::spawn(async move {
        let _permit = permit;
        tokio::select! {
            () = follow_lots(&app, &query, who.as_ref(), &send) => {}
            () = signed_out(&app, token.as_deref()), if who.is_some() => {}
        }
    });
    Ok(stream(ReceiverStream::new(receive)))
}

/// Returns when a login has ended; a database that is away ends none.
async fn signed_out(app: &App, token: Option<&str>) {
    loop {
        tokio::time::sleep(LOGIN_CHECK).await;
        let found = staff::find(app, token, App::now()).await;
        if matches!(found, Err(ApiError::Unauthorized)) {
            return;
        }
    }
}

async fn follow_lots(
    app: &App,
    query: &LiveQuery,
    who: Option<&Staff>,
    send: &mpsc::Sender<Result<Event, Infallible>>,
) {
    // Watching begins before the snapshot is taken, so that nothing falls between.
    let mut changes = app.live.watch_lots();
    if snapshot(app, query, who, send).await.is_none() {
        return;
    }
    loop {
        let change: Arc<LotChange> = tokio::select! {
            () = send.closed() => return,
            change = changes.recv() => match change {
                Ok(change) => change,
                Err(RecvError::Closed) => return,
                Err(RecvError::Lagged(_)) => {
                    if snapshot(app, query, who, send).await.is_none() {
                        return;
                    }
                    continue;
                }
            },
        };
        for event in events(&change, query, who) {
            if send.send(Ok(event)).await.is_err() {
                return;
            }
        }
    }
}

/// Sends every lot asked for, and for its staff a lot's bays; `None` where the reader has gone.
async fn snapshot(
    app: &App,
    query: &LiveQuery,
    who: Option<&Staff>,
    send: &mpsc::Sender<Result<Event, Infallible>>,
) -> Option<()> {
    let now = App::now();
    let Some(code) = &query.lot else {
        for lot in app.live.lots(query.city.as_deref(), now).await {
            send.send(Ok(event("lot", &lot)?)).await.ok()?;
        }
        return Some(());
    };
    let Some((lot, bays)) = app.live.staff_lot(code, now).await else {
        return Some(());
    };
    let change = LotChange { lot, bays };
    for event in events(&change, query, who) {
        send.send(Ok(event)).await.ok()?;
    }
    Some(())
}

/// What a reader is told of a change: the lot, and its staff the bays.
fn events(change: &LotChange, query: &LiveQuery, who: Option<&Staff>) -> Vec<Event> {
    if !query.wants(change) {
        return Vec::new();
    }
    let mut events = vec![event("lot", &change.lot)];
    if query.lot.is_some() && who.is_some_and(|who| staff::may_see(who, &change.lot)) {
        let lot = change.lot.code.as_str();
        events.extend(
            change
                .bays
                .iter()
                .map(|bay| event("bay", &LiveBay { lot, bay })),
        );
    }
    events.into_iter().flatten().collect()
}

/// A payment's status as server-sent events: at once, and as soon as it changes.
#[utoipa::path(get, path = "/api/v1/live/payments/{id}", tag = "pay",
    params(("id" = String, Path, description = "The payment's id")),
    security(("session" = [])),
    responses((status = 200, content_type = "text/event-stream", body = String),
        (status = 401, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn live_payment(
    State(app): State<App>,
    headers: HeaderMap,
    Path(id): Path<PaymentId>,
) -> Result<Response, ApiError> {
    let permit = app.limits.stream()?;
    let mut changes = app.live.watch_payments();
    let first = authorised(&app, id, &headers).await?;
    let (send, receive) = mpsc::channel::<Result<Event, Infallible>>(4);
    tokio::spawn(async move {
        let _permit = permit;
        let mut known = first;
        let mut polls = tokio::time::interval(PAYMENT_POLL);
        polls.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let Some(event) = event("payment", &PaymentView::from(&known)) else {
                return;
            };
            if send.send(Ok(event)).await.is_err() || known.status != PaymentStatus::Pending {
                return;
            }
            let (status, expired) = (known.status, App::now() >= known.expires_at);
            // Its time running out is news as well: the page takes the code away.
            while known.status == status && (expired || App::now() < known.expires_at) {
                tokio::select! {
                    () = send.closed() => return,
                    _ = polls.tick() => {}
                    change = changes.recv() => match change {
                        Ok(change) if change.id != id => continue,
                        Ok(_) | Err(RecvError::Lagged(_)) => {}
                        Err(RecvError::Closed) => return,
                    },
                }
                match app.store.payment(id).await {
                    Ok(payment) => known = payment,
                    Err(error) => tracing::warn!(%error, "a waiting payment cannot be read"),
                }
            }
        }
    });
    Ok(stream(ReceiverStream::new(receive)))
}

/// A payment, for whoever holds its token, in the API's header or in a page's cookie.
pub(super) async fn authorised(
    app: &App,
    id: PaymentId,
    headers: &HeaderMap,
) -> Result<Payment, ApiError> {
    match bearer(headers) {
        Some(token) => payment::find(app, id, token).await,
        None => payment::find_held(app, id, headers).await,
    }
}

fn stream(events: impl Stream<Item = Result<Event, Infallible>> + Send + 'static) -> Response {
    let mut response = Sse::new(events)
        .keep_alive(KeepAlive::new().interval(Duration::from_secs(15)))
        .into_response();
    // Proxies must hand events on as they come.
    response
        .headers_mut()
        .insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
