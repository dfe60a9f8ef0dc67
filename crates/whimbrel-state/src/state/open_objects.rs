//! Which composed objects are open, and when their facts are computed again.

use super::{Inner, Stale};
use crate::{
    ChannelState, GlobalState, QueryChannelsState, Reach, SyncState, ThreadState, channel_state,
    global_state, query_channels_state, thread_state,
};
use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Weak},
};
use whimbrel_model::{
    Change, ChannelId, ChannelSummary, Delta, FollowedThread, MessageId, OutboxItem, StreamId, Timestamp,
    UserId,
};

/// The open objects. Locked with what holds them, before any of them.
#[derive(Default)]
pub(super) struct Objects {
    /// One of each timeline.
    pub(super) channels: Vec<Weak<channel_state::Shared>>,
    pub(super) threads: HashMap<(ChannelId, MessageId), Weak<thread_state::Shared>>,
    pub(super) lists: Vec<Weak<query_channels_state::Shared>>,
    pub(super) global: Weak<global_state::Shared>,
    status: SyncState,
    as_of: Option<Timestamp>,
}

impl Objects {
    pub(super) fn channels(&mut self) -> Vec<ChannelState> {
        self.channels.retain(|channel| channel.strong_count() > 0);
        let open = self.channels.iter().filter_map(Weak::upgrade);
        open.map(ChannelState).collect()
    }

    pub(super) fn threads(&mut self) -> Vec<ThreadState> {
        self.threads.retain(|_, thread| thread.strong_count() > 0);
        let open = self.threads.values().filter_map(Weak::upgrade);
        open.map(ThreadState).collect()
    }

    fn lists(&mut self) -> Vec<QueryChannelsState> {
        self.lists.retain(|list| list.strong_count() > 0);
        let open = self.lists.iter().filter_map(Weak::upgrade);
        open.map(QueryChannelsState).collect()
    }

    /// Returns those of one channel.
    pub(super) fn of(&mut self, cid: &ChannelId) -> Vec<ChannelState> {
        let mut open = self.channels();
        open.retain(|channel| channel.cid() == cid);
        open
    }

    pub(super) fn thread(&self, key: &(ChannelId, MessageId)) -> Option<ThreadState> {
        self.threads.get(key)?.upgrade().map(ThreadState)
    }

    /// Sets how far each channel is, and when everything was on the device.
    pub(super) fn set_reach(&mut self, as_of: Option<Timestamp>, reach: impl Fn(&ChannelId) -> Reach) {
        self.as_of = as_of;
        for channel in self.channels() {
            channel.put_reach(reach(channel.cid()));
        }
        for thread in self.threads() {
            thread.put_reach(reach(thread.cid()));
        }
    }

    /// Sets how the account is connected, and returns whether it was otherwise.
    pub(super) fn set_status(&mut self, status: &SyncState) -> bool {
        let changed = self.status != *status;
        self.status.clone_from(status);
        changed
    }

    /// Puts a thread that was read again. Absent: it is not there.
    pub(super) fn put_thread(&mut self, parent: MessageId, thread: Option<&FollowedThread>) {
        for open in self.threads() {
            if open.parent_id() == parent {
                open.put_thread(thread);
            }
        }
    }
}

impl Inner {
    /// Lets the open objects take in a delta, and says what has to be read again for them.
    pub(super) fn reduce_objects(
        &mut self,
        delta: &Delta,
        ops: &[Arc<OutboxItem>],
        me: &UserId,
        stale: &mut Stale,
    ) {
        for thread in self.objects.threads() {
            thread.reduce(delta, ops, &self.outbox);
            if thread.waits_for_thread(delta, ops) {
                stale.open_threads.push(thread.parent_id());
            }
        }
        for cid in self.reduce_channel_objects(delta, ops, me) {
            if !stale.channels.contains(&cid) {
                stale.channels.push(cid);
            }
        }
    }

    fn reduce_channel_objects(
        &mut self,
        delta: &Delta,
        ops: &[Arc<OutboxItem>],
        me: &UserId,
    ) -> Vec<ChannelId> {
        let channels = self.objects.channels();
        for channel in &channels {
            channel.reduce(delta, ops, &self.outbox);
        }
        let cids: BTreeSet<_> = channels.iter().map(ChannelState::cid).collect();
        if cids.is_empty() {
            return Vec::new();
        }
        let touched = delta.changes.iter().filter_map(|change| match change {
            Change::Row(row) => row.cid(),
            Change::Rebase(StreamId::Channel(cid))
            | Change::Unfollow(StreamId::Channel(cid))
            | Change::Head(StreamId::Channel(cid), _)
            | Change::Ranges(cid, _) => Some(cid),
            _ => None,
        });
        let queued = ops.iter().filter_map(|item| item.op.cid());
        let mut stale: BTreeSet<_> = touched.chain(queued).collect();
        // The own stream holds all memberships.
        if delta.changes.iter().any(|change| is_own_rebase(change, me)) {
            stale.extend(&cids);
        }
        let stale: Vec<_> = stale.intersection(&cids).map(|cid| (*cid).clone()).collect();
        for channel in channels.iter().filter(|channel| stale.contains(channel.cid())) {
            channel.wait_for_row();
        }
        stale
    }

    /// Computes the facts of the open objects again.
    pub(super) fn settle_objects(&mut self, me: &UserId) {
        for channel in self.objects.channels() {
            channel.settle(&self.outbox, &self.objects.status);
        }
        for thread in self.objects.threads() {
            thread.settle(&self.objects.status);
        }
        self.settle_common(me);
    }

    /// Puts a channel's row that was read again, and computes again what it changes. Absent: the store has none.
    pub(super) fn put_row(&mut self, cid: &ChannelId, row: Option<&ChannelSummary>, me: &UserId) {
        for channel in self.objects.of(cid) {
            channel.put_row(row.cloned());
            channel.settle(&self.outbox, &self.objects.status);
        }
        self.settle_common(me);
    }

    /// Computes again what is of no one channel.
    pub(super) fn settle_common(&mut self, me: &UserId) {
        for list in self.objects.lists() {
            list.settle(&self.objects.status);
        }
        if let Some(global) = self.objects.global.upgrade() {
            let profile = self.users.get(me, &self.outbox);
            let sync = (&self.objects.status, self.objects.as_of);
            let account = self.account.facts().get();
            GlobalState(global).settle(profile, account, self.outbox.summary().get(), sync);
        }
    }
}

fn is_own_rebase(change: &Change, me: &UserId) -> bool {
    matches!(change, Change::Rebase(StreamId::User(user)) if user == me)
}
