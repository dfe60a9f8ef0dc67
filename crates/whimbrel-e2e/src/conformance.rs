//! The protocol suite against a running server, reached at its address: who takes part, and where their tokens come from.

use crate::Error;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, lookup_host},
    process::Command,
    time::timeout,
};
use whimbrel::{Environment as _, SystemEnvironment, Token, WsConnector};
use whimbrel_model::{Timestamp, UserId, limits};
use whimbrel_server::{Config, Tokens};
use whimbrel_testkit::conformance::server::Target;

/// How long a token may take to come, from a program or from the server.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a minted token is good.
const LIFETIME: Duration = Duration::from_secs(60 * 60);

/// Bytes of the answer of a development server: a token has a few hundred.
const ANSWER: u64 = 64 * 1024;

/// Where the users' tokens come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// They are given: three of them.
    Given(Vec<(String, String)>),
    /// Made here, HS256, with the secret in this file.
    SecretFile(PathBuf),
    /// Printed by a program: a command line without quoting, in which `{user}` stands for the user.
    Command(String),
    /// The server makes them at `POST /v1/dev/token`: it is in development mode, on this machine.
    Development,
}

/// How to reach the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Address {
    /// `https://…` or `wss://…`; `http://…` or `ws://…` to this machine.
    pub url: String,
    /// A file with a certificate of a private authority.
    pub root_certificate: Option<PathBuf>,
    /// Allows `http://…` and `ws://…` to other machines.
    pub unencrypted: bool,
}

/// Makes the target of the suite: three users with a token each.
///
/// With `users` it is these three; otherwise three that have never been there, where the source can make them.
///
/// # Errors
/// [`Error`] when the address cannot be used, or a token cannot be had.
pub async fn target(address: &Address, source: &Source, users: &[String]) -> Result<Target, Error> {
    let mut connector = if address.unencrypted {
        WsConnector::new_insecure(&address.url)
    } else {
        WsConnector::new(&address.url)
    }
    .map_err(|error| Error::program(&address.url, error))?;
    if let Some(path) = &address.root_certificate {
        let bytes = std::fs::read(path).map_err(Error::io(format!("reading {}", path.display())))?;
        connector = connector
            .with_root_certificate(&bytes)
            .map_err(|error| Error::program(&address.url, error))?;
    }
    // So that the server is asked to refuse what is too large, and not the connector.
    let connector = connector.max_frame(2 * limits::FRAME_BYTES);
    let issuer = Issuer::new(address, source)?;
    let mut people = Vec::new();
    for user in who(source, users)? {
        let token = issuer.token(&user).await?;
        people.push((user, Token::new(token)));
    }
    let expired = people.first().and_then(|(user, _)| issuer.expired(user));
    let people = <[_; 3]>::try_from(people)
        .map_err(|people| Error::program("the suite", format!("it needs 3 users, not {}", people.len())))?;
    let target = Target::new(Arc::new(connector), people);
    Ok(match expired {
        Some(expired) => target.expired_token(Token::new(expired)),
        None => target,
    })
}

/// Names the users.
fn who(source: &Source, users: &[String]) -> Result<Vec<UserId>, Error> {
    let names: Vec<String> = match (source, users) {
        (Source::Given(given), _) => given.iter().map(|(user, _)| user.clone()).collect(),
        (_, []) => {
            let run = SystemEnvironment.next_u64();
            let name = |part| format!("conformance-{part}-{run:016x}");
            ["ada", "bob", "carol"].map(name).to_vec()
        }
        (_, users) => users.to_vec(),
    };
    let id = |name: &String| UserId::new(name).map_err(|error| Error::program(name, error));
    names.iter().map(id).collect()
}

enum Issuer {
    Given(Vec<(String, String)>),
    Secret(Tokens),
    Command(String),
    Server(String),
}

