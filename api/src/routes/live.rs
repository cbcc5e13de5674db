use std::convert::Infallible;
use std::pin::Pin;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use domain::id::PaymentId;
use domain::payment::PaymentStatus;
use futures::Stream;
use serde::Deserialize;
use store::payment::Payment;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use utoipa::IntoParams;

use super::payments::PaymentView;
use crate::App;
use crate::client::Client;
use crate::drain::come_again;
use crate::error::{ApiError, Problem};
use crate::extract::{Path, Query, bearer};
use crate::live::{Topic, Watching};
use crate::places::Place;
use crate::service::{payment, staff};

/// How often a waiting driver's payment is looked up, beside being told: another process may have
/// taken the bank's word.
const PAYMENT_POLL: Duration = Duration::from_secs(3);

/// How often it is asked whether somebody who watches bays may still do so.
const LOGIN_CHECK: Duration = Duration::from_secs(10);

/// What staff are told who are that no longer: a page that stood still would look true.
const SIGNED_OUT: &str = "event: signed-out\ndata: {}\n\n";

/// How long nothing may be said before a comment shows that the connection lives.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// After how long browsers connect again, in milliseconds.
const RETRY_MS: std::ops::Range<u32> = 1_000..4_000;

#[derive(Deserialize, IntoParams)]
pub(super) struct LiveQuery {
    /// Only this lot, by its code.
    lot: Option<String>,
    /// Only this city's lots, by its code.
    city: Option<String>,
    /// Of one lot, as its staff see it and not otherwise.
    #[serde(default)]
    staff: bool,
}

