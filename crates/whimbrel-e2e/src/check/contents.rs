//! What the files hold.

use super::unreadable;
use crate::Error;
use std::{collections::BTreeMap, path::Path};
use whimbrel_model::{
    Channel, ChannelId, HistoryFrom, Member, MemberState, Message, MessageQuery, MessageScope, People,
    Reaction, Read, Row, UserId,
};
use whimbrel_server::SqliteStorage;
use whimbrel_store::{Store, StoreError};

/// Messages that are read at once.
const PAGE: usize = 200;

/// Everything about one channel, in one order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Contents {
    pub(super) channel: Option<Channel>,
    pub(super) members: Vec<Member>,
    pub(super) messages: Vec<Message>,
    pub(super) reactions: Vec<Reaction>,
    pub(super) reads: Vec<Read>,
}

pub(super) type Channels = BTreeMap<ChannelId, Contents>;

impl Contents {
    pub(super) fn has_member(&self, user: &UserId) -> bool {
        self.members
            .iter()
            .any(|member| member.user == *user && member.state == MemberState::Active)
    }

    fn sort(&mut self) {
        self.members.sort_by(|a, b| a.user.cmp(&b.user));
        self.messages.sort_by_key(|message| (message.seq, message.id));
        self.reactions.retain(|reaction| !reaction.removed);
        self.reactions
            .sort_by(|a, b| (a.message, &a.user, &a.kind).cmp(&(b.message, &b.user, &b.kind)));
        self.reads
            .sort_by(|a, b| (a.thread, &a.user).cmp(&(b.thread, &b.user)));
    }
}

/// Reads every channel on the server.
pub(super) async fn read_server(path: &Path) -> Result<Channels, Error> {
    let name = "the server";
    let reader = SqliteStorage::open_read_only(path)
        .await
        .map_err(unreadable(name))?;
    let dump = reader.dump().await.map_err(unreadable(name))?;
    reader.close().await;
    let mut channels = Channels::new();
    for row in dump.rows {
        let Some(cid) = row.cid().cloned() else { continue };
        let contents = channels.entry(cid).or_default();
        match row {
            Row::Channel(row) => contents.channel = Some(row),
            Row::Member(row) => contents.members.push(row),
            Row::Message(row) => contents.messages.push(row),
            Row::Reaction(row) => contents.reactions.push(row),
            Row::Read(row) => contents.reads.push(row),
            Row::Membership(_) | Row::User(_) | Row::Draft(_) | Row::Account(_) | Row::Delivered(_) => {}
        }
    }
    for contents in channels.values_mut() {
        contents.sort();
    }
    Ok(channels)
}

/// Reads one channel on a device.
pub(super) async fn read_device(store: &dyn Store, cid: &ChannelId) -> Result<Contents, StoreError> {
    let mut contents = Contents {
        channel: store
            .channel(cid, &People::default())
            .await?
            .and_then(|summary| summary.channel),
        members: store.members(cid).await?,
        reads: store.reads(cid, None).await?,
        ..Contents::default()
    };
    let mut scopes = vec![MessageScope::Channel];
    while let Some(scope) = scopes.pop() {
        let mut from = HistoryFrom::Newest;
        loop {
            let query = MessageQuery {
                cid: cid.clone(),
                scope,
                from,
                limit: PAGE,
            };
            let page = store.messages(&query).await?;
            from = page
                .messages
                .first()
                .map_or(from, |message| HistoryFrom::Before(message.seq));
            if scope == MessageScope::Channel {
                // Every message may have a thread: a page does not count replies that were deleted.
                let threads = page
                    .messages
                    .iter()
                    .map(|message| MessageScope::Thread(message.id));
                scopes.extend(threads);
                for message in &page.messages {
                    contents.reads.extend(store.reads(cid, Some(message.id)).await?);
                }
            }
            contents.reactions.extend(page.reactions);
            // A reply that stands in the channel too comes twice.
            let held = |id| contents.messages.iter().any(|message| message.id == id);
            let new: Vec<_> = page
                .messages
                .into_iter()
                .filter(|m| scope == MessageScope::Channel || !held(m.id))
                .collect();
            contents.messages.extend(new);
            if !page.has_older {
                break;
            }
        }
    }
    contents.sort();
    contents.reactions.dedup();
    Ok(contents)
}
