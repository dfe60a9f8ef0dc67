//! The judge: reads the databases and what was sent, and says whether everything arrived once and in order.

use crate::Error;
use serde::Serialize;
use std::{collections::BTreeMap, path::Path};
use whimbrel::SqliteStore;
use whimbrel_model::{
    Channel, ChannelId, Member, MemberState, Message, MessageId, MessageQuery, MessageScope, Reaction, Read,
    Row, UserId,
};
use whimbrel_server::SqliteStorage;
use whimbrel_store::Store;

/// Messages that are read at once.
const PAGE: usize = 200;

/// A message that somebody was told is safe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promise {
    /// Its id.
    pub id: MessageId,
    /// Where.
    pub cid: ChannelId,
    /// By whom. Promises of one author are in the order in which they were made.
    pub author: UserId,
    /// What it says in the end; nothing when it was deleted.
    pub text: Option<String>,
}

/// The verdict.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Whether every database says the same, nothing waits, and the three counts below are zero.
    pub converged: bool,
    /// Messages that were promised.
    pub sent: usize,
    /// Promised messages that the server or a member's device does not have as they were left.
    pub lost: usize,
    /// Messages that are somewhere and were not promised, or are there twice.
    pub duplicated: usize,
    /// Neighbours of one author in one channel that the server ordered the other way round.
    pub reordered: usize,
    /// What is not equal, in words. Empty when converged.
    #[serde(skip)]
    pub differences: Vec<String>,
}

/// Everything about one channel, in one order.
#[derive(Debug, Default, PartialEq, Eq)]
struct Contents {
    channel: Option<Channel>,
    members: Vec<Member>,
    messages: Vec<Message>,
    reactions: Vec<Reaction>,
    reads: Vec<Read>,
}

type Channels = BTreeMap<ChannelId, Contents>;

/// Judges a run that has come to rest.
///
/// `devices` are users and their databases. Nothing is asked of any program: all is read from the files, which may be in
/// use meanwhile.
///
/// # Errors
/// [`Error::Database`] when a file cannot be read.
pub async fn judge(
    promises: &[Promise],
    server: &Path,
    devices: &[(UserId, &Path)],
) -> Result<Verdict, Error> {
    let truth = read_server(server).await?;
    let mut verdict = Verdict {
        sent: promises.len(),
        ..Verdict::default()
    };
    judge_log(promises, "the server", &truth, |_| true, &mut verdict);
    judge_order(promises, &truth, &mut verdict);
    for (user, path) in devices {
        let name = format!("{user}'s device");
        let store = SqliteStore::open_read_only(path)
            .await
            .map_err(unreadable(&name))?;
        let waiting = store.load().await.map_err(unreadable(&name))?.outbox.len();
        if waiting > 0 {
            verdict
                .differences
                .push(format!("{name} still has {waiting} operations in its outbox"));
        }
        let visible = |cid: &ChannelId| truth.get(cid).is_some_and(|contents| contents.has_member(user));
        let mut held = Channels::new();
        for cid in truth.keys().filter(|cid| visible(cid)) {
            held.insert(
                cid.clone(),
                read_device(&store, cid).await.map_err(unreadable(&name))?,
            );
        }
        store.close().await;
        judge_log(promises, &name, &held, visible, &mut verdict);
        for (cid, contents) in &held {
            compare(&name, cid, contents, &truth[cid], &mut verdict);
        }
    }
    verdict.converged =
        verdict.differences.is_empty() && (verdict.lost, verdict.duplicated, verdict.reordered) == (0, 0, 0);
    Ok(verdict)
}

fn unreadable<E: ToString>(what: &str) -> impl Fn(E) -> Error {
    move |error| Error::Database {
        what: what.to_owned(),
        problem: error.to_string(),
    }
}

impl Contents {
    fn has_member(&self, user: &UserId) -> bool {
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
        self.reads.sort_by(|a, b| a.user.cmp(&b.user));
    }
}