/// Live changes as server-sent events.
///
/// `lot` events hold a lot as in `/api/v1/lots`; all lots asked for come first, then each as it
/// changes. Staff who are signed in and ask for one of their lots get `bay` events as well. Who
/// reads slowly gets each lot that changed meanwhile once, as it is by then; who reads nothing at all
/// is cut off. With `staff=true`, who is not its staff, or no longer, is told one `signed-out` event, with
/// which the stream ends. A process that is about to end ends its streams with a `retry`: connect again.
#[utoipa::path(get, path = "/api/v1/live", tag = "lots", params(LiveQuery),
    responses((status = 200, content_type = "text/event-stream", body = String),
        (status = 404, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn live_lots(
    State(app): State<App>,
    client: Client,
    headers: HeaderMap,
    Query(query): Query<LiveQuery>,
) -> Result<Response, ApiError> {
    let place = app.limits.stream(client)?;
    let as_staff = query.staff;
    let (topic, ended) = match query {
        LiveQuery {
            lot: Some(lot),
            city,
            ..
        } => one_lot(&app, &headers, (lot, as_staff), city).await?,
        LiveQuery {
            city: Some(city), ..
        } => {
            app.store.city(&city).await?;
            (Topic::City(city), None)
        }
        LiveQuery { .. } => (Topic::All, None),
    };
    if as_staff && !matches!(topic, Topic::Staff(_)) {
        return Ok(event_stream(Body::from(SIGNED_OUT)));
    }
    let reader = Reader {
        greeting: Some(greeting()),
        at_end: as_staff.then(|| Bytes::from_static(SIGNED_OUT.as_bytes())),
        watching: app.live.watch(topic),
        ended,
        leaving: Some(Box::pin(app.drain.stream_ends())),
        _place: place,
    };
    let told = futures::stream::unfold(reader, |mut reader| async {
        let told = reader.next().await?;
        Some((Ok::<_, Infallible>(told), reader))
    });
    Ok(event_stream(Body::from_stream(told)))
}

fn event_stream(events: Body) -> Response {
    let mut response = unbuffered(events.into_response());
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    response
}

/// What whoever asks for one lot watches, and for how long: staff only while they are its staff.
async fn one_lot(
    app: &App,
    headers: &HeaderMap,
    (lot, as_staff): (String, bool),
    city: Option<String>,
) -> Result<(Topic, Option<Ended>), ApiError> {
    let shown = app.live.shown(&lot).ok_or(ApiError::NotFound("lot"))?;
    if city.is_some_and(|city| shown.city != city) {
        return Err(ApiError::NotFound("lot"));
    }
    if let Some(token) = staff::held_token(app, headers) {
        match staff::find(app, Some(token), App::now()).await {
            Ok(who) if staff::may_see(&who, &shown) => {
                let ended = no_longer_staff(app.clone(), token.to_owned(), lot.clone());
                return Ok((Topic::Staff(lot), Some(Box::pin(ended))));
            }
            Ok(_) | Err(ApiError::Unauthorized | ApiError::SecondFactorRequired) => {}
            // A database that is away signs nobody out.
            Err(error) if as_staff => return Err(error),
            Err(_) => {}
        }
    }
    Ok((Topic::Lot(lot), None))
}

/// How long a browser waits before it connects again: each another time, so that after a restart not
/// all come at once. A line of the first event.
fn greeting() -> Bytes {
    format!("retry: {}\n", rand::random_range(RETRY_MS)).into()
}

/// The last that a process says which is about to end: come again soon.
fn farewell() -> Bytes {
    format!("retry: {}\n\n", come_again().as_millis()).into()
}

/// Is ready when a reader may read no more.
type Ended = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Somebody who watches the board over HTTP.
struct Reader {
    greeting: Option<Bytes>,
    /// What is said to whom the stream is taken from; gone once it is said.
    at_end: Option<Bytes>,
    watching: Watching,
    ended: Option<Ended>,
    /// Ready when the process takes leave of this reader; gone once it has.
    leaving: Option<Ended>,
    _place: Place,
}

impl Reader {
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(greeting) = self.greeting.take() {
            return Some(greeting);
        }
        let leaving = self.leaving.as_mut()?;
        let ended = async {
            match &mut self.ended {
                Some(ended) => ended.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = ended => {
                self.leaving = None;
                self.at_end.take()
            }
            () = leaving => {
                self.leaving = None;
                Some(farewell())
            }
            told = self.watching.next() => Some(told),
            () = tokio::time::sleep(KEEP_ALIVE) => Some(Bytes::from_static(b":\n\n")),
        }
    }
}

/// Returns when a login has ended or its owner may no longer see the lot; a database that is away
/// ends none.
async fn no_longer_staff(app: App, token: String, lot: String) {
    loop {
        tokio::time::sleep(LOGIN_CHECK).await;
        match staff::find(&app, Some(&token), App::now()).await {
            Err(ApiError::Unauthorized | ApiError::SecondFactorRequired) => return,
            Ok(who)
                if !app
                    .live
                    .shown(&lot)
                    .is_some_and(|lot| staff::may_see(&who, &lot)) =>
            {
                return;
            }
            _ => {}
        }
    }
}

/// A payment's status as server-sent events: at once, and as soon as it changes.
#[utoipa::path(get, path = "/api/v1/live/payments/{id}", tag = "pay",
    params(("id" = String, Path, description = "The payment's id")),
    security(("session" = [])),
    responses((status = 200, content_type = "text/event-stream", body = String),
        (status = 401, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn live_payment(
    State(app): State<App>,
    client: Client,
    headers: HeaderMap,
    Path(id): Path<PaymentId>,
) -> Result<Response, ApiError> {
    let permit = app.limits.stream(client)?;
    let mut changes = app.live.watch_payments();
    let mut leaving = Box::pin(app.drain.clone().stream_ends());
    let first = authorised(&app, id, &headers).await?;
    let (send, receive) = mpsc::channel::<Result<Event, Infallible>>(4);
    tokio::spawn(async move {
        let _permit = permit;
        let mut known = first;
        let mut polls = tokio::time::interval(PAYMENT_POLL);
        polls.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let event = Event::default().event("payment");
            let Ok(event) = event.json_data(PaymentView::from(&known)) else {
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
                    () = &mut leaving => {
                        let _ = send.send(Ok(Event::default().retry(come_again()))).await;
                        return;
                    }
                    _ = polls.tick() => {}
                    change = changes.recv() => match change {
                        Ok(changed) if changed != id => continue,
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
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    unbuffered(Sse::new(events).keep_alive(keep_alive).into_response())
}

/// Proxies must hand events on as they come, and nobody may keep them. They are not compressed: that
/// would take more memory for each reader than all else.
fn unbuffered(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
