//! The command line.

use crate::{
    runtime,
    token::{DevTokens, FileToken, NoToken},
};
use clap::Parser;
use std::{
    env,
    ffi::OsString,
    fs::OpenOptions,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
};
use tracing_subscriber::EnvFilter;
use whimbrel::{
    Client, Defaults, Token, TokenProvider,
    model::{Invalid, UserId},
};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Chats in the terminal, with and without a network.
///
/// Everything is kept on this device: what was written offline is sent when the server can be reached again, and can be
/// read and answered until then. Press ? inside for the keys.
#[derive(Debug, Parser)]
#[command(name = "whimbrel-tui", version)]
struct Cli {
    /// The server; http:// only on this machine
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8087")]
    server: String,
    /// Who you are
    #[arg(long, value_parser = user_id)]
    user: UserId,
    /// The token to sign in with; WHIMBREL_TOKEN in the environment does not show in the list of processes
    #[arg(long, value_name = "TOKEN", group = "auth")]
    token: Option<String>,
    /// A file with the token; it is read again when the token is refused
    #[arg(long, value_name = "FILE", group = "auth")]
    token_file: Option<PathBuf>,
    /// Asks a development server on this machine for a token
    #[arg(long, group = "auth")]
    dev: bool,
    /// Where messages are kept, one file for each server and user [default: whimbrel in the user's data directory]
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
    /// What this device is called in the list of your devices; it can be renamed there
    #[arg(long, value_name = "NAME", default_value = "terminal")]
    device_name: String,
    /// Starts without connecting; o inside connects
    #[arg(long)]
    offline: bool,
    /// Writes a log to this file; WHIMBREL_LOG chooses what, for example debug
    #[arg(long, value_name = "FILE")]
    log_file: Option<PathBuf>,
}

/// Runs the program: parses `args`, chats until the user has had enough, and returns the exit code.
///
/// 0 is success, 1 a failure that was reported on standard error, 2 a command line that cannot be understood.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            let shown = error.print();
            return ExitCode::from(if error.use_stderr() || shown.is_err() {
                2
            } else {
                0
            });
        }
    };
    match chat(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to tell it to when standard error is closed.
            let _ = writeln!(io::stderr(), "whimbrel-tui: {error}");
            ExitCode::FAILURE
        }
    }
}

fn chat(cli: Cli) -> Result<(), Failure> {
    let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    if let Some(path) = &cli.log_file {
        log_to(path, variable("WHIMBREL_LOG"))?;
    }
    let tokens = cli.tokens(variable("WHIMBREL_TOKEN"))?;
    let directory = match &cli.directory {
        Some(directory) => directory.clone(),
        None => data_directory(&variable).ok_or("there is no data directory: give one with --directory")?,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("whimbrel-tui")
        .build()?;
    runtime.block_on(async {
        let client = Client::builder()
            .server(&cli.server)
            .user(cli.user.as_str())
            .token_provider(tokens)
            .directory(directory)
            .device_name(&cli.device_name)
            .open()
            .await?;
        runtime::run(client, !cli.offline).await?;
        Ok(())
    })
}

impl Cli {
    fn tokens(&self, environment: Option<String>) -> Result<Arc<dyn TokenProvider>, Failure> {
        let token = self.token.clone();
        if self.dev {
            return Ok(Arc::new(DevTokens::new(&self.server, self.user.clone())?));
        }
        if let Some(path) = &self.token_file {
            return Ok(Arc::new(FileToken::new(path.clone())));
        }
        match token.or(environment) {
            Some(token) => Ok(Arc::new(Token::new(token))),
            None if self.offline => Ok(Arc::new(NoToken)),
            None => Err(
                "a token is needed: --token-file, --token, WHIMBREL_TOKEN, --dev for a development server, \
                 or --offline to do without"
                    .into(),
            ),
        }
    }
}

fn user_id(text: &str) -> Result<UserId, Invalid> {
    UserId::new(text)
}

/// Returns where this user's programs keep their data.
fn data_directory(variable: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let local = || Some(PathBuf::from(variable("HOME")?).join(".local").join("share"));
    let base = variable("XDG_DATA_HOME")
        .or_else(|| variable("LOCALAPPDATA"))
        .map(PathBuf::from)
        .or_else(local)?;
    Some(base.join("whimbrel"))
}

fn log_to(path: &PathBuf, filter: Option<String>) -> Result<(), Failure> {
    let file = OpenOptions::new().create(true).append(true).open(path);
    let file = file.map_err(|error| format!("the log file {} cannot be opened: {error}", path.display()))?;
    let filter = EnvFilter::try_new(filter.as_deref().unwrap_or("info"))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(Arc::new(file))
        .init();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(args: &[&str]) -> Result<Cli, clap::Error> {
        Cli::try_parse_from([&["whimbrel-tui", "--user", "ada"], args].concat())
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
        assert!(parse(&["--dev", "--token", "t"]).is_err());
        assert!(Cli::try_parse_from(["whimbrel-tui", "--user", "no spaces"]).is_err());
    }

    #[test]
    fn a_token_is_needed_online_only() {
        assert!(parse(&[]).unwrap().tokens(None).is_err());
        assert!(parse(&[]).unwrap().tokens(Some("t".to_owned())).is_ok());
        assert!(parse(&["--offline"]).unwrap().tokens(None).is_ok());
        assert!(
            parse(&["--dev", "--server", "https://chat.example.org"])
                .unwrap()
                .tokens(None)
                .is_err()
        );
        assert!(parse(&["--dev"]).unwrap().tokens(Some("t".to_owned())).is_ok());
    }

    #[test]
    fn data_is_kept_where_programs_keep_theirs() {
        let with = |name: &'static str, value: &'static str| {
            data_directory(&move |asked| (asked == name).then(|| value.to_owned()))
        };
        assert_eq!(with("XDG_DATA_HOME", "data"), Some("data/whimbrel".into()));
        assert_eq!(with("HOME", "ada"), Some("ada/.local/share/whimbrel".into()));
        assert_eq!(with("OTHER", "x"), None);
    }
}
