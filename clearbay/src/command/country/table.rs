//! The table of cities.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context, ensure};
use domain::log::{LogKey, LogKeys};
use serde::Deserialize;

const EXAMPLE: &str = "\
The table of cities, for example deploy/cities.toml:
  [[city]]
  code = \"hn\"
  name = \"Hà Nội\"
  url = \"https://parking.hanoi.example\"
  keys = [\"parking.hanoi.example/log+1a2b3c4d+AQ...\"]
  backend = \"serve-hn\"

Exit code of report: 0 when every city is known, 1 when one cannot be reached or has not reported a day yet, 2 when
one has signed what is wrong, or not signed.";

/// Where the table is.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct TableFile {
    /// The table of cities.
    #[arg(long, env = "CLEARBAY_CITIES", value_name = "FILE")]
    pub cities: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    city: Vec<City>,
}

/// A city, as the table has it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct City {
    /// As in its own database.
    pub code: String,
    pub name: String,
    /// Its public address.
    pub url: String,
    /// The keys of its public log: two while one takes the other's place.
    pub keys: Vec<String>,
    /// The proxy's name for its processes.
    pub backend: String,
}

impl City {
    /// What its public log is checked by.
    pub fn log_keys(&self) -> anyhow::Result<LogKeys> {
        let keys = self.keys.iter().map(|key| {
            let parsed = key.parse();
            parsed.with_context(|| format!("key {key:?}"))
        });
        let keys: anyhow::Result<Vec<LogKey>> = keys.collect();
        LogKeys::new(keys?).context("it has no key")
    }
}

impl TableFile {
    /// Its cities, each with the host of its address.
    pub fn read(&self) -> anyhow::Result<Vec<(City, String)>> {
        let file = self.cities.display();
        let text =
            std::fs::read_to_string(&self.cities).with_context(|| format!("cannot read {file}"))?;
        let table: Table = toml::from_str(&text).with_context(|| file.to_string())?;
        ensure!(!table.city.is_empty(), "{file} has no city");
        let mut seen = BTreeSet::new();
        let mut cities = Vec::new();
        for mut city in table.city {
            let in_city = || format!("{file}: city {}", city.code);
            let url = reqwest::Url::parse(&city.url).with_context(in_city)?;
            let host = url.host_str().with_context(in_city)?.to_owned();
            let port = url
                .port()
                .map_or_else(String::new, |port| format!(":{port}"));
            for (what, value) in [
                ("code", city.code.clone()),
                ("host", format!("{host}{port}")),
            ] {
                let twice = format!("{file}: two cities have the {what} {value}");
                ensure!(seen.insert((what, value)), "{twice}");
            }
            city.url = city.url.trim_end_matches('/').to_owned();
            cities.push((city, host));
        }
        Ok(cities)
    }
}
