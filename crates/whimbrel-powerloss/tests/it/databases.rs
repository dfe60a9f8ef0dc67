//! What was acknowledged survives any power loss, and a database that promises less is found out.

use whimbrel_powerloss::{Synchronous, Tally, device, server};

/// Databases, and power losses of each. `cargo xtask crash --power-loss` plays as many as one likes.
const SEEDS: u64 = 16;
const CUTS: u64 = 5;

/// Databases that promise less, within which one has to be found out.
const SEEDS_OF_CONTROL: u64 = 10;

fn assert_worth_it(tally: Tally) {
    assert_eq!(tally.cuts, SEEDS * CUTS);
    assert!(tally.acknowledged > tally.cuts, "{tally:?}");
    assert!(
        tally.midway > tally.cuts / 4,
        "the power went between the writes: {tally:?}"
    );
    assert!(
        tally.survived > 0,
        "no write of unknown outcome was there: {tally:?}"
    );
}

#[tokio::test]
async fn what_the_device_was_told_is_on_disk_survives_power_loss_as_a_whole() {
    let mut tally = Tally::default();
    for seed in 0..SEEDS {
        let played = device::play(seed, CUTS, Synchronous::AsAsked).await;
        tally.add(played.unwrap_or_else(|failure| panic!("{failure}")));
    }
    assert_worth_it(tally);
}

#[tokio::test]
async fn what_the_server_answered_survives_power_loss_with_its_numbers() {
    let mut tally = Tally::default();
    for seed in 0..SEEDS {
        let played = server::play(seed, CUTS, Synchronous::AsAsked).await;
        tally.add(played.unwrap_or_else(|failure| panic!("{failure}")));
    }
    assert_worth_it(tally);
}

#[tokio::test]
async fn a_device_whose_commits_are_not_synced_loses_what_it_acknowledged() {
    for synchronous in [Synchronous::Normal, Synchronous::Off] {
        let mut failures = Vec::new();
        for seed in 0..SEEDS_OF_CONTROL {
            failures.extend(device::play(seed, CUTS, synchronous).await.err());
        }
        let lost = failures
            .iter()
            .filter(|failure| failure.contains("lost acknowledged work"));
        assert!(
            lost.count() > 0,
            "{synchronous:?} was not found out: {failures:?}"
        );
    }
}

#[tokio::test]
async fn a_server_whose_commits_are_not_synced_loses_what_it_answered() {
    for synchronous in [Synchronous::Normal, Synchronous::Off] {
        let mut failures = Vec::new();
        for seed in 0..SEEDS_OF_CONTROL {
            failures.extend(server::play(seed, CUTS, synchronous).await.err());
        }
        let lost = failures
            .iter()
            .filter(|failure| failure.contains("answered operations are lost"));
        assert!(
            lost.count() > 0,
            "{synchronous:?} was not found out: {failures:?}"
        );
    }
}
