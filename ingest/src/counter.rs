//! The counters of devices that sign: each belongs to one message.

use domain::event::Event;
use store::{Store, StoreError};

use crate::batch::Origin;
use crate::{Reason, Refusal};

/// Notes the counters of the signed events of a batch. Tells the positions of those whose counter
/// belongs to another message, the last one first.
///
/// # Errors
/// Database errors; then none is noted.
pub(crate) async fn replayed(
    store: &Store,
    events: &[(i32, Event)],
    origins: &[Origin],
) -> Result<Vec<usize>, StoreError> {
    let (positions, signed): (Vec<usize>, Vec<&(i32, Event)>) = events
        .iter()
        .enumerate()
        .filter(|(position, _)| origins[*position].signed)
        .unzip();
    if signed.is_empty() {
        return Ok(Vec::new());
    }
    let replayed = store.counters_claim(&signed).await?;
    Ok(replayed.into_iter().rev().map(|at| positions[at]).collect())
}

/// Why such an event is refused.
pub(crate) fn refusal(seq: i64) -> Refusal {
    Refusal::new(
        Reason::Replayed,
        format!("counter {seq} belongs to another message"),
    )
}
