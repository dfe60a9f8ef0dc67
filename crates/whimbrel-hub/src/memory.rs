mod ask;
mod devices;
mod parcels;
mod presence;
mod search;
mod tables;

use crate::{Decide, HeadsPlan, HistoryPlan, Keys, PagePlan, Storage, StorageError, WorkingSet};
use async_trait::async_trait;
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};
use tables::Tables;
use whimbrel_model::{ChannelId, Cursor, Epoch, HistoryFrom, Row, StreamId, Timestamp, UserId};
use whimbrel_protocol::{Answer, HeadsPage, HistoryPage, Page, Question};

/// A storage in memory, for tests, simulations and servers within the process. Every future is ready at once, and
/// everything is in sorted order, so equal calls give equal answers.
///
/// A clone is another handle to the same rows, as a process has that opens the same database again; it is open, even
/// if this one was closed.
#[derive(Debug, Default)]
pub struct MemoryStorage {
    epoch: Epoch,
    tables: Arc<Mutex<Tables>>,
    closed: AtomicBool,
}

impl Clone for MemoryStorage {
    fn clone(&self) -> Self {
        Self {
            epoch: self.epoch,
            tables: self.tables.clone(),
            closed: AtomicBool::new(false),
        }
    }
}

impl MemoryStorage {
    /// Creates an empty one with this history.
    #[must_use]
    pub fn new(epoch: Epoch) -> Self {
        Self {
            epoch,
            ..Self::default()
        }
    }

    /// Copies the rows as they are now into a storage of its own: what a backup holds. With another `epoch` it is a
    /// database restored from it.
    #[must_use]
    pub fn fork(&self, epoch: Epoch) -> Self {
        let tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Self {
            epoch,
            tables: Arc::new(Mutex::new(tables)),
            closed: AtomicBool::new(false),
        }
    }

    fn open(&self) -> Result<MutexGuard<'_, Tables>, StorageError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(StorageError::Closed);
        }
        Ok(self.tables.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Storage for MemoryStorage {
    fn epoch(&self) -> Epoch {
        self.epoch
    }

    async fn transact(&self, keys: &Keys, decide: &mut Decide<'_>) -> Result<(), StorageError> {
        let mut tables = self.open()?;
        let mut set = WorkingSet::new(tables.read(keys));
        decide(&mut set);
        tables.write(set.into_writes());
        Ok(())
    }

    async fn heads(
        &self,
        user: &UserId,
        token: Option<&str>,
        limit: usize,
    ) -> Result<HeadsPage, StorageError> {
        let tables = self.open()?;
        let plan = HeadsPlan::new(self.epoch, tables.activity(), token, limit);
        let own = tables.stream_head(&StreamId::User(user.clone()));
        let mut channels: Vec<_> = tables
            .channels_of(user)
            .filter_map(|cid| tables.stream_head(&StreamId::Channel(cid.clone())))
            .filter(|(_, activity)| *activity > plan.since() && *activity < plan.below())
            .collect();
        channels.sort_by_key(|(_, activity)| std::cmp::Reverse(*activity));
        channels.truncate(plan.fetch());
        Ok(plan.finish(own, channels))
    }

    async fn page(
        &self,
        user: &UserId,
        stream: &StreamId,
        cursor: Option<Cursor>,
        limit: usize,
    ) -> Result<Page, StorageError> {
        let tables = self.open()?;
        tables.check_may_see(user, stream)?;
        let plan = PagePlan::new(stream, self.epoch, tables.head(stream), cursor, limit);
        let rows: Vec<Row> = tables
            .rows_after(stream, plan.after())
            .filter(|row| plan.includes(row.ver(), tables.message_seq(row)))
            .take(plan.fetch())
            .cloned()
            .collect();
        let profiles = tables.profiles(&rows);
        Ok(plan.finish(rows, profiles))
    }

    async fn history(
        &self,
        user: &UserId,
        cid: &ChannelId,
        from: HistoryFrom,
        limit: usize,
    ) -> Result<HistoryPage, StorageError> {
        let tables = self.open()?;
        let stream = StreamId::Channel(cid.clone());
        tables.check_may_see(user, &stream)?;
        let mut plan = HistoryPlan::new(cid, tables.head(&stream), from, limit);
        if let Some(id) = plan.message() {
            plan.found(tables.seq_of(cid, id))?;
        }
        while let Some(seq) = plan.time() {
            plan.accepted(tables.accepted_at(cid, seq));
        }
        let messages = tables.messages(cid, plan.lo(), plan.hi());
        let beside = tables.about(&messages);
        Ok(plan.finish(messages, beside))
    }

    async fn ask(&self, user: &UserId, question: &Question, now: Timestamp) -> Result<Answer, StorageError> {
        self.open()?.ask(user, question, now)
    }

    async fn members(&self, cid: &ChannelId) -> Result<Vec<UserId>, StorageError> {
        Ok(self.open()?.active_members(cid))
    }

    async fn prune_results(&self, before: Timestamp) -> Result<u64, StorageError> {
        Ok(self.open()?.prune_results(before))
    }

    async fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }
}
