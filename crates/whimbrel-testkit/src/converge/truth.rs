//! What the server's database holds, as one user may see it.

use std::collections::BTreeMap;
use whimbrel_hub::{Storage, StorageError};
use whimbrel_model::{
    AccountKey, AccountRow, Channel, ChannelId, Delivered, Draft, Gap, HistoryFrom, Member, MemberState,
    Membership, Message, MessageId, Reaction, ReactionType, Read, Row, StreamId, User, UserId, limits,
};

/// A user's channels, and the profiles that come with them.
#[derive(Debug, Default)]
pub(super) struct Truth {
    pub(super) channels: BTreeMap<ChannelId, Contents>,
    pub(super) profiles: BTreeMap<UserId, User>,
    /// What the user's devices have written and not sent, by version.
    pub(super) drafts: BTreeMap<u64, Draft>,
    /// What the account keeps about itself.
    pub(super) account: BTreeMap<AccountKey, AccountRow>,
    /// Channels that the user is asked into and not in.
    pub(super) invites: BTreeMap<ChannelId, Membership>,
}

/// Everything about one channel.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) membership: Option<Membership>,
    pub(super) channel: Option<Channel>,
    pub(super) members: BTreeMap<UserId, Member>,
    pub(super) reads: BTreeMap<UserId, Read>,
    pub(super) delivered: BTreeMap<UserId, Delivered>,
    /// By the message that began the thread.
    pub(super) thread_reads: BTreeMap<MessageId, BTreeMap<UserId, Read>>,
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
                Row::Membership(row) if row.state == MemberState::Invited => {
                    truth.invites.insert(row.cid.clone(), row);
                }
                Row::Account(row) => drop(truth.account.insert(row.key(), row)),
                Row::User(row) => truth.profile(row),
                Row::Draft(row) if row.content.is_some() => drop(truth.drafts.insert(row.ver, row)),
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
                let seen = page.rows.into_iter().filter_map(|row| row.seen_by(user));
                seen.for_each(|row| truth.take(&mut contents, row));
            }
            truth.channels.insert(cid, contents);
        }
        Ok(truth)
    }

    fn take(&mut self, contents: &mut Contents, row: Row) {
        match row {
            Row::Channel(row) => contents.channel = Some(row),
            Row::Member(row) => drop(contents.members.insert(row.user.clone(), row)),
            Row::Read(row) => {
                let reads = match row.thread {
                    None => &mut contents.reads,
                    Some(thread) => contents.thread_reads.entry(thread).or_default(),
                };
                reads.insert(row.user.clone(), row);
            }
            Row::Message(row) => drop(contents.messages.insert(row.seq, row)),
            Row::Reaction(row) if !row.removed => {
                let key = (row.message, row.user.clone(), row.kind.clone());
                contents.reactions.insert(key, row);
            }
            Row::User(row) => self.profile(row),
            Row::Delivered(row) => drop(contents.delivered.insert(row.user.clone(), row)),
            Row::Reaction(_) | Row::Membership(_) | Row::Draft(_) | Row::Account(_) => {}
        }
    }

    fn profile(&mut self, row: User) {
        self.profiles.insert(row.id.clone(), row);
    }
}

/// Reads a stream from its beginning, as the user sees it.
async fn stream(storage: &dyn Storage, user: &UserId, stream: &StreamId) -> Result<Vec<Row>, StorageError> {
    let (mut rows, mut cursor) = (Vec::new(), None);
    loop {
        let page = storage.page(user, stream, cursor, limits::PAGE_ROWS).await?;
        rows.extend(page.rows.into_iter().filter_map(|row| row.seen_by(user)));
        if !page.more {
            return Ok(rows);
        }
        cursor = Some(page.to);
    }
}

impl Contents {
    /// Returns whether a message lies in one of these gaps.
    pub(super) fn is_beyond(&self, gaps: &[Gap], id: MessageId) -> bool {
        let found = self.messages.values().find(|message| message.id == id);
        let is_in = |seq: u64| gaps.iter().any(|gap| gap.lo <= seq && seq <= gap.hi);
        found.is_none_or(|message| is_in(message.seq))
    }

    /// Iterates over the threads that a user follows, with how many replies each has.
    pub(super) fn followed(&self, user: &UserId) -> impl Iterator<Item = (MessageId, u32)> {
        self.messages.values().filter_map(move |message| {
            let thread = message.thread?;
            let reads = self.thread_reads.get(&message.id);
            let follows = message.author == *user || reads.is_some_and(|reads| reads.contains_key(user));
            follows.then_some((message.id, thread.replies))
        })
    }

    /// Returns how many replies in a thread a user has not read.
    pub(super) fn unread_replies(&self, user: &UserId, parent: MessageId) -> u64 {
        let read = self.thread_reads.get(&parent).and_then(|reads| reads.get(user));
        let position = read.map_or(0, |read| read.seq);
        let past = self.messages.range(position + 1..).map(|(_, message)| message);
        let news =
            past.filter(|message| message.parent == Some(parent) && message.counts_as_unread_reply_for(user));
        news.count() as u64
    }
}
