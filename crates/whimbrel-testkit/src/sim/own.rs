//! What has to be so of what somebody has for themself: the own stream, what is unread, drafts.

use super::{
    Violation,
    check::or_denied,
    device::or_broken,
    ghost::Ghost,
    log::violated,
    storage::now_or,
    truth::{Kept, Truth},
    world::World,
};
use std::collections::{BTreeMap, BTreeSet};
use whimbrel_hub::{Applied, Storage as _};
use whimbrel_model::{
    ChannelId, Cursor, Draft, Message, MessageId, Op, OpEnvelope, People, Row, RowKey, StreamId, UserId,
    limits,
};
use whimbrel_store::{AccountReader as _, StoreReader as _};

impl World {
    /// Reads a user's own stream from its beginning.
    pub(super) fn own_rows(&self, user: &UserId) -> Result<Vec<Row>, Violation> {
        let (mut rows, stream) = (Vec::new(), StreamId::User(user.clone()));
        let storage = &self.server.storage;
        let mut cursor = Some(Cursor {
            epoch: storage.epoch(),
            ..Cursor::default()
        });
        loop {
            let page = or_denied(now_or(storage.page(user, &stream, cursor, limits::PAGE_ROWS))?)?;
            rows.extend(page.rows);
            if !page.more {
                return Ok(rows);
            }
            cursor = Some(page.to);
        }
    }

    /// E15: every channel is one that somebody asked for.
    pub(super) fn check_made(&self, truth: &Truth) -> Result<(), Violation> {
        for stream in self.ghost.server.heads.keys() {
            if let StreamId::Channel(cid) = stream
                && !truth.names.contains_key(cid)
            {
                return violated("E15", format!("nobody made {cid}"));
            }
        }
        Ok(())
    }

    /// E3 of the user's own stream, and E16, E18: it says what was done last.
    pub(super) fn check_own_stream(&self, index: usize, truth: &Truth) -> Result<(), Violation> {
        let device = &self.devices[index];
        let mut drafts: BTreeMap<RowKey, Draft> = BTreeMap::new();
        let rows = self.own_rows(&device.user)?;
        self.check_account(index, &rows)?;
        for row in rows {
            let copy = match &row {
                Row::Membership(row) => {
                    let place = (row.cid.clone(), row.user.clone());
                    let kept = truth.kept.get(&place).copied().unwrap_or_default();
                    if Kept::of(row) != kept {
                        return violated("E18", format!("{row:?} was to be kept as {kept:?}"));
                    }
                    or_broken(now_or(device.store.channel(&row.cid, &People::default()))?)?
                        .and_then(|summary| summary.membership)
                        .map(Row::Membership)
                }
                Row::User(row) => or_broken(now_or(device.store.users(std::slice::from_ref(&row.id)))?)?
                    .into_iter()
                    .next()
                    .map(Row::User),
                Row::Draft(draft) => {
                    drafts.insert(row.key(), draft.clone());
                    continue;
                }
                _ => continue,
            };
            if copy.as_ref() != Some(&row) {
                return violated("E3", format!("{} has {copy:?}, the server {row:?}", device.name));
            }
        }
        self.check_drafts(index, truth, drafts)
    }

    /// E16: what was last written on a device is there, unless another device has taken it over.
    fn check_drafts(
        &self,
        index: usize,
        truth: &Truth,
        drafts: BTreeMap<RowKey, Draft>,
    ) -> Result<(), Violation> {
        let device = &self.devices[index];
        for ((user, cid, parent, slot), written) in &truth.drafts {
            if *user != device.user {
                continue;
            }
            let key = RowKey::Draft(user.clone(), cid.clone(), *parent, *slot);
            let there = drafts.get(&key).and_then(|draft| draft.content.as_ref());
            let taken = written.taken && there.is_none();
            if there != written.content.as_ref() && !taken {
                return violated("E16", format!("{key:?} was to be {written:?}, and is {there:?}"));
            }
        }
        let mut filled: Vec<Draft> = drafts
            .into_values()
            .filter(|draft| draft.content.is_some())
            .collect();
        let mut shown = or_broken(now_or(device.store.drafts())?)?;
        for list in [&mut filled, &mut shown] {
            list.sort_by_key(|draft| draft.ver);
        }
        if filled != shown {
            return violated(
                "E3",
                format!("{} has the drafts {shown:?}, the server {filled:?}", device.name),
            );
        }
        Ok(())
    }

