//! Has the log's tree heads witnessed: each witness is shown that the tree begins with what it saw last, and puts
//! its own signature below. <https://c2sp.org/tlog-witness>

use std::str::FromStr;
use std::time::Duration;

use domain::log::{
    Cosignature, MAX_ANSWER, TileSet, TreeHead, TreeProof, WitnessKey, Witnesses, add_checkpoint,
};
use reqwest::{StatusCode, header};
use tokio::sync::watch;
use tokio::time::Instant;

use super::in_time;
use super::lease::Turn;
use super::public_log::{self, PublicLog};
use crate::{ApiError, App};

/// How often there may be a head that nobody has witnessed yet.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a witness has for its answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// A witness that does not answer is left alone for so long at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A text names no witness.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("a witness is KEY@URL: its public key, name+id+key, and where it takes checkpoints")]
pub struct WitnessError;

/// Somebody who witnesses.
#[derive(Clone, Debug)]
pub struct Witness {
    /// By which its word is checked.
    pub key: WitnessKey,
    /// Its submission prefix, without a slash at the end.
    pub url: String,
}

impl FromStr for Witness {
    type Err = WitnessError;

    fn from_str(text: &str) -> Result<Self, WitnessError> {
        let (key, url) = text.split_once('@').ok_or(WitnessError)?;
        let parsed = reqwest::Url::parse(url).map_err(|_| WitnessError)?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err(WitnessError);
        }
        Ok(Self {
            key: key.parse().map_err(|_| WitnessError)?,
            url: url.trim_end_matches('/').to_owned(),
        })
    }
}

/// What is known of a witness while it is asked again and again.
struct Asked {
    witness: Witness,
    /// How many entries the last tree had that it signed for us, with its line.
    signed: Option<(u64, Vec<u8>)>,
    /// Not before.
    next: Instant,
    pause: Duration,
}

/// Why a witness has not put its signature below a head.
#[derive(Debug, thiserror::Error)]
enum Refused {
    /// Ours.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// It cannot be reached.
    #[error("it cannot be reached")]
    Unreachable(#[from] reqwest::Error),
    /// It says no.
    #[error("it answers {0}")]
    Status(StatusCode),
    /// It has seen another tree under our key.
    #[error("it has seen another tree of this log: a fork, or a database that was set back")]
    Fork,
    /// Its answer is no signature of this head by its key.
    #[error("its answer is not its signature")]
    Signature,
}

impl Refused {
    const fn label(&self) -> &'static str {
        match self {
            Self::Api(_) => "ours",
            Self::Unreachable(_) => "unreachable",
            Self::Status(_) => "status",
            Self::Fork => "fork",
            Self::Signature => "signature",
        }
    }
}

