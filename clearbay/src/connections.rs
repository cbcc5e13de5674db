//! Connections: how many the system allows, and what each may hold up.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use api::limit::CONNECTIONS;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// How many may wait to be accepted: after a restart all come at once. The system may allow fewer.
const WAITING: u32 = 4_096;
/// How many bytes the system takes for a connection beyond those on their way. Whoever reads slowly
/// is told what is new instead of what waited there.
const UNSENT: u32 = 32 * 1024;
/// Files that are open for other things: database, broker, gateways.
const OTHER_FILES: usize = 256;

/// Takes the address, or says in one sentence why not.
pub fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let taken = || {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        // As a server that is started again needs it; it does not take a port from another.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(WAITING)
    };
    taken().with_context(|| {
        format!("cannot listen on {address}; is another program there? Choose another port")
    })
}

/// Sees to it that a connection sends at once, holds little, and ends when for so long its reader has taken nothing of
/// what waits for it or has not been heard at all.
pub fn bound(connection: &TcpStream, stalled: Duration) {
    let socket = SockRef::from(connection);
    let done = socket
        .set_tcp_nodelay(true)
        .and_then(|()| socket.set_tcp_notsent_lowat(UNSENT))
        .and_then(|()| socket.set_tcp_user_timeout(Some(stalled)));
    if let Err(error) = done {
        tracing::debug!(%error, "a connection takes no settings");
    }
}

/// Lets the process open as many files as it may; how many of those live connections fit beside that
/// many requests.
pub fn live_places(streams: usize, requests: usize) -> usize {
    let open_files = match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok((soft, hard)) => match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
            Ok(()) => hard,
            Err(_) => soft,
        },
        Err(_) => return streams,
    };
    let others = requests.saturating_mul(CONNECTIONS) + OTHER_FILES;
    let fit = usize::try_from(open_files)
        .unwrap_or(usize::MAX)
        .saturating_sub(others);
    if fit < streams {
        tracing::warn!(
            open_files,
            wanted = streams,
            held = fit,
            "the system lets this process open too few files for its live connections; raise the \
             limit to {} (LimitNOFILE= in systemd, ulimit -Hn)",
            streams + others
        );
    }
    streams.min(fit)
}
