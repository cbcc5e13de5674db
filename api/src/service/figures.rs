//! Metrics of what is, beside those of what happens: how much waits, how many bays are known, whether this process can
//! do its work, and whether somebody keeps the database's changes.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::NaiveTime;
use domain::health::FaultKind;
use store::figures::{Figures, Waiting};
use store::standbys::{Slot, Standbys};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::in_time;
use super::lease::Turn;
use super::readiness::ready;
use crate::App;

/// How often they are shown anew: as often as Prometheus asks (`deploy/prometheus`).
const SHOW_EVERY: Duration = Duration::from_secs(15);

/// Shows them until told to stop. What much is to be read for, one process shows, whose turn it is; a figure that
/// nobody knows any more is no number (NaN) rather than an old one.
///
/// Who keeps the database's changes each process shows: where commits wait for a machine that is away, nobody can take
/// the turn, for that is a commit, too.
pub async fn work(app: App, turn: Turn, mut shutdown: watch::Receiver<bool>) {
    let mut ticks = tokio::time::interval(SHOW_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut shown = false;
    let mut slots = BTreeSet::new();
    loop {
        tokio::select! {
            _ = shutdown.wait_for(|stop| *stop) => return,
            _ = ticks.tick() => {}
        }
        let now = App::now();
        let is_ready = in_time(ready(&app)).await.is_ok();
        metrics::gauge!("clearbay_ready").set(f64::from(u8::from(is_ready)));
        let bays = app.live.counts(&app.city.code, now).await;
        for (state, count) in [
            ("free", bays.free),
            ("occupied", bays.occupied),
            ("unknown", bays.unknown),
        ] {
            metrics::gauge!("clearbay_bays", "state" => state).set(count as f64);
        }
        show_standbys(in_time(app.store.standbys()).await.ok());
        show_slots(&mut slots, in_time(app.store.slots()).await.ok());
        let known = match turn.is_ours() {
            true => in_time(app.store.figures(&app.city.code, now)).await,
            false if shown => {
                show(None);
                shown = false;
                continue;
            }
            false => continue,
        };
        shown = true;
        match known {
            Ok(figures) => show(Some(&figures)),
            Err(error) => {
                tracing::warn!(%error, "it cannot be said how much waits");
                show(None);
            }
        }
    }
}

fn show_standbys(standbys: Option<Standbys>) {
    let figure = |of: fn(&Standbys) -> u64| standbys.as_ref().map_or(f64::NAN, |it| of(it) as f64);
    metrics::gauge!("clearbay_standbys_named").set(figure(|it| it.named));
    metrics::gauge!("clearbay_standbys_wanted").set(figure(|it| it.wanted));
    metrics::gauge!("clearbay_standbys_connected").set(figure(|it| it.connected));
}

/// Shows the slots there are; of those that were shown before and are gone nothing is known any more.
fn show_slots(shown: &mut BTreeSet<String>, slots: Option<Vec<Slot>>) {
    let slots = slots.unwrap_or_default();
    shown.extend(slots.iter().map(|slot| slot.name.clone()));
    for name in shown.iter() {
        let slot = slots.iter().find(|slot| slot.name == *name);
        let is_active = slot.map_or(f64::NAN, |slot| f64::from(u8::from(slot.is_active)));
        let behind = slot.and_then(|slot| slot.behind_bytes);
        let behind = behind.map_or(f64::NAN, |bytes| bytes as f64);
        metrics::gauge!("clearbay_slot_active", "slot" => name.clone()).set(is_active);
        metrics::gauge!("clearbay_slot_behind_bytes", "slot" => name.clone()).set(behind);
    }
}

fn show(figures: Option<&Figures>) {
    let count =
        |of: fn(&Figures) -> Waiting| figures.map_or(f64::NAN, |figures| of(figures).count as f64);
    let longest = |of: fn(&Figures) -> Waiting| {
        figures.map_or(f64::NAN, |figures| of(figures).longest.as_seconds_f64())
    };
    metrics::gauge!("clearbay_outbox_waiting").set(count(|it| it.outbox));
    metrics::gauge!("clearbay_outbox_oldest_due_seconds").set(longest(|it| it.outbox));
    metrics::gauge!("clearbay_refunds_by_hand").set(count(|it| it.refunds_by_hand));
    metrics::gauge!("clearbay_refunds_by_hand_oldest_seconds")
        .set(longest(|it| it.refunds_by_hand));
    metrics::gauge!("clearbay_log_waiting").set(count(|it| it.log));
    metrics::gauge!("clearbay_log_oldest_seconds").set(longest(|it| it.log));
    let holidays = figures.and_then(|figures| figures.holidays_until);
    let midnight = holidays.map(|day| day.and_time(NaiveTime::MIN).and_utc().timestamp());
    metrics::gauge!("clearbay_tariff_holidays_end_timestamp_seconds")
        .set(midnight.map_or(f64::NAN, |at| at as f64));
    for kind in FaultKind::ALL {
        let devices = |figures: &Figures| {
            let found = figures.faults.iter().find(|(known, _)| *known == kind);
            found.map_or(0.0, |(_, count)| *count as f64)
        };
        metrics::gauge!("clearbay_device_faults", "kind" => kind.code())
            .set(figures.map_or(f64::NAN, devices));
    }
}
