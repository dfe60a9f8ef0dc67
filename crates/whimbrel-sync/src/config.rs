/// How patient the engine is. All times in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineConfig {
    /// Name and version of the software, for the server's logs.
    pub agent: String,
    /// The first wait after a failure is drawn from 0 to this; it doubles with each failure in a row.
    pub backoff_base_ms: u64,
    /// No wait is drawn from more than this.
    pub backoff_cap_ms: u64,
    /// Connecting, token included, may take this long.
    pub connect_ms: u64,
    /// Any answer may take this long before the connection is given up. A page or a group commit takes milliseconds;
    /// only a dead link takes this.
    pub answer_ms: u64,
    /// Streams that are pulled at once: enough to hide the round trip, few enough to leave the visible one fast.
    pub pulls: usize,
    /// Failures after which an operation needs attention: see `OutboxItem::needs_attention`. It is still tried again.
    pub attention_after: u32,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            agent: concat!("whimbrel/", env!("CARGO_PKG_VERSION")).to_owned(),
            backoff_base_ms: 200,
            backoff_cap_ms: 30_000,
            connect_ms: 30_000,
            answer_ms: 30_000,
            pulls: 4,
            attention_after: whimbrel_model::limits::ATTENTION_AFTER,
        }
    }
}
