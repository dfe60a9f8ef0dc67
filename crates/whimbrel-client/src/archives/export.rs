//! What goes into an archive, read from the store a page at a time.

use super::ArchiveOptions;
use crate::{Environment, Error, client::Inner};
use std::future::Future;
use whimbrel_archive::{ArchivedChannel, ArchivedCover, ArchivedSetting, Element, Manifest};
use whimbrel_model::{
    Account, ChannelId, Cursor, HistoryFrom, Loaded, MemberState, Message, MessagePage, MessageQuery,
    MessageScope, People, RangeSet, Row, StreamId, User,
};
use whimbrel_query::{ChannelItem, Endpoint, Filter, Query, Sort, field};
use whimbrel_state::State;
use whimbrel_store::Store;

/// Channels that are looked up at a time.
const CHANNELS: usize = 500;

/// Messages that are read at a time.
const MESSAGES: usize = 100;

/// Where an archive goes.
pub(crate) trait Sink {
    /// Adds elements.
    fn put(&mut self, elements: Vec<Element>) -> impl Future<Output = Result<(), Error>> + Send;

    /// Says that something is left out.
    fn leave_out(&mut self, kind: &'static str) -> impl Future<Output = Result<(), Error>> + Send;

    /// Returns whether it takes no more.
    fn is_full(&self) -> bool;
}

/// Where it comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'a> {
    pub(crate) account: &'a Account,
    pub(crate) state: &'a State,
    pub(crate) store: &'a dyn Store,
    pub(crate) environment: &'a dyn Environment,
}

impl<'a> From<&'a Inner> for Source<'a> {
    fn from(inner: &'a Inner) -> Self {
        Self {
            account: &inner.account,
            state: &inner.state,
            store: inner.store.as_ref(),
            environment: inner.environment.as_ref(),
        }
    }
}

/// What an archive is to have.
#[derive(Debug)]
pub(crate) struct Selection {
    pub(crate) manifest: Manifest,
    settings: Vec<ArchivedSetting>,
    channels: Vec<Selected>,
}

/// A channel, and how far the device has it.
#[derive(Debug)]
struct Selected {
    cid: ChannelId,
    cursor: Cursor,
    ranges: RangeSet,
}

impl Selection {
    pub(crate) async fn of(source: Source<'_>, options: ArchiveOptions) -> Result<Self, Error> {
        let account = source.account;
        let loaded = source.store.load().await?;
        let own = loaded.cursors.get(&StreamId::User(account.user.clone()));
        let manifest = Manifest {
            account: account.user.clone(),
            device: account.device,
            epoch: own.map(|cursor| cursor.epoch),
            made_at: source.environment.wall(),
            elements: options.elements(),
        };
        let mut settings = Vec::new();
        if options.local_settings {
            let all = source.state.local_settings();
            settings.extend(all.iter().map(|(key, value)| ArchivedSetting {
                key: key.clone(),
                value: value.clone(),
            }));
        }
        Ok(Self {
            manifest,
            settings,
            channels: channels(source.store, &loaded, options).await?,
        })
    }

    /// Returns whether there is nothing to give.
    pub(crate) const fn is_empty(&self) -> bool {
        self.settings.is_empty() && self.channels.is_empty()
    }
}

/// Finds the channels, those with the newest messages first.
async fn channels(
    store: &dyn Store,
    loaded: &Loaded,
    options: ArchiveOptions,
) -> Result<Vec<Selected>, Error> {
    let wanted = [(false, options.left_channels), (true, options.other_channels)];
    let wanted = wanted.into_iter().filter(|(_, wanted)| *wanted);
    let filters: Vec<_> = wanted.map(|(joined, _)| field("joined").eq(joined)).collect();
    let mut found = Vec::new();
    if filters.is_empty() {
        return Ok(found);
    }
    let query = Query::new(
        &Endpoint::CHANNELS,
        Filter::or(filters),
        Sort::by_descending("last_message_at"),
    )?;
    let mut after = None;
    loop {
        let page = store
            .channels(&query, after.as_ref(), CHANNELS, &People::default())
            .await?;
        let is_last = page.len() < CHANNELS;
        after = page.last().map(|summary| {
            query.cursor(&ChannelItem {
                summary,
                members: &[],
                people: &People::default(),
            })
        });
        for summary in page {
            let is_out = |state| state == MemberState::Gone;
            let left = summary.membership.as_ref().is_none_or(|own| is_out(own.state));
            let is_wanted = if left {
                options.left_channels
            } else {
                options.other_channels
            };
            // Without a cursor nobody can say of which history its rows are.
            let cursor = loaded.cursors.get(&StreamId::Channel(summary.cid.clone()));
            if let (true, Some(cursor)) = (is_wanted, cursor) {
                found.push(Selected {
                    ranges: loaded.ranges.get(&summary.cid).cloned().unwrap_or_default(),
                    cursor: Cursor {
                        window: None,
                        ..*cursor
                    },
                    cid: summary.cid,
                });
            }
        }
        if is_last {
            return Ok(found);
        }
    }
}

