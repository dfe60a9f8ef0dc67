//! Taking an archive in: first to its end, to know that it is whole, then part by part.

use super::{ArchiveProblem, ImportSummary, Skipped, check_account};
use crate::{
    Error,
    command::{Command, Commands, OfLocal},
    driver::{Import, Imported, Refused},
};
use std::io::{BufRead, Seek};
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;
use whimbrel_archive::{ArchiveError, ArchiveReader, Element, Key, Metadata};
use whimbrel_model::{ChannelId, UserId};

/// Elements that are taken in with one write.
const TOGETHER: usize = 200;

/// Batches of elements that wait for the driver.
const WAITING: usize = 2;

/// What the thread that reads says.
enum Read {
    /// It is whole, and this is what it has.
    Whole(Metadata),
    Elements(Vec<Element>),
    Failed(ArchiveProblem),
}

/// Reads an archive and has the driver take it in.
pub(crate) async fn import(
    commands: &Commands,
    account: &UserId,
    input: impl BufRead + Seek + Send + 'static,
    key: Key,
) -> Result<ImportSummary, Error> {
    let (said, mut read) = mpsc::channel(WAITING);
    let account = account.clone();
    TaskTracker::new().spawn_blocking(move || {
        if let Err(problem) = read_all(input, &key, &account, &said) {
            // Whoever wanted it may have gone.
            let _ = said.blocking_send(Read::Failed(problem));
        }
    });
    let mut taking = None;
    while let Some(said) = read.recv().await {
        match said {
            Read::Whole(metadata) => taking = Some(Taking::new(commands, metadata)),
            Read::Failed(problem) => return Err(problem.into()),
            Read::Elements(elements) => {
                if let Some(taking) = &mut taking {
                    taking.take(elements).await?;
                }
            }
        }
    }
    match taking {
        Some(taking) => Ok(taking.summary),
        None => Err(ArchiveError::from(std::io::Error::other("the thread that read it ended")).into()),
    }
}

/// Reads an archive twice: nothing is said of its elements before all of it was seen.
fn read_all(
    input: impl BufRead + Seek,
    key: &Key,
    account: &UserId,
    said: &mpsc::Sender<Read>,
) -> Result<(), ArchiveProblem> {
    let mut reader = ArchiveReader::open(input, key)?;
    check_account(reader.manifest(), account)?;
    if said.blocking_send(Read::Whole(reader.verify()?)).is_err() {
        return Ok(());
    }
    loop {
        let mut elements = Vec::new();
        while elements.len() < TOGETHER
            && let Some(element) = reader.next()?
        {
            elements.push(element);
        }
        if elements.is_empty() || said.blocking_send(Read::Elements(elements)).is_err() {
            return Ok(());
        }
    }
}

/// An import that goes on.
struct Taking<'a> {
    commands: &'a Commands,
    /// The channel that rows are of, if they are taken; else why not.
    channel: Option<Result<ChannelId, Refused>>,
    summary: ImportSummary,
}

impl<'a> Taking<'a> {
    fn new(commands: &'a Commands, metadata: Metadata) -> Self {
        let left_out = metadata.left_out.into_iter();
        let skipped = left_out.map(|(kind, count)| (Skipped::LeftOut(kind), count));
        Self {
            commands,
            channel: None,
            summary: ImportSummary {
                by: metadata.manifest.device,
                made_at: metadata.manifest.made_at,
                added: 0,
                duplicates: 0,
                skipped: skipped.collect(),
            },
        }
    }

    /// Takes elements in: runs of one kind together.
    async fn take(&mut self, elements: Vec<Element>) -> Result<(), Error> {
        let (mut settings, mut rows) = (Vec::new(), Vec::new());
        for element in elements {
            match element {
                Element::Setting(setting) => settings.push(setting),
                Element::Row(row) => rows.push(*row),
                Element::Unknown(kind) => self.skip(Skipped::Unknown(kind), 1),
                Element::Channel(channel) => {
                    self.put_rows(std::mem::take(&mut rows)).await?;
                    let cid = channel.cid.clone();
                    let refused = self.send(Import::Channel(channel)).await?.refused;
                    self.channel = Some(refused.map_or(Ok(cid), Err));
                }
                Element::Covered(cover) => {
                    self.put_rows(std::mem::take(&mut rows)).await?;
                    if let Some(Ok(cid)) = self.channel.take() {
                        self.send(Import::Covered(cid, cover)).await?;
                    }
                }
            }
        }
        if !settings.is_empty() {
            self.send(Import::Settings(settings)).await?;
        }
        self.put_rows(rows).await
    }

    async fn put_rows(&mut self, rows: Vec<whimbrel_model::Row>) -> Result<(), Error> {
        let count = rows.len() as u64;
        if count == 0 {
            return Ok(());
        }
        let refused = match &self.channel {
            Some(Ok(cid)) => {
                let cid = cid.clone();
                self.send(Import::Rows(cid, rows)).await?.refused
            }
            Some(Err(refused)) => Some(*refused),
            // It says of no channel that it is theirs.
            None => {
                self.skip(Skipped::KeptHere, count);
                None
            }
        };
        match refused {
            Some(Refused::Followed) => self.skip(Skipped::Followed, count),
            Some(Refused::OtherHistory) => self.skip(Skipped::OtherHistory, count),
            None => {}
        }
        Ok(())
    }

    async fn send(&mut self, part: Import) -> Result<Imported, Error> {
        let imported = self
            .commands
            .ask(|reply| Command::Local(OfLocal::Import { part, reply }))
            .await?;
        self.summary.added += imported.added;
        self.summary.duplicates += imported.duplicates;
        self.skip(Skipped::KeptHere, imported.kept);
        Ok(imported)
    }

    fn skip(&mut self, why: Skipped, count: u64) {
        if count > 0 {
            *self.summary.skipped.entry(why).or_default() += count;
        }
    }
}

impl ImportSummary {
    /// Returns how much was not taken, for whatever reason.
    #[must_use]
    pub fn skipped_in_all(&self) -> u64 {
        self.skipped.values().sum()
    }
}
