use crate::{AskError, HistoryError, SyncError, SyncSummary};
use std::collections::HashSet;
use whimbrel_model::{Change, ChannelId, Code, Delta, MessageId, OpId, Rejection, UserId};
use whimbrel_protocol::{Answer, ClientFrame, Ops, ParcelPage, Presence};

/// What one input leads to, to be carried out in the order of the fields.
#[derive(Debug, Default)]
#[must_use = "effects that are not carried out are lost"]
pub struct Effects {
    /// First: commit this. If that fails, drop the engine and this.
    pub delta: Delta,
    /// Then: send these, in order.
    pub frames: Vec<ClientFrame>,
    /// Then: do this with the link.
    pub link: Option<LinkAction>,
    /// Then: tell whoever waits.
    pub notices: Vec<Notice>,
}

/// What to do with the link to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkAction {
    /// Get a token and connect; answer with `Input::Connected` or `Input::ConnectFailed`. There is no link now.
    Connect {
        /// Whether the last token was refused, so that a kept one is not good enough.
        refresh_token: bool,
    },
    /// Give up connecting, or close the link. No answer is wanted.
    Close {
        /// Why.
        code: Code,
    },
}

/// News for whoever waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// An operation is decided.
    Settled(OpId, Result<(), Rejection>),
    /// A request for older messages is answered, or will not be.
    History(u64, Result<(), HistoryError>),
    /// A question is answered, or will not be.
    Answered(u64, Result<Answer, AskError>),
    /// A part of a parcel is put or fetched, or will not be.
    Parcel(u64, Result<ParcelPage, AskError>),
    /// How somebody whose presence is wanted is now.
    Presence(Presence),
    /// The connection is over: nothing is known of anybody's presence any more.
    PresenceLost,
    /// Everything that the server had when [`Engine::catch_up`](crate::Engine::catch_up) gave this number is here.
    CaughtUp(u64),
    /// What became of a sync by hand, after the delta with the last of it.
    Synced(u64, Result<SyncSummary, SyncError>),
    /// Who has a channel open that is on the screen: how many, and who, if they are few. Absent: it is not known now.
    Watchers {
        /// Which channel.
        cid: ChannelId,
        /// How many, the own user included, and who.
        watchers: Option<(u64, Option<Vec<UserId>>)>,
    },
    /// These others type in a channel, or in the thread of a message, by now: all of them, sorted.
    Typing {
        /// In which channel.
        cid: ChannelId,
        /// In the thread of which message. Absent: in the channel itself.
        parent: Option<MessageId>,
        /// Who.
        users: Vec<UserId>,
    },
    /// The channel's feed was interrupted: rows were skipped, or belong to another history. What is shown of it has to
    /// be read again.
    Discontinuity(ChannelId),
}

impl Effects {
    /// Appends the effects of a later input. Committing them as one is as good as one after the other, and faster.
    pub fn merge(&mut self, later: Self) {
        // What the later input ended need not leave any more: it would leave without being on disk. And what it sends again,
        // because an answer to an earlier attempt came meanwhile, has to leave once.
        let ended = later.delta.changes.iter().filter_map(|change| match change {
            Change::OutboxRemoved(id) => Some(*id),
            _ => None,
        });
        let again = later.frames.iter().filter_map(|frame| match frame {
            ClientFrame::Ops(Ops { ops }) => Some(ops.iter().map(|envelope| envelope.id)),
            _ => None,
        });
        let withdrawn: HashSet<OpId> = ended.chain(again.flatten()).collect();
        self.withdraw(&withdrawn);
        self.delta.extend(later.delta);
        self.frames.extend(later.frames);
        self.link = later.link.or(self.link.take());
        self.notices.extend(later.notices);
    }

    fn withdraw(&mut self, withdrawn: &HashSet<OpId>) {
        if withdrawn.is_empty() {
            return;
        }
        self.frames.retain_mut(|frame| match frame {
            ClientFrame::Ops(Ops { ops }) => {
                ops.retain(|envelope| !withdrawn.contains(&envelope.id));
                !ops.is_empty()
            }
            _ => true,
        });
    }
}
