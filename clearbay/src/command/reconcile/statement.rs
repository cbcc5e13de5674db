//! A provider's statement: a CSV file, as its portal or a spreadsheet program writes it.

use chrono::NaiveDate;
use csv::{ReaderBuilder, StringRecord, Trim};
use domain::money::Vnd;
use domain::payment::find_references;
use domain::reconcile::{MoneyKind, StatementRow};
use serde::Serialize;

use super::columns::{Columns, Field, Provider};
use super::format::{LOCAL, amount, fold, kind, moved, time};

/// Portals write titles above the headings; so many lines are looked through for these.
const LOOK_THROUGH: usize = 30;

/// A line that could not be read, or holds no movement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Its number in the file, from 1.
    pub line: u64,
    /// Its cells.
    pub text: String,
    /// What is wrong with it.
    pub why: String,
}

/// A file, every line of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statement {
    /// The movements.
    pub rows: Vec<StatementRow>,
    /// Movements that could not be read.
    pub unreadable: Vec<Line>,
    /// Lines below the headings that hold none: sums, remarks.
    pub passed_over: Vec<Line>,
}

/// Why a file is no statement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// It is not text in UTF-8.
    #[error("the file is not text in UTF-8: save it as \"CSV UTF-8\"")]
    Encoding,
    /// No line heads the columns that are needed.
    #[error(
        "no line of the file heads the columns that are needed.\nFound: {found}\nExpected:\n{expected}\n\
         Name a column yourself with --column FIELD=HEADING."
    )]
    Headings {
        /// The line that looks most like headings.
        found: String,
        /// What is understood.
        expected: String,
    },
}

impl Statement {
    /// Reads a file. The separator may be a comma, semicolon or tab.
    ///
    /// # Errors
    /// [`StatementError`]; a single bad line is none, it is kept in the result.
    pub fn read(bytes: &[u8], provider: &Provider) -> Result<Self, StatementError> {
        let text = std::str::from_utf8(bytes).map_err(|_| StatementError::Encoding)?;
        let text = text.trim_start_matches('\u{feff}');
        let mut best: Vec<String> = Vec::new();
        for separator in [b',', b';', b'\t'] {
            let mut records = records(text, separator);
            for _ in 0..LOOK_THROUGH {
                let Some((_, record)) = records.next() else {
                    break;
                };
                if let Some(columns) = provider.columns(&record) {
                    return Ok(Self::rows(records, &columns, provider));
                }
                if record.len() > best.len() {
                    best = record.iter().map(str::to_owned).collect();
                }
            }
        }
        Err(StatementError::Headings {
            found: best.join(" | "),
            expected: provider.expected(),
        })
    }

    fn rows(
        records: impl Iterator<Item = (u64, StringRecord)>,
        columns: &Columns,
        provider: &Provider,
    ) -> Self {
        let mut out = Self::default();
        for (line, record) in records {
            let told = |why: String| Line {
                line,
                text: record.iter().collect::<Vec<_>>().join(" | "),
                why,
            };
            let cell = |field| columns.index(field).and_then(|at| record.get(at));
            let empty = |field| cell(field).unwrap_or_default().is_empty();
            let number = fold(cell(Field::GatewayRef).unwrap_or_default());
            let sum = ["tong", "total"]
                .iter()
                .any(|word| number.starts_with(word));
            if empty(Field::At) && (number.is_empty() || sum) {
                if record.iter().any(|cell| !cell.is_empty()) {
                    out.passed_over
                        .push(told("no time and no number: not a movement".to_owned()));
                }
                continue;
            }
            match row(line, cell, columns.hundredths, provider.done) {
                Ok(row) => out.rows.push(row),
                Err(why) => out.unreadable.push(told(why)),
            }
        }
        out
    }

    /// The first and last day of its movements, in Vietnam.
    pub fn days(&self) -> Option<(NaiveDate, NaiveDate)> {
        let days = || self.rows.iter().map(local_day);
        Some((days().min()?, days().max()?))
    }

