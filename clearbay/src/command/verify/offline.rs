//! `clearbay verify receipt` and `clearbay verify report`: without any connection.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use domain::log::{DayReport, Document, NoteError, ReportError};
use verifier::{Held, OtherKey, ReceiptError, Unproven};

use super::{DOES_NOT_HOLD, Keys, log_keys, tell};
use crate::out::out;

/// More than any receipt's or report's file.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Check that one receipt is in the log, without any connection.
#[derive(Debug, clap::Args)]
pub struct VerifyReceipt {
    /// The receipt as JSON, as its page or the API gives it, or a text with the address of its QR code.
    file: PathBuf,
    #[command(flatten)]
    keys: Keys,
}

/// Check that a day's report is signed and sums up, without any connection.
#[derive(Debug, clap::Args)]
pub struct VerifyReport {
    /// The signed report, as /log/report/DAY gives it.
    file: PathBuf,
    /// The key that you trust: name+id+key, or @FILE with one. Twice while one takes the other's place.
    #[arg(long = "key", required = true)]
    key: Vec<String>,
}

impl VerifyReport {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let keys = log_keys(&self.key)?;
        let note = file_text(&self.file)?;
        let report = match DayReport::open(note.as_bytes(), &keys) {
            Ok(report) => report,
            Err(why) => {
                match why {
                    ReportError::Note(NoteError::Stranger) => {
                        tell::other_key(&OtherKey::of(note.as_bytes(), &keys));
                    }
                    why => out!("WRONG: {why}"),
                }
                return Ok(ExitCode::from(DOES_NOT_HOLD));
            }
        };
        out!(
            "Report of {}, revision {}, signed by {}",
            report.day,
            report.revision,
            keys.origin()
        );
        out!("");
        out!("Lot         receipts  refunds          revenue");
        for (place, sums) in &report.lots {
            out!("{}", tell::row(&place.lot, sums));
        }
        out!("{}", tell::row("all", &report.total()));
        out!("");
        out!(
            "SIGNED, and the total is the sum of the lots. It stands on the log's first {} entries, root {}:",
            report.head.size,
            report.head.root
        );
        out!("that these make just this sum shows: clearbay verify --url ... --key ...");
        Ok(ExitCode::SUCCESS)
    }
}

/// What a file of somebody's holds.
fn file_text(path: &Path) -> anyhow::Result<String> {
    let file = path.display();
    let size = std::fs::metadata(path).with_context(|| format!("cannot read {file}"))?;
    anyhow::ensure!(
        size.len() <= MAX_FILE_BYTES,
        "{file} is larger than any receipt or report"
    );
    std::fs::read_to_string(path).with_context(|| format!("cannot read {file}"))
}

impl VerifyReceipt {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let (keys, witnesses) = (self.keys.read()?, self.keys.witnesses()?);
        let file = self.file.display();
        let text = file_text(&self.file)?;
        let held = Held::parse(&text).with_context(|| file.to_string())?;
        let (included, cosigned) = match held.check(&keys, &witnesses) {
            Ok(checked) => checked,
            Err(why) => {
                match why {
                    ReceiptError::OtherKey(other) => tell::other_key(&other),
                    why => out!("WRONG: {why}"),
                }
                return Ok(ExitCode::from(DOES_NOT_HOLD));
            }
        };
        let amount = included.document.amount_vnd();
        match &included.document {
            Document::Receipt(receipt) => out!(
                "Receipt {}: {amount} for bay {}, issued {}",
                receipt.receipt,
                receipt.bay,
                receipt.issued_at
            ),
            Document::Refund(refund) => out!(
                "Refund {}: {amount} of receipt {}, promised {}",
                refund.refund,
                refund.receipt,
                refund.promised_at
            ),
        }
        out!(
            "IN THE LOG of {} as entry {} (the first is 0) of {}: it counts {amount} on {} for lot {}, ward {}, operator {}.",
            keys.origin(),
            held.inclusion.index,
            included.head.size,
            included.entry.day,
            included.entry.lot,
            included.entry.ward,
            included.entry.operator
        );
        if !cosigned.is_empty() {
            out!("That tree was seen by {}.", tell::witnesses(&cosigned));
        }
        for Unproven {
            field,
            shown,
            logged,
        } in held.unproven()
        {
            out!("NOT PROVEN: the file says {field} {shown}; what was paid for says {logged}.");
        }
        out!("Proven is what stands here, and nothing else that the file says.");
        Ok(ExitCode::SUCCESS)
    }
}
