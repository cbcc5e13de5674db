//! Rows in PostgreSQL's binary COPY format, the quickest way into a table.
//!
//! <https://www.postgresql.org/docs/17/sql-copy.html#SQL-COPY-FILE-FORMATS>: a header, then each row as
//! its number of fields and each field as its length (-1 for NULL) and its value in network byte
//! order, then -1 for the end.

use domain::Timestamp;
use sqlx::PgConnection;
use sqlx::postgres::PgCopyIn;

use crate::StoreError;

const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// Seconds from 1970 to 2000, from which PostgreSQL counts.
const EPOCH_S: i64 = 946_684_800;
/// Fewer rows than this are inserted. The end of a COPY is a packet of its own, and over TCP the
/// system holds it back until what went before is acknowledged, some 40 ms: sqlx 0.9.0 does not set
/// TCP_NODELAY (mended after it, <https://github.com/transact-rs/sqlx/pull/4336>). A Unix socket has
/// no such wait.
pub(crate) const COPY_FROM_ROWS: usize = 5_000;
/// How much goes to the server at once.
const CHUNK: usize = 1 << 17;

/// Rows on their way into a table: the server takes some while the next are written. Dropped before
/// its end, none of them is kept.
pub(crate) struct CopyRows<'c> {
    copy: PgCopyIn<&'c mut PgConnection>,
    fields: i16,
    bytes: Vec<u8>,
    rows: u64,
}

impl<'c> CopyRows<'c> {
    /// Begins a statement `COPY ... FROM STDIN (FORMAT binary)` of so many columns.
    pub(crate) async fn begin(
        tx: &'c mut PgConnection,
        statement: &'static str,
        fields: i16,
    ) -> Result<Self, StoreError> {
        let mut bytes = Vec::with_capacity(CHUNK + 1024);
        bytes.extend_from_slice(HEADER);
        Ok(Self {
            copy: tx.copy_in_raw(statement).await?,
            fields,
            bytes,
            rows: 0,
        })
    }

    /// Sends what is written, once it is enough.
    pub(crate) async fn send_some(&mut self) -> Result<(), StoreError> {
        if self.bytes.len() >= CHUNK {
            self.copy.send(&self.bytes[..]).await?;
            self.bytes.clear();
        }
        Ok(())
    }

    /// Ends the statement; how many rows there were.
    pub(crate) async fn finish(mut self) -> Result<u64, StoreError> {
        self.bytes.extend_from_slice(&(-1i16).to_be_bytes());
        self.copy.send(&self.bytes[..]).await?;
        self.copy.finish().await?;
        Ok(self.rows)
    }

    /// Begins a row; its fields follow, in order.
    pub(crate) fn row(&mut self) -> &mut Self {
        self.rows += 1;
        self.bytes.extend_from_slice(&self.fields.to_be_bytes());
        self
    }

    fn field<const N: usize>(&mut self, value: Option<[u8; N]>) -> &mut Self {
        match value {
            Some(value) => {
                self.bytes.extend_from_slice(&(N as i32).to_be_bytes());
                self.bytes.extend_from_slice(&value);
            }
            None => self.bytes.extend_from_slice(&(-1i32).to_be_bytes()),
        }
        self
    }

    /// A boolean.
    pub(crate) fn bool(&mut self, value: bool) -> &mut Self {
        self.field(Some([u8::from(value)]))
    }

    /// A smallint.
    pub(crate) fn int2(&mut self, value: Option<i16>) -> &mut Self {
        self.field(value.map(i16::to_be_bytes))
    }

    /// An integer.
    pub(crate) fn int4(&mut self, value: Option<i32>) -> &mut Self {
        self.field(value.map(i32::to_be_bytes))
    }

    /// A bigint.
    pub(crate) fn int8(&mut self, value: i64) -> &mut Self {
        self.field(Some(value.to_be_bytes()))
    }

    /// A timestamptz.
    pub(crate) fn timestamptz(&mut self, value: Option<Timestamp>) -> &mut Self {
        let us = |at: Timestamp| at.timestamp_micros().saturating_sub(EPOCH_S * 1_000_000);
        self.field(value.map(|at| us(at).to_be_bytes()))
    }
}