    /// Takes the movements of other days out.
    pub fn keep_day(&mut self, day: NaiveDate) -> Vec<StatementRow> {
        let (kept, others) = self.rows.drain(..).partition(|row| local_day(row) == day);
        self.rows = kept;
        others
    }
}

fn local_day(row: &StatementRow) -> NaiveDate {
    row.at.with_timezone(&LOCAL).date_naive()
}

/// The records, each with the number of the line in which it begins.
fn records(text: &str, separator: u8) -> impl Iterator<Item = (u64, StringRecord)> {
    let reader = ReaderBuilder::new()
        .delimiter(separator)
        .has_headers(false)
        .flexible(true)
        .trim(Trim::All)
        .from_reader(text.as_bytes());
    // The text is UTF-8 and lines may have any length, so nothing is left that could fail.
    let records = reader.into_records().filter_map(Result::ok);
    let (mut rest, mut passed, mut line) = (text, 0, 1);
    records.map(move |record| {
        // The reader's own count of lines lags where they end in CR LF or are empty.
        let at = record.position().map_or(passed, csv::Position::byte);
        let (before, after) = usize::try_from(at.saturating_sub(passed))
            .ok()
            .and_then(|bytes| rest.split_at_checked(bytes))
            .unwrap_or((rest, ""));
        let begins = after.trim_start_matches(['\r', '\n']);
        let ends = |text: &str| text.bytes().filter(|b| *b == b'\n').count() as u64;
        line += ends(before) + ends(after) - ends(begins);
        passed = (text.len() - begins.len()) as u64;
        rest = begins;
        (line, record)
    })
}

fn row<'a>(
    line: u64,
    cell: impl Fn(Field) -> Option<&'a str>,
    hundredths: bool,
    done: &str,
) -> Result<StatementRow, String> {
    let needed = |field: Field| {
        cell(field)
            .filter(|text| !text.is_empty())
            .ok_or_else(|| format!("{} is empty", field.name()))
    };
    let optional = |field| cell(field).filter(|text| !text.is_empty());
    let (at, latest) = time(needed(Field::At)?)?;
    let mut amount_vnd = amount(needed(Field::Amount)?)?;
    if hundredths {
        if amount_vnd.get() % 100 != 0 {
            return Err(format!("{} hundredths are no whole đồng", amount_vnd.get()));
        }
        amount_vnd = Vnd::new(amount_vnd.get() / 100);
    }
    Ok(StatementRow {
        at,
        latest,
        kind: optional(Field::Kind).map_or(Ok(MoneyKind::Payment), kind)?,
        gateway_ref: number(needed(Field::GatewayRef)?)?,
        reference: optional(Field::Reference).map(|text| {
            let found = find_references(text).into_iter().next();
            found.unwrap_or_else(|| text.to_owned())
        }),
        amount_vnd,
        moved: optional(Field::Status).map_or(Ok(true), |text| moved(text, done))?,
        line,
    })
}

