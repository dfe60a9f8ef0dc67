//! What has to be in the files in the end.

use std::{collections::BTreeSet, path::Path};
use whimbrel_model::{ChannelId, MessageId, ReactionType, UserId};

/// A message that somebody was told is safe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promise {
    /// Its id.
    pub id: MessageId,
    /// Where.
    pub cid: ChannelId,
    /// By whom.
    pub author: UserId,
    /// On which device. Promises of one device are in the order in which they were made.
    pub device: String,
    /// What it may say in the end, nothing for a deleted message, which may be nowhere too if it was never sent. More than one where two devices changed it at once, or
    /// where a program was killed before it could say whether it took a change.
    pub texts: Vec<Option<String>>,
}

/// A message that a device was told to send when it died: it may be there once, or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsure {
    /// Where.
    pub cid: ChannelId,
    /// By whom.
    pub author: UserId,
    /// What it says. No other message says the same.
    pub text: String,
}

/// Whether a reaction is there in the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reacted {
    /// To which message.
    pub message: MessageId,
    /// By whom.
    pub user: UserId,
    /// Which.
    pub kind: ReactionType,
    /// Whether it is there.
    pub there: bool,
}

/// What the judge compares the files with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// The messages that have to be there.
    pub promises: Vec<Promise>,
    /// The messages that may be there.
    pub unsure: Vec<Unsure>,
    /// The channels that have to be there.
    pub channels: Vec<ChannelId>,
    /// The reactions whose state is certain.
    pub reactions: Vec<Reacted>,
    /// Who may have been no member of what at some time. What they wrote there may have been refused: then it is in the
    /// outbox of their device, with its content and the reason.
    pub refusable: BTreeSet<(ChannelId, UserId)>,
}

/// A device and its database.
#[derive(Clone, Debug)]
pub struct Device<'a> {
    /// What it is called.
    pub name: &'a str,
    /// Whose it is.
    pub user: UserId,
    /// Its database.
    pub path: &'a Path,
}

impl Expected {
    /// Expects these messages and nothing else.
    #[must_use]
    pub fn messages(promises: &[Promise]) -> Self {
        Self {
            promises: promises.to_vec(),
            ..Self::default()
        }
    }

    pub(super) fn may_be_refused(&self, cid: &ChannelId, user: &UserId) -> bool {
        self.refusable.contains(&(cid.clone(), user.clone()))
    }
}
