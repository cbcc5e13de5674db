//! `clearbay device`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use api::App;
use chrono::{DateTime, TimeDelta};
use csv::{ReaderBuilder, StringRecord, Trim};
use domain::Timestamp;
use domain::device::{Device, DeviceModel, Mounting};
use domain::signing::Signing;
use ingest::decoder::profiles;
use store::assignment::Installation;
use store::device::KnownDevice;

use super::Database;
use super::device_faults::Faults;
use super::device_list::{List, Remove};
use super::device_refused::Refused;
use super::device_signing::{Key, signing_of};
use crate::out::out;

/// The largest file that is read: a million devices.
const MAX_FILE_BYTES: u64 = 64 << 20;
/// The longest name of a device, in bytes.
const NAME_MAX: usize = 128;
/// How long ago an installation may be told at most: more is a slip of the pen, and would take from
/// other sensors what they told in all that time.
pub(super) const TOLD_WITHIN: TimeDelta = TimeDelta::days(3_660);
/// The columns that a file may have.
pub const COLUMNS: [&str; 8] = [
    "device",
    "bay",
    "model",
    "silence_after_s",
    "occupied_below_mm",
    "from",
    "signing",
    "public_key",
];
/// How many of them a file must have.
const COLUMNS_NEEDED: usize = 4;

/// Install, move, list and remove sensors, print their keys, and list the models that can be read and
/// the devices that need repair.
#[derive(Debug, clap::Subcommand)]
pub enum Devices {
    /// Put the devices of a file into their bays.
    Import(Import),
    /// List the devices that stand in bays, as a file that can be imported.
    List(List),
    /// Take devices out of their bays.
    Remove(Remove),
    /// List whose messages were refused, or wait until their device is installed, and why.
    Refused(Refused),
    /// List the models that can be read.
    Models,
    /// Print the key that a device signs with by HMAC.
    Key(Key),
    /// List the devices that need repair, the worst first, with what is wrong.
    Faults(Faults),
}

const FORMAT: &str = "\
The file is CSV with headings, a device on each line:

  device,bay,model,silence_after_s,occupied_below_mm,from,signing
  d000123,HK-01-001,clearbay,3600,,,hmac
  24e124713b123456,HK-01-002,milesight-em400-mud,90000,1200,2026-11-20T14:30:00+07:00,

  device             what it calls itself: its topic's name, or its LoRaWAN DevEUI in hex, which is kept
                     in lower case
  bay                the code on the bay's sticker
  model              one of `clearbay device models`
  silence_after_s    seconds without a word after which the bay is unknown; another limit than before
                     counts for all the time that the device has stood there
  occupied_below_mm  for sensors that measure a distance: less than this is a vehicle; else empty
  from               when it was installed, RFC 3339; empty means now, or from its first word on for a
                     device and a bay that never had another
  signing            hmac or ed25519 where the device signs what it says, else empty; a file without
                     this column leaves it to each device as it is
  public_key         for ed25519: its public key, 32 bytes in hex or base64

From then on a device that stood in another bay is moved, and one that stood in a bay of the file is
taken out; what they told since then is counted for the right bay, stays and figures included. To undo a
move, move the device back with the same from.
A device that must sign is not believed without. Within a minute that holds in every `clearbay ingest`.
Nothing is written where any line is wrong. Messages that came before are taken up by `clearbay ingest`.";

/// Put the devices of a file into their bays.
#[derive(Debug, clap::Args)]
#[command(after_help = FORMAT)]
pub struct Import {
    #[command(flatten)]
    database: Database,
    /// The file.
    file: PathBuf,
    /// Check the file, tell who would move, and write nothing.
    #[arg(long)]
    dry_run: bool,
}

impl Devices {
    /// Runs the command.
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Import(command) => command.run().await,
            Self::Key(command) => command.run(),
            Self::Faults(command) => command.run().await,
            Self::List(command) => command.run().await,
            Self::Remove(command) => command.run().await,
            Self::Refused(command) => command.run().await,
            Self::Models => {
                for profile in profiles() {
                    out!("{}", profile.model);
                }
                Ok(())
            }
        }
    }
}

