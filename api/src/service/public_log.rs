//! The public log: places for what waits, signed heads and reports, the proof that a receipt is in it.

use std::time::Duration;

use chrono::{NaiveDate, TimeDelta};
use domain::id::{ReceiptId, RefundId};
use domain::log::{
    DayReport, Inclusion, KeyError, LogKey, LogKeys, LogPath, LogSigner, Missing, TileSet,
    TreeHead, sign_head, sign_list,
};
use store::StoreError;
use store::public_log::{Leaf, Published, PublishedReport, goes_on};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;
use tokio::sync::watch;

use super::in_time;
use super::witness::Witness;
use crate::{ApiError, App};

/// How often it is looked for what waits. Publication lags by this and the time of one round: less than
/// the 2 seconds that are promised.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How many places are given out in one round at most.
const AT_ONCE: i64 = 4_096;

/// How long after a day has ended its report is signed: banks tell of the last payments late.
pub const CLOSED_AFTER: TimeDelta = TimeDelta::hours(2);

/// How often it is looked for days to report.
const REPORT_EVERY: Duration = Duration::from_secs(60);

/// How many days are reported in one round at most.
const DAYS_AT_ONCE: i64 = 31;

/// How often tiles are fetched for one proof: the tree is a few tiles high.
const FETCHES_MAX: usize = 10;

/// The keys of this city's log.
#[derive(Debug)]
pub struct PublicLog {
    signers: Vec<LogSigner>,
    keys: LogKeys,
    /// The list of all its keys, signed.
    list: Vec<u8>,
    witnesses: Vec<Witness>,
}

impl PublicLog {
    /// Reads the private keys, separated by spaces or commas: one, or while one takes another's place both;
    /// and the public ones of earlier times, by which older reports are signed.
    ///
    /// # Errors
    /// [`KeyError`] for what is no key, and for keys of several logs.
    pub fn parse(private: &str, former: &str) -> Result<Self, KeyError> {
        let signers = words(private).map(str::parse);
        let signers: Vec<LogSigner> = signers.collect::<Result<_, _>>()?;
        let former: Vec<LogKey> = words(former).map(str::parse).collect::<Result<_, _>>()?;
        let current = signers.iter().map(|signer| signer.public().clone());
        let all = current.clone().chain(former.iter().cloned());
        LogKeys::new(all.collect()).ok_or(KeyError::Private)?;
        Ok(Self {
            keys: LogKeys::new(current.collect()).ok_or(KeyError::Private)?,
            list: sign_list(&signers, &former).map_err(|_| KeyError::Private)?,
            signers,
            witnesses: Vec::new(),
        })
    }

    /// The list of all its keys, signed.
    pub fn list(&self) -> &[u8] {
        &self.list
    }

    /// The keys by which its signatures are checked.
    pub const fn keys(&self) -> &LogKeys {
        &self.keys
    }

    /// With those who witness its tree heads.
    #[must_use]
    pub fn witnessed_by(mut self, witnesses: Vec<Witness>) -> Self {
        self.witnesses = witnesses;
        self
    }

    /// Those who witness its tree heads.
    pub fn witnesses(&self) -> &[Witness] {
        &self.witnesses
    }

