//! What the server can be told, and where it is read from.

mod features;
mod push;
mod source;
mod span;

pub use push::WebhookConfig;
pub use source::Source;
pub use span::parse_duration;

use source::Settings;
use std::{
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};
use whimbrel_hub::Rules;
use whimbrel_model::Code;

/// Bytes that an HS256 secret has at least: as many as its hash (RFC 7518, 3.2).
pub const SECRET_BYTES: usize = 32;

/// Every setting, as it is named in the file. The environment variable is `WHIMBREL_` and the name in capitals.
pub const KEYS: &[&str] = &[
    "listen",
    "database",
    "secret",
    "secret_file",
    "eddsa_key_file",
    "issuer",
    "audience",
    "max_token_lifetime",
    "dev",
    "allowed_origins",
    "heartbeat",
    "max_connections",
    "max_connections_per_user",
    "drain",
    "features_off",
    "push_url",
    "push_secret",
    "push_secret_file",
    "push_timeout",
    "push_ca_file",
    "port_file",
    "log",
    "log_format",
];

/// Everything that the server can be told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// The database file. It is made if it is not there.
    pub database: PathBuf,
    /// Whose tokens are accepted.
    pub auth: AuthConfig,
    /// Origins, besides the own host, whose pages may talk to the server, for example `https://chat.example.org`.
    pub allowed_origins: Vec<String>,
    /// How often a client says that it is there. One that is silent for two and a half of these is cut.
    pub heartbeat: Duration,
    /// Open connections at most.
    pub max_connections: usize,
    /// Open sockets of one user at most.
    pub max_connections_per_user: usize,
    /// How long a stopping server waits for its connections to end.
    pub drain: Duration,
    /// What channels of a type do not have. Default: all have everything.
    pub rules: Rules,
    /// Where pushes for devices without a connection are posted. Absent: nobody is woken.
    pub push: Option<WebhookConfig>,
    /// A file into which the address is written once the server listens.
    pub port_file: Option<PathBuf>,
    /// What to log, in the syntax of `tracing`'s filters.
    pub log: String,
    /// How to log.
    pub log_format: LogFormat,
}

/// Whose tokens are accepted. At least one of the keys is needed.
#[derive(Clone, Debug)]
pub struct AuthConfig {
    /// The secret of HS256 tokens, at least [`SECRET_BYTES`] long.
    pub secret: Option<Secret>,
    /// The public key of EdDSA tokens, as PEM.
    pub eddsa_public_key: Option<String>,
    /// The issuer that a token must name, if any.
    pub issuer: Option<String>,
    /// The audience that a token must name, if any.
    pub audience: Option<String>,
    /// How far in the future a token may expire.
    pub max_lifetime: Duration,
    /// Development: anyone who reaches the server gets a token for any user.
    pub dev: bool,
}

/// A secret. It prints as `Secret(…)`.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// A setting that cannot be used: which, where it was set, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("setting `{key}` (from {origin}) {problem}")]
pub struct ConfigError {
    /// The setting.
    pub key: String,
    /// Where it was set.
    pub origin: Source,
    /// What is wrong and what would be right.
    pub problem: String,
}

impl Config {
    /// Creates the default configuration with one HS256 secret: loopback, a free port, no development mode.
    #[must_use]
    pub fn new(database: impl Into<PathBuf>, secret: impl Into<Vec<u8>>) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            database: database.into(),
            auth: AuthConfig {
                secret: Some(Secret::new(secret)),
                eddsa_public_key: None,
                issuer: None,
                audience: None,
                max_lifetime: DEFAULT_LIFETIME,
                dev: false,
            },
            allowed_origins: Vec::new(),
            heartbeat: DEFAULT_HEARTBEAT,
            max_connections: DEFAULT_CONNECTIONS,
            max_connections_per_user: DEFAULT_CONNECTIONS_PER_USER,
            drain: DEFAULT_DRAIN,
            rules: Rules::default(),
            push: None,
            port_file: None,
            log: DEFAULT_LOG.to_owned(),
            log_format: LogFormat::Text,
        }
    }

    /// Reads the configuration: `flags` win over the environment, that over the file, that over the defaults.
    ///
    /// # Errors
    /// [`ConfigError`] for the first setting that cannot be used.
    pub fn load(
        flags: &BTreeMap<&'static str, String>,
        environment: &dyn Fn(&str) -> Option<String>,
        file: Option<&Path>,
    ) -> Result<Self, ConfigError> {
        let settings = Settings::gather(KEYS, flags, environment, file)?;
        let database = settings.parse("database", PathBuf::from("whimbrel-server.db"), PathBuf::from_str)?;
        let listen = settings.parse("listen", DEFAULT_LISTEN, |text| {
            SocketAddr::from_str(text).map_err(|_| {
                format!("must be an address and a port, for example 127.0.0.1:8087; got {text:?}")
            })
        })?;
        let config = Self {
            listen,
            auth: auth(&settings, &database)?,
            database,
            allowed_origins: settings.parse("allowed_origins", Vec::new(), origins)?,
            heartbeat: settings.parse("heartbeat", DEFAULT_HEARTBEAT, parse_duration)?,
            max_connections: settings.parse("max_connections", DEFAULT_CONNECTIONS, count)?,
            max_connections_per_user: settings.parse(
                "max_connections_per_user",
                DEFAULT_CONNECTIONS_PER_USER,
                count,
            )?,
            drain: settings.parse("drain", DEFAULT_DRAIN, parse_duration)?,
            rules: settings.parse("features_off", Rules::default(), features::rules)?,
            push: push::webhook(&settings)?,
            port_file: settings.text("port_file").map(PathBuf::from),
            log: settings.parse("log", DEFAULT_LOG.to_owned(), String::from_str)?,
            log_format: settings.parse("log_format", LogFormat::Text, LogFormat::from_str)?,
        };
        config.check().map_err(|error| settings.error(error.0, error.1))?;
        Ok(config)
    }

    /// Checks what one setting demands of another. Returns the key and the problem.
    pub(crate) fn check(&self) -> Result<(), (&'static str, String)> {
        if self.auth.dev && !self.listen.ip().is_loopback() {
            let problem = format!(
                "gives everyone a token, so `listen` must be a loopback address, and is {}",
                self.listen
            );
            return Err(("dev", problem));
        }
        if self.auth.secret.is_none() && self.auth.eddsa_public_key.is_none() {
            let problem = "or `eddsa_key_file` must be set, or WHIMBREL_SECRET, or `dev` for development";
            return Err(("secret_file", problem.to_owned()));
        }
        if let Some(secret) = &self.auth.secret
            && secret.expose().len() < SECRET_BYTES
        {
            let problem = format!(
                "must have at least {SECRET_BYTES} bytes, and has {}",
                secret.expose().len()
            );
            return Err(("secret", problem));
        }
        if !(Duration::from_millis(50)..=Duration::from_secs(600)).contains(&self.heartbeat) {
            return Err(("heartbeat", "must be from 50ms to 10m".to_owned()));
        }
        Ok(())
    }
}