/// A line of the file.
#[derive(Debug, PartialEq)]
struct Row {
    line: u64,
    bay: String,
    device: Device,
    from: Option<Timestamp>,
    /// How it signs, where the file says that.
    signing: Option<Option<Signing>>,
}

impl Row {
    fn installation(&self) -> Installation<'_> {
        Installation {
            bay: &self.bay,
            device: &self.device,
            from: self.from,
        }
    }

    /// What of a known device itself is another by this line, in words.
    fn changes(&self, known: &HashMap<String, KnownDevice>) -> Vec<String> {
        let id = &self.device.id;
        let Some(known) = known.get(id) else {
            return Vec::new();
        };
        let mut told = Vec::new();
        let (was, is) = (known.model.code(), self.device.model.code());
        if was != is {
            told.push(format!("{id} was a {was} and is a {is}."));
        }
        if known.mounting != self.device.mounting {
            told.push(format!("{id} has another occupied_below_mm."));
        }
        if let Some(signing) = self.signing.filter(|signing| *signing != known.signing) {
            told.push(match signing {
                None => format!("{id} need not sign any more."),
                Some(_) => format!("{id} must sign, or signs another way."),
            });
        }
        told
    }
}

impl Import {
    async fn run(self) -> anyhow::Result<()> {
        let cannot = || format!("cannot read {}", self.file.display());
        let size = std::fs::metadata(&self.file).with_context(cannot)?.len();
        anyhow::ensure!(
            size <= MAX_FILE_BYTES,
            "{size} bytes are too many for one file"
        );
        let text = String::from_utf8(std::fs::read(&self.file).with_context(cannot)?);
        let text = text
            .context("the file is not in UTF-8: save it as CSV UTF-8")
            .with_context(cannot)?;
        let (rows, mut mistakes) = read(&text);
        let now = App::now();
        let misplaced = |row: &Row| match row.from? {
            from if from > now => Some((row.line, "from lies in the future".to_owned())),
            from if from < now - TOLD_WITHIN => {
                Some((row.line, "from lies more than ten years back".to_owned()))
            }
            _ => None,
        };
        mistakes.extend(rows.iter().filter_map(misplaced));
        let store = self.database.open().await?;
        let mut changes = Vec::new();
        let done = async {
            let codes: Vec<&str> = rows.iter().map(|row| row.bay.as_str()).collect();
            let missing = store.bays_missing(&codes).await?;
            let unknown = rows.iter().filter(|row| missing.contains(&row.bay));
            mistakes.extend(unknown.map(|row| (row.line, format!("there is no bay {}", row.bay))));
            refuse(&self.file, mistakes)?;
            let names: Vec<&str> = rows.iter().map(|row| row.device.id.as_str()).collect();
            let known = store.devices_named(&names).await?;
            changes = rows.iter().flat_map(|row| row.changes(&known)).collect();
            let installed: Vec<Installation<'_>> = rows.iter().map(Row::installation).collect();
            let signing: Vec<(&str, Option<Signing>)> = rows
                .iter()
                .filter_map(|row| Some((row.device.id.as_str(), row.signing?)))
                .collect();
            let moves = match self.dry_run {
                true => store.devices_install_try(&installed, &signing, now).await?,
                false => store.devices_install(&installed, &signing, now).await?,
            };
            anyhow::Ok(moves)
        };
        let done = done.await;
        store.close().await;
        for moved in done? {
            out!("{moved}");
        }
        for change in changes {
            out!("{change}");
        }
        out!("{} devices stand in their bays.", rows.len());
        if self.dry_run {
            out!("Nothing was written: this is what would be.");
        }
        Ok(())
    }
}

