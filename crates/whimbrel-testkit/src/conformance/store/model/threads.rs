//! Threads and drafts.

use super::Model;
use std::{cmp::Reverse, collections::BTreeSet};
use whimbrel_model::{
    ChannelId, Draft, FollowedThread, MemberState, Message, MessageId, OutboxItem, OutboxStatus, People,
    ReadPosition,
};

impl Model {
    /// Returns all threads that the account follows, in order.
    pub(in super::super) fn threads(&self, people: &People) -> Vec<FollowedThread> {
        let begun = self.all_messages().filter(|row| row.thread.is_some());
        let mut threads: Vec<_> = begun.filter_map(|row| self.thread(row.id, people)).collect();
        threads.retain(|thread| thread.followed);
        threads.sort_by_key(|thread| {
            Reverse((thread.parent.thread.map(|known| known.last_at), thread.parent.id))
        });
        threads
    }

    pub(in super::super) fn thread(&self, id: MessageId, people: &People) -> Option<FollowedThread> {
        let me = self.loaded.account.as_ref().map(|account| &account.user);
        let parent = self.all_messages().find(|row| row.id == id && row.ver > 0)?;
        let is_joined = self
            .all_memberships()
            .any(|row| Some(&row.user) == me && row.cid == parent.cid && row.state == MemberState::Active);
        let reads = self.reads(&parent.cid, Some(id)).into_iter();
        let read = reads.filter(|row| row.ver > 0).find(|row| Some(&row.user) == me);
        let known = read.as_ref().map_or((0, 0), |read| (read.epoch, read.seq));
        let waits = |item: &&OutboxItem| {
            item.status == OutboxStatus::Queued
                && item.op.cid() == Some(&parent.cid)
                && item.op.read_thread() == Some(id)
        };
        let waiting = self.loaded.outbox.iter().filter(waits);
        let waiting = waiting.filter_map(|item| item.op.read_position()).max();
        let waiting = waiting.filter(|at| (at.epoch, at.seq) > known);
        let position = waiting.map_or(known.1, |at| at.seq);
        let mut replies: Vec<&Message> = self
            .all_messages()
            .filter(|row| row.parent == Some(id) && row.ver > 0)
            .collect();
        replies.sort_by_key(|row| row.seq);
        let counts = |row: &&&Message| {
            row.seq > position
                && Some(&row.author) != me
                && row.deleted_at.is_none()
                && !row.silent
                && !people.is_silent(&row.author)
                && me.is_some()
        };
        let ranges = self.loaded.ranges.get(&parent.cid).cloned().unwrap_or_default();
        let lacks = |seq: &u64| !ranges.is_fresh(*seq, *seq);
        let here = replies.iter().filter(|row| row.deleted_at.is_none()).count() as u64;
        let unread_unknown = parent.thread.map_or(0, |known| {
            let lacking = u64::from(known.replies).saturating_sub(here);
            lacking.min((position + 1..=known.last_seq).filter(lacks).count() as u64)
        });
        let own = self
            .all_memberships()
            .find(|row| Some(&row.user) == me && row.cid == parent.cid);
        Some(FollowedThread {
            membership: own.cloned(),
            parent: parent.clone(),
            last_reply: replies.last().map(|&row| row.clone()),
            followed: is_joined && (read.is_some() || me == Some(&parent.author)),
            waiting_read: waiting.map(|at| ReadPosition {
                epoch: at.epoch,
                seq: at.seq,
            }),
            unread: replies.iter().filter(counts).count() as u64,
            unread_unknown,
            read,
        })
    }

    pub(in super::super) fn pinned(&self, cid: &ChannelId) -> Vec<Message> {
        let here = self.all_messages().filter(|row| row.cid == *cid && row.ver > 0);
        let mut pinned: Vec<_> = here.filter(|row| row.pinned.is_some()).cloned().collect();
        pinned.sort_by_key(|row| Reverse((row.pinned.as_ref().map(|pin| pin.at), row.seq)));
        pinned
    }

    pub(in super::super) fn drafts(&self) -> Vec<Draft> {
        let me = self.loaded.account.as_ref().map(|account| &account.user);
        let shown = |row: &&Draft| Some(&row.user) == me && row.ver > 0 && row.content.is_some();
        let mut drafts: Vec<_> = self.all_drafts().filter(shown).cloned().collect();
        drafts.sort_by_key(|row| Reverse((row.updated_at, row.ver)));
        let keys: BTreeSet<_> = drafts.iter().map(|row| (row.updated_at, row.ver)).collect();
        assert_eq!(keys.len(), drafts.len(), "the order says it all");
        drafts
    }
}
