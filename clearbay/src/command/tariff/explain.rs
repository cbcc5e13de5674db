//! `clearbay tariff explain`.

use std::path::PathBuf;

use anyhow::Context;
use chrono_tz::Tz;
use domain::Timestamp;
use domain::place::VehicleClass;
use domain::tariff::{Entitlement, PassKind, Quote, Tariff, TariffBook, Unused};
use domain::vat::vat_contained;
use store::Store;

use super::table::{Total, table};
use super::time;
use crate::out::out;

const EXAMPLES: &str = "\
Times are the city's local time, such as 2026-11-23T08:00, or have an offset.

  clearbay tariff explain --lot HK-01 --class car --from 2026-11-23T08:00 --to 2026-11-23T17:00
  clearbay tariff explain --file deploy/tariffs/hanoi.toml --zone A --class car \\
      --from \"2026-11-23 16:00\" --to \"2026-11-23 21:00\" --pass day";

/// Show how the price of a stay comes about, line by line.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Explain {
    /// The database, as postgres://user:password@host:port/name. Not needed with --file.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,
    /// Code of the lot, whose prices are taken from the database; or name a --file.
    #[arg(long, conflicts_with = "file")]
    lot: Option<String>,
    /// A file of tariffs to take the prices from, without a database.
    #[arg(long)]
    file: Option<PathBuf>,
    /// Code of the zone in the file; not needed where it has one zone only.
    #[arg(long, requires = "file")]
    zone: Option<String>,
    /// The vehicle: car or motorbike.
    #[arg(long, value_parser = class)]
    class: VehicleClass,
    /// When the stay begins.
    #[arg(long)]
    from: String,
    /// When it ends.
    #[arg(long)]
    to: String,
    /// Price it for the holder of a monthly pass: day or day_and_night.
    #[arg(long, value_parser = pass_kind)]
    pass: Option<PassKind>,
    /// Price it for somebody exempt on that ground.
    #[arg(long, conflicts_with = "pass")]
    exempt: Option<String>,
    /// Tell what is given back where the stay is paid for and ends at this time.
    #[arg(long)]
    stop: Option<String>,
}

/// Whose prices they are.
struct Source {
    title: String,
    zone: String,
    timezone: Tz,
    tariffs: Vec<Tariff>,
}