    fn sign(&self, head: &TreeHead) -> Option<Vec<u8>> {
        sign_head(head, &self.signers).ok()
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    let parts = text.split([' ', ',', '\n', '\t']);
    parts.filter(|part| !part.is_empty())
}

/// Publishes until told to stop. Of several processes one does at a time; it matters not which.
pub async fn work(app: App, mut shutdown: watch::Receiver<bool>) {
    let Some(log) = app.log.clone() else {
        tracing::warn!(
            "without CLEARBAY_LOG_KEY no receipt enters the public log; they wait for it"
        );
        return;
    };
    let mut heard = app.live.watch_checkpoints();
    let mut known = Known::default();
    let mut anew = true;
    let mut report_at = tokio::time::Instant::now();
    loop {
        known.hear(&mut heard, &log);
        let mut full = false;
        let mut set_back = false;
        match in_time(publish(&app, &log, &mut known, anew)).await {
            Ok(Some(published)) => {
                anew = false;
                full = published.added >= AT_ONCE.unsigned_abs();
                // What a bank tells late belongs to a day that may be reported already.
                if published.earliest.is_some_and(|day| day < closed(&app)) {
                    report_at = tokio::time::Instant::now();
                }
            }
            Ok(None) => {}
            Err(error) => {
                failed("publish");
                set_back = matches!(error, StoreError::LogSetBack { .. });
                if set_back {
                    // Who has seen it is a witness, too.
                    let labels = [("witness", "serve"), ("why", "fork")];
                    metrics::counter!("clearbay_log_witness_refusals_total", &labels).increment(1);
                }
                tracing::error!(%error, "the public log cannot be published");
            }
        }
        if full {
            continue;
        }
        if report_at <= tokio::time::Instant::now() && !set_back {
            report_at = tokio::time::Instant::now() + REPORT_EVERY;
            if let Err(error) = in_time(report(&app, &log)).await {
                failed("report");
                tracing::error!(%error, "the reports of finished days cannot be signed");
            }
        }
        tokio::select! {
            _ = shutdown.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// The largest tree that this process knows to be published. A database that was set back, or a replica that took over
/// and had not heard all, would have another grow beside it, and whoever saw the first would rightly call that a fork:
/// so nothing is signed until the database has it all again, or people decide otherwise and start every process anew.
#[derive(Debug, Default)]
struct Known(Option<TreeHead>);

impl Known {
    fn note(&mut self, head: TreeHead) {
        if self.0.is_none_or(|known| known.size < head.size) {
            self.0 = Some(head);
        }
    }

    /// Takes what other processes have said that they publish, as far as the log's key has signed it.
    fn hear(&mut self, heard: &mut Receiver<String>, log: &PublicLog) {
        loop {
            match heard.try_recv() {
                Ok(checkpoint) => {
                    if let Ok(head) = log.keys.open_head(checkpoint.as_bytes()) {
                        self.note(head);
                    }
                }
                Err(TryRecvError::Lagged(_)) => {}
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }
}

fn failed(step: &'static str) {
    metrics::counter!("clearbay_log_failures_total", "step" => step).increment(1);
}

/// One round; `None` where nothing waits, or another process is at it.
async fn publish(
    app: &App,
    log: &PublicLog,
    known: &mut Known,
    anew: bool,
) -> Result<Option<Published>, StoreError> {
    let city = &app.city.code;
    let (waits, head) = app.store.log_state(city).await?;
    goes_on(head.as_ref(), known.0.as_ref())?;
    head.into_iter().for_each(|head| known.note(head));
    if !anew && !waits {
        return Ok(None);
    }
    let sign = |head: &TreeHead| log.sign(head);
    let published = app
        .store
        .log_publish(city, AT_ONCE, known.0.as_ref(), sign, anew, App::now())
        .await?;
    if let Some(published) = &published {
        known.note(published.head);
        if published.added > 0
            && let Some(checkpoint) = log.sign(&published.head)
        {
            let checkpoint = String::from_utf8_lossy(&checkpoint).into_owned();
            app.live.checkpoint(checkpoint);
        }
        metrics::counter!("clearbay_log_entries_total").increment(published.added);
        metrics::gauge!("clearbay_log_size").set(published.head.size as f64);
    }
    Ok(published)
}

/// The first day that is not closed yet.
fn closed(app: &App) -> NaiveDate {
    let closed = (App::now() - CLOSED_AFTER).with_timezone(&app.city.timezone);
    closed.date_naive()
}

/// Signs the reports of days that are closed.
async fn report(app: &App, log: &PublicLog) -> Result<(), StoreError> {
    let sign = |report: &DayReport| report.sign(&log.signers).ok();
    let (city, now) = (&app.city.code, App::now());
    let done = app
        .store
        .log_report_days(city, closed(app), DAYS_AT_ONCE, sign, now)
        .await?;
    for (day, revision) in done {
        // Each payment that a bank tells late makes a revision: of many at once, each would be a line.
        match revision {
            1 => tracing::info!(%day, "the day's report is signed"),
            _ => tracing::debug!(%day, revision, "the day's report is revised"),
        }
    }
    Ok(())
}

/// The city's log.
///
/// # Errors
/// [`ApiError::NotFound`] where it has none.
pub fn of(app: &App) -> Result<&PublicLog, ApiError> {
    app.log.as_deref().ok_or(ApiError::NotFound("public log"))
}

/// A checkpoint, tile or bundle.
///
/// # Errors
/// [`ApiError::NotFound`] where the log does not have it.
pub async fn resource(app: &App, path: LogPath) -> Result<Vec<u8>, ApiError> {
    of(app)?;
    let found = app.store.log_resource(&app.city.code, path).await?;
    found.ok_or(ApiError::NotFound("tile"))
}

/// How many entries the signed tree has; none where none is signed yet.
///
/// # Errors
/// [`ApiError::NotFound`] where the city has no log.
pub async fn size(app: &App) -> Result<u64, ApiError> {
    let keys = of(app)?.keys();
    let checkpoint = app.store.log_own_checkpoint(&app.city.code).await?;
    let head = checkpoint.and_then(|checkpoint| keys.open_head(&checkpoint).ok());
    Ok(head.map_or(0, |head| head.size))
}

/// The reports that are published, oldest day first.
///
/// # Errors
/// [`ApiError::NotFound`] where the city has no log.
pub async fn reports(app: &App) -> Result<Vec<PublishedReport>, ApiError> {
    of(app)?;
    Ok(app.store.log_reports(&app.city.code).await?)
}

/// A signed report: the newest of its day, or one of its revisions.
///
/// # Errors
/// [`ApiError::NotFound`] where there is none.
pub async fn day_report(
    app: &App,
    day: NaiveDate,
    revision: Option<i32>,
) -> Result<Vec<u8>, ApiError> {
    of(app)?;
    let found = app.store.log_report(&app.city.code, day, revision).await?;
    found.ok_or(ApiError::NotFound("report"))
}

/// That a receipt is in the log, with all that it takes to check it; `None` where the city has no log or
/// the receipt waits for its place, which takes two seconds at most.
///
/// # Errors
/// [`ApiError::Internal`] where the tiles do not make a proof.
pub async fn receipt_inclusion(
    app: &App,
    receipt: ReceiptId,
) -> Result<Option<Inclusion>, ApiError> {
    match app.store.log_leaf_of_receipt(receipt).await? {
        Some(leaf) => inclusion(app, leaf).await,
        None => Ok(None),
    }
}

/// The same of a refund; `None` for ever where it gives back what never was revenue.
///
/// # Errors
/// As [`receipt_inclusion`].
pub async fn refund_inclusion(app: &App, refund: RefundId) -> Result<Option<Inclusion>, ApiError> {
    match app.store.log_leaf_of_refund(refund).await? {
        Some(leaf) => inclusion(app, leaf).await,
        None => Ok(None),
    }
}

async fn inclusion(app: &App, leaf: Leaf) -> Result<Option<Inclusion>, ApiError> {
    let Some(log) = &app.log else { return Ok(None) };
    let Some((head, checkpoint)) = head_of(app, log, leaf.index).await? else {
        return Ok(None);
    };
    let prove = |tiles: &TileSet| tiles.inclusion(head.size, leaf.index);
    let proof = with_tiles(app, prove).await?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Some(Inclusion::new(
        (leaf.document.to_text(), leaf.salt),
        (text(&leaf.entry), leaf.index),
        &proof,
        text(&checkpoint),
    )))
}

/// The head to which an entry's proof leads: the newest that witnesses have seen, where it has the entry, or the
/// newest of all. `None` where the entry is in none yet.
async fn head_of(
    app: &App,
    log: &PublicLog,
    index: u64,
) -> Result<Option<(TreeHead, Vec<u8>)>, ApiError> {
    let city = &app.city.code;
    let witnessed = match log.witnesses.is_empty() {
        true => None,
        false => app.store.log_witnessed(city).await?,
    };
    for checkpoint in [witnessed, app.store.log_checkpoint(city).await?] {
        let Some(checkpoint) = checkpoint else {
            continue;
        };
        // Signed by a key that is no longer ours, it is signed anew in a moment.
        if let Ok(head) = log.keys.open_head(&checkpoint)
            && index < head.size
        {
            return Ok(Some((head, checkpoint)));
        }
    }
    Ok(None)
}

/// An answer that is made of tiles, which are fetched as they are asked for.
///
/// # Errors
/// [`ApiError::Internal`] where the tiles make no answer.
pub(super) async fn with_tiles<T>(
    app: &App,
    question: impl Fn(&TileSet) -> Result<T, Missing>,
) -> Result<T, ApiError> {
    let mut tiles = TileSet::default();
    for _ in 0..FETCHES_MAX {
        match question(&tiles) {
            Ok(answer) => return Ok(answer),
            Err(Missing::Tiles(wanted)) => {
                for path in wanted {
                    tiles.add(path, resource(app, path).await?);
                }
            }
            Err(Missing::Wrong(error)) => {
                tracing::error!(%error, "the log's tiles make no proof");
                return Err(ApiError::Internal);
            }
        }
    }
    Err(ApiError::Internal)
}

/// The newest tree head that witnesses have seen, with their signatures.
///
/// # Errors
/// [`ApiError::NotFound`] where there is none.
pub async fn witnessed(app: &App) -> Result<Vec<u8>, ApiError> {
    of(app)?;
    let found = app.store.log_witnessed(&app.city.code).await?;
    found.ok_or(ApiError::NotFound("checkpoint"))
}
