//! The golden files freeze the wire, byte for byte.
//!
//! A change that breaks one breaks clients that exist. New fields and kinds get new files. With `WHIMBREL_BLESS=1` the
//! files are written anew, and the run still fails, so that nobody blesses by habit.

use crate::samples;
use serde::{Serialize, de::DeserializeOwned};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
    fs,
    path::{Path, PathBuf},
};
use whimbrel_model::{Code, Op, Row};
use whimbrel_protocol::{ClientFrame, Outcome, PushPayload, Question, ServerFrame, decode, encode};

pub(crate) fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden")
}

/// What the files must hold, by file name, and what is wrong with the values themselves.
#[derive(Default)]
struct Golden {
    files: BTreeMap<String, Vec<u8>>,
    wrong: Vec<String>,
}

impl Golden {
    fn add<T: Serialize + DeserializeOwned + PartialEq + Debug>(
        &mut self,
        prefix: &str,
        values: Vec<(&str, T)>,
    ) {
        for (name, value) in values {
            let file = format!("{prefix}-{name}.json");
            let bytes = encode(&value).expect("a sample fits a frame");
            // The file is what is read, so that it cannot agree with the writer alone.
            match fs::read(directory().join(&file)) {
                Ok(stored) if decode::<T>(&stored).as_ref() != Ok(&value) => {
                    self.wrong.push(format!(
                        "{file} is read as {:#?}, not as {value:#?}",
                        decode::<T>(&stored)
                    ));
                }
                _ => {}
            }
            let twice = self.files.insert(file, bytes);
            assert_eq!(twice, None, "two values are named {prefix}-{name}");
        }
    }

    fn all() -> Self {
        let mut golden = Self::default();
        golden.add::<ClientFrame>("client", samples::client_frames());
        golden.add::<ServerFrame>("server", samples::server_frames());
        golden.add::<Op>("op", samples::ops());
        golden.add::<Row>("row", samples::rows());
        golden.add::<Question>("question", samples::questions());
        golden.add::<Outcome>("outcome", samples::outcomes());
        golden.add::<PushPayload>("push", samples::pushes());
        golden
    }

    /// Compares with the files, and returns all that is wrong.
    fn compare(mut self) -> Vec<String> {
        let stored = stored();
        for (file, bytes) in &self.files {
            match stored.get(file) {
                None => self.wrong.push(format!("{file} is missing")),
                Some(found) if found != bytes => self.wrong.push(format!(
                    "{file} holds\n  {}\nbut this is written\n  {}",
                    String::from_utf8_lossy(found),
                    String::from_utf8_lossy(bytes)
                )),
                Some(_) => {}
            }
        }
        for file in stored.keys().filter(|file| !self.files.contains_key(*file)) {
            self.wrong.push(format!("{file} belongs to no value"));
        }
        self.wrong
    }
}

/// Returns every file of the directory.
pub(crate) fn stored() -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(directory()).expect("the golden files");
    let read = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry.expect("a golden file").path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        (name, fs::read(&path).expect("a golden file"))
    };
    entries.map(read).collect()
}

#[test]
fn every_value_is_written_and_read_as_its_file_says() {
    let golden = Golden::all();
    if std::env::var_os("WHIMBREL_BLESS").is_some_and(|value| value == "1") {
        for file in stored().keys() {
            fs::remove_file(directory().join(file)).unwrap();
        }
        for (file, bytes) in &golden.files {
            fs::write(directory().join(file), bytes).unwrap();
        }
        panic!(
            "{} golden files were written: read the difference, and run again without WHIMBREL_BLESS",
            golden.files.len()
        );
    }
    let wrong = golden.compare();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_kind_is_without_a_file() {
    // serde names the kinds that it knows when it meets one that it does not.
    fn check<T: DeserializeOwned + Debug>(prefix: &str) {
        let error = decode::<T>(br#"{"no_such_kind":{}}"#).unwrap_err().to_string();
        let (_, list) = error.split_once("expected one of").unwrap();
        let kinds: BTreeSet<_> = list.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        let files = stored();
        let covered = files.keys().filter_map(|file| {
            let name = file.strip_prefix(prefix)?.strip_prefix('-')?;
            Some(name.strip_suffix(".json")?.split('-').next()?.to_owned())
        });
        assert_eq!(covered.collect::<BTreeSet<_>>(), kinds, "{prefix}");
    }
    check::<ClientFrame>("client");
    check::<ServerFrame>("server");
    check::<Op>("op");
    check::<Row>("row");
    check::<Question>("question");
    check::<Outcome>("outcome");
}

#[test]
fn every_code_stands_in_the_document() {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/PROTOCOL.md");
    let document = fs::read_to_string(document).unwrap();
    let (_, table) = document.split_once("## 10. Codes").unwrap();
    for code in Code::ALL {
        let line = table
            .lines()
            .find(|line| line.starts_with('|') && line.contains(&format!("`{code}`")));
        let line = line.unwrap_or_else(|| panic!("the document does not list {code}"));
        let again = if code.is_retryable() { "| yes |" } else { "| no |" };
        assert!(line.contains(again), "{code}: {line}");
    }
}
