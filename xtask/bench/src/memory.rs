//! P8: what an open channel takes in memory.
//!
//! The reference is a plain list of the same messages.

use crate::figure::{Figure, Plan, Result};
use crate::rounds::Compared;
use crate::sample;
use std::fs;
use whimbrel_model::{Message, MessagePage, MessageScope, RangeSet};
use whimbrel_state::State;

/// Megabytes that an open channel of 10,000 messages may take.
const GOAL: f64 = 1.5;
/// Channels that are opened: the process takes memory in large pieces.
const CHANNELS: u64 = 10;
/// Bytes of a page of memory, as the kernel counts.
const PAGE: f64 = 4_096.0;

/// Measures before anything else has left memory to the process that it can use again.
pub(crate) fn run(_: &Plan) -> Result<Vec<Figure>> {
    // A channel opens with its newest 50 messages, and keeps 500 of those that come, by itself. The rest is in memory once all
    // of it was scrolled through.
    [50, 500, 10_000].into_iter().map(at).collect()
}

fn at(size: u64) -> Result<Figure> {
    let state = State::new(sample::user(1)?, Vec::new());
    let mut timelines = Vec::new();
    let value = megabytes(|| {
        for channel in 0..CHANNELS {
            let mut ranges = RangeSet::default();
            ranges.insert(1, size);
            let page = MessagePage {
                messages: messages(channel, size)?,
                ranges,
                ..MessagePage::default()
            };
            timelines.push(state.open_timeline(sample::channel(channel)?, MessageScope::Channel, page));
        }
        Ok(())
    })?;
    let mut lists = Vec::new();
    let reference = megabytes(|| {
        for channel in 0..CHANNELS {
            lists.push(messages(channel, size)?);
        }
        Ok(())
    })?;
    let compared = Compared {
        value,
        reference,
        ratio: value / reference,
    };
    let figure = Figure::new("P8", "memory", size, "MB a channel", compared);
    Ok(match size {
        500 | 10_000 => figure.goal("≤ 1.5 MB", value <= GOAL),
        _ => figure,
    })
}

fn messages(channel: u64, size: u64) -> Result<Vec<Message>> {
    let (cid, author) = (sample::channel(channel)?, sample::user(2)?);
    Ok((1..=size)
        .map(|seq| sample::message(&cid, &author, seq))
        .collect())
}

/// Returns by how many megabytes the process grows for each channel while `fill` runs.
fn megabytes(fill: impl FnOnce() -> Result<()>) -> Result<f64> {
    let before = resident()?;
    fill()?;
    Ok((resident()? - before).max(PAGE) / CHANNELS as f64 / 1e6)
}

/// Returns the bytes of the process that are in memory.
fn resident() -> Result<f64> {
    let pages = fs::read_to_string("/proc/self/statm")?;
    let resident: f64 = pages.split(' ').nth(1).unwrap_or_default().parse()?;
    Ok(resident * PAGE)
}