/// Reads what is selected into `sink`.
pub(crate) async fn export(
    store: &dyn Store,
    selection: &Selection,
    sink: &mut impl Sink,
) -> Result<(), Error> {
    let settings = selection.settings.iter().cloned();
    sink.put(settings.map(Element::Setting).collect()).await?;
    for selected in &selection.channels {
        if sink.is_full() {
            sink.leave_out("channel").await?;
        } else {
            channel(store, selected, sink).await?;
        }
    }
    Ok(())
}

async fn channel(store: &dyn Store, selected: &Selected, sink: &mut impl Sink) -> Result<(), Error> {
    let cid = &selected.cid;
    let head = Element::Channel(ArchivedChannel {
        cid: cid.clone(),
        epoch: selected.cursor.epoch,
    });
    sink.put(vec![head]).await?;
    sink.put(rows(beside(store, cid).await?)).await?;
    let mut seen = RangeSet::default();
    let mut from = HistoryFrom::Newest;
    loop {
        let page = page(store, cid, MessageScope::Channel, from).await?;
        let Some(oldest) = page.messages.first().map(|message| message.seq) else {
            break;
        };
        let threads: Vec<_> = page
            .messages
            .iter()
            .filter(|message| message.thread.is_some())
            .collect();
        let mut replies = Vec::new();
        for message in threads {
            replies.extend(thread(store, message, sink, &mut seen).await?);
        }
        replies.extend(page_rows(&page, &mut seen));
        sink.put(rows(replies)).await?;
        if !page.has_older {
            break;
        }
        if sink.is_full() {
            sink.leave_out("message").await?;
            break;
        }
        from = HistoryFrom::Before(oldest);
    }
    let cover = ArchivedCover {
        cursor: selected.cursor,
        ranges: both(&selected.ranges, &seen),
    };
    sink.put(vec![Element::Covered(cover)]).await
}

/// Reads what a channel has besides messages, and the profiles of its members. Those are of streams of their own, whose history nobody
/// can tell here: any copy from the server is newer.
async fn beside(store: &dyn Store, cid: &ChannelId) -> Result<Vec<Row>, Error> {
    let summary = store.channel(cid, &People::default()).await?;
    let channel = summary.and_then(|summary| summary.channel);
    let members = store.members(cid).await?;
    let users: Vec<_> = members.iter().map(|member| member.user.clone()).collect();
    let profiles = store.users(&users).await?.into_iter();
    let profiles = profiles.map(|user| Row::User(User { ver: 0, ..user }));
    let reads = store.reads(cid, None).await?;
    let own = channel.into_iter().map(Row::Channel);
    let own = own
        .chain(members.into_iter().map(Row::Member))
        .chain(reads.into_iter().map(Row::Read));
    // What is of a history that the server no longer has is of no use.
    Ok(own.filter(|row| row.ver() > 0).chain(profiles).collect())
}

/// Puts the replies to a message that stand in its thread only, and returns the read positions in it.
async fn thread(
    store: &dyn Store,
    message: &Message,
    sink: &mut impl Sink,
    seen: &mut RangeSet,
) -> Result<Vec<Row>, Error> {
    if sink.is_full() {
        sink.leave_out("thread").await?;
        return Ok(Vec::new());
    }
    let mut from = HistoryFrom::Newest;
    loop {
        let mut page = page(store, &message.cid, MessageScope::Thread(message.id), from).await?;
        let oldest = page.messages.first().map(|message| message.seq);
        page.messages.retain(|reply| !reply.is_in_channel());
        let kept: Vec<_> = page.messages.iter().map(|reply| reply.id).collect();
        page.reactions.retain(|reaction| kept.contains(&reaction.message));
        sink.put(rows(page_rows(&page, seen))).await?;
        match oldest.filter(|_| page.has_older && !sink.is_full()) {
            Some(oldest) => from = HistoryFrom::Before(oldest),
            None => break,
        }
    }
    let reads = store.reads(&message.cid, Some(message.id)).await?;
    let reads = reads.into_iter().filter(|read| read.ver > 0);
    Ok(reads.map(Row::Read).collect())
}

async fn page(
    store: &dyn Store,
    cid: &ChannelId,
    scope: MessageScope,
    from: HistoryFrom,
) -> Result<MessagePage, Error> {
    let query = MessageQuery {
        cid: cid.clone(),
        scope,
        from,
        limit: MESSAGES,
    };
    Ok(store.messages(&query).await?)
}

