//! Calls to gateways: made, repeated with growing pauses, and given up to people.
//!
//! A call is written down in the transaction that makes it necessary and struck out in the one
//! that settles it, so a crash between only repeats it, and every gateway takes a repetition for
//! what it is. No transaction is open while a gateway is asked.

use std::time::Duration;

use chrono::TimeDelta;
use domain::Timestamp;
use domain::id::{PaymentId, RefundId};
use domain::payment::PaymentStatus;
use domain::refund::RefundStatus;
use futures::StreamExt;
use store::outbox::{OutboxItem, OutboxKind};
use store::payment::Payment;
use store::refund::Noted;
use tokio::sync::watch;
use tracing::Instrument;
use tracing::field::Empty;

use super::in_time;
use super::payment::{order_again, pay_from_wallet};
use super::settlement::settle;
use crate::gateway::wallet;
use crate::gateway::{Ask, Asked, Call, Gateway, Order, RefundOrder, Refunded, Reply, Standing};
use crate::{ApiError, App};

/// How long a gateway may take to answer.
const CALL_WITHIN: Duration = Duration::from_secs(8);
/// The longest reply that is read, in bytes.
const MAX_REPLY: usize = 64 * 1024;
/// How long whoever took a call may work on it before another does: longer than the two calls that a refund may need.
const LEASE: TimeDelta = TimeDelta::seconds(30);
/// How many calls are made at once, and taken: one that waited for its turn would be another's meanwhile.
const AT_ONCE: usize = 16;
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The first pause after a call that told nothing; each further one is twice as long.
const PAUSE_MIN: TimeDelta = TimeDelta::seconds(5);
const PAUSE_MAX: TimeDelta = TimeDelta::minutes(10);
/// How long a gateway has to say by itself that a driver has paid, before it is asked.
const FIRST_QUERY: TimeDelta = TimeDelta::seconds(30);
/// How long after a payment's end its gateway is still asked: its word may come late.
const ASK_AFTER_END: TimeDelta = TimeDelta::days(1);
/// How long a refund is tried before people are asked to look.
const REFUND_WITHIN: TimeDelta = TimeDelta::days(3);

/// Works until told to stop.
pub async fn work(app: App, mut shutdown: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            _ = shutdown.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        while !*shutdown.borrow() {
            match in_time(work_once(&app, App::now())).await {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => {
                    failed("claim");
                    tracing::warn!(%error, "the outbox cannot be worked");
                    break;
                }
            }
        }
    }
}

/// Makes the calls that are due; returns how many.
///
/// # Errors
/// Where the database fails; what was taken is due again after its lease.
pub async fn work_once(app: &App, now: Timestamp) -> Result<usize, ApiError> {
    let limit = i64::try_from(AT_ONCE).unwrap_or(i64::MAX);
    let items = app.store.outbox_claim(now, LEASE, limit).await?;
    let count = items.len();
    futures::stream::iter(items)
        .for_each_concurrent(AT_ONCE, |item| async move {
            let done = match item.kind {
                OutboxKind::Payment => payment_due(app, &item).await,
                OutboxKind::Refund => refund_due(app, &item).await,
            };
            if let Err(error) = done {
                failed(item.kind.code());
                tracing::warn!(%error, subject = %item.subject, "a call to a gateway failed on our side");
            }
        })
        .await;
    Ok(count)
}

/// Counts what failed on our side; what a gateway does not answer is counted as its call.
fn failed(step: &'static str) {
    metrics::counter!("clearbay_outbox_failed_total", "step" => step).increment(1);
}

/// Asks a payment's gateway at once, while its driver waits; what comes of it is kept. A gateway
/// that does not answer is asked again by [`work`].
pub(crate) async fn ask_now(app: &App, payment: &Payment) {
    let item = OutboxItem {
        kind: OutboxKind::Payment,
        subject: payment.id.0,
        attempts: 0,
    };
    if let Some(gateway) = app.gateways.get(&payment.gateway)
        && let Err(error) = ask(app, gateway, payment, &item).await
    {
        tracing::warn!(%error, payment = %payment.id, "a new payment could not be asked for");
    }
}

async fn payment_due(app: &App, item: &OutboxItem) -> Result<(), ApiError> {
    let now = App::now();
    let payment = app.store.payment(PaymentId(item.subject)).await?;
    if payment.status != PaymentStatus::Pending || now > payment.expires_at + ASK_AFTER_END {
        return Ok(app.store.outbox_done(item).await?);
    }
    let Some(gateway) = app.gateways.get(&payment.gateway) else {
        return put_off(app, item, now, "the gateway is not configured").await;
    };
    if gateway.code() == wallet::CODE {
        // Taken or released, nothing is left to be done.
        let reserved = pay_from_wallet(app, &payment, payment.amount_vnd, now).await;
        return reserved.map(|_| ());
    }
    let asked = payment.qr.is_some() || payment.redirect_url.is_some();
    if asked || now >= payment.expires_at {
        query(app, gateway, &payment, item).await
    } else {
        ask(app, gateway, &payment, item).await
    }
}