impl Explain {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let source = self.source().await?;
        out!("{}", self.explain(&source)?.trim_end());
        Ok(())
    }

    async fn source(&self) -> anyhow::Result<Source> {
        if let Some(path) = &self.file {
            let file = super::read(path)?;
            let zones = file.zones();
            let zone = match (&self.zone, zones.as_slice()) {
                (Some(zone), zones) if zones.contains(&zone.as_str()) => zone.clone(),
                (None, [zone]) => (*zone).to_owned(),
                (_, zones) => anyhow::bail!(
                    "choose a zone of {} with --zone: {}",
                    path.display(),
                    zones.join(", ")
                ),
            };
            return Ok(Source {
                title: format!("{}, {zone}", path.display()),
                tariffs: file.zone(&zone),
                timezone: file.timezone,
                zone,
            });
        }
        let Some(lot) = &self.lot else {
            anyhow::bail!("whose prices? Name a --lot of the database, or a --file of tariffs");
        };
        let Some(url) = &self.database_url else {
            anyhow::bail!("--lot needs the database: set DATABASE_URL");
        };
        let store = Store::connect(url, 1)
            .await
            .context("cannot reach the database; check DATABASE_URL")?;
        let fits = store.fits().await;
        let found = store.lot_tariffs(lot).await;
        store.close().await;
        fits?;
        let found = found.with_context(|| format!("cannot find the prices of lot {lot:?}"))?;
        Ok(Source {
            title: format!(
                "{lot} {} · {} {}",
                found.lot_name, found.zone, found.zone_name
            ),
            zone: found.zone,
            timezone: found.timezone,
            tariffs: found.tariffs,
        })
    }

    fn explain(&self, source: &Source) -> anyhow::Result<String> {
        let tz = source.timezone;
        let (from, to) = (time::instant(&self.from, tz)?, time::instant(&self.to, tz)?);
        let book = TariffBook::new(&source.tariffs, self.class, tz);
        let tariff = book.in_force(from).with_context(|| {
            format!(
                "no tariff for a {} is in force at {}",
                self.class,
                time::local(from, tz)
            )
        })?;
        let quote = self.quote(&book, tariff, source, (from, to))?;
        let mut totals = vec![Total {
            label: "Tổng cộng / Total".to_owned(),
            amount: quote.amount_vnd,
            note: "",
        }];
        if tariff.vat_bp > 0 {
            totals.push(Total {
                label: format!("gồm / of it VAT {}", percent(tariff.vat_bp)),
                amount: vat_contained(quote.amount_vnd, tariff.vat_bp),
                note: "",
            });
        }
        if let Some(stop) = &self.stop {
            let stop = time::instant(stop, tz)?;
            anyhow::ensure!(stop >= from, "--stop lies before --from");
            totals.push(Total {
                label: "Trả lại / Given back".to_owned(),
                amount: book.refund(from, to, stop, quote.amount_vnd)?,
                note: match tariff.unused {
                    Unused::Kept => "không hoàn lại / unused time is kept",
                    Unused::ProRata => "theo tỷ lệ / pro rata",
                    Unused::Repriced => "tính lại / repriced",
                },
            });
        }
        let head = format!(
            "{}\n{}, {} – {} ({tz}), giá từ / tariff of {}\n\n",
            source.title,
            self.class,
            time::local(from, tz),
            time::local(to, tz),
            time::local(tariff.effective_from, tz),
        );
        Ok(head + &table(&quote, &totals, tz))
    }

    fn quote(
        &self,
        book: &TariffBook<'_>,
        tariff: &Tariff,
        source: &Source,
        (from, to): (Timestamp, Timestamp),
    ) -> anyhow::Result<Quote> {
        if let Some(ground) = &self.exempt {
            let exemption = Entitlement::Exemption {
                ground: ground.clone(),
            };
            let quote = book.clone().entitled(Some(&exemption)).quote(from, to);
            return quote.with_context(|| {
                let known: Vec<&str> = tariff.exemptions.iter().map(|g| g.code.as_str()).collect();
                format!(
                    "cannot exempt on ground {ground:?}, known are: {}",
                    listed(&known)
                )
            });
        }
        if let Some(kind) = self.pass {
            let offer = tariff.passes.iter().find(|offer| offer.kind == kind);
            let offer = offer.with_context(|| {
                let known: Vec<&str> = tariff
                    .passes
                    .iter()
                    .map(|offer| offer.kind.code())
                    .collect();
                format!(
                    "there is no {kind} pass here, on offer are: {}",
                    listed(&known)
                )
            })?;
            let first = from.with_timezone(&source.timezone).date_naive();
            let pass = offer.month(self.class, &source.zone, first, source.timezone);
            let pass = Entitlement::Pass(pass);
            return Ok(book.clone().entitled(Some(&pass)).quote(from, to)?);
        }
        Ok(book.quote(from, to)?)
    }
}

fn listed(known: &[&str]) -> String {
    match known {
        [] => "none".to_owned(),
        known => known.join(", "),
    }
}

/// Basis points as a percentage: 800 is `8 %`, 850 is `8.5 %`.
fn percent(basis_points: u16) -> String {
    let text = format!("{}.{:02}", basis_points / 100, basis_points % 100);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

fn class(text: &str) -> Result<VehicleClass, String> {
    VehicleClass::from_code(text).ok_or_else(|| "it is car or motorbike".to_owned())
}

fn pass_kind(text: &str) -> Result<PassKind, String> {
    PassKind::from_code(text).ok_or_else(|| "it is day or day_and_night".to_owned())
}
