//! Which statements a program sends to PostgreSQL, and with which parameters: the server itself
//! tells, as notices to whoever sent them, and a relay in between reads those.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use anyhow::Context;
use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::task::JoinHandle;

/// A statement, as it was executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// With `$1`, `$2`, ... for its parameters.
    pub sql: String,
    /// The parameters in PostgreSQL's own text form; `None` is NULL.
    pub parameters: Vec<Option<String>>,
}

/// A relay to a database that notes what is executed through it.
pub struct Recorder {
    /// The database's address through the relay. The user must be a superuser.
    pub url: String,
    seen: Arc<Mutex<Vec<Statement>>>,
    relay: JoinHandle<()>,
}

impl Recorder {
    /// Begins to relay to the database of that address.
    ///
    /// # Errors
    /// Where no port can be had, or the address is none of a server.
    pub async fn start(database_url: &str) -> anyhow::Result<Self> {
        let (front, rest) = database_url.split_once('@').context("no user")?;
        let (_, path) = rest.split_once('/').context("no database")?;
        let database = path.split('?').next().unwrap_or_default();
        let server: PgConnectOptions = database_url.parse()?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let here = listener.local_addr()?;
        let options = "options[log_statement]=all&options[client_min_messages]=log";
        let url = format!("{front}@{here}/{database}?{options}");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let relay = tokio::spawn(relay(listener, server, seen.clone()));
        Ok(Self { url, seen, relay })
    }

    /// What was executed since this was asked last, in order.
    ///
    /// # Panics
    /// Where a relay has failed.
    pub fn take(&self) -> Vec<Statement> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.relay.abort();
    }
}

async fn relay(listener: TcpListener, server: PgConnectOptions, seen: Arc<Mutex<Vec<Statement>>>) {
    while let Ok((client, _)) = listener.accept().await {
        let Ok((from_server, mut to_server)) = connected(&server).await else {
            return;
        };
        let _ = client.set_nodelay(true);
        let (mut from_client, to_client) = client.into_split();
        let seen = seen.clone();
        tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
        tokio::spawn(async move { note(from_server, to_client, &seen).await });
    }
}

type Halves = (
    Box<dyn AsyncRead + Send + Unpin>,
    Box<dyn AsyncWrite + Send + Unpin>,
);

/// A connection to a server, by its socket where its address has one.
async fn connected(server: &PgConnectOptions) -> std::io::Result<Halves> {
    if let Some(folder) = server.get_socket() {
        let socket = format!(".s.PGSQL.{}", server.get_port());
        let (read, write) = UnixStream::connect(folder.join(socket)).await?.into_split();
        return Ok((Box::new(read), Box::new(write)));
    }
    let stream = TcpStream::connect((server.get_host(), server.get_port())).await?;
    let _ = stream.set_nodelay(true);
    let (read, write) = stream.into_split();
    Ok((Box::new(read), Box::new(write)))
}

/// Passes the server's messages on, each a type, a length that counts itself, and a body.
async fn note(
    from_server: Box<dyn AsyncRead + Send + Unpin>,
    mut to_client: OwnedWriteHalf,
    seen: &Mutex<Vec<Statement>>,
) -> std::io::Result<()> {
    let mut from_server = BufReader::new(from_server);
    loop {
        let kind = from_server.read_u8().await?;
        let length = from_server.read_u32().await?;
        let mut message = vec![kind];
        message.extend(length.to_be_bytes());
        message.resize(1 + length as usize, 0);
        from_server.read_exact(&mut message[5..]).await?;
        if kind == b'N'
            && let Some(statement) = executed(&message[5..])
        {
            seen.lock().unwrap().push(statement);
        }
        to_client.write_all(&message).await?;
    }
}

/// The statement that a notice tells of: `statement: BEGIN`, or `execute sqlx_s_1: SELECT ...` with
/// the parameters beside it.
fn executed(notice: &[u8]) -> Option<Statement> {
    let (mut sql, mut parameters) = (None, Vec::new());
    for field in notice.split(|byte| *byte == 0) {
        let text = String::from_utf8_lossy(field);
        if let Some(message) = text.strip_prefix('M') {
            sql = message.strip_prefix("statement: ").map(str::to_owned);
            if let Some(execute) = message.strip_prefix("execute ") {
                sql = execute.split_once(": ").map(|(_, sql)| sql.to_owned());
            }
        } else if text.to_lowercase().starts_with("dparameters: ") {
            parameters = read_parameters(&text["Dparameters: ".len()..]);
        }
    }
    Some(Statement {
        sql: sql?,
        parameters,
    })
}

/// Reads `$1 = 'it''s', $2 = NULL`.
fn read_parameters(text: &str) -> Vec<Option<String>> {
    let mut parameters = Vec::new();
    let mut rest = text;
    while let Some((_, value)) = rest.split_once(" = ") {
        let Some(quoted) = value.strip_prefix('\'') else {
            parameters.push(None);
            rest = value;
            continue;
        };
        let mut out = String::new();
        let mut chars = quoted.char_indices().peekable();
        let mut end = quoted.len();
        while let Some((at, c)) = chars.next() {
            if c != '\'' {
                out.push(c);
            } else if chars.next_if(|(_, next)| *next == '\'').is_some() {
                out.push('\'');
            } else {
                end = at + 1;
                break;
            }
        }
        parameters.push(Some(out));
        rest = &quoted[end..];
    }
    parameters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_give_statements_and_their_parameters() {
        let notice = b"SLOG\0C00000\0Mexecute sqlx_s_1: SELECT $1, $2, $3\0\
            DParameters: $1 = 'it''s = ''so''', $2 = NULL, $3 = ''\0\0";
        let statement = Statement {
            sql: "SELECT $1, $2, $3".to_owned(),
            parameters: vec![Some("it's = 'so'".to_owned()), None, Some(String::new())],
        };
        assert_eq!(executed(notice), Some(statement));
        let begin = executed(b"SLOG\0Mstatement: BEGIN\0\0");
        assert_eq!(
            begin.map(|statement| statement.sql).as_deref(),
            Some("BEGIN")
        );
        assert_eq!(executed(b"SNOTICE\0Mrelation exists, skipping\0\0"), None);
    }
}