const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8087);
/// Long enough for a device that is rarely online, short enough that a stolen token dies.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(30 * 86_400);
/// Under the 60 s after which common proxies cut an idle connection.
const DEFAULT_HEARTBEAT: Duration = Duration::from_secs(20);
/// Half of a common limit of 20,000 descriptors.
const DEFAULT_CONNECTIONS: usize = 10_000;
/// A person's devices and tabs, with room.
const DEFAULT_CONNECTIONS_PER_USER: usize = 20;
/// Under the 30 s after which common supervisors kill.
const DEFAULT_DRAIN: Duration = Duration::from_secs(10);
const DEFAULT_LOG: &str = "info";

fn auth(settings: &Settings, database: &Path) -> Result<AuthConfig, ConfigError> {
    let dev = settings.parse("dev", false, flag)?;
    let mut secret = settings.text("secret").map(Secret::new);
    if let Some(path) = settings.text("secret_file") {
        let text = read(path).map_err(|problem| settings.error("secret_file", problem))?;
        let found = Secret::new(text.trim_end_matches(['\r', '\n']));
        if found.expose().len() < SECRET_BYTES {
            let problem = format!("names {path}, which has under {SECRET_BYTES} bytes");
            return Err(settings.error("secret_file", problem));
        }
        secret = Some(found);
    }
    if secret.is_none() && dev {
        let problem = |error| format!("needs a secret beside the database, which failed: {error}");
        secret = Some(crate::dev::secret(database).map_err(|error| settings.error("dev", problem(error)))?);
    }
    let eddsa_public_key = settings
        .text("eddsa_key_file")
        .map(|path| read(path).map_err(|problem| settings.error("eddsa_key_file", problem)))
        .transpose()?;
    Ok(AuthConfig {
        secret,
        eddsa_public_key,
        issuer: settings.text("issuer").map(str::to_owned),
        audience: settings.text("audience").map(str::to_owned),
        max_lifetime: settings.parse("max_token_lifetime", DEFAULT_LIFETIME, parse_duration)?,
        dev,
    })
}

fn read(path: &str) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("names {path}, which cannot be read: {error}"))
}

fn flag(text: &str) -> Result<bool, String> {
    match text {
        "true" | "1" | "yes" => Ok(true),
        "false" | "0" | "no" | "" => Ok(false),
        _ => Err(format!("must be true or false, got {text:?}")),
    }
}

fn count(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| format!("must be a whole number above 0, got {text:?}"))
}

fn origins(text: &str) -> Result<Vec<String>, String> {
    let mut origins = Vec::new();
    for origin in text.split(',').map(str::trim).filter(|origin| !origin.is_empty()) {
        let host = origin
            .strip_prefix("https://")
            .or_else(|| origin.strip_prefix("http://"));
        if host.is_none_or(|host| host.is_empty() || host.contains('/')) {
            return Err(format!(
                "must hold origins like https://chat.example.org, got {origin:?}"
            ));
        }
        origins.push(origin.to_ascii_lowercase());
    }
    Ok(origins)
}

impl Secret {
    /// Wraps a secret.
    #[must_use]
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// Returns the secret itself, to sign and check with.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(format!("must be text or json, got {text:?}")),
        }
    }
}

impl ConfigError {
    pub(crate) fn new(key: &str, origin: &Source, problem: impl Into<String>) -> Self {
        Self {
            key: key.to_owned(),
            origin: origin.clone(),
            problem: problem.into(),
        }
    }

    /// Returns the stable code, `invalid`.
    #[must_use]
    pub const fn code(&self) -> Code {
        Code::Invalid
    }

    /// Returns false: the setting stays wrong.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        false
    }
}
