//! What the database knows of every device that stands in a bay, in a few queries whose cost follows
//! the number of devices and of what happened lately, however long the city has run.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::TimeDelta;
use domain::Timestamp;
use domain::device::DeviceModel;
use domain::health::{
    Battery, CLOCK_AHEAD, CLOCK_BEHIND, Changes, DeviceRecord, FLAPPING_OVER, FaultKind, Heard,
    LotArrivals, Newest, Refused, SHORT_STATE, STUCK_DAYS, unchanged_days,
};
use domain::id::{BayId, LotId};
use sqlx::{FromRow, PgConnection};

use crate::StoreError;
use crate::health::Checkup;

/// How many of a device's newest messages are looked at: of one that tells its battery with its
/// hourly word only, several do even on a lively day.
const NEWEST: i64 = 12;
/// How far back they are looked for.
const NEWEST_WITHIN: TimeDelta = TimeDelta::days(3);
/// How far back refused messages are counted.
const REFUSED_WITHIN: TimeDelta = TimeDelta::days(1);

#[derive(FromRow)]
struct StandingRow {
    device_id: i32,
    bay_id: i32,
    lot_id: i32,
    #[sqlx(try_from = "String")]
    model: DeviceModel,
    installed_from: Option<Timestamp>,
    noted_at: Timestamp,
    silence_after_s: i32,
    last_at: Option<Timestamp>,
    occupied: Option<bool>,
    since: Option<Timestamp>,
    known_from: Option<Timestamp>,
}

impl StandingRow {
    fn heard(&self) -> Option<Heard> {
        Some(Heard {
            at: self.last_at?,
            occupied: self.occupied?,
            since: self.since?,
            known_from: self.known_from?,
        })
    }
}

/// Each device that stands in a bay, by its key. Takes out of `open` what is theirs.
pub(crate) async fn records(
    tx: &mut PgConnection,
    checkup: Checkup,
    battery_limit_mv: impl Fn(&DeviceModel) -> i32 + Send,
    open: &mut BTreeMap<i32, Vec<(FaultKind, Timestamp)>>,
    (now, listened): (Timestamp, &HashMap<DeviceModel, Timestamp>),
) -> Result<BTreeMap<i32, DeviceRecord>, StoreError> {
    let standing: Vec<StandingRow> = sqlx::query_as(
        "SELECT device_id, standing.bay_id, lot_id, model, lower(during) AS installed_from, noted_at,
                silence_after_s, last_at, occupied, since, known_from
         FROM device_assignment AS standing JOIN device USING (device_id) JOIN bay USING (bay_id)
              LEFT JOIN bay_state AS told ON told.bay_id = standing.bay_id
                    AND told.last_at >= coalesce(lower(during), '-infinity')
         WHERE upper_inf(during) AND silence_after_s IS NOT NULL",
    )
    .fetch_all(&mut *tx)
    .await?;
    let lately = lately(tx, now).await?;
    let thorough = checkup == Checkup::Thorough;
    let (newest, refused) = match thorough {
        true => (newest(tx, &standing, now).await?, refused(tx, now).await?),
        false => Default::default(),
    };
    let mut known = BTreeMap::new();
    for row in &standing {
        let device = row.device_id;
        let record = DeviceRecord {
            installed_from: row.installed_from,
            noted_at: row.noted_at,
            silence_after_s: row.silence_after_s,
            listened_until: listened.get(&row.model).copied().unwrap_or(now),
            heard: row.heard(),
            lately: lately.get(&row.bay_id).copied().unwrap_or_default(),
            newest: newest.get(&device).copied(),
            refused: refused.get(&device).copied(),
            arrivals_beside: None,
            battery_limit_mv: battery_limit_mv(&row.model),
            open: open.remove(&device).unwrap_or_default(),
        };
        known.insert(device, record);
    }
    if thorough {
        beside(tx, &standing, &mut known, now).await?;
    }
    Ok(known)
}

fn count(rows: i64) -> u32 {
    u32::try_from(rows).unwrap_or(u32::MAX)
}

