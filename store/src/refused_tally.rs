//! How many messages were refused for reasons of which only some are kept.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DurationRound, TimeDelta};
use domain::Timestamp;
use sqlx::PgConnection;

use crate::StoreError;
use crate::quarantine::RefusedMessage;

/// Messages of one device and reason, by their positions.
type Groups<'a> = BTreeMap<(&'a str, &'static str), Vec<usize>>;

/// Counts the messages of which an hour keeps only some, and tells which messages to keep: all that
/// have no such limit, and of each device and reason the first of the hour.
pub(crate) async fn within_limits<'a>(
    tx: &mut PgConnection,
    refused: &'a [RefusedMessage],
) -> Result<Vec<&'a RefusedMessage>, StoreError> {
    let mut by_hour: BTreeMap<Timestamp, Groups<'_>> = BTreeMap::new();
    for (position, message) in refused.iter().enumerate() {
        if let (Some(_), Some(device)) = (message.kept_per_hour, &message.device) {
            let hour = message.received_at.duration_trunc(TimeDelta::hours(1));
            let groups = by_hour.entry(hour.unwrap_or(message.received_at));
            let group = groups.or_default().entry((device, message.reason));
            group.or_default().push(position);
        }
    }
    let mut beyond = HashSet::new();
    for (hour, groups) in by_hour {
        let before = count(tx, hour, &groups).await?;
        for (key, positions) in groups {
            let before = before.get(&key).copied().unwrap_or_default();
            let limit = i64::from(refused[positions[0]].kept_per_hour.unwrap_or_default());
            let room = usize::try_from(limit - before).unwrap_or_default();
            beyond.extend(positions.into_iter().skip(room));
        }
    }
    let kept = refused.iter().enumerate();
    let kept = kept.filter(|(position, _)| !beyond.contains(position));
    Ok(kept.map(|(_, message)| message).collect())
}

/// Adds to the counts; tells how many of each there were in that hour before.
async fn count<'a>(
    tx: &mut PgConnection,
    hour: Timestamp,
    groups: &Groups<'a>,
) -> Result<HashMap<(&'a str, &'static str), i64>, StoreError> {
    let (mut devices, mut reasons, mut counts) = (Vec::new(), Vec::new(), Vec::new());
    for ((device, reason), positions) in groups {
        devices.push(*device);
        reasons.push(*reason);
        counts.push(i64::try_from(positions.len()).unwrap_or(i64::MAX));
    }
    let rows: Vec<(String, String, i64)> = sqlx::query_as(
        "INSERT INTO refused_tally AS tally (device, reason, hour, in_hour, total)
         SELECT device, reason, $4, messages, messages
         FROM unnest($1::text[], $2::text[], $3::bigint[]) AS told (device, reason, messages)
         ORDER BY device, reason
         ON CONFLICT (device, reason) DO UPDATE SET
            in_hour = excluded.in_hour
                + CASE WHEN tally.hour BETWEEN excluded.hour AND excluded.hour + interval '1 hour'
                       THEN tally.in_hour ELSE 0 END,
            total = tally.total + excluded.total,
            -- One that lies further ahead was noted by a clock that ran ahead.
            hour = CASE WHEN tally.hour BETWEEN excluded.hour AND excluded.hour + interval '1 hour'
                        THEN tally.hour ELSE excluded.hour END
         RETURNING device, reason, in_hour",
    )
    .bind(devices)
    .bind(reasons)
    .bind(counts)
    .bind(hour)
    .fetch_all(tx)
    .await?;
    let in_hour: HashMap<(&str, &str), i64> = rows
        .iter()
        .map(|(device, reason, in_hour)| ((device.as_str(), reason.as_str()), *in_hour))
        .collect();
    let before = |(key, positions): (&(&'a str, &'static str), &Vec<usize>)| {
        let now = in_hour.get(&(key.0, key.1)).copied().unwrap_or_default();
        (
            *key,
            now - i64::try_from(positions.len()).unwrap_or(i64::MAX),
        )
    };
    Ok(groups.iter().map(before).collect())
}
