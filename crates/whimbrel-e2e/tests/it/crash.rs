use whimbrel_e2e::crash;

#[tokio::test]
async fn what_was_promised_survives_kills_of_every_program_and_a_network_that_breaks() {
    let mut kills = 0;
    for seed in [1, 2] {
        let round = crash::play(seed).await.unwrap();
        assert!(round.verdict.converged, "seed {seed}: {round:#?}");
        assert!(round.verdict.sent > 0, "seed {seed}: {round:#?}");
        kills += round.kills;
    }
    assert!(kills > 0);
}

/// `prlimit` is of util-linux, and what a write beyond a file-size limit does is Unix's.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_fails_the_send_loses_nothing_and_is_forgotten_when_there_is_room() {
    let round = crash::fill_disk().await.unwrap();
    assert!(round.verdict.converged, "{round:#?}");
    let refused = |event: &&String| event.contains("does not keep");
    assert!(round.events.iter().filter(refused).count() >= 2, "{round:#?}");
    let again = |event: &&String| event.contains("goes on");
    assert_eq!(round.events.iter().filter(again).count(), 2, "{round:#?}");
}