/// Tells every mistake on standard error, by line, and fails where there is one.
fn refuse(file: &Path, mut mistakes: Vec<(u64, String)>) -> anyhow::Result<()> {
    mistakes.sort();
    for (line, why) in &mistakes {
        eprintln!("{}:{line}: {why}", file.display());
    }
    match mistakes.len() {
        0 => Ok(()),
        1 => anyhow::bail!("there is a mistake in it; nothing was written"),
        count => anyhow::bail!("there are {count} mistakes in it; nothing was written"),
    }
}

/// The devices of a file, and what is wrong with it, by line.
fn read(text: &str) -> (Vec<Row>, Vec<(u64, String)>) {
    let mut reader = ReaderBuilder::new()
        .trim(Trim::All)
        .flexible(true)
        .from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    let headings = reader.headers().cloned().unwrap_or_default();
    let columns = COLUMNS.map(|name| headings.iter().position(|heading| heading == name));
    if columns[..COLUMNS_NEEDED].contains(&None) {
        let wanted = COLUMNS[..COLUMNS_NEEDED].join(",");
        return (
            Vec::new(),
            vec![(
                1,
                format!("the headings are not {wanted}, with commas between them"),
            )],
        );
    }
    let mut mistakes = Vec::new();
    for (at, heading) in headings.iter().enumerate() {
        if !COLUMNS.contains(&heading) {
            let known = COLUMNS.join(", ");
            mistakes.push((1, format!("there is no column {heading:?}, only {known}")));
        } else if headings.iter().position(|other| other == heading) != Some(at) {
            mistakes.push((1, format!("the column {heading} is there twice")));
        }
    }
    let mut rows = Vec::new();
    let (mut devices, mut bays) = (HashMap::new(), HashMap::new());
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                mistakes.push((line, error.to_string()));
                continue;
            }
        };
        let line = record.position().map_or(0, csv::Position::line);
        if record.len() > headings.len() {
            let (cells, columns) = (record.len(), headings.len());
            mistakes.push((
                line,
                format!("{cells} cells are more than {columns} columns"),
            ));
        }
        match row(&record, columns, line) {
            Ok(row) => {
                if let Some(first) = devices.insert(row.device.id.clone(), line) {
                    let id = &row.device.id;
                    mistakes.push((line, format!("device {id} stands on line {first} as well")));
                }
                if let Some(first) = bays.insert(row.bay.clone(), line) {
                    let bay = &row.bay;
                    mistakes.push((line, format!("bay {bay} stands on line {first} as well")));
                }
                rows.push(row);
            }
            Err(why) => mistakes.push((line, why)),
        }
    }
    (rows, mistakes)
}

fn row(
    record: &StringRecord,
    columns: [Option<usize>; COLUMNS.len()],
    line: u64,
) -> Result<Row, String> {
    let cell = |column: usize| {
        columns[column]
            .and_then(|at| record.get(at))
            .unwrap_or_default()
    };
    let needed = |column: usize| match cell(column) {
        "" => Err(format!("{} is missing", COLUMNS[column])),
        text if text.contains('\0') => Err(format!("{} cannot hold a NUL", COLUMNS[column])),
        text => Ok(text),
    };
    let number = |column: usize| {
        let text = needed(column)?;
        let number = text.parse::<i32>().ok().filter(|number| *number > 0);
        number.ok_or_else(|| format!("{} is no whole number above 0: {text}", COLUMNS[column]))
    };
    let model = needed(2)?;
    if !profiles().any(|profile| profile.model == model) {
        return Err(format!(
            "nothing here reads a {model:?}; see `clearbay device models`"
        ));
    }
    let occupied_below_mm = match cell(4) {
        "" => None,
        _ => Some(number(4)?.unsigned_abs()),
    };
    let from = match cell(5) {
        "" => None,
        text => Some(
            DateTime::parse_from_rfc3339(text)
                .map_err(|_| format!("from is no time such as 2026-11-20T14:30:00+07:00: {text}"))?
                .to_utc(),
        ),
    };
    let model = DeviceModel::from(model.to_owned());
    let device = device_name(needed(0)?, &model)?;
    let signing = signing_of(&model, cell(6), cell(7))?;
    Ok(Row {
        line,
        from,
        bay: needed(1)?.to_owned(),
        device: Device {
            id: device,
            model,
            mounting: Mounting { occupied_below_mm },
            silence_after_s: Some(number(3)?),
        },
        signing: columns[6].map(|_| signing),
    })
}

