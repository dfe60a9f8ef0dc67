//! What stands over the screen and takes all keys.

use super::{List, decide::Lasting};
use tui_input::Input;
use whimbrel::model::{DeviceId, MessageId, UserId};

/// Reactions that one key chooses: `1` for the first.
pub(crate) const QUICK_REACTIONS: [&str; 6] = ["👍", "😂", "🎉", "😮", "😢", "👀"];

#[derive(Debug)]
pub(crate) enum Dialog {
    /// All keys, from a line on.
    Help(usize),
    /// A list, at a row.
    List(List, usize),
    /// Tells why something is as it is.
    Explanation(String),
    /// Asks before a message is deleted.
    Delete(MessageId),
    /// Asks for how long somebody is to be blocked or muted.
    HowLong(Lasting, UserId),
    /// Asks what a device is to be called.
    Rename(DeviceId, Input),
    /// Asks before a device is shut out.
    Revoke(DeviceId),
    /// Asks which reaction.
    React(MessageId, Input),
    /// Searches messages.
    Search,
    /// Filters the channel list while a query is typed.
    Filter(Input),
    /// Asks for a new channel.
    Create(Form),
}

/// The form of a new channel.
#[derive(Debug, Default)]
pub(crate) struct Form {
    /// Id, name, members.
    pub(crate) fields: [Input; 3],
    pub(crate) at: usize,
    pub(crate) problem: Option<String>,
}

impl Form {
    pub(crate) const LABELS: [&str; 3] = ["id", "name", "members"];
    pub(crate) const HINTS: [&str; 3] = ["general", "General", "bob, eve"];

    pub(crate) fn field(&mut self) -> &mut Input {
        &mut self.fields[self.at]
    }

    pub(crate) fn step(&mut self, forward: bool) {
        let all = self.fields.len();
        self.at = (self.at + if forward { 1 } else { all - 1 }) % all;
    }
}
