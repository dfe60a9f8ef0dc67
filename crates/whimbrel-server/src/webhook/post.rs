//! One HTTP request, over a connection of its own.

use crate::WebhookConfig;
use axum::body::{Body, to_bytes};
use hyper::{Request, StatusCode, Uri, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use std::{fmt, io, pin::pin, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};

/// Bytes of an answer at most: room for a batch in which every token is gone.
const ANSWER_BYTES: usize = 512 * 1024;

/// Where to post, and how.
pub(super) struct Post {
    uri: Uri,
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    deadline: Duration,
}

/// Why nothing was posted, or the answer was none.
#[derive(Debug, thiserror::Error)]
pub(super) enum PostError {
    /// The service did not answer in time.
    #[error("no answer within {} ms", .0.as_millis())]
    Late(Duration),
    /// The connection failed.
    #[error("{0}")]
    Connection(String),
    /// The service answered that it failed, or that it does not want it.
    #[error("the answer was {0}")]
    Status(StatusCode),
}

impl PostError {
    /// Returns whether the same may be taken later.
    pub(super) fn is_retryable(&self) -> bool {
        match self {
            Self::Late(_) | Self::Connection(_) => true,
            Self::Status(status) => status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS,
        }
    }
}

impl From<io::Error> for PostError {
    fn from(error: io::Error) -> Self {
        Self::Connection(error.to_string())
    }
}

impl From<hyper::Error> for PostError {
    fn from(error: hyper::Error) -> Self {
        Self::Connection(error.to_string())
    }
}

impl Post {
    /// Prepares to post. The error is the setting and what is wrong with it.
    pub(super) fn new(config: &WebhookConfig) -> Result<Self, (&'static str, String)> {
        let uri = address(&config.url).map_err(|problem| ("push_url", problem))?;
        let is_tls = uri.scheme_str() == Some("https");
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let tls = if is_tls {
            let name = ServerName::try_from(host.clone());
            let name = name.map_err(|error| ("push_url", format!("names no host: {error}")))?;
            Some((connector(config)?, name))
        } else {
            None
        };
        Ok(Self {
            port: uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 }),
            host,
            uri,
            tls,
            deadline: config.timeout,
        })
    }

    /// Posts JSON, and returns the body of the answer.
    pub(super) async fn send(
        &self,
        headers: &[(&'static str, String)],
        body: &[u8],
    ) -> Result<Bytes, PostError> {
        let answer = timeout(self.deadline, self.exchange(headers, body)).await;
        answer.unwrap_or(Err(PostError::Late(self.deadline)))
    }

    async fn exchange(&self, headers: &[(&'static str, String)], body: &[u8]) -> Result<Bytes, PostError> {
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::post(path)
            .header(
                header::HOST,
                self.uri.authority().map_or("", |host| host.as_str()),
            )
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::CONNECTION, "close")
            .header(
                header::USER_AGENT,
                concat!("whimbrel-server/", env!("CARGO_PKG_VERSION")),
            );
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let request = request
            .body(Body::from(body.to_vec()))
            .map_err(|error| PostError::Connection(error.to_string()))?;
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        match &self.tls {
            Some((tls, name)) => talk(tls.connect(name.clone(), stream).await?, request).await,
            None => talk(stream, request).await,
        }
    }
}

/// Sends a request and reads the answer to its end.
async fn talk<S>(stream: S, request: Request<Body>) -> Result<Bytes, PostError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let exchange = async {
        let answer = sender.send_request(request).await?;
        if !answer.status().is_success() {
            return Err(PostError::Status(answer.status()));
        }
        let body = to_bytes(Body::new(answer.into_body()), ANSWER_BYTES).await;
        body.map_err(|error| PostError::Connection(error.to_string()))
    };
    let (mut exchange, mut connection) = (pin!(exchange), pin!(connection));
    tokio::select! {
        biased;
        answer = &mut exchange => return answer,
        ended = &mut connection => ended?,
    }
    // What was read before the end is there.
    exchange.await
}

/// Reads the address. Tokens travel in the body, so they are encrypted but within the machine.
pub(super) fn address(text: &str) -> Result<Uri, String> {
    let wrong = |what: &str| format!("must be like https://push.example.org/whimbrel: {what}, got {text:?}");
    let uri: Uri = text.parse().map_err(|_| wrong("it is no address"))?;
    let host = uri
        .host()
        .filter(|host| !host.is_empty())
        .ok_or_else(|| wrong("it has no host"))?;
    if uri
        .authority()
        .is_some_and(|authority| authority.as_str().contains('@'))
    {
        return Err("must hold no user and password: what is posted is signed".to_owned());
    }
    let is_local = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
    match uri.scheme_str() {
        Some("https") => Ok(uri),
        Some("http") if is_local => Ok(uri),
        Some("http") => Err(wrong("http is for this machine only")),
        _ => Err(wrong("it is no https address")),
    }
}

fn connector(config: &WebhookConfig) -> Result<TlsConnector, (&'static str, String)> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(pem) = &config.ca {
        let found = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>();
        let found =
            found.map_err(|error| ("push_ca_file", format!("must hold certificates as PEM: {error}")))?;
        if roots.add_parsable_certificates(found).0 == 0 {
            return Err((
                "push_ca_file",
                "must hold certificates as PEM, and holds none".to_owned(),
            ));
        }
    }
    if roots.is_empty() {
        let problem =
            "cannot be trusted: this system has no root certificates, and `push_ca_file` is not set";
        return Err(("push_url", problem.to_owned()));
    }
    // The provider is named: a process with two has no default.
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| ("push_url", format!("cannot be reached over TLS: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(tls)))
}

impl fmt::Debug for Post {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Post")
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}
