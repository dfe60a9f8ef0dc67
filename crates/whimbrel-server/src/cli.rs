//! The command line.

use crate::{Config, Server, StartError, Tokens, operator, parse_duration, telemetry};
use clap::{Args, Parser, Subcommand};
use std::{
    collections::BTreeMap,
    ffi::OsString,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};
use whimbrel_hub::{Clock, SystemClock};
use whimbrel_model::{DeviceId, Invalid, UserId};

/// The Whimbrel reference server: offline-first chat over WebSocket and HTTP, stored in one SQLite file.
///
/// Every option can also be an environment variable (WHIMBREL_LISTEN for --listen) or a line of the file given with
/// --config (listen = "127.0.0.1:8087"). Options win over the environment, and the environment over the file. The
/// secret itself is taken from WHIMBREL_SECRET or a file only, so that it never shows in the list of processes.
#[derive(Debug, Parser)]
#[command(name = "whimbrel-server", version, args_conflicts_with_subcommands = false)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves until it is told to stop. The default.
    Serve,
    /// Makes a token for a user and prints it.
    Token {
        /// For whom.
        #[arg(long, value_parser = user_id)]
        user: UserId,
        /// How long it is good.
        #[arg(long, default_value = "24h", value_parser = parse_duration)]
        ttl: Duration,
    },
    /// Lists the devices of a user. The server must not be running; while it is, ask it: POST /v1/query with a token of the user.
    Devices {
        /// Whose.
        #[arg(long, value_parser = user_id)]
        user: UserId,
    },
    /// Shuts a device of a user out, for good. The server must not be running; while it is, tell it: POST /v1/ops with a token of
    /// the user, which `token` makes, and the operation `revoke_device`.
    RevokeDevice {
        /// Whose.
        #[arg(long, value_parser = user_id)]
        user: UserId,
        /// Which device.
        #[arg(long, value_parser = device_id)]
        device: DeviceId,
    },
    /// Checks the configuration, and says what is wrong.
    CheckConfig,
}

#[derive(Debug, Args)]
struct Options {
    /// A TOML file with settings.
    #[arg(long, global = true, env = "WHIMBREL_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where to listen; port 0 takes a free one [default: 127.0.0.1:8087]
    #[arg(long, global = true, value_name = "ADDR:PORT")]
    listen: Option<String>,
    /// The database; made if it is not there [default: whimbrel-server.db]
    #[arg(long, global = true, value_name = "FILE")]
    database: Option<String>,
    /// A file with the secret of HS256 tokens, at least 32 bytes; or set WHIMBREL_SECRET
    #[arg(long, global = true, value_name = "FILE")]
    secret_file: Option<String>,
    /// A file with the public key of EdDSA tokens, as PEM
    #[arg(long, global = true, value_name = "FILE")]
    eddsa_key_file: Option<String>,
    /// The issuer that tokens must name
    #[arg(long, global = true, value_name = "ISS")]
    issuer: Option<String>,
    /// The audience that tokens must name
    #[arg(long, global = true, value_name = "AUD")]
    audience: Option<String>,
    /// How far in the future a token may expire [default: 30d]
    #[arg(long, global = true, value_name = "TIME")]
    max_token_lifetime: Option<String>,
    /// Development: makes a secret, and gives anyone on this machine a token for any user
    #[arg(long, global = true)]
    dev: bool,
    /// Web pages that may connect, besides those of the own host, comma separated
    #[arg(long, global = true, value_name = "ORIGINS")]
    allowed_origins: Option<String>,
    /// How often clients say that they are there [default: 20s]
    #[arg(long, global = true, value_name = "TIME")]
    heartbeat: Option<String>,
    /// Open connections at most [default: 10000]
    #[arg(long, global = true, value_name = "N")]
    max_connections: Option<String>,
    /// Open sockets of one user at most [default: 20]
    #[arg(long, global = true, value_name = "N")]
    max_connections_per_user: Option<String>,
    /// How long a stopping server waits for its connections [default: 10s]
    #[arg(long, global = true, value_name = "TIME")]
    drain: Option<String>,
    /// What channels of a type do not have of typing, read_receipts and delivery_receipts, for example livestream:typing, comma separated
    #[arg(long, global = true, value_name = "TYPE:FEATURE")]
    features_off: Option<String>,
    /// Where pushes for devices without a connection are posted, an https address
    #[arg(long, global = true, value_name = "URL")]
    push_url: Option<String>,
    /// A file with the secret that posted pushes are signed with, at least 32 bytes; or set WHIMBREL_PUSH_SECRET
    #[arg(long, global = true, value_name = "FILE")]
    push_secret_file: Option<String>,
    /// How long the service behind --push-url may take for an answer [default: 10s]
    #[arg(long, global = true, value_name = "TIME")]
    push_timeout: Option<String>,
    /// A file with certificates as PEM that --push-url is trusted by, beside those of the system
    #[arg(long, global = true, value_name = "FILE")]
    push_ca_file: Option<String>,
    /// A file to write the address to, once the server listens
    #[arg(long, global = true, value_name = "FILE")]
    port_file: Option<String>,
    /// What to log, for example info or whimbrel_server=debug [default: info]
    #[arg(long, global = true, value_name = "FILTER")]
    log: Option<String>,
    /// How to log: text or json [default: text]
    #[arg(long, global = true, value_name = "FORMAT")]
    log_format: Option<String>,
}

