use crate::{FullJitter, RetryPolicy};
use std::{collections::BTreeSet, sync::Arc};
use whimbrel_model::ConsentState;

/// Newest messages of a request: enough to decide on it.
const UNKNOWN_MESSAGES: u32 = 20;

/// How patient the engine is. All times in milliseconds.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Name and version of the software, for the server's logs.
    pub agent: String,
    /// How long to wait after a failure.
    pub retry: Arc<dyn RetryPolicy>,
    /// Connecting, token included, may take this long.
    pub connect_ms: u64,
    /// Any answer may take this long before the connection is given up. A page or a group commit takes milliseconds;
    /// only a dead link takes this.
    pub answer_ms: u64,
    /// After the network is said to have changed, a connection on which nothing comes for so long is given up.
    pub probe_ms: u64,
    /// Streams that are pulled at once: enough to hide the round trip, few enough to leave the visible one fast.
    pub pulls: usize,
    /// Of how many of a channel's newest messages the gaps are filled in the background, once everything is up to date:
    /// what the device skipped when it was too far behind, and what may have changed since. What is older than all that the
    /// device had is only loaded on demand. 0: nothing is.
    pub fill_messages: u64,
    /// Failures after which an operation needs attention: see `OutboxItem::needs_attention`. It is still tried again.
    pub attention_after: u32,
    /// Whether a rejected message, or creation of a channel, holds what comes after it in its channel until the user repeats
    /// or discards it, so that nothing is read out of its context. Then one operation of a channel is on its way at a
    /// time. Else the others go on, and those that need it are rejected with it.
    pub hold_after_rejection: bool,
    /// Whether others are told that the user types, and the user that others do.
    pub typing_indicators: bool,
    /// Channels of which consents are followed; of others nothing is pulled, and the server is told to send nothing, until somebody
    /// asks. What is denied should not be among them.
    pub follow_consent: BTreeSet<ConsentState>,
    /// How many of the newest messages of a channel are brought of which nothing was decided, if more are new. Older ones load on
    /// demand. Absent: as many as of any channel.
    pub unknown_messages: Option<u32>,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            agent: concat!("whimbrel/", env!("CARGO_PKG_VERSION")).to_owned(),
            retry: Arc::new(FullJitter::default()),
            connect_ms: 30_000,
            answer_ms: 30_000,
            probe_ms: 5_000,
            pulls: 4,
            fill_messages: 5 * whimbrel_model::limits::PAGE_ROWS as u64,
            attention_after: whimbrel_model::limits::ATTENTION_AFTER,
            hold_after_rejection: false,
            typing_indicators: true,
            follow_consent: [ConsentState::Allowed, ConsentState::Unknown].into(),
            unknown_messages: Some(UNKNOWN_MESSAGES),
        }
    }
}
