//! Where tokens come from.

use async_trait::async_trait;
use std::{path::PathBuf, sync::Mutex, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use whimbrel::{Token, TokenError, TokenProvider, model::UserId};

/// How long the development server may take for a token: it is on this machine.
const PATIENCE: Duration = Duration::from_secs(5);

/// Bytes of its answer: a token has a few hundred.
const ANSWER: u64 = 64 * 1024;

/// A file with a token. When the token is refused the file is read again: something else may have renewed it.
#[derive(Debug)]
pub(crate) struct FileToken {
    path: PathBuf,
    last: Mutex<Option<Token>>,
}

impl FileToken {
    pub(crate) const fn new(path: PathBuf) -> Self {
        Self {
            path,
            last: Mutex::new(None),
        }
    }
}

#[async_trait]
impl TokenProvider for FileToken {
    async fn token(&self, refresh: bool) -> Result<Token, TokenError> {
        let path = self.path.display();
        // A local file of one line.
        let text = std::fs::read_to_string(&self.path)
            .map_err(|error| TokenError::SignedOut(format!("{path} cannot be read: {error}")))?;
        let token = Token::new(text.trim());
        let mut last = self
            .last
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if refresh && last.as_ref() == Some(&token) {
            return Err(TokenError::SignedOut(format!(
                "the server refused the token in {path}: put a new one there"
            )));
        }
        *last = Some(token.clone());
        Ok(token)
    }
}

/// No token at all: for reading and writing offline.
#[derive(Debug)]
pub(crate) struct NoToken;

#[async_trait]
impl TokenProvider for NoToken {
    async fn token(&self, _refresh: bool) -> Result<Token, TokenError> {
        Err(TokenError::SignedOut(
            "no token was given: start with --token, --token-file or --dev".to_owned(),
        ))
    }
}

/// Tokens of a server that runs in development, on this machine.
#[derive(Debug)]
pub(crate) struct DevTokens {
    /// Host and port.
    address: String,
    user: UserId,
}

impl DevTokens {
    /// Reads the server's address.
    ///
    /// # Errors
    /// In words, when it is not one of this machine, or needs TLS.
    pub(crate) fn new(server: &str, user: UserId) -> Result<Self, String> {
        let rest = ["http://", "ws://"]
            .iter()
            .find_map(|scheme| server.strip_prefix(scheme))
            .ok_or_else(|| format!("--dev needs an address that begins with http://, not {server}"))?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port),
            _ => (authority, "80"),
        };
        if !matches!(host, "127.0.0.1" | "localhost" | "[::1]") || port.parse::<u16>().is_err() {
            return Err(format!(
                "--dev is for a server on this machine, such as http://127.0.0.1:8087, not {server}"
            ));
        }
        let address = format!("{host}:{port}");
        Ok(Self { address, user })
    }

    async fn ask(&self) -> Result<Vec<u8>, std::io::Error> {
        let body = serde_json::json!({ "user": self.user.as_str() }).to_string();
        let request = format!(
            "POST /v1/dev/token HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n{body}",
            self.address,
            body.len(),
        );
        let mut stream = TcpStream::connect(&self.address).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(ANSWER).read_to_end(&mut answer).await?;
        Ok(answer)
    }
}

#[async_trait]
impl TokenProvider for DevTokens {
    async fn token(&self, _refresh: bool) -> Result<Token, TokenError> {
        let answer = timeout(PATIENCE, self.ask())
            .await
            .map_err(|_| TokenError::Unavailable(format!("no answer from {}", self.address)))?
            .map_err(|error| TokenError::Unavailable(format!("{}: {error}", self.address)))?;
        read(&answer)
    }
}

/// Reads the server's answer: a status line, headers, and JSON after an empty line.
fn read(answer: &[u8]) -> Result<Token, TokenError> {
    let answer = String::from_utf8_lossy(answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let json: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    match status {
        Some(200) => {
            let token = json.get("token").and_then(serde_json::Value::as_str);
            let missing = || TokenError::Unavailable("the answer holds no token".to_owned());
            Ok(Token::new(token.ok_or_else(missing)?))
        }
        Some(status @ 400..500) => Err(TokenError::SignedOut(format!(
            "the server gives no development tokens (HTTP {status}): does it run with --dev?"
        ))),
        Some(status) => Err(TokenError::Unavailable(format!("HTTP {status}"))),
        None => Err(TokenError::Unavailable(
            "the answer is not one of a web server".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    fn ada() -> UserId {
        UserId::new("ada").unwrap()
    }

    #[test]
    fn development_tokens_come_from_this_machine_only() {
        for good in [
            "http://127.0.0.1:8087",
            "http://localhost/",
            "ws://[::1]:1",
            "http://[::1]",
        ] {
            assert!(DevTokens::new(good, ada()).is_ok(), "{good}");
        }
        for bad in [
            "https://127.0.0.1:1",
            "http://chat.example.org",
            "http://localhost.example.org:1",
            "http://127.0.0.1:x",
            "127.0.0.1:1",
        ] {
            assert!(DevTokens::new(bad, ada()).is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_development_server_is_asked_for_the_user() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = format!("http://{}", listener.local_addr().unwrap());
        let tokens = DevTokens::new(&server, ada()).unwrap();
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let mut length = 0;
            while !request[..length].ends_with(b"}") {
                length += stream.read(&mut request[length..]).await.unwrap();
            }
            let answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{\"token\":\"t1\"}";
            stream.write_all(answer).await.unwrap();
            String::from_utf8_lossy(&request[..length]).into_owned()
        };
        let (token, request) = tokio::join!(tokens.token(true), serve);
        assert_eq!(token.unwrap(), Token::new("t1"));
        assert!(request.starts_with("POST /v1/dev/token HTTP/1.1\r\n"));
        assert!(request.ends_with("{\"user\":\"ada\"}"));
    }

    #[test]
    fn a_refusal_is_told_from_a_failure() {
        assert!(matches!(
            read(b"HTTP/1.1 404 Not Found\r\n\r\n{}"),
            Err(TokenError::SignedOut(_))
        ));
        for later in [
            &b"HTTP/1.1 503 Busy\r\n\r\n"[..],
            b"",
            b"HTTP/1.1 200 OK\r\n\r\n[]",
        ] {
            assert!(matches!(read(later), Err(TokenError::Unavailable(_))));
        }
    }

    #[tokio::test]
    async fn a_refused_file_is_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        std::fs::write(&path, "one\n").unwrap();
        let tokens = FileToken::new(path.clone());
        assert_eq!(tokens.token(false).await.unwrap(), Token::new("one"));
        assert!(matches!(tokens.token(true).await, Err(TokenError::SignedOut(_))));
        std::fs::write(&path, "two\n").unwrap();
        assert_eq!(tokens.token(true).await.unwrap(), Token::new("two"));
    }
}
