//! P9: many clients that come back at once after a server's crash, each with missed messages.
//!
//! The server is a process of its own, and all clients together are another one: real clients over real sockets, with
//! stores in memory. The reference is the same clients coming back at once to the same server with nothing missed.

use crate::crowd::{Ask, IN_CHANNEL, Met};
use crate::figure::{Figure, Plan, Result};
use crate::helper::{Helper, Role};
use crate::rounds::{Compared, median, percentile};
use crate::sample;
use crate::serve::{Past, Place, Posts};
use std::fs;
use whimbrel_model::UserId;

/// Times of the steady memory that a herd may take.
const OF_STEADY: f64 = 2.0;
/// Messages that each client misses.
const MISSED: u64 = 20;

pub(crate) fn run(plan: &Plan) -> Result<Vec<Figure>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure(plan))
}

async fn measure(plan: &Plan) -> Result<Vec<Figure>> {
    let sizes = plan.choose([500, 1_500, 5_000], [50, 150, 500]);
    let mut columns: [Vec<Figure>; 4] = Default::default();
    for size in sizes {
        for (column, figure) in columns.iter_mut().zip(at(size, plan).await?) {
            column.push(figure);
        }
    }
    Ok(columns.into_iter().flatten().collect())
}

#[expect(clippy::print_stderr, reason = "it says what no figure has a place for")]
async fn at(size: u64, plan: &Plan) -> Result<[Figure; 4]> {
    let mut world = World::make(plan, size).await?;
    let mut server = world.place.start().await?;
    let mut herd = Helper::start(&Role::Crowd(world.place.listen))?;
    herd.ask::<Met>(&Ask::Grow(size)).await?;
    let steady = server.usage()?.memory;
    let rounds = plan.choose(3, 1);
    let (mut met, mut floor, mut peaks, mut alone) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        // Nothing missed, at once.
        herd.ask::<Met>(&Ask::Leave).await?;
        floor.push(herd.ask::<Met>(&world.all_at_once()).await?);
        // A crash, messages, and all at once.
        server.kill().await?;
        herd.ask::<Met>(&Ask::Leave).await?;
        world.post().await?;
        server = world.place.start().await?;
        met.push(herd.ask::<Met>(&world.all_at_once()).await?);
        peaks.push(server.usage()?.peak);
        // A restart that tells everyone when to come back, and nobody does anything.
        server.end().await?;
        world.post().await?;
        server = world.place.start().await?;
        alone.push(herd.ask::<Met>(&Ask::Meet { seq: world.seq }).await?);
    }
    server.end().await?;
    herd.end().await?;
    let counts = alone.last().map(|met| met.counts).unwrap_or_default();
    let of = |met: &[Met], part: f64| {
        median(
            met.iter()
                .map(|met| percentile(met.seconds.clone(), part))
                .collect(),
        )
    };
    eprintln!(
        "   {size} clients, {} descriptors allowed: {} told when to come back, {} refused without, {} could not connect",
        descriptors()?,
        counts.put_off,
        counts.refused,
        counts.unmade
    );
    let figure = |name, value: f64, reference: f64, unit| {
        let ratio = value / reference;
        Figure::new(
            "P9",
            name,
            size,
            unit,
            Compared {
                value,
                reference,
                ratio,
            },
        )
    };
    let peak = median(peaks);
    Ok([
        figure("herd", of(&met, 0.5), of(&floor, 0.5), "s p50"),
        figure("herd at worst", of(&met, 0.99), of(&floor, 0.99), "s p99")
            .goal("all caught up, none refused without a time", counts.refused == 0),
        figure("herd left alone", of(&alone, 0.99), of(&met, 0.99), "s p99"),
        figure("herd memory", peak / 1e6, steady / 1e6, "MB at most")
            .goal("≤ 2 × steady", peak <= steady * OF_STEADY),
    ])
}

/// The server of a herd, and what is in its channels.
pub(crate) struct World {
    pub(crate) place: Place,
    past: Past,
    channels: Vec<Posts>,
    pub(crate) seq: u64,
}

impl World {
    /// Makes the channels of `size` clients, with one message each.
    pub(crate) async fn make(plan: &Plan, size: u64) -> Result<Self> {
        let place = Place::new(plan.directory.path().join(format!("crowd-{size}.db")));
        let mut past = Past::new(&place.database);
        let mut channels = Vec::new();
        for number in 0..size.div_ceil(IN_CHANNEL) {
            let members = (number * IN_CHANNEL..(number + 1) * IN_CHANNEL).map(sample::user);
            channels.push(Posts {
                cid: sample::channel(number)?,
                author: UserId::new("author")?,
                members: Some(members.collect::<Result<_>>()?),
                messages: 1,
            });
        }
        past.write(&channels).await?;
        for posts in &mut channels {
            posts.members = None;
            posts.messages = MISSED;
        }
        Ok(Self {
            place,
            past,
            channels,
            seq: 1,
        })
    }

    /// Lets messages be posted while no server runs.
    async fn post(&mut self) -> Result<()> {
        self.seq += MISSED;
        self.past.write(&self.channels).await
    }

    fn all_at_once(&self) -> Ask {
        Ask::Return {
            at_once: true,
            seq: self.seq,
        }
    }
}

/// Returns how many descriptors a process may have.
pub(crate) fn descriptors() -> Result<u64> {
    let limits = fs::read_to_string("/proc/self/limits")?;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next());
    Ok(soft
        .ok_or("the kernel does not tell the limit of descriptors")?
        .parse()?)
}
