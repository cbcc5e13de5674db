//! The recorder of metrics, and what each metric means.

use std::time::{SystemTime, UNIX_EPOCH};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// What a metric is.
#[derive(Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

use Kind::{Counter, Gauge, Histogram};

/// Every metric of the program, by name: a label says in its text of what kinds it is.
const METRICS: [(&str, Kind, &str); 57] = [
    (
        "clearbay_bank_notices_total",
        Counter,
        "Notices of banks and providers that were taken, by gateway and outcome: posted, repeated, or why the money went to suspense.",
    ),
    (
        "clearbay_bank_notices_unread_total",
        Counter,
        "Notices, rightly signed, that could not be read and wait for people, by gateway.",
    ),
    (
        "clearbay_bays",
        Gauge,
        "Bays by state: free, occupied, unknown. Each serve process shows the whole city.",
    ),
    (
        "clearbay_build_info",
        Gauge,
        "1, with the version as a label.",
    ),
    (
        "clearbay_device_faults",
        Gauge,
        "Devices with a fault, by its kind. Shown by the process that holds the lease background.",
    ),
    (
        "clearbay_gateway_calls_total",
        Counter,
        "Calls to gateways, by gateway and outcome: answered, refused (4xx), server_error (5xx), failed (no answer).",
    ),
    (
        "clearbay_housekeeping_failures_total",
        Counter,
        "What of the work of each minute could not be done, by task.",
    ),
    (
        "clearbay_http_places",
        Gauge,
        "How much may go on at once, by pool: public, bank, providers, imports, probes, scans, pictures, streams, connections, reports, open_data, hashing.",
    ),
    ("clearbay_http_places_taken", Gauge, "How much of it does."),
    (
        "clearbay_http_refused_total",
        Counter,
        "What found no place, or none of its address's share, by pool.",
    ),
    (
        "clearbay_http_request_seconds",
        Histogram,
        "How long requests took, by method, route and status.",
    ),
    (
        "clearbay_http_requests_total",
        Counter,
        "Requests, by method, route and status.",
    ),
    (
        "clearbay_identity_sign_ins_total",
        Counter,
        "Sign-ins by the identity provider, by outcome.",
    ),
    (
        "clearbay_ingest_batch_messages",
        Histogram,
        "Messages in a batch.",
    ),
    (
        "clearbay_ingest_batch_seconds",
        Histogram,
        "How long a batch took to be kept.",
    ),
    (
        "clearbay_ingest_connected",
        Gauge,
        "Whether messages of the broker arrive: 1 or 0.",
    ),
    (
        "clearbay_ingest_deltas_lost_total",
        Counter,
        "Changes that were not told to the live board.",
    ),
    (
        "clearbay_ingest_device_lag_seconds",
        Gauge,
        "How far the oldest word of the last batch lay behind.",
    ),
    (
        "clearbay_ingest_messages_total",
        Counter,
        "Messages of sensors, by what came of them: event, repeated, or why they were refused.",
    ),
    (
        "clearbay_ingest_quarantine_taken_total",
        Counter,
        "Refused messages that were taken up once their device was installed.",
    ),
    (
        "clearbay_ingest_retries_total",
        Counter,
        "Attempts to keep a batch that failed and are repeated.",
    ),
    (
        "clearbay_ingest_subscriptions_refused",
        Gauge,
        "Topics that the broker refuses.",
    ),
    (
        "clearbay_ingest_waiting_bytes",
        Gauge,
        "Memory of the messages that wait or are at work, in bytes.",
    ),
    (
        "clearbay_ingest_waiting_messages",
        Gauge,
        "Messages that wait for their batch.",
    ),
    (
        "clearbay_live_reloads_failed_total",
        Counter,
        "Attempts to read the live board anew that failed.",
    ),
    (
        "clearbay_live_watchers",
        Gauge,
        "Who watches the live board.",
    ),
    (
        "clearbay_live_words_lost_total",
        Counter,
        "Words to the other processes that were lost.",
    ),
    (
        "clearbay_log_cosignatures_total",
        Counter,
        "Signatures of witnesses below heads of the public log.",
    ),
    (
        "clearbay_log_entries_total",
        Counter,
        "Entries added to the public log.",
    ),
    (
        "clearbay_log_failures_total",
        Counter,
        "Rounds of the public log that failed, by step: publish, report.",
    ),
    (
        "clearbay_log_oldest_seconds",
        Gauge,
        "For how long the oldest receipt or refund has waited for its place in the public log. Shown by the process that holds the lease background.",
    ),
    (
        "clearbay_log_size",
        Gauge,
        "Entries of the public log, as its last head says.",
    ),
    (
        "clearbay_log_waiting",
        Gauge,
        "Receipts and refunds that wait for their place in the public log, 100,000 at most. Shown by the process that holds the lease background.",
    ),
    (
        "clearbay_log_witness_refusals_total",
        Counter,
        "Heads that a witness did not sign, by witness and why: unreachable, status, fork, signature, ours. `serve` is a \
         witness, too, of what was published.",
    ),
    (
        "clearbay_open_data_refused_total",
        Counter,
        "Requests for open data that were turned away.",
    ),
    (
        "clearbay_outbox_failed_total",
        Counter,
        "Work on the outbox that failed on our side, by step: claim, payment, refund.",
    ),
    (
        "clearbay_outbox_oldest_due_seconds",
        Gauge,
        "For how long the oldest due call to a gateway has not been made. Shown by the process that holds the lease background.",
    ),
    (
        "clearbay_outbox_waiting",
        Gauge,
        "Calls to gateways that are due and not made, 100,000 at most. Shown by the process that holds the lease background.",
    ),
    (
        "clearbay_ready",
        Gauge,
        "Whether this process reaches the database and the broker: 1 or 0.",
    ),
    (
        "clearbay_refunds_by_hand",
        Gauge,
        "Refunds that no gateway pays and people must. Shown by the process that holds the lease background.",
    ),
    (
        "clearbay_refunds_by_hand_oldest_seconds",
        Gauge,
        "How old the oldest of them is. Shown by the process that holds the lease background.",
    ),
    (
        "clearbay_refunds_total",
        Counter,
        "Refunds that gateways paid, by gateway.",
    ),
    (
        "clearbay_reminders_total",
        Counter,
        "Reminders to drivers, by kind and outcome.",
    ),
    (
        "clearbay_replica_behind_seconds",
        Gauge,
        "How far the replica is behind.",
    ),
    (
        "clearbay_replica_failures_total",
        Counter,
        "Questions that the replica did not answer; the database itself was asked.",
    ),
    (
        "clearbay_replica_is_read",
        Gauge,
        "Whether reports are read from the replica: 1 or 0.",
    ),
    (
        "clearbay_sessions_stopped_total",
        Counter,
        "Sessions that were ended, by whom.",
    ),
    (
        "clearbay_slot_active",
        Gauge,
        "Whether the owner of a replication slot is connected to the database's server, by slot: 1 or 0. Shown by each serve process.",
    ),
    (
        "clearbay_slot_behind_bytes",
        Gauge,
        "Changes that the database's server keeps for the owner of a replication slot, in bytes, by slot. Shown by each serve process.",
    ),
    (
        "clearbay_staff_sign_ins_total",
        Counter,
        "Sign-ins of staff by password, by outcome: in, code_asked, refused, wrong_code, must_wait, failed.",
    ),
    (
        "clearbay_standbys_connected",
        Gauge,
        "How many of the standbys that synchronous_standby_names names are connected. Shown by each serve process.",
    ),
    (
        "clearbay_standbys_named",
        Gauge,
        "How many standbys it names; 0 where it names none, or takes any.",
    ),
    (
        "clearbay_standbys_wanted",
        Gauge,
        "For how many of them each commit waits; with fewer, payments stand still.",
    ),
    (
        "clearbay_tariff_holidays_end_timestamp_seconds",
        Gauge,
        "The last day that a tariff lists as a holiday, of the tariff whose list ends first, in seconds since 1970; no number where none prices holidays. Shown by the process that holds the lease background.",
    ),
    (
        "clearbay_trace_exports_total",
        Counter,
        "Attempts to send spans to the collector of traces, by outcome: taken, failed.",
    ),
    (
        "clearbay_webhooks_refused_total",
        Counter,
        "Webhooks that were not believed, by gateway.",
    ),
    (
        "process_start_time_seconds",
        Gauge,
        "When the process began, in seconds since 1970.",
    ),
];

/// Installs the recorder of metrics. Once in a process.
pub fn recorder() -> anyhow::Result<PrometheusHandle> {
    let seconds = [
        0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
    ];
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &seconds)?
        .install_recorder()?;
    for (name, kind, text) in METRICS {
        match kind {
            Counter => metrics::describe_counter!(name, text),
            Gauge => metrics::describe_gauge!(name, text),
            Histogram => metrics::describe_histogram!(name, text),
        }
    }
    metrics::gauge!("clearbay_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    metrics::gauge!("process_start_time_seconds").set(now.as_secs_f64());
    Ok(handle)
}
