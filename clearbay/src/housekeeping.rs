//! What is done once a minute: what has run out is ended, what may be forgotten is.

use std::sync::Arc;
use std::time::Duration;

use api::service::in_time;
use api::service::lease::Turn;
use api::service::session::MAX_UPLOAD_AGE;
use api::{App, LiveBoard};
use chrono::TimeDelta;
use domain::Timestamp;
use ingest::decoder::battery_limit_mv;
use metrics_exporter_prometheus::PrometheusHandle;
use store::health::{Checkup, FaultsRecorded};
use store::{Store, StoreError};
use tokio::sync::watch;

use crate::shutdown;

/// How long after a payment was asked for its bank may still tell of money that came in time.
const LATE_WEBHOOKS: TimeDelta = TimeDelta::days(1);
/// How long an idempotency key is remembered: longer than what it guards may be sent again.
const REMEMBER_KEYS: TimeDelta = TimeDelta::days(7 + MAX_UPLOAD_AGE.num_days());
/// How many steps of forgetting are taken in a minute: what ended within as many hours, after a long absence.
const FORGET_STEPS: usize = 60;
/// Every so many minutes it is looked whether there is more to forget.
const FORGET_EVERY_MIN: u64 = 15;
/// Every so many minutes sensors are looked at thoroughly, the first time at the start.
const THOROUGH_EVERY_MIN: u64 = 5;

/// Works until told to stop. Some of it is the work of the process whose turn it is. Plates are kept for
/// `keep_plates` after they were needed last.
pub async fn housekeeping(
    store: Store,
    live: Arc<LiveBoard>,
    metrics: PrometheusHandle,
    keep_plates: TimeDelta,
    mut turn: Turn,
    mut shutdown: watch::Receiver<bool>,
) {
    let mut ticks = tokio::time::interval(Duration::from_secs(60));
    let mut round = 0u64;
    let mut forgets = true;
    loop {
        tokio::select! {
            () = shutdown::told(&mut shutdown) => return,
            _ = ticks.tick() => {}
            () = turn.begins() => ticks.reset(),
        }
        metrics.run_upkeep();
        let now = App::now();
        let checkup = match round % THOROUGH_EVERY_MIN {
            0 => Checkup::Thorough,
            _ => Checkup::Quick,
        };
        round += 1;
        assess_devices(&store, &live, checkup, now).await;
        if !turn.is_ours() {
            continue;
        }
        loop {
            match in_time(store.payment_void_expired(now - LATE_WEBHOOKS, now)).await {
                Ok(0) => break,
                Ok(count) => tracing::info!(count, "voided payments whose money never came"),
                Err(error) => {
                    failed(
                        "void_payments",
                        &error,
                        "expired payments could not be voided",
                    );
                    break;
                }
            }
        }
        loop {
            match in_time(store.invoice_assign()).await {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => {
                    failed("number_invoices", &error, "invoices could not be numbered");
                    break;
                }
            }
        }
        match in_time(store.exemption_scans_forget(now)).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "deleted pictures of documents whose time was over"),
            Err(error) => failed(
                "forget_scans",
                &error,
                "pictures of documents could not be deleted",
            ),
        }
        match in_time(store.confirmed_names_forget(now)).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "deleted drivers' names whose time was over"),
            Err(error) => failed(
                "forget_names",
                &error,
                "drivers' names could not be deleted",
            ),
        }
        if let Err(error) = in_time(store.idempotency_prune(now - REMEMBER_KEYS)).await {
            failed(
                "forget_keys",
                &error,
                "old idempotency keys could not be forgotten",
            );
        }
        if let Err(error) = in_time(store.logins_forget(now)).await {
            failed(
                "forget_logins",
                &error,
                "numbers of old sign-ins could not be deleted",
            );
        }
        if forgets || round.is_multiple_of(FORGET_EVERY_MIN) {
            forgets = !forget_people(&store, now - keep_plates).await;
        }
    }
}

/// Takes plates and texts away that nobody needs since `before`, some of them; returns whether that was all.
async fn forget_people(store: &Store, before: Timestamp) -> bool {
    let (mut plates, mut texts, mut finished) = (0, 0, false);
    for _ in 0..FORGET_STEPS {
        match in_time(store.personal_data_forget(before)).await {
            Ok(step) => {
                plates += step.plates;
                texts += step.texts;
                finished = step.finished;
            }
            Err(error) => {
                failed(
                    "forget_plates",
                    &error,
                    "plates and texts could not be taken away",
                );
                break;
            }
        }
        if finished {
            break;
        }
    }
    if plates + texts > 0 {
        tracing::info!(
            plates,
            texts,
            "took away plates and texts whose time was over"
        );
    }
    finished
}

/// Finds which sensors can be relied on. Another process may be at it.
async fn assess_devices(store: &Store, live: &LiveBoard, checkup: Checkup, now: Timestamp) {
    match in_time(store.devices_assess(checkup, battery_limit_mv, now)).await {
        Ok(Some(found)) => {
            let FaultsRecorded {
                begun,
                ended,
                doubts,
            } = found;
            if begun + ended > 0 {
                tracing::info!(begun, ended, "faults of sensors");
            }
            if doubts {
                live.want_reload();
            }
        }
        Ok(None) => {}
        Err(error) => failed("assess_devices", &error, "sensors could not be assessed"),
    }
}

/// Counts and tells what could not be done; it is tried again in a minute.
fn failed(task: &'static str, error: &StoreError, what: &str) {
    metrics::counter!("clearbay_housekeeping_failures_total", "task" => task).increment(1);
    tracing::warn!(%error, "{what}");
}
