//! The examples that inputs are made from.

use serde_json::{Value, json};
use std::{fs, path::Path};

/// Returns the golden files of the protocol whose names begin like that, sorted by name.
pub(crate) fn golden(prefixes: &[&str]) -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../whimbrel-protocol/tests/it/golden");
    let files = fs::read_dir(directory).expect("the golden files of the protocol");
    let mut paths: Vec<_> = files.map(|file| file.expect("a golden file").path()).collect();
    paths.sort();
    let wanted = paths.iter().filter(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        prefixes.iter().any(|prefix| name.starts_with(prefix))
    });
    wanted
        .map(|path| fs::read(path).expect("a golden file"))
        .collect()
}

/// Returns an envelope around each golden operation.
pub(crate) fn envelopes() -> Vec<Vec<u8>> {
    let ops = golden(&["op-"]);
    let envelope = |op: &Vec<u8>| {
        let op: Value = serde_json::from_slice(op).expect("a golden operation");
        let envelope = json!({
            "id": "01900000-0000-7000-8000-000000000009",
            "op": op,
            "composed_at": 1_700_000_000_000_i64,
            "after": "01900000-0000-7000-8000-000000000008",
        });
        envelope.to_string().into_bytes()
    };
    ops.iter().map(envelope).collect()
}