fn page_rows(page: &MessagePage, seen: &mut RangeSet) -> Vec<Row> {
    for message in &page.messages {
        seen.insert(message.seq, message.seq);
    }
    let messages = page.messages.iter().cloned().map(Row::Message);
    messages
        .chain(page.reactions.iter().cloned().map(Row::Reaction))
        .collect()
}

fn rows(rows: Vec<Row>) -> Vec<Element> {
    rows.into_iter().map(|row| Element::Row(Box::new(row))).collect()
}

/// Returns what is in both: the fresh runs of the device, as far as their messages were put.
fn both(known: &RangeSet, seen: &RangeSet) -> RangeSet {
    let mut both = RangeSet::default();
    let fresh = known.as_slice().iter().filter(|run| run.stale_since.is_none());
    for run in fresh {
        for other in seen.as_slice() {
            both.insert(run.lo.max(other.lo), run.hi.min(other.hi));
        }
    }
    both
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use whimbrel_model::{Change, Delta, Epoch};
    use whimbrel_store::MemoryStore;

    const CID: &str = "messaging:old";

    /// Takes elements until it has so many.
    #[derive(Default)]
    struct Small {
        elements: Vec<Element>,
        room: usize,
        left_out: Vec<&'static str>,
    }

    impl Sink for Small {
        async fn put(&mut self, elements: Vec<Element>) -> Result<(), Error> {
            self.elements.extend(elements);
            Ok(())
        }

        async fn leave_out(&mut self, kind: &'static str) -> Result<(), Error> {
            self.left_out.push(kind);
            Ok(())
        }

        fn is_full(&self) -> bool {
            self.elements.len() >= self.room
        }
    }

    fn row(value: serde_json::Value) -> Change {
        Change::Row(serde_json::from_value(value).unwrap())
    }

    fn message(seq: u64) -> Change {
        let id = format!("01900000-0000-7000-8000-{seq:012}");
        row(
            json!({"message": {"id": id, "cid": CID, "author": "bob", "seq": seq, "ver": seq,
            "body": {"text": "hello"}, "composed_at": 1, "accepted_at": 1}}),
        )
    }

    async fn store() -> MemoryStore {
        let store = MemoryStore::new();
        let mut ranges = RangeSet::default();
        ranges.insert(11, 450);
        let stream = StreamId::Channel(CID.parse().unwrap());
        let cursor = Cursor {
            epoch: Epoch(7),
            ver: 450,
            seq: 450,
            window: None,
        };
        let channel =
            json!({"channel": {"cid": CID, "created_by": "bob", "created_at": 1, "updated_at": 1, "ver": 1}});
        let mut delta = Delta::from(row(channel));
        delta.changes.extend((1..=450).map(message));
        delta.push(Change::Cursor(stream, cursor));
        delta.push(Change::Ranges(CID.parse().unwrap(), ranges));
        store.apply(&delta).await.unwrap();
        store
    }

    async fn exported(room: usize) -> Small {
        let store = store().await;
        let loaded = store.load().await.unwrap();
        let options = ArchiveOptions::default();
        let selection = Selection {
            manifest: Manifest {
                account: "ada".parse().unwrap(),
                device: whimbrel_model::DeviceId(uuid::Uuid::nil()),
                epoch: None,
                made_at: whimbrel_model::Timestamp(1),
                elements: options.elements(),
            },
            settings: Vec::new(),
            channels: channels(&store, &loaded, options).await.unwrap(),
        };
        let mut sink = Small {
            room,
            ..Small::default()
        };
        export(&store, &selection, &mut sink).await.unwrap();
        sink
    }

    fn covered(sink: &Small) -> (RangeSet, Vec<u64>) {
        let seqs = sink.elements.iter().filter_map(|element| match element {
            Element::Row(row) => match &**row {
                Row::Message(message) => Some(message.seq),
                _ => None,
            },
            _ => None,
        });
        match sink.elements.last() {
            Some(Element::Covered(cover)) => (cover.ranges.clone(), seqs.collect()),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn all_of_a_channel_covers_what_the_device_had_of_it() {
        let sink = exported(usize::MAX).await;
        let (ranges, seqs) = covered(&sink);
        assert_eq!(seqs.len(), 450);
        assert!(ranges.is_fresh(11, 450) && !ranges.covers(10, 10));
        assert!(sink.left_out.is_empty());
    }

    #[tokio::test]
    async fn what_does_not_fit_is_told_and_not_covered() {
        let sink = exported(150).await;
        let (ranges, seqs) = covered(&sink);
        assert!(seqs.len() >= 150 && seqs.len() < 450, "{}", seqs.len());
        let lowest = seqs.iter().copied().min().unwrap();
        assert!(ranges.is_fresh(lowest, 450) && !ranges.covers(lowest - 1, lowest - 1));
        assert_eq!(sink.left_out, ["message"]);
    }
}
