//! P8: one new message into an observed timeline.
//!
//! The reference is the same push into a bare observable list of the same length, read by one observer.

use crate::clock::Stopwatch;
use crate::figure::{Figure, Plan, Result};
use crate::rounds::in_turns;
use crate::sample;
use eyeball_im::{ObservableVector, VectorSubscriberBatchedStream};
use futures_util::{FutureExt as _, StreamExt as _};
use std::sync::Arc;
use whimbrel_model::{
    Change, ChannelId, Cursor, Delta, Epoch, Head, MessagePage, MessageScope, RangeSet, Row, StreamId, UserId,
};
use whimbrel_state::{Diffs, State, Timeline, TimelineItem};

/// Microseconds that a diff may take.
const GOAL: f64 = 5.0;

pub(crate) fn run(plan: &Plan) -> Result<Vec<Figure>> {
    let sizes: &[u64] = plan.choose(&[1_000, 10_000, 100_000, 1_000_000], &[1_000, 10_000, 100_000]);
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    // The observer reads without ever waiting, which tokio would interrupt to be fair to tasks that are not there.
    sizes
        .iter()
        .map(|&size| runtime.block_on(tokio::task::unconstrained(at(size, plan))))
        .collect()
}

async fn at(size: u64, plan: &Plan) -> Result<Figure> {
    let pushes = plan.choose(2_000, 200);
    let mut subject = Subject::open(size)?;
    let mut reference = Reference::open(&subject.timeline)?;
    let compared = in_turns(
        plan.choose(15, 3),
        async || subject.push(pushes),
        async || reference.push(pushes),
    )
    .await?;
    let figure = Figure::new("P8", "state", size, "µs a diff", compared);
    Ok(match size {
        100_000 => figure.goal("≤ 5 µs", compared.value <= GOAL),
        _ => figure,
    })
}

/// An observed timeline.
struct Subject {
    state: State,
    timeline: Timeline,
    diffs: Diffs<TimelineItem>,
    cid: ChannelId,
    author: UserId,
    last: u64,
}

impl Subject {
    fn open(size: u64) -> Result<Self> {
        let (cid, author) = (sample::channel(1)?, sample::user(2)?);
        let page = MessagePage {
            messages: (1..=size)
                .map(|seq| sample::message(&cid, &author, seq))
                .collect(),
            ranges: ranges(size),
            ..MessagePage::default()
        };
        let state = State::new(sample::user(1)?, Vec::new());
        let timeline = state.open_timeline(cid.clone(), MessageScope::Channel, page);
        let (items, diffs) = timeline.subscribe();
        if items.len() as u64 != size {
            return Err(format!("a timeline of {size} was opened, it has {}", items.len()).into());
        }
        Ok(Self {
            state,
            timeline,
            diffs,
            cid,
            author,
            last: size,
        })
    }

    /// Takes in `count` live events as a driver does, each read by the observer. Returns the microseconds of each.
    fn push(&mut self, count: u64) -> Result<f64> {
        let events: Vec<(Delta, MessagePage)> = (self.last + 1..=self.last + count)
            .map(|seq| (self.event(seq), self.read_again(seq)))
            .collect();
        self.last += count;
        let watch = Stopwatch::start();
        for (delta, page) in events {
            let stale = self.state.reduce(&delta);
            if let Some(query) = stale.messages.first() {
                self.state.put_messages(query, page);
            }
            if self.diffs.next().now_or_never().flatten().is_none() {
                return Err("a new message made no diff".into());
            }
        }
        Ok(watch.seconds() * 1e6 / count as f64)
    }

    /// Makes what the store answers when the state asks for the message again.
    fn read_again(&self, seq: u64) -> MessagePage {
        MessagePage {
            messages: vec![sample::message(&self.cid, &self.author, seq)],
            ranges: ranges(seq),
            has_older: true,
            ..MessagePage::default()
        }
    }

    /// Makes what the engine makes of a live event with one message.
    fn event(&self, seq: u64) -> Delta {
        let stream = StreamId::Channel(self.cid.clone());
        let cursor = Cursor {
            epoch: Epoch(1),
            ver: seq,
            seq,
            window: None,
        };
        Delta {
            changes: vec![
                Change::Row(Row::Message(sample::message(&self.cid, &self.author, seq))),
                Change::Cursor(stream.clone(), cursor),
                Change::Head(stream, Head { ver: seq, seq }),
                Change::Ranges(self.cid.clone(), ranges(seq)),
            ],
        }
    }
}

fn ranges(last: u64) -> RangeSet {
    let mut ranges = RangeSet::default();
    ranges.insert(1, last);
    ranges
}

/// A bare observable list, observed.
struct Reference {
    list: ObservableVector<Arc<TimelineItem>>,
    batches: VectorSubscriberBatchedStream<Arc<TimelineItem>>,
    item: TimelineItem,
}

impl Reference {
    fn open(timeline: &Timeline) -> Result<Self> {
        let items = timeline.items();
        let mut list = ObservableVector::new();
        let item = items.last().ok_or("an empty timeline")?.as_ref().clone();
        list.append(items);
        Ok(Self {
            batches: list.subscribe().into_batched_stream(),
            list,
            item,
        })
    }

    /// Pushes `count` items, each read by the observer. Returns the microseconds of each.
    fn push(&mut self, count: u64) -> Result<f64> {
        let items: Vec<TimelineItem> = (0..count).map(|_| self.item.clone()).collect();
        let watch = Stopwatch::start();
        for item in items {
            self.list.push_back(Arc::new(item));
            if self.batches.next().now_or_never().flatten().is_none() {
                return Err("a push made no diff".into());
            }
        }
        Ok(watch.seconds() * 1e6 / count as f64)
    }
}