async fn ask(
    app: &App,
    gateway: &dyn Gateway,
    payment: &Payment,
    item: &OutboxItem,
) -> Result<(), ApiError> {
    let order = order_again(app, payment);
    let checkout = match gateway.ask(&order) {
        Ok(Ask::Call(request)) => match call(app, gateway, request).await {
            Ok(reply) => gateway.asked(&order, &reply),
            Err(error) => Asked::Unknown(error),
        },
        Ok(Ask::Ready(checkout)) => Asked::Ready(checkout),
        Ok(Ask::Wallet) => return Ok(()),
        Err(error) => Asked::Refused(error),
    };
    match checkout {
        Asked::Ready(checkout) => {
            let (qr, url) = (checkout.qr.as_deref(), checkout.redirect_url.as_deref());
            app.store.payment_checkout(payment.id, qr, url).await?;
            app.store
                .outbox_put_off(item, App::now() + FIRST_QUERY, "waits for the driver")
                .await?;
            Ok(())
        }
        Asked::Refused(reason) => {
            fail(app, gateway.code(), &order.reference, &reason).await?;
            Ok(())
        }
        Asked::Unknown(reason) => put_off(app, item, App::now(), &reason).await,
    }
}

async fn query(
    app: &App,
    gateway: &dyn Gateway,
    payment: &Payment,
    item: &OutboxItem,
) -> Result<(), ApiError> {
    let order = order_again(app, payment);
    let Some(request) = gateway.query(&order, App::now()) else {
        return Ok(app.store.outbox_done(item).await?);
    };
    let standing = match call(app, gateway, request).await {
        Ok(reply) => gateway.queried(&order, &reply),
        Err(error) => Standing::Pending(error),
    };
    match standing {
        Standing::Arrived(notice) => {
            settle(app, gateway.code(), vec![notice], App::now()).await?;
            Ok(app.store.outbox_done(item).await?)
        }
        Standing::Failed(reason) => {
            fail(app, gateway.code(), &order.reference, &reason).await?;
            Ok(())
        }
        Standing::Pending(reason) => put_off(app, item, App::now(), &reason).await,
    }
}

/// Voids the payment of that reference on its gateway's word; its driver may pay otherwise. The
/// result is whether there was one that waited.
pub(crate) async fn fail(
    app: &App,
    gateway: &str,
    reference: &str,
    reason: &str,
) -> Result<bool, ApiError> {
    let voided = app
        .store
        .payment_fail(gateway, reference, reason, App::now())
        .await?;
    if let Some(id) = voided {
        app.live.payment(id);
    }
    Ok(voided.is_some())
}

async fn refund_due(app: &App, item: &OutboxItem) -> Result<(), ApiError> {
    let now = App::now();
    let refund = app.store.refund(RefundId(item.subject)).await?;
    if refund.status != RefundStatus::Pending {
        return Ok(app.store.outbox_done(item).await?);
    }
    let by_hand = |note: String| async move {
        tracing::warn!(refund = %refund.id, %note, "a refund waits for people");
        app.store.refund_by_hand(refund.id, &note).await
    };
    let Some(gateway) = app.gateways.get(&refund.gateway) else {
        const NONE: &str = "the gateway is not configured";
        return match now > refund.created_at + REFUND_WITHIN {
            true => Ok(by_hand(NONE.to_owned()).await?),
            false => put_off(app, item, now, NONE).await,
        };
    };
    let order = match refund.payment {
        Some(payment) => order_again(app, &app.store.payment(payment).await?),
        None => Order {
            payment: PaymentId(uuid::Uuid::nil()),
            reference: String::new(),
            amount_vnd: refund.amount_vnd,
            text: String::new(),
            asked_at: refund.created_at,
            expires_at: refund.created_at,
            return_url: String::new(),
            notify_url: String::new(),
            client_ip: String::new(),
            bank: Default::default(),
        },
    };
    let wish = RefundOrder {
        reference: refund.reference.clone(),
        order,
        gateway_ref: refund.bank_ref.clone(),
        amount_vnd: refund.amount_vnd,
        asked_at: refund.created_at,
    };
    // Once it was asked for, a gateway that can be asked what became of it is.
    let query = match item.attempts {
        0 => None,
        _ => gateway.refund_query(&wish, now),
    };
    let asked = match query {
        None => None,
        Some(request) => Some(match call(app, gateway, request).await {
            Ok(reply) => gateway.refund_queried(&wish, &reply),
            Err(error) => Refunded::Pending(error),
        }),
    };
    let answer = match (asked, gateway.refund(&wish, now)) {
        (Some(known @ (Refunded::Done(_) | Refunded::Refused(_))), _) => known,
        // It may never have heard of it: saying it again is harmless.
        (_, Some(request)) => refund_call(app, gateway, &wish, request).await,
        // It may have paid: whoever gave the money back now could give it twice.
        (Some(pending), None) => pending,
        (None, None) => {
            return Ok(by_hand("the gateway has no way to give money back".to_owned()).await?);
        }
    };
    match answer {
        Refunded::Done(number) => {
            let noted = app.store.refund_done(refund.id, &number, now).await?;
            if noted == Noted::UnderAnotherNumber {
                tracing::error!(
                    refund = %refund.id,
                    number,
                    "a gateway gave back what was given back before: look for both payments"
                );
            }
            metrics::counter!("clearbay_refunds_total", "gateway" => gateway.code()).increment(1);
            Ok(())
        }
        Refunded::Refused(reason) => Ok(by_hand(reason).await?),
        Refunded::Pending(reason) if now > refund.created_at + REFUND_WITHIN => {
            Ok(by_hand(format!("no answer for three days: {reason}")).await?)
        }
        Refunded::Pending(reason) => put_off(app, item, now, &reason).await,
    }
}

