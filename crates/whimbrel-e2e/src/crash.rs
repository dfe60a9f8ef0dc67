//! Real programs on real files, killed at random.
//!
//! A round is one server and four devices of three users, each behind a network of its own that breaks. Everybody
//! writes, edits, deletes and reacts; at random moments a client, the server or both are killed with `kill -9`, also
//! between an order and its answer. Then the faults end, everything comes to rest, and the files are judged.
//!
//! The mix is drawn from a seed. The same seed does the same in the same order; when exactly a kill hits is up to the
//! machine.

mod disk_full;
mod ledger;
mod round;
mod world;

use crate::{
    Error,
    check::{Expected, Verdict},
};
use disk_full::DiskFull;
use round::Round;
use serde::Serialize;
use std::path::PathBuf;
use world::World;

/// What became of one round.
#[derive(Debug)]
pub struct Played {
    /// What the judge says. A program that failed is a difference.
    pub verdict: Verdict,
    /// How many programs were killed.
    pub kills: usize,
    /// What happened, in words.
    pub events: Vec<String>,
    /// Where the files are, if they were kept because the round failed.
    pub kept: Option<PathBuf>,
}

/// The sum of many rounds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// How many rounds were played.
    pub rounds: usize,
    /// How many programs were killed.
    pub kills: usize,
    /// Messages that were promised.
    pub sent: usize,
    /// See [`Verdict::lost`].
    pub lost: usize,
    /// See [`Verdict::duplicated`].
    pub duplicated: usize,
    /// See [`Verdict::reordered`].
    pub reordered: usize,
    /// Whether every round has converged.
    pub converged: bool,
}

impl Report {
    /// Sums up.
    #[must_use]
    pub fn of(rounds: &[Played]) -> Self {
        let mut report = Self {
            converged: true,
            ..Self::default()
        };
        for round in rounds {
            report.rounds += 1;
            report.kills += round.kills;
            report.sent += round.verdict.sent;
            report.lost += round.verdict.lost;
            report.duplicated += round.verdict.duplicated;
            report.reordered += round.verdict.reordered;
            report.converged &= round.verdict.converged;
        }
        report
    }
}

/// Plays the round of a seed: about three seconds.
///
/// # Errors
/// [`Error`] when the programs cannot be started in the first place.
pub async fn play(seed: u64) -> Result<Played, Error> {
    in_world(&round::DEVICES, async |world| {
        Round::new(world, seed).play().await
    })
    .await
}

/// Plays the scenario of a full disk, which needs `sh` and `prlimit`.
///
/// # Errors
/// As [`play`].
pub async fn fill_disk() -> Result<Played, Error> {
    in_world(&disk_full::DEVICES, async |world| {
        DiskFull::new(world)?.play().await
    })
    .await
}

async fn in_world(
    devices: &[(&str, &str)],
    play: impl AsyncFnOnce(&mut World) -> Result<Expected, Error>,
) -> Result<Played, Error> {
    let files = tempfile::Builder::new()
        .prefix("whimbrel-crash-")
        .tempdir()
        .map_err(Error::io("making a temporary directory"))?;
    let mut world = World::open(files.path(), devices).await?;
    let mut outcome = match play(&mut world).await {
        Ok(expected) => world.settle(&expected).await,
        Err(error) => Err(error),
    };
    let (kills, events) = (world.kills, std::mem::take(&mut world.events));
    if outcome.as_ref().is_ok_and(|verdict| verdict.converged)
        && let Err(error) = world.close().await
    {
        outcome = Err(error);
    }
    let verdict = outcome.unwrap_or_else(|error| Verdict {
        differences: vec![error.to_string()],
        ..Verdict::default()
    });
    let kept = (!verdict.converged).then(|| files.keep());
    Ok(Played {
        verdict,
        kills,
        events,
        kept,
    })
}
