use whimbrel_model::ChannelId;
use whimbrel_store::Recovery;

/// Notices that a slow listener may fall behind before it misses some. They are rare.
pub(crate) const NOTICES: usize = 64;

/// Something rare that an app may want to tell its user, or react to. Nothing has to: every list is right without it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// The device was too far behind in a channel, or the server's history is another one: changes were skipped. What is
    /// shown is right, with a gap marked where messages are missing; scroll positions and counts of one's own may not be.
    Discontinuity {
        /// Where.
        cid: ChannelId,
    },
    /// The database was found damaged while it was open, and recovered.
    Recovered(Recovery),
    /// A part of the client failed in a way that it should not have, and was started anew from what is on disk. Nothing is
    /// lost; please report it.
    Restarted {
        /// What failed, in words.
        cause: String,
    },
}
