//! How much processor time processes have used.

use std::fs;
use std::time::Duration;

use sqlx::PgPool;

/// A tick of `/proc`: a hundredth of a second on every Linux that Rust runs on.
const TICK: Duration = Duration::from_millis(10);

/// Parent, own ticks and those of children that have ended, as `proc_pid_stat(5)` has them.
fn stat(pid: u32) -> Option<(u32, u32, u32)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field, a name in parentheses, may hold anything.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let field = |n: usize| fields.get(n - 3)?.parse::<u32>().ok();
    let own = field(14)? + field(15)?;
    Some((field(4)?, own, field(16)? + field(17)?))
}

/// A process's own time.
pub fn of_process(pid: u32) -> Duration {
    stat(pid).map_or(Duration::ZERO, |(_, own, _)| TICK * own)
}

/// The time of a whole database server.
///
/// # Panics
/// Where the database is away.
pub async fn of_database(pool: &PgPool) -> Duration {
    let backend: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
        .fetch_one(pool)
        .await
        .unwrap();
    let server = stat(backend.unsigned_abs()).unwrap().0;
    let (_, own, ended) = stat(server).unwrap();
    let living: u32 = fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(stat)
        .filter(|(parent, ..)| *parent == server)
        .map(|(_, own, _)| own)
        .sum();
    TICK * (own + ended + living)
}
