//! Rounds of real programs that are killed at random. `cargo xtask crash` builds everything that it needs and runs it.

use clap::Parser;
use std::{
    hash::{BuildHasher as _, RandomState},
    io::{self, Write as _},
    process::ExitCode,
};
use whimbrel_e2e::{
    Error,
    crash::{self, Played, Report},
};

/// Kills real servers and clients at random, and judges what is left in their files.
#[derive(Debug, Parser)]
struct Cli {
    /// How many rounds to play.
    #[arg(long, default_value_t = 20)]
    rounds: u64,
    /// The seed of the first round; each next round has the next number. Drawn if absent.
    #[arg(long)]
    seed: Option<u64>,
    /// Play the scenario of a full disk instead of the rounds.
    #[arg(long)]
    disk_full: bool,
    /// Print the sums as JSON in the last line.
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli).await {
        Ok(converged) => ExitCode::from(u8::from(!converged)),
        Err(error) => {
            let _ = writeln!(io::stderr(), "whimbrel-crash: {error}");
            ExitCode::from(2)
        }
    }
}

async fn run(cli: &Cli) -> Result<bool, Error> {
    let mut rounds = Vec::new();
    if cli.disk_full {
        let round = crash::fill_disk().await?;
        narrate("a full disk", "--disk-full", &round);
        rounds.push(round);
    } else {
        let first = cli
            .seed
            .unwrap_or_else(|| RandomState::new().hash_one(0) % 1_000_000);
        for seed in first..first.saturating_add(cli.rounds) {
            let round = crash::play(seed).await?;
            narrate(
                &format!("seed {seed}"),
                &format!("--rounds 1 --seed {seed}"),
                &round,
            );
            rounds.push(round);
        }
    }
    let report = Report::of(&rounds);
    say(&format!(
        "\n{}: {} rounds, {} kills, {} messages promised, {} lost, {} duplicated, {} out of order",
        if report.converged {
            "Converged"
        } else {
            "NOT CONVERGED"
        },
        report.rounds,
        report.kills,
        report.sent,
        report.lost,
        report.duplicated,
        report.reordered
    ));
    if cli.json {
        let line = serde_json::to_string(&report).unwrap_or_default();
        say(&line);
    }
    Ok(report.converged)
}

/// One line for a round that is well, and everything about one that is not.
fn narrate(what: &str, repeat: &str, round: &Played) {
    let Played {
        verdict,
        kills,
        events,
        kept,
    } = round;
    let end = if verdict.converged {
        "converged"
    } else {
        "NOT CONVERGED"
    };
    say(&format!(
        "{what}: {} events, {kills} kills, {} messages promised: {end}",
        events.len(),
        verdict.sent
    ));
    if verdict.converged {
        return;
    }
    for (number, event) in events.iter().enumerate() {
        say(&format!("  {number:>4}  {event}"));
    }
    for difference in &verdict.differences {
        say(&format!("  {difference}"));
    }
    if let Some(kept) = kept {
        say(&format!("  its files are in {}", kept.display()));
    }
    say(&format!("  again: cargo xtask crash {repeat}"));
}

fn say(line: &str) {
    // A closed pipe is no reason to stop half-way.
    let _ = writeln!(io::stdout(), "{line}");
}
