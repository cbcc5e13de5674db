//! Taking a gateway's word: what it pays for is posted, and whoever waits is told.

use domain::Timestamp;
use domain::board::PaidTime;
use domain::id::{BayId, SessionId};
use domain::payment::BankNotice;
use store::settlement::{NoticeOutcome, Posted};
use tracing::Instrument;

use super::in_time;
use crate::{ApiError, App};

/// Takes notices whose signature has been checked: posts what they pay for, tells the board and
/// whoever waits for the payment. Goes on to its end though whoever told it hangs up.
///
/// # Errors
/// Where the database fails; then nothing is taken and the gateway should say it again.
pub async fn settle(
    app: &App,
    gateway: &'static str,
    notices: Vec<BankNotice>,
    now: Timestamp,
) -> Result<Vec<NoticeOutcome>, ApiError> {
    let settling = in_time(settle_all(app.clone(), gateway, notices, now));
    let task = tokio::spawn(store::request::carry(settling).in_current_span());
    task.await.map_err(|_| ApiError::Internal)?
}

async fn settle_all(
    app: App,
    gateway: &'static str,
    notices: Vec<BankNotice>,
    now: Timestamp,
) -> Result<Vec<NoticeOutcome>, ApiError> {
    let outcomes = app.store.payment_settle(gateway, &notices, now).await?;
    for outcome in &outcomes {
        let label = match outcome {
            NoticeOutcome::Posted(posted) => {
                announce(&app, posted, now).await;
                "posted"
            }
            NoticeOutcome::Repeated => "repeated",
            NoticeOutcome::Suspended(reason) => reason.code(),
        };
        metrics::counter!("clearbay_bank_notices_total", "gateway" => gateway, "outcome" => label)
            .increment(1);
    }
    Ok(outcomes)
}

/// Tells the board and whoever waits.
async fn announce(app: &App, posted: &Posted, now: Timestamp) {
    if let Some(parking) = &posted.parking {
        let time = (parking.bay, parking.starts_at, parking.ends_at);
        show(app, parking.session, time, now).await;
    }
    app.live.payment(posted.payment);
}

/// Shows a session's time on the board.
pub(crate) async fn show(
    app: &App,
    session: SessionId,
    (bay, from, until): (BayId, Timestamp, Timestamp),
    now: Timestamp,
) {
    let paid = PaidTime {
        session,
        from,
        until,
    };
    app.live.pay(bay, paid, now).await;
}