async fn refund_call(
    app: &App,
    gateway: &dyn Gateway,
    wish: &RefundOrder,
    request: Call,
) -> Refunded {
    match call(app, gateway, request).await {
        Ok(reply) => gateway.refunded(wish, &reply),
        Err(error) => Refunded::Pending(error),
    }
}

async fn put_off(app: &App, item: &OutboxItem, now: Timestamp, note: &str) -> Result<(), ApiError> {
    Ok(app
        .store
        .outbox_put_off(item, now + pause(item.attempts), note)
        .await?)
}

/// How long to wait after attempt number `attempts`, counted from 0.
fn pause(attempts: i32) -> TimeDelta {
    let doublings = attempts.clamp(0, 16).unsigned_abs();
    (PAUSE_MIN * 2i32.saturating_pow(doublings)).min(PAUSE_MAX)
}

/// Sends a request and reads the reply, both within bounds. Nothing of what is sent is logged.
async fn call(app: &App, gateway: &dyn Gateway, request: Call) -> Result<Reply, String> {
    let code = gateway.code();
    let mut builder = app
        .http
        .request(request.method.clone(), &request.url)
        .timeout(CALL_WITHIN)
        .header("content-type", request.content_type);
    for (name, value) in &request.headers {
        builder = builder.header(*name, value);
    }
    // An error of the client's shows the address, which may hold what is signed.
    let failed = |error: reqwest::Error| error.without_url().to_string();
    let span = tracing::debug_span!(
        "gateway",
        otel.name = %format_args!("gateway {code}"),
        otel.kind = "client",
        otel.status_code = Empty,
        gateway = code,
        http.response.status_code = Empty,
    );
    let outcome = async {
        let mut response = builder.body(request.body).send().await.map_err(failed)?;
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > MAX_REPLY {
                return Err("the reply is too long".to_owned());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Reply {
            status,
            body: body.into(),
        })
    }
    .instrument(span.clone())
    .await;
    let label = outcome_label(&outcome);
    if let Ok(reply) = &outcome {
        span.record("http.response.status_code", i64::from(reply.status));
    }
    if label != "answered" {
        span.record("otel.status_code", "ERROR");
    }
    metrics::counter!("clearbay_gateway_calls_total", "gateway" => code, "outcome" => label)
        .increment(1);
    outcome
}

/// What came of a call: an answer, a refusal, a provider that is in trouble (5xx), or nothing.
fn outcome_label(outcome: &Result<Reply, String>) -> &'static str {
    match outcome {
        Ok(reply) if reply.status >= 500 => "server_error",
        Ok(reply) if reply.status >= 400 => "refused",
        Ok(_) => "answered",
        Err(_) => "failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_in_trouble_has_not_answered() {
        let reply = |status| {
            Ok(Reply {
                status,
                body: Default::default(),
            })
        };
        let labels = [200, 302, 404, 503].map(|status| outcome_label(&reply(status)));
        assert_eq!(labels, ["answered", "answered", "refused", "server_error"]);
        assert_eq!(outcome_label(&Err("timed out".to_owned())), "failed");
    }

    #[test]
    fn who_took_a_call_has_made_it_before_another_may_take_it() {
        // A refund may ask what became of it, and then ask for it.
        assert!((CALL_WITHIN * 2).as_secs() < LEASE.num_seconds().unsigned_abs());
    }

    #[test]
    fn pauses_grow_and_end_growing() {
        assert_eq!(pause(0), TimeDelta::seconds(5));
        assert_eq!(pause(1), TimeDelta::seconds(10));
        assert_eq!(pause(100), PAUSE_MAX);
        assert_eq!(pause(-1), PAUSE_MIN);
    }
}
