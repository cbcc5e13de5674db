//! Readers of the live board over plain sockets: many of them at once, and slow ones.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// An event as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Its name.
    pub name: String,
    /// Its data.
    pub data: String,
}

impl Told {
    /// The data, read as JSON.
    ///
    /// # Panics
    /// Where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap()
    }
}

/// How a reader connects.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    /// Where it comes from. Each of 127.0.0.0/8 has ports of its own.
    pub from: Ipv4Addr,
    /// The size of the system's buffer for what was not read yet, in bytes; by default the system's.
    pub receive_buffer: Option<u32>,
}

impl Line {
    /// As any client on this machine.
    pub const LOCAL: Self = Self {
        from: Ipv4Addr::LOCALHOST,
        receive_buffer: None,
    };
}

/// Somebody who reads an event stream, no sooner than asked.
#[derive(Debug)]
pub struct Reader {
    stream: TcpStream,
    /// What the reply began with, up to the empty line.
    pub head: String,
    raw: Vec<u8>,
    text: Vec<u8>,
    /// How many bytes were read, with those of the protocol.
    pub bytes: usize,
    /// Whether the other side has ended the stream in good order, as HTTP/1.1 ends what is sent in chunks.
    pub is_over: bool,
    /// After how many milliseconds to connect again, as the other side said last.
    pub retry_ms: Option<u64>,
}

impl Reader {
    /// Connects, asks for a path and reads the head of the reply.
    ///
    /// # Errors
    /// Where the connection fails or ends.
    pub async fn connect(address: SocketAddr, path: &str, line: Line) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        if let Some(bytes) = line.receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        socket.bind((line.from, 0).into())?;
        let mut stream = socket.connect(address).await?;
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: clearbay\r\naccept-encoding: gzip, br\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut reader = Self {
            stream,
            head: String::new(),
            raw: Vec::new(),
            text: Vec::new(),
            bytes: 0,
            is_over: false,
            retry_ms: None,
        };
        while reader.head.is_empty() {
            reader.read().await?;
            if let Some(end) = find(&reader.raw, b"\r\n\r\n") {
                let head: Vec<u8> = reader.raw.drain(..end + 4).collect();
                reader.head = String::from_utf8_lossy(&head).into_owned();
            }
        }
        reader.unchunk()?;
        Ok(reader)
    }

    /// The next event; comments are passed over.
    ///
    /// # Errors
    /// Where the connection fails or ends.
    pub async fn next(&mut self) -> io::Result<Told> {
        loop {
            while let Some(end) = find(&self.text, b"\n\n") {
                let block: Vec<u8> = self.text.drain(..end + 2).collect();
                let block = String::from_utf8_lossy(&block);
                let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
                if let Some(retry) = block
                    .lines()
                    .rev()
                    .find_map(|line| line.strip_prefix("retry: "))
                {
                    self.retry_ms = retry.parse().ok();
                }
                if let (Some(name), Some(data)) = (field("event: "), field("data: ")) {
                    return Ok(Told {
                        name: name.to_owned(),
                        data: data.to_owned(),
                    });
                }
            }
            if self.is_over {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.read().await?;
            self.unchunk()?;
        }
    }

    async fn read(&mut self) -> io::Result<()> {
        let mut part = [0; 4096];
        let count = self.stream.read(&mut part).await?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.bytes += count;
        self.raw.extend_from_slice(&part[..count]);
        Ok(())
    }

    /// Takes whole chunks of the transfer coding (RFC 9112, 7.1) out of what was read.
    fn unchunk(&mut self) -> io::Result<()> {
        if !self.head.contains("transfer-encoding: chunked") {
            self.text.append(&mut self.raw);
        }
        while let Some(end) = find(&self.raw, b"\r\n") {
            let size = std::str::from_utf8(&self.raw[..end]).ok();
            let size = size.and_then(|size| usize::from_str_radix(size, 16).ok());
            let size = size.ok_or(io::ErrorKind::InvalidData)?;
            if self.raw.len() < end + 2 + size + 2 {
                break;
            }
            self.is_over |= size == 0;
            self.text
                .extend_from_slice(&self.raw[end + 2..end + 2 + size]);
            self.raw.drain(..end + 2 + size + 2);
        }
        Ok(())
    }
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

/// Lets this process open as many files as it may.
///
/// # Panics
/// Where the system refuses.
pub fn raise_open_files() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
}
