use crate::{
    ArchiveError, Element, Key, LINE_BYTES, Manifest, Metadata, VERSION,
    format::{End, Header, Parsed},
};
use age::stream::StreamReader;
use std::{
    collections::BTreeMap,
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom},
};
use whimbrel_model::Timestamp;

/// Reads an archive. Blocking: the input is read in between.
///
/// Elements come before the end is known. Who must not act on an archive that is cut or changed reads it to its end first
/// ([`ArchiveReader::verify`]), and then again.
#[derive(Debug)]
pub struct ArchiveReader<R>(PlainReader<Decrypted<R>>);

/// The stream of age has no `Debug`, as it holds keys.
struct Decrypted<R>(BufReader<StreamReader<R>>);

impl<R> std::fmt::Debug for Decrypted<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Decrypted(…)")
    }
}

impl<R: Read> Read for Decrypted<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.read(bytes)
    }
}

impl<R: Read> BufRead for Decrypted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.0.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.0.consume(amount);
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
        match header.whimbrel_archive {
            0 => Err(ArchiveError::NotAnArchive),
            1..=VERSION => Ok(header.made_at),
            found => Err(ArchiveError::Newer {
                found,
                supported: VERSION,
            }),
        }
    }

    /// Opens an archive and reads its manifest. With a passphrase it takes some tenths of a second and 128 MiB.
    ///
    /// # Errors
    /// As [`ArchiveReader::made_at`]; [`ArchiveError::WrongKey`], [`ArchiveError::Damaged`].
    pub fn open(mut input: R, key: &Key) -> Result<Self, ArchiveError> {
        let made_at = Self::made_at(&mut input)?;
        let lines = Decrypted(BufReader::new(key.decrypt(input)?));
        let plain = PlainReader::new(lines)?;
        if plain.manifest.made_at != made_at {
            return Err(ArchiveError::Damaged(
                "its first line is that of another archive".to_owned(),
            ));
        }
        Ok(Self(plain))
    }

    /// Returns what the archive said first.
    pub const fn manifest(&self) -> &Manifest {
        self.0.manifest()
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
        self.0.next()
    }

    /// Reads it to its end, and then begins again. Returns what it has.
    ///
    /// # Errors
    /// [`ArchiveError::Damaged`], [`ArchiveError::Io`].
    pub fn verify(&mut self) -> Result<Metadata, ArchiveError> {
        while self.next()?.is_some() {}
        let plain = &mut self.0;
        let left_out = plain.end.take().map(|end| end.left_out).unwrap_or_default();
        plain.lines.0.seek(SeekFrom::Start(0))?;
        if read_manifest(&mut plain.lines)? != plain.manifest {
            return Err(ArchiveError::Damaged("it has changed meanwhile".to_owned()));
        }
        Ok(Metadata {
            manifest: plain.manifest.clone(),
            counts: std::mem::take(&mut plain.counts),
            left_out,
        })
    }
}

/// Reads what is in an archive, decrypted already: the JSON lines after the one in the clear. Nothing vouches for them any more.
#[derive(Debug)]
pub struct PlainReader<B> {
    lines: B,
    manifest: Manifest,
    counts: BTreeMap<String, u64>,
    end: Option<End>,
}

impl<B: BufRead> PlainReader<B> {
    /// Reads the manifest.
    ///
    /// # Errors
    /// [`ArchiveError::Damaged`], [`ArchiveError::Io`].
    pub fn new(mut lines: B) -> Result<Self, ArchiveError> {
        Ok(Self {
            manifest: read_manifest(&mut lines)?,
            lines,
            counts: BTreeMap::new(),
            end: None,
        })
    }

    /// Returns what it said first.
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Reads the next element. Nothing: that was the end, and there was as much as it says.
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
        let line =
            line(&mut self.lines)?.ok_or_else(|| ArchiveError::Damaged("it has no last line".to_owned()))?;
        let (kind, element) = match Parsed::parse(&line)? {
            Parsed::Element(kind, element) => (kind.to_owned(), element),
            Parsed::Unknown(kind) => (kind.clone(), Element::Unknown(kind)),
            Parsed::End(end) => {
                self.check_end(end)?;
                return Ok(None);
            }
            Parsed::Manifest(_) => return Err(ArchiveError::Damaged("it begins twice".to_owned())),
        };
        *self.counts.entry(kind).or_default() += 1;
        Ok(Some(element))
    }

    fn check_end(&mut self, end: End) -> Result<(), ArchiveError> {
        if end.counts != self.counts {
            return Err(ArchiveError::Damaged("it has not what it says".to_owned()));
        }
        if line(&mut self.lines)?.is_some() {
            return Err(ArchiveError::Damaged("it goes on after its end".to_owned()));
        }
        self.end = Some(end);
        Ok(())
    }
}

fn read_manifest(lines: &mut impl BufRead) -> Result<Manifest, ArchiveError> {
    let line = line(lines)?.map(|line| Parsed::parse(&line)).transpose()?;
    match line {
        Some(Parsed::Manifest(manifest)) => Ok(manifest),
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
