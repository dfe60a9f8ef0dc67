//! The server's database: every answered operation is there with the numbers that were answered, and of one that was
//! not answered all or nothing.

use crate::{Disk, Synchronous, Tally};
use std::path::{Path, PathBuf};
use whimbrel_hub::{MemoryStorage, Request, Rules, Storage, apply_group};
use whimbrel_model::{ChannelId, HistoryFrom, Row, StreamId, Timestamp};
use whimbrel_protocol::{HistoryPage, Page};
use whimbrel_server::SqliteStorage;
use whimbrel_testkit::{conformance::storage::Script, dice::Dice};

/// Operations of the disk between two power losses, at most.
const OPERATIONS: u64 = 400;

/// Syncs between two power losses, at most.
const SYNCS: u64 = 30;

/// Groups between two power losses, at most: then the power goes while nothing is written.
const GROUPS: u64 = 20;

/// Requests of a group, at most.
const REQUESTS: u64 = 6;

/// Rows of a page: more than there are.
const ALL: usize = 100_000;

/// Commits operations of a few users to one database, through `cuts` power losses.
///
/// # Errors
/// What of the promises did not hold, with the seed.
pub async fn play(seed: u64, cuts: u64, synchronous: Synchronous) -> Result<Tally, String> {
    let failed = |what: String| format!("server, seed {seed}: {what}");
    let mut round = Round::new(seed, synchronous).map_err(|error| failed(error.to_string()))?;
    for _ in 0..cuts {
        round.write_until_cut().await.map_err(failed)?;
        round.disk.restore().map_err(|error| failed(error.to_string()))?;
        round.check().await.map_err(failed)?;
    }
    Ok(round.tally)
}

/// A group of requests and when it came.
type Group = (Timestamp, Vec<Request>);

struct Round {
    path: PathBuf,
    disk: Disk,
    dice: Dice,
    script: Script,
    now: i64,
    /// What was answered. Absent until the database exists.
    model: Option<MemoryStorage>,
    answered: Vec<Group>,
    /// The group that nobody was told the outcome of.
    midway: Option<Group>,
    storage: Option<SqliteStorage>,
    tally: Tally,
    _dir: tempfile::TempDir,
}

impl Round {
    fn new(seed: u64, synchronous: Synchronous) -> std::io::Result<Self> {
        let dir = tempfile::tempdir()?;
        let disk = Disk::new(dir.path(), seed)?;
        disk.weaken(synchronous);
        Ok(Self {
            path: dir.path().canonicalize()?.join("server.db"),
            disk,
            dice: Dice::new(seed),
            script: Script::new(seed),
            now: 1_000,
            model: None,
            answered: Vec::new(),
            midway: None,
            storage: None,
            tally: Tally::default(),
            _dir: dir,
        })
    }

    async fn write_until_cut(&mut self) -> Result<(), String> {
        match self.dice.below(3) {
            0 => self.disk.cut_at_sync(self.dice.any_size(SYNCS)),
            _ => self.disk.cut_after(self.dice.any_size(OPERATIONS)),
        }
        for _ in 0..GROUPS {
            let storage = match self.storage.take() {
                Some(storage) => storage,
                None => match SqliteStorage::open(&self.path).await {
                    Ok(storage) => storage,
                    Err(_) if self.disk.is_off() => break,
                    Err(error) => return Err(format!("the power is on, and: {error}")),
                },
            };
            self.now += 1;
            let group = (Timestamp(self.now), self.requests());
            let outcome = apply_group(&storage, &Rules::default(), group.0, &group.1).await;
            let model = self
                .model
                .get_or_insert_with(|| MemoryStorage::new(storage.epoch()));
            // Now and then a restart, which folds the log into the database.
            if outcome.is_ok() && self.dice.below(12) > 0 {
                self.storage = Some(storage);
            } else {
                storage.close().await;
            }
            match outcome {
                Ok(answers) => {
                    let expected = apply_group(model, &Rules::default(), group.0, &group.1).await;
                    if expected.map_err(text)? != answers {
                        return Err("S4: the answers are not those of the model".to_owned());
                    }
                    self.answered.push(group);
                    self.tally.acknowledged += 1;
                }
                Err(error) if self.disk.is_off() => {
                    drop(error);
                    self.midway = Some(group);
                    self.tally.midway += 1;
                    break;
                }
                Err(error) => return Err(format!("the power is on, and: {error}")),
            }
        }
        self.disk.cut();
        self.tally.cuts += 1;
        if let Some(storage) = self.storage.take() {
            storage.close().await;
        }
        Ok(())
    }