    /// E13: what is unread is what is past the read position, in the channel and in each thread, counted anew.
    pub(super) fn check_unread(
        &self,
        index: usize,
        cid: &ChannelId,
        mine: &BTreeMap<RowKey, Row>,
    ) -> Result<(), Violation> {
        let device = &self.devices[index];
        let position = |thread| {
            let register = RowKey::Read(cid.clone(), device.user.clone(), thread);
            match mine.get(&register) {
                Some(Row::Read(row)) if row.ver > 0 => Some(row.seq),
                _ => None,
            }
        };
        let messages = || {
            mine.values().filter_map(|row| match row {
                Row::Message(row) if row.ver > 0 => Some(row),
                _ => None,
            })
        };
        let is_news = |row: &&Message| !row.silent && row.deleted_at.is_none() && row.author != device.user;
        let past = position(None).unwrap_or(0);
        let in_channel = messages()
            .filter(is_news)
            .filter(|row| row.seq > past && (row.parent.is_none() || row.show_in_channel));
        let body = |row: &&Message| {
            let body = &row.body;
            body.mention_channel || body.mention_here || body.mentions.contains(&device.user)
        };
        let there = (
            in_channel.clone().count() as u64,
            in_channel.filter(body).count() as u64,
        );
        let row = or_broken(now_or(device.store.channel(cid, &People::default()))?)?;
        let counted = row.map(|row| (row.unread, row.mentions));
        if counted != Some(there) {
            return violated(
                "E13",
                format!(
                    "{} counts {counted:?} unread in {cid}, there are {there:?}",
                    device.name
                ),
            );
        }
        let parents: BTreeSet<MessageId> = messages().filter_map(|row| row.parent).collect();
        for parent in parents {
            let Some(thread) = or_broken(now_or(device.store.thread(parent, &People::default()))?)? else {
                continue;
            };
            let read = position(Some(parent));
            let news = messages()
                .filter(is_news)
                .filter(|row| row.parent == Some(parent));
            let unread = news.filter(|row| row.seq > read.unwrap_or(0)).count() as u64;
            let followed = read.is_some() || thread.parent.author == device.user;
            if (thread.unread, thread.followed) != (unread, followed) {
                return violated(
                    "E13",
                    format!(
                        "{} counts {thread:?}, there are {unread}, followed: {followed}",
                        device.name
                    ),
                );
            }
        }
        Ok(())
    }
}

impl Ghost {
    /// E16: a draft changes by a draft that is saved. Another device's goes only in the version that was seen by the device that
    /// takes it over.
    pub(super) fn check_draft_steps(
        &self,
        envelope: &OpEnvelope,
        applied: &Applied,
    ) -> Result<(), Violation> {
        let rows = applied.events.iter().flat_map(|event| &event.rows);
        for row in rows {
            let Row::Draft(new) = row else { continue };
            let Op::SaveDraft {
                device,
                content,
                replaces,
                cid,
                parent,
            } = &envelope.op
            else {
                return violated("E16", format!("{new:?} came of {}", envelope.op.name()));
            };
            let own = new.device == *device;
            let old = self.server.slot(new);
            let named = old.is_some_and(|old| {
                let this =
                    |seen: &&whimbrel_model::DraftSeen| seen.device == new.device && seen.ver == old.ver;
                replaces.iter().any(|seen| this(&seen))
            });
            let right = (cid, parent) == (&new.cid, &new.parent)
                && if own {
                    new.content == *content
                } else {
                    new.content.is_none() && named
                };
            if !right {
                return violated("E16", format!("{old:?} became {new:?} by {:?}", envelope.op));
            }
            let maker = self.ops.get(&self.original(envelope.id)).map(|made| made.device);
            if let (Some(maker), Some(old), false) = (maker, old, own)
                && self.restores == 0
                && !self.has_travelled(maker)
                && !self.seen_drafts.contains(&(
                    maker,
                    RowKey::Draft(old.user.clone(), old.cid.clone(), old.parent, old.device),
                    old.ver,
                ))
            {
                return violated(
                    "E16",
                    format!("{old:?} was taken over by a device that never saw it"),
                );
            }
        }
        Ok(())
    }
}

impl Kept {
    fn of(row: &whimbrel_model::Membership) -> Self {
        Self {
            pinned: row.pinned_at.is_some(),
            archived: row.archived_at.is_some(),
            hidden: row.hidden_seq,
            muted: row.muted,
        }
    }
}
