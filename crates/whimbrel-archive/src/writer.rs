use crate::{
    ArchiveError, Element, LINE_BYTES, Lock, Manifest, Metadata, VERSION,
    format::{End, Header, Line},
};
use age::stream::StreamWriter;
use std::io::Write;

/// Writes an archive. Blocking: the output is written to in between.
///
/// What is not [finished](ArchiveWriter::finish) is no archive.
#[derive(Debug)]
pub struct ArchiveWriter<W: Write> {
    out: Encrypted<W>,
    manifest: Manifest,
    end: End,
    bytes: u64,
}

/// The stream of age has no `Debug`, as it holds keys.
struct Encrypted<W: Write>(StreamWriter<W>);

impl<W: Write> std::fmt::Debug for Encrypted<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Encrypted(…)")
    }
}

impl<W: Write> ArchiveWriter<W> {
    /// Begins an archive. With a passphrase it takes some tenths of a second and 128 MiB.
    ///
    /// # Errors
    /// [`ArchiveError::NoKey`], [`ArchiveError::Io`].
    pub fn new(mut out: W, lock: &Lock, manifest: Manifest) -> Result<Self, ArchiveError> {
        let header = Header {
            whimbrel_archive: VERSION,
            made_at: manifest.made_at,
        };
        out.write_all(&encode(&header)?)?;
        let mut writer = Self {
            out: Encrypted(lock.encrypt(out)?),
            end: End::default(),
            bytes: 0,
            manifest,
        };
        let manifest = encode(&Line::Manifest(&writer.manifest))?;
        writer.write(&manifest)?;
        Ok(writer)
    }

    /// Adds an element. One that is unknown is not written.
    ///
    /// # Errors
    /// [`ArchiveError::TooLong`], [`ArchiveError::Io`].
    pub fn put(&mut self, element: &Element) -> Result<(), ArchiveError> {
        let line = match element {
            Element::Setting(setting) => Line::Setting(setting),
            Element::Channel(channel) => Line::Channel(channel),
            Element::Covered(cover) => Line::Covered(cover),
            Element::Row(row) => Line::Row(row),
            Element::Unknown(_) => return Ok(()),
        };
        let kind = line.kind();
        let line = encode(&line)?;
        self.write(&line)?;
        *self.end.counts.entry(kind.to_owned()).or_default() += 1;
        Ok(())
    }

    /// Returns how many bytes were put, before encryption.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Says that something was left out, so that whoever reads it knows.
    pub fn leave_out(&mut self, kind: &str) {
        *self.end.left_out.entry(kind.to_owned()).or_default() += 1;
    }

    /// Ends the archive. Returns the output, which has to be made durable, and what is in it.
    ///
    /// # Errors
    /// [`ArchiveError::Io`].
    pub fn finish(mut self) -> Result<(W, Metadata), ArchiveError> {
        let end = encode(&Line::End(&self.end))?;
        self.write(&end)?;
        let out = self.out.0.finish()?;
        let metadata = Metadata {
            manifest: self.manifest,
            counts: self.end.counts,
            left_out: self.end.left_out,
        };
        Ok((out, metadata))
    }

    fn write(&mut self, line: &[u8]) -> Result<(), ArchiveError> {
        self.out.0.write_all(line)?;
        self.bytes += line.len() as u64;
        Ok(())
    }
}

fn encode(line: &impl serde::Serialize) -> Result<Vec<u8>, ArchiveError> {
    let mut line = serde_json::to_vec(line).map_err(std::io::Error::from)?;
    line.push(b'\n');
    if line.len() > LINE_BYTES {
        return Err(ArchiveError::TooLong {
            bytes: line.len(),
            limit: LINE_BYTES,
        });
    }
    Ok(line)
}
