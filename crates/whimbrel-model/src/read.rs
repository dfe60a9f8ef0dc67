use crate::{ChannelId, UserId};
use serde::{Deserialize, Serialize};

/// How far one user has read one channel: a register that only grows, by (epoch, seq).
///
/// Marking unread opens a new epoch with a lower seq. Unread counts are derived from this and the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Read {
    /// Where.
    pub cid: ChannelId,
    /// Who.
    pub user: UserId,
    /// Generation of the register.
    pub epoch: u32,
    /// The last message read. 0: none.
    #[serde(deserialize_with = "crate::number::exact")]
    pub seq: u64,
    /// Version of the last change.
    #[serde(deserialize_with = "crate::number::exact")]
    pub ver: u64,
}

impl Read {
    /// Returns whether the position (`epoch`, `seq`) is further than this one.
    #[must_use]
    pub fn is_behind(&self, epoch: u32, seq: u64) -> bool {
        (epoch, seq) > (self.epoch, self.seq)
    }
}
