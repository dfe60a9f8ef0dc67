//! What the server's database holds, as one user may see it.

use std::collections::BTreeMap;
use whimbrel_hub::{Storage, StorageError};
use whimbrel_model::{
    Channel, ChannelId, HistoryFrom, Member, MemberState, Membership, Message, MessageId, Reaction,
    ReactionType, Read, Row, StreamId, User, UserId, limits,
};

/// A user's channels, and the profiles that come with them.
#[derive(Debug, Default)]
pub(super) struct Truth {
    pub(super) channels: BTreeMap<ChannelId, Contents>,
    pub(super) profiles: BTreeMap<UserId, User>,
}

/// Everything about one channel.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) membership: Option<Membership>,
    pub(super) channel: Option<Channel>,
    pub(super) members: BTreeMap<UserId, Member>,
    pub(super) reads: BTreeMap<UserId, Read>,
    /// By sequence.
    pub(super) messages: BTreeMap<u64, Message>,
    /// Those that were not taken back.
    pub(super) reactions: BTreeMap<(MessageId, UserId, ReactionType), Reaction>,
}

impl Truth {
    pub(super) async fn read(storage: &dyn Storage, user: &UserId) -> Result<Self, StorageError> {
        let mut truth = Self::default();
        let mut memberships = Vec::new();
        for row in stream(storage, user, &StreamId::User(user.clone())).await? {
            match row {
                Row::Membership(row) if row.state == MemberState::Active => memberships.push(row),
                Row::User(row) => truth.profile(row),
                _ => {}
            }
        }
        for membership in memberships {
            let cid = membership.cid.clone();
            let mut contents = Contents {
                membership: Some(membership),
                ..Contents::default()
            };
            for row in stream(storage, user, &StreamId::Channel(cid.clone())).await? {
                truth.take(&mut contents, row);
            }
            // A snapshot of a long channel is without what is old.
            while let Some(before) = contents.messages.keys().next().copied().filter(|seq| *seq > 1) {
                let page = storage
                    .history(user, &cid, HistoryFrom::Before(before), limits::PAGE_ROWS)
                    .await?;
                if page.rows.is_empty() {
                    break;
                }
                page.rows
                    .into_iter()
                    .for_each(|row| truth.take(&mut contents, row));
            }
            truth.channels.insert(cid, contents);
        }
        Ok(truth)
    }

    fn take(&mut self, contents: &mut Contents, row: Row) {
        match row {
            Row::Channel(row) => contents.channel = Some(row),
            Row::Member(row) => drop(contents.members.insert(row.user.clone(), row)),
            Row::Read(row) => drop(contents.reads.insert(row.user.clone(), row)),
            Row::Message(row) => drop(contents.messages.insert(row.seq, row)),
            Row::Reaction(row) if !row.removed => {
                let key = (row.message, row.user.clone(), row.kind.clone());
                contents.reactions.insert(key, row);
            }
            Row::User(row) => self.profile(row),
            Row::Reaction(_) | Row::Membership(_) => {}
        }
    }

    fn profile(&mut self, row: User) {
        self.profiles.insert(row.id.clone(), row);
    }
}

/// Reads a stream from its beginning.
async fn stream(storage: &dyn Storage, user: &UserId, stream: &StreamId) -> Result<Vec<Row>, StorageError> {
    let (mut rows, mut cursor) = (Vec::new(), None);
    loop {
        let page = storage.page(user, stream, cursor, limits::PAGE_ROWS).await?;
        rows.extend(page.rows);
        if !page.more {
            return Ok(rows);
        }
        cursor = Some(page.to);
    }
}