/// How often bays changed in the last hour, where that is often.
async fn lately(
    tx: &mut PgConnection,
    now: Timestamp,
) -> Result<HashMap<i32, Changes>, StoreError> {
    let rows: Vec<(i32, i64, i64, Option<Timestamp>)> = sqlx::query_as(
        "SELECT bay_id, count(*) + count(ended_at),
                count(*) FILTER (WHERE ended_at - started_at < $2)
                    + count(*) FILTER (WHERE started_at - gone_at < $2),
                least(min(started_at) FILTER (WHERE ended_at - started_at < $2),
                      min(gone_at) FILTER (WHERE started_at - gone_at < $2))
         FROM (SELECT bay_id, started_at, ended_at,
                      lag(ended_at) OVER (PARTITION BY bay_id ORDER BY started_at) AS gone_at
               FROM stay JOIN device_assignment USING (bay_id)
               -- What went on before it stood there was another device's doing.
               WHERE started_at > $1 AND upper_inf(during)
                 AND started_at >= coalesce(lower(during), '-infinity')) AS lately
         GROUP BY bay_id HAVING count(*) + count(ended_at) >= $3",
    )
    .bind(now - TimeDelta::hours(1))
    .bind(SHORT_STATE)
    .bind(i64::from(FLAPPING_OVER))
    .fetch_all(tx)
    .await?;
    let changes = |(bay, changes, short, first_short_at)| {
        let changes = Changes {
            count: count(changes),
            short: count(short),
            first_short_at,
        };
        (bay, changes)
    };
    Ok(rows.into_iter().map(changes).collect())
}

#[derive(FromRow)]
struct NewestRow {
    device_id: i32,
    messages: i64,
    first_at: Timestamp,
    first_received_at: Timestamp,
    last_received_at: Timestamp,
    lag_min_us: i64,
    lag_max_us: i64,
    wrong_received_at: Option<Timestamp>,
    lowest_mv: Option<i32>,
    highest_mv: Option<i32>,
    battery_at: Option<Timestamp>,
}

impl NewestRow {
    fn newest(&self) -> Newest {
        let battery = match (self.lowest_mv, self.highest_mv, self.battery_at) {
            (Some(lowest_mv), Some(highest_mv), Some(at)) => Some(Battery {
                lowest_mv,
                highest_mv,
                at,
            }),
            _ => None,
        };
        Newest {
            count: count(self.messages),
            first_at: self.first_at,
            first_received_at: self.first_received_at,
            last_received_at: self.last_received_at,
            lag_min: TimeDelta::microseconds(self.lag_min_us),
            lag_max: TimeDelta::microseconds(self.lag_max_us),
            wrong_received_at: self.wrong_received_at,
            battery,
        }
    }
}

/// What the newest messages of each device tell, where there are any.
async fn newest(
    tx: &mut PgConnection,
    standing: &[StandingRow],
    now: Timestamp,
) -> Result<HashMap<i32, Newest>, StoreError> {
    let from = now - NEWEST_WITHIN;
    let heard: Vec<&StandingRow> = standing
        .iter()
        .filter(|row| row.last_at.is_some_and(|at| at > from))
        .collect();
    let installed = |row: &&StandingRow| row.installed_from.map_or(from, |at| at.max(from));
    let rows: Vec<NewestRow> = sqlx::query_as(
        "SELECT standing.device_id, told.*
         FROM unnest($1::int[], $2::timestamptz[]) AS standing (device_id, installed)
         CROSS JOIN LATERAL (
            SELECT count(*) AS messages, min(at) AS first_at, min(received_at) AS first_received_at,
                   max(received_at) AS last_received_at, min(lag_us) AS lag_min_us,
                   max(lag_us) AS lag_max_us,
                   max(received_at) FILTER (WHERE lag_us > $5 OR lag_us < -$6) AS wrong_received_at,
                   min(battery_mv) AS lowest_mv, max(battery_mv) AS highest_mv,
                   max(at) FILTER (WHERE battery_mv IS NOT NULL) AS battery_at
            FROM (SELECT at, received_at, battery_mv,
                         (extract(epoch FROM received_at - at) * 1000000)::bigint AS lag_us
                  FROM event
                  WHERE event.device_id = standing.device_id AND at >= standing.installed AND at > $3
                  ORDER BY at DESC LIMIT $4) AS newest) AS told
         WHERE messages > 0",
    )
    .bind(heard.iter().map(|row| row.device_id).collect::<Vec<_>>())
    .bind(heard.iter().map(installed).collect::<Vec<_>>())
    .bind(from)
    .bind(NEWEST)
    .bind(CLOCK_BEHIND.num_microseconds().unwrap_or(i64::MAX))
    .bind(CLOCK_AHEAD.num_microseconds().unwrap_or(i64::MAX))
    .fetch_all(tx)
    .await?;
    Ok(rows
        .iter()
        .map(|row| (row.device_id, row.newest()))
        .collect())
}

