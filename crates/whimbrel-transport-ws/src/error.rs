use crate::address::Address;
use std::io;
use tokio_tungstenite::tungstenite::{
    Error,
    error::{CapacityError, ProtocolError},
    http::{HeaderMap, Response, StatusCode, header},
    protocol::CloseFrame,
};
use whimbrel_transport::TransportError;

/// Says why the handshake failed.
pub(crate) fn connecting(address: &Address, error: Error) -> TransportError {
    address.unreachable(match error {
        Error::Http(response) => answered(&response),
        Error::Io(error) => io_reason(&error),
        Error::Protocol(ProtocolError::HandshakeIncomplete) => {
            "it closed the connection before it answered".to_owned()
        }
        Error::Protocol(ProtocolError::HttparseError(_)) => {
            "what answered does not speak HTTP: check the port".to_owned()
        }
        other => format!("the WebSocket handshake failed: {other}"),
    })
}

/// Tells a failed certificate check from a failed network.
pub(crate) fn io_reason(error: &io::Error) -> String {
    match error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>())
    {
        Some(tls) => format!("TLS: {tls}"),
        None => error.to_string(),
    }
}

fn answered(response: &Response<Option<Vec<u8>>>) -> String {
    let status = response.status();
    let header = |name| text(response.headers(), name);
    let meaning = match status {
        StatusCode::TOO_MANY_REQUESTS => "too many requests".to_owned(),
        StatusCode::SERVICE_UNAVAILABLE => "the server cannot take the connection now".to_owned(),
        StatusCode::NOT_FOUND => "there is no socket at this path: check the address".to_owned(),
        _ if status.is_success() => {
            "this is a web page and not a Whimbrel server: perhaps the network wants you to \
                                     sign in, else check the address"
                .to_owned()
        }
        _ if status.is_redirection() => match header(header::LOCATION) {
            Some(to) => format!("it redirects to {to}, which is not followed: check the address"),
            None => "it redirects, which is not followed: check the address".to_owned(),
        },
        _ => "it refused the WebSocket upgrade".to_owned(),
    };
    match header(header::RETRY_AFTER) {
        // The header holds seconds or a date.
        Some(seconds) if seconds.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("answered HTTP {status}: {meaning}; it asks to wait {seconds} s")
        }
        Some(date) => format!("answered HTTP {status}: {meaning}; it asks to wait until {date}"),
        None => format!("answered HTTP {status}: {meaning}"),
    }
}

/// Reads a header that goes into an error: short, or cut.
fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<String> {
    const CHARS: usize = 200;
    let value = headers.get(name)?.to_str().ok()?;
    (!value.is_empty()).then(|| value.chars().take(CHARS).collect())
}

/// Says why an open connection ended.
pub(crate) fn ended(error: Error) -> TransportError {
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed => gone(),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => gone(),
        Error::Io(error) => TransportError::Closed(io_reason(&error)),
        Error::Capacity(CapacityError::MessageTooLong { size, max_size }) => TransportError::FrameTooLarge {
            size,
            limit: max_size,
        },
        other => TransportError::Protocol(other.to_string()),
    }
}

/// The other side went without a word.
pub(crate) fn gone() -> TransportError {
    TransportError::Closed("the other side went without a reason".to_owned())
}

/// The other side said goodbye.
pub(crate) fn goodbye(frame: Option<CloseFrame>) -> TransportError {
    match frame {
        None => TransportError::Closed("the other side gave no reason".to_owned()),
        Some(frame) if frame.reason.is_empty() => {
            TransportError::Closed(format!("the other side gave the code {}", frame.code))
        }
        Some(frame) => TransportError::Closed(frame.reason.as_str().to_owned()),
    }
}
