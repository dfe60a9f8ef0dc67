//! The database of an account that has been in use for long: many channels, each with its members and messages.

use crate::figure::Result;
use crate::{sample, words};
use serde_json::{Map, Value, json};
use std::path::Path;
use whimbrel::SqliteStore;
use whimbrel_model::{
    Account, Change, ChannelId, Cursor, Delta, DeviceId, Epoch, Head, Message, MessageBody, RangeSet, Row,
    StreamId, UserId,
};
use whimbrel_store::Store as _;

/// Channels in one commit.
const CHANNELS_AT_ONCE: u64 = 1_000;
/// Messages of a channel that arrive together: others come between them and the next, as they do.
const TOGETHER: u64 = 10;
/// Members of a channel, the account included.
const MEMBERS: u64 = 5;
/// People who are members somewhere.
const PEOPLE: u64 = 2_000;

/// What is in the database.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) channels: u64,
    /// In each of them.
    pub(crate) messages: u64,
}

/// Returns the `number`th channel of such an account: two of three are teams.
pub(crate) fn channel(number: u64) -> Result<ChannelId> {
    let kind = if number.is_multiple_of(3) {
        "direct"
    } else {
        "team"
    };
    Ok(ChannelId::new(format!("{kind}:{number}"))?)
}

/// Makes the database, and opens it.
pub(crate) async fn fill(path: &Path, size: Size) -> Result<SqliteStore> {
    let store = SqliteStore::open(path).await?;
    let account = Account {
        user: sample::user(0)?,
        device: DeviceId(sample::id(0)),
    };
    let changes = vec![Change::Account(account)];
    store.apply(&Delta { changes }).await?;
    let spans = (0..size.channels).step_by(usize::try_from(CHANNELS_AT_ONCE)?);
    let spans: Vec<_> = spans
        .map(|first| first..size.channels.min(first + CHANNELS_AT_ONCE))
        .collect();
    for span in &spans {
        let mut changes = Vec::new();
        for number in span.clone() {
            put_channel(&mut changes, number, size.messages)?;
        }
        store.apply(&Delta { changes }).await?;
    }
    for first in (0..size.messages).step_by(usize::try_from(TOGETHER)?) {
        for span in &spans {
            let mut changes = Vec::new();
            for number in span.clone() {
                for seq in first + 1..=size.messages.min(first + TOGETHER) {
                    changes.push(Change::Row(Row::Message(message(number, seq, size)?)));
                }
            }
            store.apply(&Delta { changes }).await?;
        }
    }
    Ok(store)
}

/// Returns what the app has put on a channel.
pub(crate) fn custom(number: u64) -> Map<String, Value> {
    let team = ["red", "green", "blue", "amber"][(number % 4) as usize];
    let custom = [
        ("team", Value::from(team)),
        ("priority", Value::from(number * 7 % 100)),
    ];
    custom
        .map(|(key, value)| (key.to_owned(), value))
        .into_iter()
        .collect()
}

/// Adds all of a channel but its messages.
fn put_channel(changes: &mut Vec<Change>, number: u64, messages: u64) -> Result<()> {
    let (cid, me, at) = (channel(number)?, sample::user(0)?, sample::written());
    // Rows are written as they come from the server, so that fields which are not about this need not be named.
    let mut put = |row: Value| -> Result<()> {
        changes.push(Change::Row(serde_json::from_value(row)?));
        Ok(())
    };
    put(json!({"channel": {
        "cid": cid, "name": words::name(number), "created_by": me, "created_at": at.0 + number as i64, "updated_at": at,
        "custom": custom(number),
        "ver": 1,
    }}))?;
    let pinned = (number % 100 == 7).then_some(at.0 + number as i64);
    put(json!({"membership": {
        "cid": cid, "user": me, "role": "member", "state": "active", "pinned_at": pinned, "ver": number + 1,
    }}))?;
    for place in 0..MEMBERS {
        let user = member(number, place)?;
        put(json!({"member": {
            "cid": cid, "user": user, "role": "member", "state": "active", "joined_at": at, "ver": place + 2,
        }}))?;
    }
    // In one channel of four there is something to read.
    let read = messages.saturating_sub(if number.is_multiple_of(4) { 3 } else { 0 });
    put(json!({"read": {"cid": cid, "user": me, "epoch": 0, "seq": read, "ver": MEMBERS + 2}}))?;
    let (stream, mut ranges) = (StreamId::Channel(cid.clone()), RangeSet::default());
    ranges.insert(1, messages);
    let head = Head {
        ver: MEMBERS + 2 + messages,
        seq: messages,
    };
    let cursor = Cursor {
        epoch: Epoch(1),
        ver: head.ver,
        seq: head.seq,
        window: None,
    };
    changes.push(Change::Cursor(stream.clone(), cursor));
    changes.push(Change::Head(stream, head));
    changes.push(Change::Ranges(cid, ranges));
    Ok(())
}

/// Returns who is in a channel at a place: the account first.
pub(crate) fn member(channel: u64, place: u64) -> Result<UserId> {
    match place {
        0 => sample::user(0),
        _ => sample::user(1 + (channel * 7 + place * 131) % PEOPLE),
    }
}

/// Makes a message of a channel. Whole rounds of [`TOGETHER`] follow each other in time.
fn message(number: u64, seq: u64, size: Size) -> Result<Message> {
    let cid = channel(number)?;
    let (round, place) = ((seq - 1) / TOGETHER, (seq - 1) % TOGETHER);
    let moment = (round * size.channels + number) * TOGETHER + place;
    let at = whimbrel_model::Timestamp(sample::written().0 + moment as i64 * 1_000);
    let author = member(number, 1 + seq % (MEMBERS - 1))?;
    let mut message = sample::message(&cid, &author, moment + 1);
    message.seq = seq;
    message.ver = MEMBERS + 2 + seq;
    message.body = MessageBody::text(words::text(moment));
    message.composed_at = at;
    message.accepted_at = Some(at);
    Ok(message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use whimbrel_model::People;
    use whimbrel_store::{Query, StoreReader};

    #[tokio::test]
    async fn an_account_has_its_channels_with_what_is_unread() {
        let directory = tempfile::tempdir().unwrap();
        let size = Size {
            channels: 12,
            messages: 25,
        };
        let store = fill(&directory.path().join("account.db"), size).await.unwrap();
        let rows = store
            .channels(&Query::channel_list(), None, 100, &People::default())
            .await
            .unwrap();
        assert_eq!(rows.len(), 12);
        assert_eq!(
            rows[0].cid,
            channel(11).unwrap(),
            "the newest message is in the last one"
        );
        let unread: u64 = rows.iter().map(|row| row.unread).sum();
        assert_eq!(unread, 3 * 3);
        assert!(
            rows.iter()
                .all(|row| row.members == MEMBERS && row.head_seq == 25)
        );
        store.close().await;
    }
}