impl Issuer {
    fn new(address: &Address, source: &Source) -> Result<Self, Error> {
        Ok(match source {
            Source::Given(given) => Self::Given(given.clone()),
            Source::Command(line) => Self::Command(line.clone()),
            Source::SecretFile(path) => Self::Secret(minting(path)?),
            Source::Development => {
                let rest = ["http://", "ws://"]
                    .iter()
                    .find_map(|scheme| address.url.strip_prefix(scheme));
                let authority = rest.and_then(|rest| rest.split('/').next());
                let no_server =
                    || Error::program(&address.url, "a development server is at http:// or ws://");
                Self::Server(authority.ok_or_else(no_server)?.to_owned())
            }
        })
    }

    async fn token(&self, user: &UserId) -> Result<String, Error> {
        match self {
            Self::Given(given) => {
                let found = given.iter().find(|(name, _)| name == user.as_str());
                found
                    .map(|(_, token)| token.clone())
                    .ok_or_else(|| Error::program(user.as_str(), "no token was given"))
            }
            Self::Secret(tokens) => tokens
                .mint(user, LIFETIME, SystemEnvironment.wall())
                .map_err(|error| Error::program("the secret", error)),
            Self::Command(line) => printed(line, user).await,
            Self::Server(authority) => {
                let asked = timeout(PATIENCE, asked(authority, user)).await;
                asked.map_err(|_| Error::program(authority, "it gives no token"))?
            }
        }
    }

    /// Makes a token that is good no more, where that can be done.
    fn expired(&self, user: &UserId) -> Option<String> {
        let Self::Secret(tokens) = self else { return None };
        let day = 24 * 60 * 60 * 1000;
        let yesterday = Timestamp(SystemEnvironment.wall().as_millis() - day);
        tokens.mint(user, LIFETIME, yesterday).ok()
    }
}

fn minting(path: &Path) -> Result<Tokens, Error> {
    let secret = std::fs::read(path).map_err(Error::io(format!("reading {}", path.display())))?;
    let secret = secret.trim_ascii().to_vec();
    Tokens::new(&Config::new("", secret).auth).map_err(|error| Error::program("the secret", error))
}

/// Runs a program that prints a token.
async fn printed(line: &str, user: &UserId) -> Result<String, Error> {
    let mut words = line
        .split_whitespace()
        .map(|word| word.replace("{user}", user.as_str()));
    let program = words.next().unwrap_or_default();
    let output = Command::new(&program).args(words).kill_on_drop(true).output();
    let output = timeout(PATIENCE, output)
        .await
        .map_err(|_| Error::program(&program, "it does not end"))?
        .map_err(Error::io(format!("running {program}")))?;
    let token = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if !output.status.success() || token.is_empty() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Error::program(
            &program,
            format!("it prints no token ({}): {said}", output.status),
        ));
    }
    Ok(token)
}

/// Asks a development server for a token.
async fn asked(authority: &str, user: &UserId) -> Result<String, Error> {
    let failed = |problem: &str| Error::program(authority, problem.to_owned());
    let io = |error| Error::io(format!("asking {authority} for a token"))(error);
    let found: Vec<SocketAddr> = lookup_host(authority).await.map_err(io)?.collect();
    if !found.iter().all(|address| address.ip().is_loopback()) {
        return Err(failed("tokens of a development server are for this machine only"));
    }
    let body = serde_json::json!({ "user": user.as_str() }).to_string();
    let request = format!(
        "POST /v1/dev/token HTTP/1.1\r\nhost: {authority}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len(),
    );
    let mut stream = TcpStream::connect(found.as_slice()).await.map_err(io)?;
    stream.write_all(request.as_bytes()).await.map_err(io)?;
    let mut answer = String::new();
    stream
        .take(ANSWER)
        .read_to_string(&mut answer)
        .await
        .map_err(io)?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let json: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let token = json.get("token").and_then(serde_json::Value::as_str);
    let first = answer.lines().next().unwrap_or("nothing");
    token
        .map(str::to_owned)
        .ok_or_else(|| failed(&format!("it gives no token, it says: {first}")))
}
