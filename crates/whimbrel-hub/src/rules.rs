//! What the operator decides for each type of channel.

use std::collections::BTreeMap;
use whimbrel_model::ChannelId;

/// What the operator decides, for the whole server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// By the type of a channel: the part of its id before the colon. A type that is not named has every feature.
    pub channel_types: BTreeMap<String, Features>,
}

/// What channels of a type have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    /// Whether members are told who types.
    pub typing: bool,
    /// Whether members see how far the others have read. A user's own devices know it in any case.
    pub read_receipts: bool,
    /// Whether it is kept what has reached whom.
    pub delivery_receipts: bool,
}

impl Default for Features {
    fn default() -> Self {
        Self {
            typing: true,
            read_receipts: true,
            delivery_receipts: true,
        }
    }
}

impl Rules {
    /// Returns what a channel has.
    #[must_use]
    pub fn features(&self, cid: &ChannelId) -> Features {
        let features = self.channel_types.get(cid.channel_type());
        features.copied().unwrap_or_default()
    }
}
