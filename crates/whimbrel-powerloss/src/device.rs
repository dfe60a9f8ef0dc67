//! The device's database: every delta whose `apply` returned is there, and nothing but a prefix of the deltas.

mod deltas;

use crate::{Disk, Synchronous, Tally};
use std::path::PathBuf;
use whimbrel_model::{Delta, HistoryFrom, Loaded, MessagePage, MessageQuery, MessageScope};
use whimbrel_store::{MemoryStore, Store};
use whimbrel_store_sqlite::SqliteStore;
use whimbrel_testkit::dice::Dice;

/// Operations of the disk between two power losses, at most.
const OPERATIONS: u64 = 3_000;

/// Syncs between two power losses, at most.
const SYNCS: u64 = 30;

/// Deltas between two power losses, at most: then the power goes while nothing is written.
const DELTAS: u64 = 60;

/// Writes deltas like those of a client to one database, through `cuts` power losses.
///
/// # Errors
/// What of the promises did not hold, with the seed.
pub async fn play(seed: u64, cuts: u64, synchronous: Synchronous) -> Result<Tally, String> {
    let failed = |what: String| format!("device, seed {seed}: {what}");
    let mut round = Round::new(seed, synchronous).map_err(|error| failed(error.to_string()))?;
    for _ in 0..cuts {
        round.write_until_cut().await.map_err(failed)?;
        round.disk.restore().map_err(|error| failed(error.to_string()))?;
        round.check().await.map_err(failed)?;
    }
    Ok(round.tally)
}

struct Round {
    path: PathBuf,
    disk: Disk,
    dice: Dice,
    /// What was acknowledged.
    model: MemoryStore,
    acknowledged: u64,
    /// The delta that nobody was told the outcome of.
    midway: Option<Delta>,
    store: Option<SqliteStore>,
    tally: Tally,
    _dir: tempfile::TempDir,
}

impl Round {
    fn new(seed: u64, synchronous: Synchronous) -> std::io::Result<Self> {
        let dir = tempfile::tempdir()?;
        let disk = Disk::new(dir.path(), seed)?;
        disk.weaken(synchronous);
        Ok(Self {
            path: dir.path().canonicalize()?.join("chat.db"),
            disk,
            dice: Dice::new(seed),
            model: MemoryStore::new(),
            acknowledged: 0,
            midway: None,
            store: None,
            tally: Tally::default(),
            _dir: dir,
        })
    }

    async fn write_until_cut(&mut self) -> Result<(), String> {
        match self.dice.below(3) {
            0 => self.disk.cut_at_sync(self.dice.any_size(SYNCS)),
            _ => self.disk.cut_after(self.dice.any_size(OPERATIONS)),
        }
        for _ in 0..DELTAS {
            let store = match self.store.take() {
                Some(store) => store,
                None => match SqliteStore::open(&self.path).await {
                    Ok(store) if store.recovery().is_some() => return Err(taken_for_damage(&store)),
                    Ok(store) => store,
                    Err(_) if self.disk.is_off() => break,
                    Err(error) => return Err(format!("the power is on, and: {error}")),
                },
            };
            let loaded = load(&self.model).await?;
            let delta = deltas::next(self.acknowledged + 1, &loaded, &mut self.dice);
            let applied = store.apply(&delta).await;
            // Now and then a restart, which folds the log into the database.
            if applied.is_ok() && self.dice.below(12) > 0 {
                self.store = Some(store);
            } else {
                store.close().await;
            }
            if let Err(error) = applied {
                if !self.disk.is_off() {
                    return Err(format!("the power is on, and: {error}"));
                }
                self.midway = Some(delta);
                self.tally.midway += 1;
                break;
            }
            self.acknowledge(&delta).await?;
            self.tally.acknowledged += 1;
        }
        self.disk.cut();
        self.tally.cuts += 1;
        if let Some(store) = self.store.take() {
            store.close().await;
        }
        Ok(())
    }

    async fn acknowledge(&mut self, delta: &Delta) -> Result<(), String> {
        self.acknowledged += 1;
        self.model.apply(delta).await.map_err(|error| error.to_string())
    }

    /// Compares the database with what was acknowledged, and goes on with it.
    async fn check(&mut self) -> Result<(), String> {
        let opened = SqliteStore::open(&self.path).await;
        let store = opened.map_err(|error| format!("S3: it cannot be opened any more: {error}"))?;
        if store.recovery().is_some() {
            return Err(taken_for_damage(&store));
        }
        let loaded = store.load().await.map_err(|error| format!("S3: {error}"))?;
        let there: u64 = match &loaded.heads_token {
            Some(token) => token
                .parse()
                .map_err(|_| format!("the token {token} was never written"))?,
            None => 0,
        };
        let midway = self.midway.take();
        if there == self.acknowledged + 1
            && let Some(delta) = midway
        {
            self.acknowledge(&delta).await?;
            self.tally.survived += 1;
        }
        if there < self.acknowledged {
            return Err(format!(
                "C2, C3: lost acknowledged work: {} deltas were acknowledged, and {there} are there",
                self.acknowledged
            ));
        }
        if there > self.acknowledged {
            return Err(format!(
                "{there} deltas are there, and {} were given",
                self.acknowledged
            ));
        }
        if read(&store).await? != read(&self.model).await? {
            return Err(format!(
                "C6: with delta {there} a part of a delta is there, or of one before"
            ));
        }
        if self.dice.coin() {
            store.close().await;
        } else {
            self.store = Some(store);
        }
        Ok(())
    }
}

fn taken_for_damage(store: &SqliteStore) -> String {
    let reason = store.recovery().map(|recovery| recovery.reason);
    format!(
        "a power loss was taken for damage: {}",
        reason.unwrap_or_default()
    )
}

async fn load(store: &dyn Store) -> Result<Loaded, String> {
    store.load().await.map_err(|error| error.to_string())
}

/// Reads everything that the deltas write.
async fn read(store: &dyn Store) -> Result<(Loaded, MessagePage), String> {
    let query = MessageQuery {
        cid: deltas::cid(),
        scope: MessageScope::Channel,
        from: HistoryFrom::Newest,
        limit: usize::MAX,
    };
    let page = store.messages(&query).await.map_err(|error| error.to_string())?;
    Ok((load(store).await?, page))
}
