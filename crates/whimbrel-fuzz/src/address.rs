//! The address of a server, as a user types it.

use std::net::IpAddr;
use whimbrel_transport_ws::WsConnector;

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        "https://chat.example.org",
        "wss://chat.example.org/v1/socket?room=secret-1",
        "http://127.0.0.1:8087",
        "ws://[::1]:9/a?b=c",
        "ws://app.localhost.:80",
        "http://ada:secret-2@chat.example.org/team/#secret-3",
        "chat.example.org",
    ];
    texts.map(|text| text.as_bytes().to_vec()).to_vec()
}

/// Takes an address. What may be secret in it is in no error.
pub(crate) fn address(bytes: &[u8]) -> bool {
    let Ok(url) = std::str::from_utf8(bytes) else {
        return false;
    };
    let open = WsConnector::new_insecure(url);
    let safe = WsConnector::new(url);
    if let Err(error) = &safe {
        assert!(!error.is_retryable() && !error.code().is_empty());
        let shown = error.to_string();
        for secret in secrets(url) {
            assert!(!shown.contains(secret), "{secret:?} is in {shown:?}");
        }
    }
    assert!(safe.is_err() || open.is_ok(), "what is safe is also open");
    let scheme = url.split(':').next().unwrap_or_default().to_ascii_lowercase();
    let is_plain = matches!(scheme.as_str(), "http" | "ws");
    assert!(
        safe.is_err() || !is_plain || is_here(url),
        "{url:?} leads away without encryption"
    );
    safe.is_ok()
}

/// Returns whether the address is one of this machine, found in another way.
fn is_here(url: &str) -> bool {
    let authority = url
        .split('/')
        .nth(2)
        .unwrap_or_default()
        .split('?')
        .next()
        .unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => authority.split(':').next(),
    };
    let host = host
        .unwrap_or_default()
        .trim_end_matches('.')
        .to_ascii_lowercase();
    let address = host.parse::<IpAddr>();
    host.rsplit('.').next() == Some("localhost") || address.is_ok_and(|address| address.is_loopback())
}

/// Returns what stands where secrets stand, where it is long enough to be told from the rest.
fn secrets(url: &str) -> impl Iterator<Item = &str> {
    let after = url.split(['?', '#']).skip(1);
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let start = url.find("://").map_or(0, |at| at + 3);
    let authority = url
        .get(start..end)
        .unwrap_or_default()
        .split('/')
        .next()
        .unwrap_or_default();
    let before = authority.rsplit_once('@').map(|(secret, _)| secret);
    after
        .chain(before)
        .filter(move |secret| secret.len() > 6 && url.matches(secret).count() == 1)
}