/// A number as the provider wrote it, if a spreadsheet program has not spoilt it.
fn number(text: &str) -> Result<String, String> {
    // Some exports put an apostrophe before a number so that it is not calculated with.
    let text = text.trim_start_matches('\'');
    let shortened = text
        .to_ascii_uppercase()
        .split_once("E+")
        .is_some_and(|(head, power)| {
            let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit() || b == b'.');
            digits(head) && digits(power)
        });
    if shortened {
        return Err(format!(
            "a spreadsheet program has shortened the number {text}: export the file anew"
        ));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(gateway: &str, text: &str) -> Result<Statement, StatementError> {
        Statement::read(text.as_bytes(), &Provider::of(gateway, &[]))
    }

    #[test]
    fn a_portals_file_is_read_to_its_last_line() {
        let text = "\u{feff}BÁO CÁO GIAO DỊCH;;;;;\r\n\
            Từ ngày 24/11/2026;;;;;\r\n\
            STT;Mã giao dịch VNPAY;Mã đơn hàng;Số tiền;Thời gian giao dịch;Trạng thái;Loại giao dịch\r\n\
            1;14226112;CB0123456789AB;25.000;24/11/2026 09:00:05;Thành công;Thanh toán\r\n\
            2;14226113;CB0123456789AC;25.000;24/11/2026 09:10:05;Thành công;Hoàn tiền\r\n\
            3;14226114;CB0123456789AD;25,5;24/11/2026 09:20:05;Thành công;Thanh toán\r\n\
            4;;CB0123456789AD;25.000;24/11/2026 09:20:05;Thành công;Thanh toán\r\n\
            5;1.42E+07;CB0123456789AD;25.000;24/11/2026 09:20:05;Thành công;Thanh toán\r\n\
            6;14226115;\"x; y\";25.000;24/11/2026 09:30;Thất bại;Thanh toán\r\n\
            ;;;;;;\r\n\
            Tổng cộng;;;100.000;;;\r\n\
            ;Tổng;;100.000;;;\r\n\
            ;14226116;;100.000;;;\r\n";
        let statement = read("vnpay", text).unwrap();
        assert_eq!(statement.rows.len(), 3);
        assert_eq!(statement.rows[0].line, 4);
        assert_eq!(statement.rows[0].amount_vnd, Vnd::new(25_000));
        assert_eq!(statement.rows[1].kind, MoneyKind::Refund);
        assert!(!statement.rows[2].moved);
        assert_eq!(statement.rows[2].reference.as_deref(), Some("x; y"));
        let lines: Vec<u64> = statement.unreadable.iter().map(|line| line.line).collect();
        assert_eq!(lines, [6, 7, 8, 13]);
        let lines: Vec<u64> = statement.passed_over.iter().map(|line| line.line).collect();
        assert_eq!(lines, [11, 12]);
    }

    #[test]
    fn protocol_exports_are_read_in_their_units() {
        let vnpay = "vnp_TxnRef,vnp_Amount,vnp_PayDate,vnp_TransactionNo,vnp_TransactionStatus,vnp_TransactionType\n\
            CB0123456789AB,2500000,20261124090005,'14226112,00,01\n";
        let row = &read("vnpay", vnpay).unwrap().rows[0];
        assert_eq!(row.amount_vnd, Vnd::new(25_000));
        assert_eq!(row.gateway_ref, "14226112");
        let zalopay = "zptransid\tapptransid\tamount\tservertime\n\
            261124000000123\t261124_CB0123456789AB\t25000\t1795485605000\n";
        let row = &read("zalopay", zalopay).unwrap().rows[0];
        assert_eq!(row.reference.as_deref(), Some("CB0123456789AB"));
    }

    #[test]
    fn lines_are_counted_as_an_editor_counts_them() {
        let text = "gateway_ref,amount_vnd,at\r\n\r\n\
            \"a\nb\",1,2026-11-24\n\n\
            c,2,2026-11-24\n";
        let lines: Vec<u64> = read("bank", text)
            .unwrap()
            .rows
            .iter()
            .map(|row| row.line)
            .collect();
        assert_eq!(lines, [3, 6]);
    }

    #[test]
    fn a_file_of_something_else_says_what_was_found_and_expected() {
        let error = read("momo", "name;price\nbánh mì;20.000\n").unwrap_err();
        let text = error.to_string();
        assert!(text.contains("Found: name | price"), "{text}");
        assert!(
            text.contains("gateway_ref (needed): gateway_ref | transId"),
            "{text}"
        );
        let encoding = Statement::read(&[0xff, 0xfe, 0x41], &Provider::of("momo", &[]));
        assert_eq!(encoding, Err(StatementError::Encoding));
    }
}
