//! Runs the protocol suite against a server of any make. `cargo xtask conformance --server` builds and runs it.

use clap::{ArgGroup, Parser};
use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};
use whimbrel_e2e::{
    Error,
    conformance::{Address, Source, target},
};
use whimbrel_testkit::conformance::server::{Report, Verdict, case_names, run_some};

/// Runs the protocol suite against a running server, which is left with a few channels more. Ends with 0 if no case failed.
#[derive(Debug, Parser)]
#[command(group = ArgGroup::new("tokens").required(true).args(["dev", "secret_file", "token", "token_command", "list"]))]
struct Cli {
    /// The server: https:// or wss://, or on this machine http:// or ws://.
    #[arg(long, required_unless_present = "list")]
    server: Option<String>,
    /// The server is in development mode on this machine, and gives tokens.
    #[arg(long)]
    dev: bool,
    /// Make tokens (JWT, HS256) with the secret in this file.
    #[arg(long)]
    secret_file: Option<PathBuf>,
    /// A user's token, as USER=TOKEN; three times.
    #[arg(long, value_parser = pair)]
    token: Vec<(String, String)>,
    /// A program that prints the token of {user}, as in "my-tokens --for {user}".
    #[arg(long)]
    token_command: Option<String>,
    /// Three users, if the server does not take any: ada,bob,carol.
    #[arg(long, value_delimiter = ',')]
    users: Vec<String>,
    /// A certificate of a private authority, PEM or DER.
    #[arg(long)]
    root_certificate: Option<PathBuf>,
    /// Allow http:// and ws:// to another machine: everyone on the way can read the tokens.
    #[arg(long)]
    unencrypted: bool,
    /// Only the cases that have this in their name; may be repeated.
    #[arg(long)]
    case: Vec<String>,
    /// Print the names of the cases and end.
    #[arg(long)]
    list: bool,
    /// Print the result as JSON in the last line.
    #[arg(long)]
    json: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (user, token) = text.split_once('=').ok_or("must be USER=TOKEN")?;
    Ok((user.to_owned(), token.to_owned()))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    if cli.list {
        case_names().for_each(say);
        return ExitCode::SUCCESS;
    }
    match run(cli).await {
        Ok(passed) => ExitCode::from(u8::from(!passed)),
        Err(error) => {
            let _ = writeln!(io::stderr(), "whimbrel-conformance: {error}");
            ExitCode::from(2)
        }
    }
}

async fn run(cli: Cli) -> Result<bool, Error> {
    let address = Address {
        url: cli.server.unwrap_or_default(),
        root_certificate: cli.root_certificate,
        unencrypted: cli.unencrypted,
    };
    let source = match (cli.secret_file, cli.token_command) {
        (Some(path), _) => Source::SecretFile(path),
        (_, Some(line)) => Source::Command(line),
        _ if cli.dev => Source::Development,
        _ => Source::Given(cli.token),
    };
    let target = target(&address, &source, &cli.users).await?;
    let wanted = |name: &str| cli.case.is_empty() || cli.case.iter().any(|part| name.contains(part));
    let report = run_some(&target, wanted).await;
    say(&report.to_string());
    if cli.json {
        say(&json(&report));
    }
    // A name that no case has shows nothing.
    Ok(report.passed() && !report.cases.is_empty())
}

fn json(report: &Report) -> String {
    let cases = report.cases.iter().map(|case| {
        let (verdict, words) = match &case.verdict {
            Verdict::Passed => ("passed", ""),
            Verdict::Failed(words) => ("failed", words.as_str()),
            Verdict::Skipped(words) => ("skipped", words.as_str()),
        };
        serde_json::json!({ "name": case.name, "verdict": verdict, "words": words })
    });
    let cases: Vec<_> = cases.collect();
    serde_json::json!({ "passed": report.passed(), "cases": cases }).to_string()
}

fn say(line: &str) {
    // A closed pipe is no reason to stop half-way.
    let _ = writeln!(io::stdout(), "{line}");
}
