//! Stopping: Ctrl-C, SIGTERM, or the end of the parent.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Turns `true` when the process is told to stop, by SIGINT or SIGTERM. Told a second time, it ends at once.
///
/// # Errors
/// Where signals cannot be listened to.
pub fn on_signal() -> anyhow::Result<(watch::Sender<bool>, watch::Receiver<bool>)> {
    let (send, receive) = watch::channel(false);
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let stop = send.clone();
    tokio::spawn(async move {
        for is_first in [true, false] {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if is_first {
                // Whoever wants it may have gone; then there is a second time still.
                stop.send_replace(true);
            }
        }
        tracing::warn!("told to stop again: what was begun is not finished");
        std::process::exit(1);
    });
    Ok((send, receive))
}

/// Stops when standard input ends, which a parent holds open for as long as it lives.
pub fn on_end_of_input(stop: watch::Sender<bool>) {
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        let _ = stop.send(true);
    });
}

/// Waits until told to stop.
pub async fn told(shutdown: &mut watch::Receiver<bool>) {
    let _ = shutdown.wait_for(|stop| *stop).await;
}
