//! So many inputs of each target, from one seed.
//!
//! `WHIMBREL_FUZZ_SEED` begins elsewhere, `WHIMBREL_FUZZ_TIMES` multiplies the number of inputs.

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};
use whimbrel_fuzz::{Dice, TARGETS, Target, mutate};

fn setting(name: &str, default: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.map_or(default, |text| text.parse().expect("a number"))
}

fn bounded(name: &str) {
    let target = TARGETS
        .iter()
        .find(|target| target.name == name)
        .expect("a target");
    let seeds = (target.seeds)();
    let first = setting("WHIMBREL_FUZZ_SEED", 1);
    let count = target.bounded * setting("WHIMBREL_FUZZ_TIMES", 1);
    let inputs = (first..first + count).map(|seed| (seed, mutate(&seeds, &mut Dice(seed))));
    let examples = seeds.iter().cloned().map(|bytes| (0, bytes));
    let (mut taken, mut all) = (0_u64, 0_u64);
    for (seed, bytes) in examples.chain(inputs) {
        let run = AssertUnwindSafe(|| (target.run)(&bytes));
        match catch_unwind(run) {
            Ok(was_taken) => taken += u64::from(was_taken),
            Err(_) => panic!(
                "{name} failed: WHIMBREL_FUZZ_SEED={seed} (0: an example as it is), {} bytes: {}",
                bytes.len(),
                bytes.escape_ascii()
            ),
        }
        all += 1;
    }
    assert!(
        taken * 20 > all,
        "{taken} of {all} inputs were taken: most find nothing out"
    );
    assert!(taken < all, "every input was taken");
}

macro_rules! bounded {
    ($($test:ident: $name:literal,)*) => {
        $(
            #[test]
            fn $test() {
                bounded($name);
            }
        )*

        #[test]
        fn every_target_has_a_bounded_run() {
            let run = [$($name),*];
            let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(names, run);
        }
    };
}

bounded! {
    client_frames_hold: "client_frame",
    server_frames_hold: "server_frame",
    operations_hold: "op",
    identities_hold: "identity",
    archives_hold: "archive",
    tokens_of_heads_and_cursors_hold: "since",
    the_door_holds: "token",
    configuration_files_hold: "config",
    addresses_hold: "address",
    filters_hold: "filter",
    stored_rows_hold: "stored",
    database_files_hold: "database",
    the_engine_holds: "engine",
    live_connections_hold: "session",
}

#[test]
fn every_target_is_a_program_of_the_fuzzer() {
    let fuzzer = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let manifest = fs::read_to_string(fuzzer.join("Cargo.toml")).expect("the fuzzer's manifest");
    for Target { name, .. } in TARGETS {
        let line = format!("[[bin]]\nname = \"{name}\"\npath = \"fuzz_targets/{name}.rs\"\n");
        assert!(manifest.contains(&line), "{name} is no bin of fuzz/Cargo.toml");
        let program = fs::read_to_string(fuzzer.join(format!("fuzz_targets/{name}.rs")));
        let program = program.expect("its program");
        assert!(program.contains(&format!("\"{name}\"")), "{program}");
    }
    assert_eq!(
        manifest.matches("[[bin]]").count(),
        TARGETS.len(),
        "a program without a target"
    );
}
