use crate::{
    ArchiveError, Element, Key, LINE_BYTES, Manifest, Metadata, VERSION,
    format::{End, Header, Read},
};
use age::stream::StreamReader;
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read as _, Seek, SeekFrom},
};
use whimbrel_model::Timestamp;

/// Reads an archive. Blocking: the input is read in between.
///
/// Elements come before the end is known. Who must not act on an archive that is cut or changed reads it to its end first
/// ([`ArchiveReader::verify`]), and then again.
#[derive(Debug)]
pub struct ArchiveReader<R> {
    lines: Decrypted<R>,
    manifest: Manifest,
    counts: BTreeMap<String, u64>,
    end: Option<End>,
}

/// The stream of age has no `Debug`, as it holds keys.
struct Decrypted<R>(BufReader<StreamReader<R>>);

impl<R> std::fmt::Debug for Decrypted<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Decrypted(…)")
    }
}

impl<R: BufRead + Seek> ArchiveReader<R> {
    /// Returns when an archive says that it was made: all that it says without a key. Nobody vouches for it.
    ///
    /// # Errors
    /// [`ArchiveError::NotAnArchive`], [`ArchiveError::Newer`], [`ArchiveError::Io`].
    pub fn made_at(input: &mut R) -> Result<Timestamp, ArchiveError> {
        let line = line(input).map_err(|error| match error {
            ArchiveError::Damaged(_) => ArchiveError::NotAnArchive,
            other => other,
        })?;
        let line = line.ok_or(ArchiveError::NotAnArchive)?;
        let header: Header = serde_json::from_slice(&line).map_err(|_| ArchiveError::NotAnArchive)?;
        if header.whimbrel_archive == 0 {
            return Err(ArchiveError::NotAnArchive);
        }
        if header.whimbrel_archive > VERSION {
            return Err(ArchiveError::Newer {
                found: header.whimbrel_archive,
                supported: VERSION,
            });
        }
        Ok(header.made_at)
    }

    /// Opens an archive and reads its manifest. With a passphrase it takes some tenths of a second and 128 MiB.
    ///
    /// # Errors
    /// As [`ArchiveReader::made_at`]; [`ArchiveError::WrongKey`], [`ArchiveError::Damaged`].
    pub fn open(mut input: R, key: &Key) -> Result<Self, ArchiveError> {
        let made_at = Self::made_at(&mut input)?;
        let mut lines = BufReader::new(key.decrypt(input)?);
        let manifest = read_manifest(&mut lines)?;
        if manifest.made_at != made_at {
            return Err(ArchiveError::Damaged(
                "its first line is that of another archive".to_owned(),
            ));
        }
        Ok(Self {
            lines: Decrypted(lines),
            manifest,
            counts: BTreeMap::new(),
            end: None,
        })
    }

    /// Returns what the archive said first.
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Reads the next element. Nothing: that was the end, and all was as it was written.
    ///
    /// # Errors
    /// [`ArchiveError::Damaged`], [`ArchiveError::Io`].
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator would go on after an error"
    )]
    pub fn next(&mut self) -> Result<Option<Element>, ArchiveError> {
        if self.end.is_some() {
            return Ok(None);
        }
        let line = line(&mut self.lines.0)?
            .ok_or_else(|| ArchiveError::Damaged("it has no last line".to_owned()))?;
        let (kind, element) = match Read::parse(&line)? {
            Read::Element(kind, element) => (kind.to_owned(), element),
            Read::Unknown(kind) => (kind.clone(), Element::Unknown(kind)),
            Read::End(end) => {
                self.check_end(end)?;
                return Ok(None);
            }
            Read::Manifest(_) => return Err(ArchiveError::Damaged("it begins twice".to_owned())),
        };
        *self.counts.entry(kind).or_default() += 1;
        Ok(Some(element))
    }

    /// Reads it to its end, and then begins again. Returns what it has.
    ///
    /// # Errors
    /// [`ArchiveError::Damaged`], [`ArchiveError::Io`].
    pub fn verify(&mut self) -> Result<Metadata, ArchiveError> {
        while self.next()?.is_some() {}
        let left_out = self.end.take().map(|end| end.left_out).unwrap_or_default();
        self.lines.0.seek(SeekFrom::Start(0))?;
        if read_manifest(&mut self.lines.0)? != self.manifest {
            return Err(ArchiveError::Damaged("it has changed meanwhile".to_owned()));
        }
        Ok(Metadata {
            manifest: self.manifest.clone(),
            counts: std::mem::take(&mut self.counts),
            left_out,
        })
    }

    fn check_end(&mut self, end: End) -> Result<(), ArchiveError> {
        if end.counts != self.counts {
            return Err(ArchiveError::Damaged("it has not what it says".to_owned()));
        }
        if line(&mut self.lines.0)?.is_some() {
            return Err(ArchiveError::Damaged("it goes on after its end".to_owned()));
        }
        self.end = Some(end);
        Ok(())
    }
}

fn read_manifest(lines: &mut impl BufRead) -> Result<Manifest, ArchiveError> {
    let line = line(lines)?.map(|line| Read::parse(&line)).transpose()?;
    match line {
        Some(Read::Manifest(manifest)) => Ok(manifest),
        _ => Err(ArchiveError::Damaged("it does not say what it is".to_owned())),
    }
}

/// Reads a line without its end. Nothing: there is none.
fn line(input: &mut impl BufRead) -> Result<Option<Vec<u8>>, ArchiveError> {
    let mut line = Vec::new();
    input.take(LINE_BYTES as u64).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.pop() != Some(b'\n') {
        return Err(ArchiveError::Damaged("a line has no end".to_owned()));
    }
    Ok(Some(line))
}
