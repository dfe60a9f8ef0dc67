//! The demo. `cargo xtask demo` builds everything that it needs and runs it.

use clap::Parser;
use std::{
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
};
use whimbrel_e2e::{
    Error,
    story::{self, Line, Told},
};

/// Two people chat through a network cut, a killed app and a restarted server.
#[derive(Debug, Parser)]
struct Cli {
    /// End after the story, with status 0 only if everything converged.
    #[arg(long)]
    once: bool,
    /// Print the verdict as JSON in the last line.
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli).await {
        Ok(converged) => ExitCode::from(u8::from(!converged)),
        Err(error) => {
            let _ = writeln!(io::stderr(), "whimbrel-demo: {error}");
            ExitCode::from(2)
        }
    }
}

async fn run(cli: &Cli) -> Result<bool, Error> {
    let directory = tempfile::Builder::new()
        .prefix("whimbrel-demo-")
        .tempdir()
        .map_err(|source| Error::Io {
            what: "making a temporary directory".to_owned(),
            source,
        })?;
    let told = story::tell(directory.path(), &mut narrate).await?;
    report(&told);
    if !cli.once {
        stay(&told, directory.path()).await;
    }
    if cli.json {
        let line = serde_json::to_string(&told.verdict).unwrap_or_default();
        say(&line);
    }
    Ok(told.verdict.converged)
}

fn narrate(line: Line<'_>) {
    match line {
        Line::Chapter(title) => say(&format!("\n== {title}")),
        Line::Event("", what) => say(&format!("        {what}")),
        Line::Event(who, what) => say(&format!("{who:>6}: {what}")),
    }
}

fn report(told: &Told) {
    let verdict = &told.verdict;
    say(&format!(
        "\n{}: {} messages sent, {} lost, {} duplicated, {} out of order",
        if verdict.converged {
            "Converged"
        } else {
            "NOT CONVERGED"
        },
        verdict.sent,
        verdict.lost,
        verdict.duplicated,
        verdict.reordered
    ));
    for difference in &verdict.differences {
        say(&format!("  {difference}"));
    }
}

async fn stay(told: &Told, directory: &Path) {
    let server = format!("http://{}", told.server.address());
    say(&format!(
        "\nThe server stays up. Join in as ada, bob or anyone, in other terminals:\n\n  \
         cargo run -p whimbrel-tui -- --server {server} --user ada --dev --directory {0}/ada\n  \
         cargo run -p whimbrel-tui -- --server {server} --user bob --dev --directory {0}/bob\n\n\
         Ctrl-C ends the server and removes its files.",
        directory.display()
    ));
    // Without a way to hear Ctrl-C there is no reason to stay.
    let _ = tokio::signal::ctrl_c().await;
}

fn say(line: &str) {
    // A closed pipe is no reason to stop the story half-way.
    let _ = writeln!(io::stdout(), "{line}");
}
