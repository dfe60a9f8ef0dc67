//! WebSocket transport: tokio-tungstenite over rustls.
