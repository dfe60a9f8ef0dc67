//! What most operations look at, kept from one transaction to the next.

use std::collections::BTreeMap;
use whimbrel_hub::{ChannelRecord, Keys, Records};
use whimbrel_model::{ChannelId, Head, Member, Membership, StreamId, UserId};

/// Entries that are kept, at some hundred bytes each. More: all are forgotten, and read again as they are needed.
const LIMIT: usize = 50_000;

/// Streams, channels and members as they are stored. Only the one writer changes them, so what it read or wrote last
/// is what is there.
#[derive(Debug, Default)]
pub(super) struct Hot {
    streams: BTreeMap<StreamId, (i64, Head)>,
    channels: BTreeMap<ChannelId, ChannelRecord>,
    members: BTreeMap<(ChannelId, UserId), Member>,
    memberships: BTreeMap<(ChannelId, UserId), Membership>,
}

impl Hot {
    /// Forgets what is there when it has become too much.
    pub(super) fn trim(&mut self) {
        let entries = self.streams.len() + self.channels.len() + self.members.len() + self.memberships.len();
        if entries > LIMIT {
            *self = Self::default();
        }
    }

    /// Splits `keys` into the rows that are known and the keys that have to be read.
    pub(super) fn split(&self, keys: &Keys) -> (Records, Keys) {
        let mut known = Records::default();
        let mut missing = Keys {
            messages: keys.messages.clone(),
            replies: keys.replies.clone(),
            reactions: keys.reactions.clone(),
            reads: keys.reads.clone(),
            drafts: keys.drafts.clone(),
            delivered: keys.delivered.clone(),
            account: keys.account.clone(),
            devices: keys.devices.clone(),
            users: keys.users.clone(),
            results: keys.results.clone(),
            ..Keys::default()
        };
        for stream in &keys.streams {
            match self.streams.get(stream) {
                Some((_, head)) => known.heads.push((stream.clone(), *head)),
                None => drop(missing.streams.insert(stream.clone())),
            }
        }
        for cid in &keys.channels {
            match self.channels.get(cid) {
                Some(record) => known.channels.push(record.clone()),
                None => drop(missing.channels.insert(cid.clone())),
            }
        }
        for place in &keys.members {
            match (self.members.get(place), self.memberships.get(place)) {
                (Some(member), Some(membership)) => {
                    known.members.push(member.clone());
                    known.memberships.push(membership.clone());
                }
                _ => drop(missing.members.insert(place.clone())),
            }
        }
        (known, missing)
    }

    /// Returns the number of a stream in the table of streams.
    pub(super) fn id(&self, stream: &StreamId) -> Option<i64> {
        self.streams.get(stream).map(|(id, _)| *id)
    }

    /// Takes in what was read or committed.
    pub(super) fn put_stream(&mut self, stream: StreamId, id: i64, head: Head) {
        self.streams.insert(stream, (id, head));
    }

    /// Takes in what was read or committed.
    pub(super) fn put_rows(&mut self, rows: &Records) {
        for record in &rows.channels {
            self.channels.insert(record.channel.cid.clone(), record.clone());
        }
        for row in &rows.members {
            self.members
                .insert((row.cid.clone(), row.user.clone()), row.clone());
        }
        for row in &rows.memberships {
            self.memberships
                .insert((row.cid.clone(), row.user.clone()), row.clone());
        }
    }
}
