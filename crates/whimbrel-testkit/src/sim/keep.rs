//! What an operation says that somebody makes for themself: how far they have read, how they keep a channel, what they are
//! writing; and the channel that is named by its members.

use super::{Violation, device::or_broken, storage::now_or, world::World};
use std::collections::BTreeSet;
use whimbrel_model::{
    ChannelId, Custom, DraftContent, DraftSeen, Hide, MembershipChange, MessageId, Mute, Op, People, Read,
    SetMute, Timestamp, UserId,
};
use whimbrel_state::TimelineItem;
use whimbrel_store::{AccountReader as _, Store as _, StoreReader as _};

impl World {
    /// Marks as read until `seq`, or what comes from there on as unread.
    pub(super) fn mark_read(
        &self,
        index: usize,
        cid: ChannelId,
        thread: Option<MessageId>,
        seq: u64,
        back: bool,
    ) -> Result<Option<Op>, Violation> {
        let device = &self.devices[index];
        let reads = or_broken(now_or(device.store.reads(&cid, thread))?)?;
        let own: Option<&Read> = reads.iter().find(|read| read.user == device.user);
        let epoch = own.map_or(0, |read| read.epoch) + u32::from(back);
        Ok((seq > 0).then_some(Op::MarkRead {
            cid,
            thread,
            epoch,
            seq: seq.saturating_sub(u64::from(back)),
        }))
    }

    /// Marks the thread that a message stands in, or could begin.
    pub(super) fn read_thread(
        &mut self,
        index: usize,
        cid: ChannelId,
        item: &TimelineItem,
        back: bool,
    ) -> Result<Option<Op>, Violation> {
        let message = &item.view.message;
        let parent = message.parent.unwrap_or(message.id);
        let thread = or_broken(now_or(
            self.devices[index].store.thread(parent, &People::default()),
        )?)?;
        let last = thread
            .and_then(|thread| thread.last_reply)
            .map_or(0, |reply| reply.seq);
        // What is seen of a thread is its end, mostly.
        let seq = if self.dice.per_mille(700) {
            last
        } else {
            message.seq
        };
        self.mark_read(index, cid, Some(parent), seq, back)
    }

    /// Changes how somebody keeps a channel.
    pub(super) fn keep(&mut self, index: usize, cid: ChannelId) -> Result<Op, Violation> {
        let row = or_broken(now_or(
            self.devices[index].store.channel(&cid, &People::default()),
        )?)?;
        let seq = row.map_or(0, |row| row.head_seq);
        let yes = self.dice.per_mille(600);
        let mut change = MembershipChange::default();
        let which = self.dice.below(5);
        if which == 0 || which == 4 {
            change.pinned = Some(yes);
        }
        if which == 1 {
            change.archived = Some(yes);
        }
        if which == 2 || which == 4 {
            change.hidden = Some(if yes { Hide::Until { seq } } else { Hide::Show });
        }
        if which == 3 {
            let until = self.some_time();
            change.muted = Some(if yes {
                SetMute::On(Mute { until })
            } else {
                SetMute::Off
            });
        }
        Ok(Op::UpdateMembership { cid, change })
    }

    /// A time to come, or none.
    pub(super) fn some_time(&mut self) -> Option<Timestamp> {
        let at = self.server_time().0 + i64::try_from(self.dice.below(600_000)).unwrap_or(0);
        self.dice.per_mille(300).then_some(Timestamp(at))
    }

    /// Writes something and does not send it, or gives it up. What is there of other devices is mostly taken over.
    pub(super) fn save_draft(
        &mut self,
        index: usize,
        cid: ChannelId,
        parent: Option<MessageId>,
    ) -> Result<Option<Op>, Violation> {
        let store = &self.devices[index].store;
        let loaded = or_broken(now_or(store.load())?)?;
        let drafts = or_broken(now_or(store.drafts())?)?;
        let Some(account) = loaded.account else {
            return Ok(None);
        };
        let others = drafts
            .into_iter()
            .filter(|draft| draft.cid == cid && draft.parent == parent && draft.device != account.device);
        let mut replaces: Vec<DraftSeen> = others
            .map(|draft| DraftSeen {
                device: draft.device,
                ver: draft.ver,
            })
            .collect();
        replaces.retain(|_| self.dice.per_mille(800));
        if !replaces.is_empty() {
            self.log.count("draft_taken_over");
        }
        let words = format!("draft {}", self.dice.below(1_000_000));
        Ok(Some(Op::SaveDraft {
            cid,
            parent,
            device: account.device,
            content: self.dice.per_mille(750).then(|| DraftContent::text(words)),
            replaces,
        }))
    }

    /// Makes the channel of these people, whoever made it before.
    pub(super) fn create_distinct(&mut self, index: usize) -> Option<Op> {
        let me = self.devices[index].user.clone();
        let all: BTreeSet<UserId> = self.devices.iter().map(|device| device.user.clone()).collect();
        let others: Vec<UserId> = all.into_iter().filter(|user| *user != me).collect();
        let mut members: Vec<UserId> = others
            .iter()
            .filter(|_| self.dice.per_mille(500))
            .cloned()
            .collect();
        if members.is_empty() {
            members.push(self.dice.pick(&others)?.clone());
        }
        let cid = ChannelId::distinct("sim", members.iter().chain([&me])).ok()?;
        Some(Op::CreateChannel {
            cid,
            name: format!("together {}", self.dice.below(1_000)),
            image: String::new(),
            custom: Custom::default(),
            members,
        })
    }
}
