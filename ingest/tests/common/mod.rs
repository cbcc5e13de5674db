//! Known messages and what they mean: `golden/*.json`, a file for each vendor and each envelope.

use std::path::Path;

use serde_json::Value;

/// The vectors of every file, by its name without the ending.
///
/// # Panics
/// Where a file is not of the form `{"source": ..., "vectors": [...]}`.
pub fn files() -> Vec<(String, Vec<Value>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let read = |path: &std::path::PathBuf| {
        let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        assert!(file["source"].is_string(), "{path:?} names no source");
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        (name, file["vectors"].as_array().unwrap().clone())
    };
    paths.iter().map(read).collect()
}

/// The bytes of a vendor's payload.
///
/// # Panics
/// Where `hex` is none.
pub fn bytes_of(vector: &Value) -> Vec<u8> {
    hex::decode(vector["hex"].as_str().unwrap()).unwrap()
}