/// Runs the program: parses `args`, carries out the command, and returns the exit code.
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
    match carry_out(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to tell it to when standard error is closed.
            let _ = writeln!(io::stderr(), "whimbrel-server: {error}");
            ExitCode::FAILURE
        }
    }
}

fn carry_out(cli: Cli) -> Result<(), StartError> {
    let environment = |name: &str| std::env::var(name).ok();
    let config = Config::load(&cli.options.flags(), &environment, cli.options.config.as_deref())?;
    match cli.command.unwrap_or(Command::Serve) {
        Command::Serve => serve(config),
        Command::Token { user, ttl } => {
            let token = Tokens::new(&config.auth)?.mint(&user, ttl, SystemClock.now())?;
            say(&token)
        }
        Command::Devices { user } => {
            let devices = runtime()?.block_on(operator::devices(&config, &user))?;
            devices.iter().try_for_each(|line| say(line))
        }
        Command::RevokeDevice { user, device } => {
            runtime()?.block_on(operator::revoke(&config, user, device))?;
            say("the device is revoked")
        }
        Command::CheckConfig => {
            Tokens::new(&config.auth)?;
            say("the configuration is good")
        }
    }
}

fn say(line: &str) -> Result<(), StartError> {
    writeln!(io::stdout(), "{line}").map_err(StartError::Output)
}

fn serve(config: Config) -> Result<(), StartError> {
    telemetry::init(&config)?;
    runtime()?.block_on(Server::serve(config))
}

fn runtime() -> Result<tokio::runtime::Runtime, StartError> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("whimbrel-server")
        .build()
        .map_err(StartError::Runtime)
}

impl Options {
    fn flags(&self) -> BTreeMap<&'static str, String> {
        let dev = self.dev.then(|| "true".to_owned());
        let given = [
            ("listen", &self.listen),
            ("database", &self.database),
            ("secret_file", &self.secret_file),
            ("eddsa_key_file", &self.eddsa_key_file),
            ("issuer", &self.issuer),
            ("audience", &self.audience),
            ("max_token_lifetime", &self.max_token_lifetime),
            ("dev", &dev),
            ("allowed_origins", &self.allowed_origins),
            ("heartbeat", &self.heartbeat),
            ("max_connections", &self.max_connections),
            ("max_connections_per_user", &self.max_connections_per_user),
            ("drain", &self.drain),
            ("features_off", &self.features_off),
            ("push_url", &self.push_url),
            ("push_secret_file", &self.push_secret_file),
            ("push_timeout", &self.push_timeout),
            ("push_ca_file", &self.push_ca_file),
            ("port_file", &self.port_file),
            ("log", &self.log),
            ("log_format", &self.log_format),
        ];
        given
            .into_iter()
            .filter_map(|(key, value)| Some((key, value.clone()?)))
            .collect()
    }
}

fn user_id(text: &str) -> Result<UserId, Invalid> {
    UserId::new(text)
}

fn device_id(text: &str) -> Result<DeviceId, Invalid> {
    text.parse()
}