/// What a device calls itself, as messages will have it: LoRaWAN's network servers tell a DevEUI in
/// lower-case hex, however it is printed on the device.
fn device_name(text: &str, model: &DeviceModel) -> Result<String, String> {
    if *model != DeviceModel::CLEARBAY {
        let eui: String = text.chars().filter(|c| !matches!(c, ':' | '-')).collect();
        if eui.len() == 16 && eui.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(eui.to_ascii_lowercase());
        }
    }
    if text.len() > NAME_MAX || text.contains(['/', '+', '#']) || text.chars().any(char::is_control)
    {
        return Err(format!(
            "device is no level of a topic, at most {NAME_MAX} bytes without / + #: {text:.40}"
        ));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_mistake_is_told_with_its_line() {
        let (rows, mistakes) = read(
            "device,bay,model,silence_after_s,occupied_below_mm,from,signing\n\
             d1,A-1,clearbay,3600,,2026-11-20T14:30:00+07:00\n\
             d1,A-2,clearbay,3600,\n\
             d3,A-1,milesight-em400-mud,90000,1200\n\
             d4,,clearbay,3600,\n\
             d5,A-5,acme-9,3600,\n\
             d6,A-6,clearbay,-1,\n\
             d7,A-7,clearbay,60,0.5\n\
             d8,A-8,clearbay,60,,2026-11-20 14:30\n\
             d9,A-9,clearbay,60,,,rsa\n",
        );
        assert_eq!(rows.len(), 3);
        assert_eq!(
            rows[0].from.unwrap().to_rfc3339(),
            "2026-11-20T07:30:00+00:00"
        );
        let told: Vec<(u64, &str)> = mistakes
            .iter()
            .map(|(line, why)| (*line, why.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                (3, "device d1 stands on line 2 as well"),
                (4, "bay A-1 stands on line 2 as well"),
                (5, "bay is missing"),
                (
                    6,
                    "nothing here reads a \"acme-9\"; see `clearbay device models`"
                ),
                (7, "silence_after_s is no whole number above 0: -1"),
                (8, "occupied_below_mm is no whole number above 0: 0.5"),
                (
                    9,
                    "from is no time such as 2026-11-20T14:30:00+07:00: 2026-11-20 14:30"
                ),
                (10, "signing is neither hmac nor ed25519: rsa"),
            ]
        );
        assert_eq!(read("device;bay\n").1[0].0, 1);
    }

    #[test]
    fn what_is_in_no_column_is_a_mistake() {
        let (_, mistakes) = read(
            "device,bay,model,silence_after_s,sigining,device\n\
             d1,A-1,clearbay,60,hmac,,more\n",
        );
        let told: Vec<(u64, &str)> = mistakes
            .iter()
            .map(|(line, why)| (*line, why.as_str()))
            .collect();
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(told[0].1.starts_with("there is no column \"sigining\""));
        assert_eq!(told[1], (1, "the column device is there twice"));
        assert_eq!(told[2], (2, "7 cells are more than 6 columns"));
    }

    #[test]
    fn a_device_is_named_as_its_messages_name_it() {
        let lora = DeviceModel::from("bosch-tps110".to_owned());
        let named = |text: &str, model: &DeviceModel| device_name(text, model).ok();
        for printed in ["24E124713B123456", "24:e1:24:71:3b:12:34:56"] {
            assert_eq!(named(printed, &lora).unwrap(), "24e124713b123456");
        }
        let own = DeviceModel::CLEARBAY;
        assert_eq!(named("24E124713B123456", &own).unwrap(), "24E124713B123456");
        for name in ["a/b", "a+", "#", "a\tb", &"x".repeat(129)] {
            assert_eq!(named(name, &own), None, "{name}");
        }
    }
}
