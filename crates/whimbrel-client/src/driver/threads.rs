//! Threads, pins and drafts: opened, read further, and read again.

use super::Driver;
use crate::{Error, command::Command};
use whimbrel_model::{ChannelId, FollowedThread, MessageId};
use whimbrel_state::{Drafts, Pins, ThreadList};

/// Rows that an opened list of threads begins with.
const FIRST_THREADS: usize = 30;

/// Threads that are read at once to count what is unread.
const THREADS_AT_ONCE: usize = 1_000;

impl Driver {
    pub(super) async fn read_threads(&self, command: Command) {
        match command {
            Command::OpenThreads { reply } => drop(reply.send(self.open_threads().await)),
            Command::MoreThreads { list, limit, reply } => {
                drop(reply.send(self.extend_threads(&list, limit).await));
            }
            Command::OpenPins { cid, reply } => drop(reply.send(self.open_pins(&cid).await)),
            Command::OpenDrafts { reply } => drop(reply.send(self.open_drafts().await)),
            _ => {}
        }
    }

    async fn open_threads(&self) -> Result<ThreadList, Error> {
        let list = self.parts.state.open_threads();
        if list.load_state() == whimbrel_state::LoadState::Loading {
            self.extend_threads(&list, FIRST_THREADS).await?;
            // What waits may be in threads that nobody replied to before.
            for id in self.threads_that_wait() {
                self.put_thread(id).await?;
            }
        }
        Ok(list)
    }

    async fn extend_threads(&self, list: &ThreadList, limit: usize) -> Result<(), Error> {
        let more = limit.saturating_add(1);
        let people = self.parts.state.people();
        let mut page = self.parts.store.threads(list.next_page(), more, &people).await?;
        let has_more = page.len() > limit;
        page.truncate(limit);
        self.parts.state.extend_threads(list, page, has_more);
        Ok(())
    }

    pub(super) async fn open_drafts(&self) -> Result<Drafts, Error> {
        if let Some(open) = self.parts.state.drafts() {
            return Ok(open);
        }
        let drafts = self.parts.store.drafts().await?;
        Ok(self.parts.state.open_drafts(drafts))
    }

    pub(super) async fn open_pins(&self, cid: &ChannelId) -> Result<Pins, Error> {
        let pinned = self.parts.store.pinned(cid).await?;
        let (pins, missing) = self.parts.state.open_pins(cid, pinned);
        for id in missing {
            self.put_pin(id).await?;
        }
        Ok(pins)
    }

    /// Reads a message that a waiting pin is of, and shows it.
    pub(super) async fn put_pin(&self, id: MessageId) -> Result<(), Error> {
        if let Some(message) = self.parts.store.message(id).await? {
            self.parts.state.put_pin(&message);
        }
        Ok(())
    }

    /// Reads a thread again, and shows it.
    pub(super) async fn put_thread(&self, id: MessageId) -> Result<(), Error> {
        let thread = self.parts.store.thread(id, &self.parts.state.people()).await?;
        self.parts.state.put_thread(id, thread);
        Ok(())
    }

    /// Reads all followed threads: their list, and how many have something unread.
    pub(super) async fn read_all_threads(&self) -> Result<(), Error> {
        let shown = self.parts.state.threads().map_or(0, |list| list.loaded());
        let (mut threads, people) = (Vec::<FollowedThread>::new(), self.parts.state.people());
        loop {
            let after = threads.last().map(FollowedThread::place);
            let page = self.parts.store.threads(after, THREADS_AT_ONCE, &people).await?;
            let is_last = page.len() < THREADS_AT_ONCE;
            threads.extend(page);
            if is_last {
                break;
            }
        }
        self.parts.state.put_threads(threads, shown.max(FIRST_THREADS));
        for id in self.threads_that_wait() {
            self.put_thread(id).await?;
        }
        Ok(())
    }

    /// Shows what is on disk: a write that failed may have happened all the same.
    pub(super) async fn show_threads_again(&self) -> Result<(), Error> {
        let state = &self.parts.state;
        if state.threads().is_some() || state.unread().is_some() {
            self.read_all_threads().await?;
        }
        for open in state.pins() {
            let _open = self.open_pins(open.cid()).await?;
        }
        if state.drafts().is_some() {
            let _open = state.open_drafts(self.parts.store.drafts().await?);
        }
        Ok(())
    }

    /// Returns the threads that own replies wait for.
    fn threads_that_wait(&self) -> Vec<MessageId> {
        let outbox = self.parts.state.outbox();
        let replies = outbox.iter().filter_map(|item| match &item.op {
            whimbrel_model::Op::SendMessage { parent, .. } => *parent,
            _ => None,
        });
        replies.collect()
    }
}
