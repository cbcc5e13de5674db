//! How far a city has been played, kept in a file between runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use domain::Timestamp;
use serde::{Deserialize, Serialize};

/// The file's content: for each city, named by its seed and size, until when all has been sent.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Document {
    #[serde(default)]
    sent_until: BTreeMap<String, Timestamp>,
}

/// The state file of one city.
#[derive(Debug)]
pub struct StateFile {
    path: PathBuf,
    city: String,
}

impl StateFile {
    /// The file at `path` for the city of that seed and size.
    pub fn new(path: &Path, seed: u64, bays: u32) -> Self {
        Self {
            path: path.to_owned(),
            city: format!("seed {seed}, {bays} bays"),
        }
    }

    /// Until when the city has been played; `None` where it never was.
    ///
    /// # Errors
    /// Where the file is there but cannot be read.
    pub fn sent_until(&self) -> anyhow::Result<Option<Timestamp>> {
        Ok(self.read()?.sent_until.get(&self.city).copied())
    }

    /// Remembers until when the city has been played. The file is replaced whole, so that a crash
    /// leaves the old or the new one.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn save(&self, sent_until: Timestamp) -> anyhow::Result<()> {
        let mut document = self.read()?;
        document.sent_until.insert(self.city.clone(), sent_until);
        let beside = self.path.with_extension("new");
        std::fs::write(&beside, serde_json::to_vec_pretty(&document)?)
            .and_then(|()| std::fs::rename(&beside, &self.path))
            .with_context(|| format!("cannot write {}", self.path.display()))
    }

    fn read(&self) -> anyhow::Result<Document> {
        let wrong = || {
            format!(
                "cannot read {}; remove it to start anew",
                self.path.display()
            )
        };
        match std::fs::read(&self.path) {
            Ok(bytes) => serde_json::from_slice(&bytes).with_context(wrong),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Document::default()),
            Err(error) => Err(error).with_context(wrong),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn each_city_has_its_own_past() {
        let dir = std::env::temp_dir().join(format!("clearbay-state-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&dir).unwrap();
        let path = dir.join("simulator.json");
        let (one, two) = (StateFile::new(&path, 1, 80), StateFile::new(&path, 2, 80));
        assert_eq!(one.sent_until().unwrap(), None);
        let at = Timestamp::from_timestamp(1_700_000_000, 0).unwrap();
        one.save(at).unwrap();
        assert_eq!(one.sent_until().unwrap(), Some(at));
        assert_eq!(two.sent_until().unwrap(), None);
        std::fs::write(&path, "{").unwrap();
        assert!(one.sent_until().is_err());
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
