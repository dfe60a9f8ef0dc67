//! The outbox once more, in a file of its own: what is kept when the database is damaged.
//!
//! One line for each change of the outbox, written after the commit and before the caller is told, without a sync: it
//! costs a send some microseconds. So a killed process leaves it complete, and after a power loss it may be behind the
//! database, which then is right. It is never ahead: if it is, the database has lost what it had acknowledged.
//!
//! A line is `<ver> <sum> <json>`. The sum covers the rest, so that what is damaged here is known as such.

mod entry;

use crate::{
    files,
    own::{Own, OwnChange},
};
use entry::Entry;
use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};
use uuid::Uuid;
use whimbrel_store::StoreError;

/// Bytes after which it is written anew with what is still in the outbox: some hundred sends, so that the sync which
/// that takes is rare.
const REWRITE_AFTER: u64 = 256 * 1024;

/// What a journal said when it was read.
#[derive(Debug, Default)]
pub(crate) struct Noted {
    pub(crate) own: Own,
    /// Whether there is one, with anything in it that can be read.
    pub(crate) exists: bool,
    /// Whether every line could be read.
    pub(crate) is_whole: bool,
}

/// The journal of an open database.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: Option<File>,
    /// The state that the last line is of.
    ver: u64,
    bytes: u64,
    /// Whether lines are missing.
    is_stale: bool,
}

/// A change as text, ready to be noted once it is committed.
#[derive(Debug)]
pub(crate) struct Note(String);

impl Note {
    /// # Errors
    /// A value that cannot be written as JSON.
    pub(crate) fn of(change: &OwnChange<'_>) -> Result<Self, StoreError> {
        let text = serde_json::to_string(&Entry::of_change(change));
        text.map(Self)
            .map_err(|error| StoreError::Engine(format!("a row could not be written as JSON: {error}")))
    }
}

impl Journal {
    /// Reads the journal of the database at `path`. Lines that cannot be read are left out.
    pub(crate) fn read(path: &Path) -> Noted {
        let bytes = fs::read(files::journal(path)).unwrap_or_default();
        let mut noted = Noted {
            is_whole: true,
            ..Noted::default()
        };
        let mut lines = bytes.split(|byte| *byte == b'\n').peekable();
        while let Some(line) = lines.next() {
            // What follows the last line's end is the beginning of one that was not finished.
            if lines.peek().is_none() {
                noted.is_whole &= line.is_empty();
            }
            if line.is_empty() {
                continue;
            }
            match parse(line) {
                Some((ver, entry)) if !noted.exists || ver > noted.own.ver => {
                    noted.is_whole &= entry.is_all() || ver == noted.own.ver + 1;
                    entry.apply(&mut noted.own);
                    noted.own.ver = ver;
                    noted.exists = true;
                }
                _ => noted.is_whole = false,
            }
        }
        noted
    }

    /// Goes on with the journal of the database at `path`, whose state is `own`, and which said `noted`.
    /// It is written anew if it said something else; failing to is not an error, it is tried again with the next change.
    pub(crate) fn open(path: &Path, own: &Own, noted: &Noted) -> Self {
        let mut journal = Self {
            path: files::journal(path),
            file: None,
            ver: own.ver,
            bytes: 0,
            is_stale: false,
        };
        let is_right = noted.is_whole && noted.own == *own;
        if noted.exists && is_right {
            // Appending makes no difference between a large one and a small one, until it is too large.
            journal.bytes = fs::metadata(&journal.path).map_or(0, |meta| meta.len());
        } else if !is_right {
            journal.rewrite_or_warn(own);
        }
        journal
    }

    /// Notes the next change, which was committed. Failing to is not an error: then it wants to be written anew.
    pub(crate) fn append(&mut self, note: &Note) {
        if self.is_stale {
            return;
        }
        self.ver += 1;
        let line = line(self.ver, &note.0);
        match self.file().and_then(|mut file| file.write_all(line.as_bytes())) {
            Ok(()) => self.bytes += line.len() as u64,
            Err(error) => {
                tracing::warn!(%error, "the outbox journal could not be written; the database has it");
                self.is_stale = true;
            }
        }
    }

    /// Says that it does not know of what state the database is.
    pub(crate) const fn lose_track(&mut self) {
        self.is_stale = true;
    }

    /// Returns whether it should be written anew.
    pub(crate) const fn wants_rewrite(&self) -> bool {
        self.is_stale || self.bytes > REWRITE_AFTER
    }

    /// Writes it anew. Failing to is not an error: the database has it, and it is tried again.
    pub(crate) fn rewrite_or_warn(&mut self, own: &Own) {
        if let Err(error) = self.rewrite(own) {
            tracing::warn!(%error, "the outbox journal could not be written; the database has it");
            self.is_stale = true;
        }
    }

    /// Writes it anew, as a whole or not at all, and durable.
    ///
    /// # Errors
    /// When it cannot be written. It stays as it was.
    pub(crate) fn rewrite(&mut self, own: &Own) -> io::Result<()> {
        let body = serde_json::to_string(&Entry::of_all(own))?;
        let line = line(own.ver, &body);
        let draft = files::beside(&self.path, ".new");
        let file = files::create_file(&draft)?;
        file.set_len(0)?;
        (&file).write_all(line.as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, &self.path)?;
        self.file = Some(file);
        self.ver = own.ver;
        self.bytes = line.len() as u64;
        self.is_stale = false;
        Ok(())
    }

    fn file(&mut self) -> io::Result<&File> {
        let file = match self.file.take() {
            Some(file) => file,
            None => append(files::create_file(&self.path)?)?,
        };
        Ok(self.file.insert(file))
    }
}

fn append(mut file: File) -> io::Result<File> {
    io::Seek::seek(&mut file, io::SeekFrom::End(0))?;
    Ok(file)
}

fn line(ver: u64, body: &str) -> String {
    format!("{ver} {} {body}\n", sum(ver, body).simple())
}

/// Not against anyone who means it: against bits that fell over.
fn sum(ver: u64, body: &str) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{ver} {body}").as_bytes())
}

fn parse(line: &[u8]) -> Option<(u64, Entry<'static>)> {
    let (ver, rest) = std::str::from_utf8(line).ok()?.split_once(' ')?;
    let (found, body) = rest.split_once(' ')?;
    let ver = ver.parse().ok()?;
    let is_sound = found.parse() == Ok(sum(ver, body));
    let entry = is_sound.then(|| serde_json::from_str(body))?;
    Some((ver, entry.ok()?))
}

#[cfg(test)]
mod tests;
