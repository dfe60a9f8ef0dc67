//! Tests of the WebSocket transport, over real sockets on loopback.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers are tests too: a panic is how they fail"
)]

mod deadlines;
mod endings;
mod handshake;
mod server;
mod tls;

mod plain_conformance {
    whimbrel_testkit::transport_conformance!(crate::server::Plain);
}

mod tls_conformance {
    whimbrel_testkit::transport_conformance!(crate::server::Encrypted);
}