/// Asks until told to stop. Several processes may: a witness signs what it has signed before.
pub async fn work(app: App, turn: Turn, mut shutdown: watch::Receiver<bool>) {
    let Some(log) = app.log.clone() else { return };
    let mut asked: Vec<Asked> = log.witnesses().iter().cloned().map(Asked::new).collect();
    if asked.is_empty() {
        return;
    }
    loop {
        if turn.is_ours()
            && let Err(error) = in_time(round(&app, &log, &mut asked)).await
        {
            tracing::warn!(%error, "no witness can be asked");
        }
        tokio::select! {
            _ = shutdown.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

impl Asked {
    fn new(witness: Witness) -> Self {
        Self {
            witness,
            signed: None,
            next: Instant::now(),
            pause: LOOK_EVERY,
        }
    }

    /// Its line below the tree of so many entries, where it has signed that.
    fn line(&self, size: u64) -> Option<&[u8]> {
        let (signed, line) = self.signed.as_ref()?;
        (*signed == size).then_some(line)
    }

    fn refused(&mut self, why: &Refused) {
        let witness = self.witness.key.name();
        let labels = [
            ("witness", witness.to_owned()),
            ("why", why.label().to_owned()),
        ];
        metrics::counter!("clearbay_log_witness_refusals_total", &labels).increment(1);
        match why {
            Refused::Fork => tracing::error!(witness, %why, "a witness does not sign"),
            _ if self.pause == LOOK_EVERY => {
                tracing::warn!(witness, %why, "a witness does not sign");
            }
            _ => {}
        }
        self.next = Instant::now() + self.pause;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }
}

/// Shows the newest head to every witness that has not signed it.
async fn round(app: &App, log: &PublicLog, asked: &mut [Asked]) -> Result<(), ApiError> {
    let city = &app.city.code;
    let Some(checkpoint) = app.store.log_own_checkpoint(city).await? else {
        return Ok(());
    };
    // Signed by a key that is no longer ours, it is signed anew in a moment.
    let Ok(head) = log.keys().open_head(&checkpoint) else {
        return Ok(());
    };
    let now = Instant::now();
    let open = asked.iter_mut();
    let open = open.filter(|it| it.next <= now && it.line(head.size).is_none());
    let asking = open.map(|it| async {
        let seen = it.signed.as_ref().map_or(0, |(size, _)| *size);
        match ask(app, &it.witness, seen, &head, &checkpoint).await {
            Ok(cosignature) => {
                it.signed = Some((head.size, cosignature.line));
                it.pause = LOOK_EVERY;
                metrics::counter!("clearbay_log_cosignatures_total").increment(1);
                true
            }
            Err(why) => {
                it.refused(&why);
                false
            }
        }
    });
    let answered = futures::future::join_all(asking).await;
    if answered.contains(&true) {
        let lines: Vec<u8> = asked
            .iter()
            .filter_map(|it| it.line(head.size))
            .collect::<Vec<_>>()
            .concat();
        let store = &app.store;
        store
            .log_witnessed_put(city, &head, (&checkpoint, &lines), App::now())
            .await?;
    }
    Ok(())
}

/// One witness's signature below a head. It is asked again at once where it says that it saw another size.
async fn ask(
    app: &App,
    witness: &Witness,
    seen: u64,
    head: &TreeHead,
    checkpoint: &[u8],
) -> Result<Cosignature, Refused> {
    let mut old = seen.min(head.size);
    for _ in 0..2 {
        let proof = consistency(app, head, old).await?;
        let body = add_checkpoint(old, &proof, checkpoint);
        let url = format!("{}/add-checkpoint", witness.url);
        let asking = app.http.post(url).timeout(PATIENCE).body(body).send();
        let answer = asking.await?;
        let status = answer.status();
        let kind = answer.headers().get(header::CONTENT_TYPE).cloned();
        let body = limited(answer).await?;
        match status {
            StatusCode::OK => {
                let cosigned = [checkpoint, &body].concat();
                let trusted = Witnesses::new(vec![witness.key.clone()], 1);
                let found = trusted.and_then(|it| it.cosigned(&cosigned).pop());
                return found.ok_or(Refused::Signature);
            }
            StatusCode::CONFLICT if kind.is_some_and(|kind| kind == "text/x.tlog.size") => {
                let text = String::from_utf8_lossy(&body);
                let latest: u64 = text.trim().parse().map_err(|_| Refused::Signature)?;
                // It saw more than there is, or the same size and another root.
                if latest > head.size || latest == old {
                    return Err(Refused::Fork);
                }
                old = latest;
            }
            StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY => return Err(Refused::Fork),
            _ => return Err(Refused::Status(status)),
        }
    }
    Err(Refused::Signature)
}

async fn consistency(app: &App, head: &TreeHead, old: u64) -> Result<TreeProof, ApiError> {
    if old == 0 || old == head.size {
        return Ok(TreeProof::new());
    }
    let prove = |tiles: &TileSet| tiles.consistency(head.size, old);
    public_log::with_tiles(app, prove).await
}

/// An answer's body, up to what an answer may be.
async fn limited(mut answer: reqwest::Response) -> Result<Vec<u8>, Refused> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        body.extend(chunk);
        if body.len() > MAX_ANSWER {
            return Err(Refused::Signature);
        }
    }
    Ok(body)
}
