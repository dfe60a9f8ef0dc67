use crate::SOCKET_PATH;
use std::net::IpAddr;
use tokio_tungstenite::tungstenite::http::{Uri, uri::Authority};
use whimbrel_transport::TransportError;

/// Where to connect.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    /// The `ws://` or `wss://` address to ask for.
    pub(crate) uri: Uri,
    /// A name, or an IP address without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) secure: bool,
    /// For errors and logs: without the query, which may hold a secret.
    pub(crate) shown: String,
}

impl Address {
    pub(crate) fn parse(url: &str) -> Result<Self, TransportError> {
        // What cannot be taken apart is not repeated whole: it may hold a password.
        let shown = shown(url);
        let bad = |reason: &str| TransportError::Address {
            address: shown.clone(),
            reason: reason.to_owned(),
        };
        let uri: Uri = url
            .parse()
            .map_err(|error| bad(&format!("it is not a URL ({error})")))?;
        let scheme = uri.scheme_str().unwrap_or_default().to_ascii_lowercase();
        let (secure, is_base) = match scheme.as_str() {
            "wss" => (true, false),
            "https" => (true, true),
            "ws" => (false, false),
            "http" => (false, true),
            _ => return Err(bad("it has to begin with https://, wss://, http:// or ws://")),
        };
        let authority = uri.authority().ok_or_else(|| bad("it names no host"))?;
        if authority.as_str().contains('@') {
            return Err(bad(
                "it must not hold a user name or password: give the token to the client instead",
            ));
        }
        if url.contains('#') {
            return Err(bad("it must not hold a fragment (#...)"));
        }
        if is_base && uri.query().is_some() {
            return Err(bad("a server address must not hold a query (?...)"));
        }
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        if host.is_empty() {
            return Err(bad("it names no host"));
        }
        let port = port(authority, secure).ok_or_else(|| bad("its port is not one of 1 to 65535"))?;
        let uri = Uri::builder()
            .scheme(if secure { "wss" } else { "ws" })
            .authority(authority.clone())
            .path_and_query(path_and_query(&uri, is_base))
            .build()
            .map_err(|error| bad(&error.to_string()))?;
        let shown = self::shown(&uri.to_string());
        Ok(Self {
            uri,
            host,
            port,
            secure,
            shown,
        })
    }

    /// Returns whether what is sent there stays on this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        let name = self.host.trim_end_matches('.').to_ascii_lowercase();
        name == "localhost"
            || name.ends_with(".localhost")
            || self
                .host
                .parse::<IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    }

    pub(crate) fn refused(&self, reason: impl Into<String>) -> TransportError {
        TransportError::Address {
            address: self.shown.clone(),
            reason: reason.into(),
        }
    }

    pub(crate) fn unreachable(&self, reason: impl Into<String>) -> TransportError {
        TransportError::Connect {
            address: self.shown.clone(),
            reason: reason.into(),
        }
    }
}

fn port(authority: &Authority, secure: bool) -> Option<u16> {
    let given = authority.as_str().len() > authority.host().len();
    match authority.port_u16() {
        Some(0) => None,
        Some(port) => Some(port),
        None if given => None,
        None if secure => Some(443),
        None => Some(80),
    }
}

/// The address of a server has the socket below it; the address of a socket is used as it stands.
fn path_and_query(uri: &Uri, is_base: bool) -> String {
    let path = uri.path().trim_end_matches('/');
    match uri.query() {
        _ if is_base => format!("{path}{SOCKET_PATH}"),
        None if path.is_empty() => SOCKET_PATH.to_owned(),
        None => uri.path().to_owned(),
        Some(query) if path.is_empty() => format!("{SOCKET_PATH}?{query}"),
        Some(query) => format!("{}?{query}", uri.path()),
    }
}

/// Leaves out what may be secret: the query, the fragment, user name and password.
fn shown(url: &str) -> String {
    let plain = url.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = plain.split_once("://") else {
        return plain.rsplit('@').next().unwrap_or_default().to_owned();
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opens(url: &str) -> String {
        Address::parse(url).unwrap().uri.to_string()
    }

    fn refuses(url: &str) -> String {
        let error = Address::parse(url).unwrap_err();
        assert!(!error.is_retryable());
        assert_eq!(error.code(), "transport_address");
        error.to_string()
    }

    #[test]
    fn a_server_address_leads_to_its_socket() {
        assert_eq!(
            opens("https://chat.example.org"),
            "wss://chat.example.org/v1/socket"
        );
        assert_eq!(
            opens("https://chat.example.org/"),
            "wss://chat.example.org/v1/socket"
        );
        assert_eq!(
            opens("HTTPS://chat.example.org:8443/team/"),
            "wss://chat.example.org:8443/team/v1/socket"
        );
        assert_eq!(opens("http://127.0.0.1:8080"), "ws://127.0.0.1:8080/v1/socket");
    }

    #[test]
    fn a_socket_address_is_used_as_it_stands() {
        assert_eq!(
            opens("wss://chat.example.org"),
            "wss://chat.example.org/v1/socket"
        );
        assert_eq!(
            opens("wss://chat.example.org/other"),
            "wss://chat.example.org/other"
        );
        assert_eq!(opens("ws://[::1]:9/a?b=c"), "ws://[::1]:9/a?b=c");
    }

    #[test]
    fn the_port_follows_the_scheme() {
        assert_eq!(Address::parse("https://chat.example.org").unwrap().port, 443);
        assert_eq!(Address::parse("ws://localhost").unwrap().port, 80);
        assert_eq!(Address::parse("ws://localhost:81").unwrap().port, 81);
    }

    #[test]
    fn loopback_is_known_by_name_and_by_address() {
        for url in [
            "ws://localhost",
            "ws://app.localhost.",
            "ws://127.9.9.9:1",
            "ws://[::1]:1",
            "ws://LOCALHOST",
        ] {
            assert!(Address::parse(url).unwrap().is_loopback(), "{url}");
        }
        for url in [
            "ws://localhost.example.org",
            "ws://10.0.0.1",
            "ws://[fe80::1]",
            "ws://notlocalhost",
        ] {
            assert!(!Address::parse(url).unwrap().is_loopback(), "{url}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_reason() {
        assert!(refuses("chat.example.org").contains("begin with https://"));
        assert!(refuses("ftp://chat.example.org").contains("begin with https://"));
        assert!(refuses("/v1/socket").contains("begin with https://"));
        assert!(refuses("").contains("not a URL"));
        assert!(refuses("https://").contains("not a URL"));
        assert!(refuses("https://chat.example.org:99999").contains("port"));
        assert!(refuses("https://chat.example.org:0").contains("port"));
        assert!(refuses("https://chat.example.org?x=1").contains("query"));
        assert!(refuses("wss://chat.example.org/a#b").contains("fragment"));
    }

    #[test]
    fn no_error_repeats_a_secret() {
        for url in [
            "wss://ada:secret@chat.example.org/a",
            "wss://h:x/?token=secret",
            "ada:secret@h",
            "ftp://h?secret",
        ] {
            assert!(!refuses(url).contains("secret"), "{url}");
        }
        assert_eq!(
            Address::parse("wss://h/a?token=secret").unwrap().shown,
            "wss://h/a"
        );
    }
}