/// The messages that were refused for their time, by device.
async fn refused(
    tx: &mut PgConnection,
    now: Timestamp,
) -> Result<HashMap<i32, Refused>, StoreError> {
    let rows: Vec<(i32, i64, Timestamp, Timestamp)> = sqlx::query_as(
        "SELECT device_id, count(*), min(received_at), max(received_at)
         FROM refused_message JOIN device ON device.name = refused_message.device
         WHERE reason IN ('clock_ahead', 'clock_behind') AND received_at > $1
         GROUP BY device_id",
    )
    .bind(now - REFUSED_WITHIN)
    .fetch_all(tx)
    .await?;
    let refused = |(device, messages, first_at, last_at)| {
        let refused = Refused {
            count: count(messages),
            first_at,
            last_at,
        };
        (device, refused)
    };
    Ok(rows.into_iter().map(refused).collect())
}

/// Tells each device whose bay has not changed for long what came to the bays beside it.
async fn beside(
    tx: &mut PgConnection,
    standing: &[StandingRow],
    known: &mut BTreeMap<i32, DeviceRecord>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let unchanged = |row: &&StandingRow| {
        let record = known.get(&row.device_id)?;
        let is_stuck = record
            .open
            .iter()
            .any(|(kind, _)| *kind == FaultKind::Stuck);
        let days = unchanged_days(record, now).filter(|_| !is_stuck)?;
        Some((row.device_id, BayId(row.bay_id), LotId(row.lot_id), days))
    };
    let unchanged: Vec<_> = standing.iter().filter_map(|row| unchanged(&row)).collect();
    let lots: BTreeSet<i32> = unchanged.iter().map(|(_, _, lot, _)| lot.0).collect();
    let Some(most_days) = unchanged.iter().map(|(.., days)| *days).max() else {
        return Ok(());
    };
    let mut arrivals: HashMap<LotId, LotArrivals> = HashMap::new();
    for row in standing.iter().filter(|row| lots.contains(&row.lot_id)) {
        let lot = arrivals.entry(LotId(row.lot_id)).or_default();
        lot.0.insert(BayId(row.bay_id), [0; STUCK_DAYS]);
    }
    let rows: Vec<(i32, i32, i32, i64)> = sqlx::query_as(
        "SELECT lot_id, bay_id, floor(extract(epoch FROM $2 - started_at) / 86400)::int, count(*)
         FROM bay JOIN stay USING (bay_id)
         WHERE lot_id = ANY($1) AND started_at > $2 - make_interval(days => $3) AND started_at <= $2
         GROUP BY 1, 2, 3",
    )
    .bind(lots.iter().copied().collect::<Vec<_>>())
    .bind(now)
    .bind(i32::try_from(most_days).unwrap_or(i32::MAX))
    .fetch_all(tx)
    .await?;
    for (lot, bay, day, vehicles) in rows {
        let bay = arrivals
            .get_mut(&LotId(lot))
            .and_then(|lot| lot.0.get_mut(&BayId(bay)));
        let day = usize::try_from(day).unwrap_or(STUCK_DAYS);
        if let Some(day) = bay.and_then(|days| days.get_mut(day)) {
            *day = count(vehicles);
        }
    }
    for (device, bay, lot, days) in unchanged {
        if let Some(record) = known.get_mut(&device) {
            record.arrivals_beside = arrivals.get(&lot).and_then(|lot| lot.beside(bay, days));
        }
    }
    Ok(())
}
