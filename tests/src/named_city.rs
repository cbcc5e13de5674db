//! A city whose devices and services have names and passwords at a broker.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use domain::device::{Device, DeviceModel, Mounting};
use tempfile::TempDir;

use crate::city::{self, past};
use crate::database::TestDatabase;
use crate::trespass::Loot;

/// Everybody at the broker who is no device.
pub const SERVICES: [&str; 5] = [
    "clearbay-ingest",
    "clearbay-serve",
    "the-things-stack",
    "chirpstack",
    "open-data-reader",
];
/// The device that [`City::loot`] removes.
pub const REMOVED: &str = "lot-0-0-sensor";
/// The one to which it gives another password.
pub const RENEWED: &str = "lot-0-1-sensor";
/// Names that the registry takes and the broker must not, each in a bay of its own.
pub const ODD: [(&str, &str); 8] = [
    ("lot-5-0", "+"),
    ("lot-5-1", "#"),
    ("lot-5-2", "a/b"),
    ("lot-5-3", "x:y"),
    ("lot-5-4", ".*"),
    ("lot-5-5", "chirpstack"),
    ("lot-5-6", "dot.ted"),
    ("lot-5-7", "clearbay-serve"),
];
/// A sensor behind a network server.
pub const EYE: (&str, &str) = ("lot-4-7", "eye");

/// A city of 39 devices that speak to the broker and nine that must not.
pub struct City {
    /// Its database.
    pub database: TestDatabase,
    folder: TempDir,
}

impl City {
    /// Installs it.
    ///
    /// # Panics
    /// As for [`TestDatabase::create`].
    pub async fn new() -> Self {
        let database = TestDatabase::create().await;
        let device = |bay: &str| {
            let odd = ODD.iter().find(|(of, _)| *of == bay);
            let named = odd.map_or_else(|| format!("{bay}-sensor"), |(_, name)| (*name).to_owned());
            let (id, model) = match bay == EYE.0 {
                true => (EYE.1.to_owned(), DeviceModel::named("milesight-em400-mud")),
                false => (named, DeviceModel::CLEARBAY),
            };
            Device {
                id,
                model,
                mounting: Mounting::default(),
                silence_after_s: Some(3_600),
            }
        };
        let place = city::of_devices(6, 8, device);
        database.store.place_import(&place, past()).await.unwrap();
        Self {
            database,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// A file in its folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `clearbay` with these arguments, in a folder of its own.
    ///
    /// # Panics
    /// Where it is otherwise.
    pub async fn run(&self, arguments: &[&str]) -> std::process::Output {
        tokio::process::Command::new(crate::provided("CLEARBAY_TEST_BIN"))
            .args(arguments)
            .current_dir(self.folder.path())
            .env("DATABASE_URL", &self.database.url)
            .output()
            .await
            .unwrap()
    }

    /// The same, where it must succeed: what it said to whom it may concern.
    ///
    /// # Panics
    /// Where it is otherwise.
    pub async fn done(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// The same, where it must fail: why.
    ///
    /// # Panics
    /// Where it is otherwise.
    pub async fn refused(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        assert!(!output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// Has passwords made into that file, and reads them.
    ///
    /// # Panics
    /// Where it is otherwise.
    pub async fn credentials(&self, file: &str, arguments: &[&str]) -> BTreeMap<String, String> {
        self.done(&[&["broker", "credentials", file], arguments].concat())
            .await;
        read(&self.file(file))
    }

    /// What the broker knows devices' passwords by.
    async fn hashes(&self, column: &str) -> Vec<(String, String)> {
        let hashes = format!(
            "SELECT name, {column} FROM device JOIN broker_credential USING (device_id) ORDER BY 1"
        );
        let hashes = sqlx::query_as(sqlx::AssertSqlSafe(hashes));
        hashes.fetch_all(&self.database.pool).await.unwrap()
    }

    /// Passwords for everybody, of whom one is removed since and one has another.
    ///
    /// # Panics
    /// Where it is otherwise.
    pub async fn loot(&self, hashes: &str) -> Loot {
        let services = self.credentials("services.csv", &SERVICES).await;
        let mut devices = self.credentials("devices.csv", &[]).await;
        let known = self.hashes(hashes).await;
        let mut anew = self.credentials("renewed.csv", &[RENEWED, "--renew"]).await;
        let renewed = devices.insert(RENEWED.to_owned(), anew.remove(RENEWED).unwrap());
        let removed = devices.remove(REMOVED).unwrap();
        self.done(&["device", "remove", REMOVED]).await;
        Loot {
            devices: devices.into_iter().collect(),
            removed: (REMOVED.to_owned(), removed),
            renewed: (RENEWED.to_owned(), renewed.unwrap()),
            hashes: known,
            services: services.into_iter().collect(),
        }
    }
}

/// Names and passwords of a file.
///
/// # Panics
/// Where it is no such file.
pub fn read(file: &Path) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(file).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("name,password,bay"));
    let pair = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        assert_eq!(cells.len(), 3, "{line}");
        (cells[0].to_owned(), cells[1].to_owned())
    };
    lines.map(pair).collect()
}

/// Who may do what with a file.
///
/// # Panics
/// Where there is none.
pub fn mode(file: &Path) -> u32 {
    std::fs::metadata(file).unwrap().permissions().mode() & 0o777
}

/// Where a device speaks.
pub fn topic_of(device: &str) -> String {
    format!("clearbay/v1/devices/{device}/up")
}
