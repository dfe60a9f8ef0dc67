//! The judge: reads the databases and what was sent, and says whether everything arrived once and in order.

mod contents;
mod expected;

pub use expected::{Device, Expected, Promise, Reacted, Unsure};

use crate::Error;
use contents::{Channels, Contents, read_device, read_server};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};
use whimbrel::SqliteStore;
use whimbrel_model::{ChannelId, Message, MessageId, Op, OutboxItem, OutboxStatus, UserId};
use whimbrel_store::{Store as _, StoreError};

/// The verdict.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Whether every database says the same, nothing waits, and the three counts below are zero.
    pub converged: bool,
    /// Messages that were promised.
    pub sent: usize,
    /// Promises that the server or a member's device does not have as they were left.
    pub lost: usize,
    /// Messages that are somewhere and were not promised, or are there twice.
    pub duplicated: usize,
    /// Neighbours of one device in one channel that the server ordered the other way round.
    pub reordered: usize,
    /// What is not equal, in words. Empty when converged.
    #[serde(skip)]
    pub differences: Vec<String>,
}

/// What one device holds.
struct Held {
    channels: Channels,
    outbox: Vec<OutboxItem>,
}

/// Judges a run that has come to rest.
///
/// Nothing is asked of any program: all is read from the files, which may be in use meanwhile.
///
/// # Errors
/// [`Error::Database`] when a file cannot be read.
pub async fn judge(expected: &Expected, server: &Path, devices: &[Device<'_>]) -> Result<Verdict, Error> {
    let truth = read_server(server).await?;
    let mut verdict = Verdict {
        sent: expected.promises.len(),
        ..Verdict::default()
    };
    // What one device was refused, no other device has: all outboxes come first.
    let (mut refused, mut all) = (BTreeSet::new(), Vec::new());
    for device in devices {
        let held = hold(device, &truth).await.map_err(unreadable(device.name))?;
        judge_outbox(expected, device, &held.outbox, &mut refused, &mut verdict);
        all.push((device.name, held.channels));
    }
    for (name, held) in &all {
        let visible = |cid: &ChannelId| held.contains_key(cid);
        judge_log(expected, name, held, visible, &refused, &mut verdict);
        for (cid, contents) in held {
            compare(name, cid, contents, &truth[cid], &mut verdict);
        }
    }
    judge_log(expected, "the server", &truth, |_| true, &refused, &mut verdict);
    judge_order(&expected.promises, &truth, &mut verdict);
    judge_rest(expected, &truth, &mut verdict);
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

/// Reads the channels that the device's user is in, and the outbox.
async fn hold(device: &Device<'_>, truth: &Channels) -> Result<Held, StoreError> {
    let store = SqliteStore::open_read_only(device.path).await?;
    let outbox = store.load().await?.outbox;
    let mut channels = Channels::new();
    for (cid, _) in truth.iter().filter(|(_, there)| there.has_member(&device.user)) {
        channels.insert(cid.clone(), read_device(&store, cid).await?);
    }
    store.close().await;
    Ok(Held { channels, outbox })
}

/// Nothing may wait, and what was refused has to have a reason. Notes the messages that were refused.
fn judge_outbox(
    expected: &Expected,
    device: &Device<'_>,
    outbox: &[OutboxItem],
    refused: &mut BTreeSet<MessageId>,
    verdict: &mut Verdict,
) {
    let name = device.name;
    for item in outbox {
        let what = item.op.name();
        let may_be_refused = item
            .op
            .cid()
            .is_some_and(|cid| expected.may_be_refused(cid, &device.user));
        match &item.status {
            OutboxStatus::Queued => {
                let error = &item.last_error;
                verdict.differences.push(format!(
                    "{name} still has {what} in its outbox; the last error was {error:?}"
                ));
            }
            OutboxStatus::Rejected(why) if !may_be_refused => {
                let (code, why) = (&why.code, &why.message);
                verdict
                    .differences
                    .push(format!("{name} was refused {what} ({code}): {why}"));
            }
            OutboxStatus::Rejected(_) => {
                if let Op::SendMessage { id, .. } = &item.op {
                    refused.insert(*id);
                }
            }
        }
    }
}

/// Counts what is missing and what is too much in one place.
fn judge_log(
    expected: &Expected,
    place: &str,
    held: &Channels,
    visible: impl Fn(&ChannelId) -> bool,
    refused: &BTreeSet<MessageId>,
    verdict: &mut Verdict,
) {
    let mut copies: BTreeMap<MessageId, Vec<&Message>> = BTreeMap::new();
    for message in held.values().flat_map(|contents| &contents.messages) {
        copies.entry(message.id).or_default().push(message);
    }
    for promise in expected.promises.iter().filter(|promise| visible(&promise.cid)) {
        let found = copies.remove(&promise.id).unwrap_or_default();
        verdict.duplicated += found.len().saturating_sub(1);
        let text = found
            .first()
            .map(|message| (!message.is_deleted()).then(|| message.body.text.clone()));
        let kept = match &text {
            // What is there was not refused.
            Some(text) => promise.texts.contains(text) && !refused.contains(&promise.id),
            // What was deleted before it was ever sent is nowhere.
            None => refused.contains(&promise.id) || promise.texts.contains(&None),
        };
        if !kept {
            verdict.lost += 1;
            let (device, texts) = (&promise.device, &promise.texts);
            verdict
                .differences
                .push(format!("{place} has {text:?} of {device} instead of {texts:?}"));
        }
    }
    let mut unsure: Vec<&Unsure> = expected.unsure.iter().collect();
    for (id, found) in copies {
        let is = |unsure: &&Unsure, message: &Message| {
            (&unsure.cid, &unsure.author, &unsure.text) == (&message.cid, &message.author, &message.body.text)
        };
        let known = unsure.iter().position(|unsure| is(unsure, found[0]));
        let too_many = match known {
            // It may be there, once.
            Some(at) => {
                unsure.swap_remove(at);
                found.len() - 1
            }
            None => found.len(),
        };
        verdict.duplicated += too_many;
        if too_many > 0 {
            let text = &found[0].body.text;
            verdict.differences.push(format!(
                "{place} has message {id} {too_many} times too often: {text:?}"
            ));
        }
    }
}

fn judge_order(promises: &[Promise], truth: &Channels, verdict: &mut Verdict) {
    let seqs: BTreeMap<MessageId, u64> = truth
        .values()
        .flat_map(|contents| &contents.messages)
        .map(|message| (message.id, message.seq))
        .collect();
    let mut last: BTreeMap<(&ChannelId, &str), u64> = BTreeMap::new();
    for promise in promises {
        let Some(seq) = seqs.get(&promise.id) else {
            continue;
        };
        let before = last.insert((&promise.cid, &promise.device), *seq);
        if before.is_some_and(|before| before >= *seq) {
            verdict.reordered += 1;
            let (device, cid) = (&promise.device, &promise.cid);
            verdict.differences.push(format!(
                "message {seq} of {device} in {cid} came before an earlier one"
            ));
        }
    }
}

/// Judges what is not a message, on the server: devices are compared with it.
fn judge_rest(expected: &Expected, truth: &Channels, verdict: &mut Verdict) {
    let mut lost = Vec::new();
    let missing = expected.channels.iter().filter(|cid| !truth.contains_key(*cid));
    lost.extend(missing.map(|cid| format!("the server does not have {cid}")));
    let reactions: BTreeSet<(MessageId, &UserId, &str)> = truth
        .values()
        .flat_map(|contents| &contents.reactions)
        .map(|reaction| (reaction.message, &reaction.user, reaction.kind.as_str()))
        .collect();
    for reacted in &expected.reactions {
        let Reacted {
            message,
            user,
            kind,
            there,
        } = reacted;
        if reactions.contains(&(*message, user, kind.as_str())) != *there {
            let is = if *there { "does not have" } else { "still has" };
            lost.push(format!("the server {is} {kind} of {user} on {message}"));
        }
    }
    verdict.lost += lost.len();
    verdict.differences.extend(lost);
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