    /// Draws a group: the channels first, then anything.
    fn requests(&mut self) -> Vec<Request> {
        if self.answered.is_empty() {
            return Script::channels()
                .iter()
                .map(|cid| self.script.create(cid))
                .collect();
        }
        self.script.group(REQUESTS)
    }

    /// Compares the database with what was answered, and goes on with it.
    async fn check(&mut self) -> Result<(), String> {
        let opened = SqliteStorage::open(&self.path).await;
        let storage = opened.map_err(|error| format!("S3: it cannot be opened any more: {error}"))?;
        if self.answered.is_empty() {
            // Nobody was told of an epoch yet.
            self.model = Some(MemoryStorage::new(storage.epoch()));
        }
        let midway = self.midway.take();
        let Some(model) = &self.model else {
            return Err("there is no model".to_owned());
        };
        let there = everything(&storage).await;
        if there != everything(model).await {
            let Some((now, requests)) = &midway else {
                return Err("S3: answered operations are lost, or changed".to_owned());
            };
            apply_group(model, &Rules::default(), *now, requests)
                .await
                .map_err(text)?;
            if there != everything(model).await {
                return Err(
                    "S3, S7: answered operations are lost, or half a transaction is there".to_owned(),
                );
            }
            self.tally.survived += 1;
        }
        if let Some((now, requests)) = midway {
            // Its users send it again. A rejection may have been stored, which nothing shows.
            apply_group(&storage, &Rules::default(), now, &requests)
                .await
                .map_err(text)?;
            apply_group(model, &Rules::default(), now, &requests)
                .await
                .map_err(text)?;
            self.answered.push((now, requests));
        }
        dense(&self.path).await?;
        // What was answered is answered again, and the same.
        if let Some((now, requests)) = self.answered.last() {
            let again = apply_group(&storage, &Rules::default(), *now, requests)
                .await
                .map_err(text)?;
            let expected = apply_group(model, &Rules::default(), *now, requests)
                .await
                .map_err(text)?;
            if again != expected {
                return Err("S4: a repeat is answered otherwise".to_owned());
            }
        }
        if self.dice.coin() {
            storage.close().await;
        } else {
            self.storage = Some(storage);
        }
        Ok(())
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

type Everything = Vec<(Result<Page, String>, Result<HistoryPage, String>)>;

/// Reads every stream as every user.
async fn everything(storage: &dyn Storage) -> Everything {
    let mut all = Vec::new();
    for user in Script::users() {
        let own = StreamId::User(user.clone());
        for stream in Script::channels().into_iter().map(StreamId::Channel).chain([own]) {
            let page = storage.page(&user, &stream, None, ALL).await;
            let cid: ChannelId = match &stream {
                StreamId::Channel(cid) => cid.clone(),
                StreamId::User(_) => Script::channels().remove(0),
            };
            let history = storage.history(&user, &cid, HistoryFrom::Newest, ALL).await;
            all.push((page.map_err(text), history.map_err(text)));
        }
    }
    all
}

/// Checks that the sequences of each channel are 1..=N, and its head is N.
async fn dense(path: &Path) -> Result<(), String> {
    let reader = SqliteStorage::open_read_only(path).await;
    let reader = reader.map_err(text)?;
    let dump = reader.dump().await.map_err(text)?;
    reader.close().await;
    for (stream, head) in &dump.heads {
        let StreamId::Channel(cid) = stream else { continue };
        let mut seqs: Vec<u64> = Vec::new();
        seqs.extend(dump.rows.iter().filter_map(|row| match row {
            Row::Message(message) if message.cid == *cid => Some(message.seq),
            _ => None,
        }));
        seqs.sort_unstable();
        if !seqs.iter().copied().eq(1..=head.seq) {
            return Err(format!(
                "S1: {cid} has the sequences {seqs:?}, and the head {}",
                head.seq
            ));
        }
    }
    Ok(())
}