async fn read_server(path: &Path) -> Result<Channels, Error> {
    let reader = SqliteStorage::open_read_only(path)
        .await
        .map_err(unreadable("the server"))?;
    let dump = reader.dump().await.map_err(unreadable("the server"))?;
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
            Row::Membership(_) | Row::User(_) => {}
        }
    }
    for contents in channels.values_mut() {
        contents.sort();
    }
    Ok(channels)
}

async fn read_device(store: &dyn Store, cid: &ChannelId) -> Result<Contents, whimbrel_store::StoreError> {
    let mut contents = Contents {
        channel: store.channel(cid).await?.and_then(|summary| summary.channel),
        members: store.members(cid).await?,
        reads: store.reads(cid).await?,
        ..Contents::default()
    };
    let mut scopes = vec![MessageScope::Channel];
    while let Some(scope) = scopes.pop() {
        let mut before = None;
        loop {
            let query = MessageQuery {
                cid: cid.clone(),
                scope,
                before,
                limit: PAGE,
            };
            let page = store.messages(&query).await?;
            before = page.messages.first().map(|message| message.seq);
            scopes.extend(page.replies.keys().map(|parent| MessageScope::Thread(*parent)));
            contents.reactions.extend(page.reactions);
            // A reply that stands in the channel too comes twice.
            let held = |id| contents.messages.iter().any(|message| message.id == id);
            let new: Vec<_> = page
                .messages
                .into_iter()
                .filter(|m| scope == MessageScope::Channel || !held(m.id))
                .collect();
            contents.messages.extend(new);
            if !page.has_more {
                break;
            }
        }
    }
    contents.sort();
    contents.reactions.dedup();
    Ok(contents)
}

/// Counts what is missing and what is too much in one place.
fn judge_log(
    promises: &[Promise],
    place: &str,
    held: &Channels,
    visible: impl Fn(&ChannelId) -> bool,
    verdict: &mut Verdict,
) {
    let mut copies: BTreeMap<MessageId, Vec<&Message>> = BTreeMap::new();
    for message in held.values().flat_map(|contents| &contents.messages) {
        copies.entry(message.id).or_default().push(message);
    }
    for promise in promises.iter().filter(|promise| visible(&promise.cid)) {
        let found = copies.remove(&promise.id).unwrap_or_default();
        let text = found
            .first()
            .map(|message| (!message.is_deleted()).then(|| message.body.text.clone()));
        if text.as_ref() != Some(&promise.text) {
            verdict.lost += 1;
            verdict
                .differences
                .push(format!("{place} has {text:?} instead of {:?}", promise.text));
        }
        verdict.duplicated += found.len().saturating_sub(1);
    }
    for (id, found) in copies {
        verdict.duplicated += found.len();
        verdict
            .differences
            .push(format!("{place} has message {id}, which nobody sent"));
    }
}

fn judge_order(promises: &[Promise], truth: &Channels, verdict: &mut Verdict) {
    let seqs: BTreeMap<MessageId, u64> = truth
        .values()
        .flat_map(|contents| &contents.messages)
        .map(|message| (message.id, message.seq))
        .collect();
    let mut last: BTreeMap<(&ChannelId, &UserId), u64> = BTreeMap::new();
    for promise in promises {
        let Some(seq) = seqs.get(&promise.id) else {
            continue;
        };
        let before = last.insert((&promise.cid, &promise.author), *seq);
        if before.is_some_and(|before| before >= *seq) {
            verdict.reordered += 1;
        }
    }
}

fn compare(name: &str, cid: &ChannelId, device: &Contents, server: &Contents, verdict: &mut Verdict) {
    let mut differs = |what: &str, equal: bool| {
        if !equal {
            verdict
                .differences
                .push(format!("{name} and the server have different {what} in {cid}"));
        }
    };
    differs("channel data", device.channel == server.channel);
    differs("members", device.members == server.members);
    differs("messages", device.messages == server.messages);
    differs("reactions", device.reactions == server.reactions);
    differs("read positions", device.reads == server.reads);
}
