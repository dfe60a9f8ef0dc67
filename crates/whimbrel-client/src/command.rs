//! What handles ask of the driver.

use crate::{
    Error, LogoutOptions, LogoutReceipt, Presence, Queued, Watchers,
    driver::{Import, Imported, Visit},
    explain::Facts,
    queued::Settled,
    state_objects::OpenObject,
};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;
use whimbrel_model::{
    ChannelId, Cursor, Gap, HistoryFrom, LocalChange, MessageBody, MessageId, MessageScope, Op, OpId, UserId,
};
use whimbrel_protocol::{Answer, ParcelAct, ParcelPage, Question};
use whimbrel_query::Query;
use whimbrel_state::{ChannelList, Drafts, MessageReceipts, Pins, ThreadList, Timeline, Unread};

/// Commands that may wait for the driver. A caller beyond that waits, which is all that a full queue should do.
pub(crate) const COMMANDS: usize = 256;

pub(crate) type Reply<T> = oneshot::Sender<Result<T, Error>>;

#[derive(Debug)]
pub(crate) enum Command {
    Enqueue {
        op: Op,
        settled: oneshot::Sender<Settled>,
        reply: Reply<OpId>,
    },
    Repeat {
        op: OpId,
        settled: oneshot::Sender<Settled>,
        reply: Reply<OpId>,
    },
    RepeatWith {
        op: OpId,
        body: MessageBody,
        settled: oneshot::Sender<Settled>,
        reply: Reply<OpId>,
    },
    RepeatAll {
        reply: Reply<Vec<Queued>>,
    },
    NextAttempt {
        op: OpId,
        reply: Reply<Option<Duration>>,
    },
    Explain {
        op: OpId,
        reply: Reply<Option<Facts>>,
    },
    Amend {
        op: OpId,
        body: MessageBody,
        reply: Reply<()>,
    },
    Ask {
        question: Question,
        reply: Reply<Answer>,
    },
    Watch {
        cid: ChannelId,
        on: bool,
        reply: Reply<()>,
    },
    Presence(OfPresence),
    Local(OfLocal),
    Typing {
        cid: ChannelId,
        parent: Option<MessageId>,
        on: bool,
    },
    CatchUp {
        reply: Reply<()>,
    },
    /// The server is to know of all that is here.
    TellDelivered {
        reply: Reply<()>,
    },
    /// Channels of which messages are missing on the device.
    Incomplete {
        reply: Reply<Vec<ChannelId>>,
    },
    Gaps {
        cid: ChannelId,
        reply: Reply<(Vec<Gap>, Option<Cursor>)>,
    },
    FillGap {
        cid: ChannelId,
        gap: Gap,
        limit: usize,
        reply: Reply<()>,
    },
    Discard {
        op: OpId,
        reply: Reply<()>,
    },
    Visit(Visit),
    /// The system says that the network has changed.
    Network {
        is_there: bool,
    },
    GoOnline,
    GoOffline,
    OpenChannels {
        query: Query,
        reply: Reply<ChannelList>,
    },
    MoreChannels {
        list: ChannelList,
        limit: usize,
        reply: Reply<()>,
    },
    OpenUnread {
        reply: Reply<Unread>,
    },
    OpenThreads {
        reply: Reply<ThreadList>,
    },
    MoreThreads {
        list: ThreadList,
        limit: usize,
        reply: Reply<()>,
    },
    OpenPins {
        cid: ChannelId,
        reply: Reply<Pins>,
    },
    OpenReceipts {
        cid: ChannelId,
        message: MessageId,
        reply: Reply<MessageReceipts>,
    },
    OpenDrafts {
        reply: Reply<Drafts>,
    },
    OpenTimeline {
        cid: ChannelId,
        scope: MessageScope,
        reply: Reply<Timeline>,
    },
    OpenObject(OpenObject),
    LoadOlder {
        timeline: Timeline,
        limit: usize,
        reply: Reply<()>,
    },
    LoadNewer {
        timeline: Timeline,
        limit: usize,
        reply: Reply<()>,
    },
    GoTo(Place),
    Suspend {
        reply: Reply<()>,
    },
    Resume {
        reply: Reply<()>,
    },
    Logout {
        options: LogoutOptions,
        reply: Reply<LogoutReceipt>,
    },
    Close {
        reply: oneshot::Sender<()>,
    },
}

/// What is asked about presence.
#[derive(Debug)]
pub(crate) enum OfPresence {
    Open {
        users: Vec<UserId>,
        reply: Reply<Presence>,
    },
    Watchers {
        cid: ChannelId,
        reply: Reply<Watchers>,
    },
}

impl OfPresence {
    fn fail(self, error: &Error) {
        match self {
            Self::Open { reply, .. } => drop(reply.send(Err(error.clone()))),
            Self::Watchers { reply, .. } => drop(reply.send(Err(error.clone()))),
        }
    }
}

/// What is asked about what the device keeps for itself, and has from other devices.
#[derive(Debug)]
pub(crate) enum OfLocal {
    Set {
        key: String,
        value: Option<String>,
        reply: Reply<()>,
    },
    Write {
        changes: Vec<LocalChange>,
        reply: Reply<()>,
    },
    /// Queues an operation, with what belongs to it.
    Queue {
        op: Op,
        changes: Vec<LocalChange>,
        reply: Reply<()>,
    },
    Carry {
        request: Uuid,
        act: ParcelAct,
        reply: Reply<ParcelPage>,
    },
    Import {
        part: Import,
        reply: Reply<Imported>,
    },
}

impl OfLocal {
    pub(crate) fn fail(self, error: &Error) {
        match self {
            Self::Set { reply, .. } | Self::Write { reply, .. } | Self::Queue { reply, .. } => {
                drop(reply.send(Err(error.clone())));
            }
            Self::Carry { reply, .. } => drop(reply.send(Err(error.clone()))),
            Self::Import { reply, .. } => drop(reply.send(Err(error.clone()))),
        }
    }
}

/// A place in a timeline that somebody wants to see.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) cid: ChannelId,
    pub(crate) scope: MessageScope,
    pub(crate) from: HistoryFrom,
    pub(crate) show: Show,
}

/// Where a place is to be seen.
#[derive(Debug)]
pub(crate) enum Show {
    /// In a timeline of its own.
    Open(Reply<Timeline>),
    /// In an open one.
    Move(Timeline, Reply<()>),
}

impl Show {
    pub(crate) fn fail(self, error: Error) {
        match self {
            Self::Open(reply) => drop(reply.send(Err(error))),
            Self::Move(_, reply) => drop(reply.send(Err(error))),
        }
    }
}

impl Command {
    /// Returns whether it can be carried out before the engine knows how far each stream is. Going online is put off until
    /// then.
    pub(crate) const fn needs_no_streams(&self) -> bool {
        matches!(
            self,
            Self::OpenChannels { .. }
                | Self::MoreChannels { .. }
                | Self::OpenUnread { .. }
                | Self::Enqueue { .. }
                | Self::Typing { .. }
                | Self::Network { .. }
                | Self::GoOnline
                | Self::GoOffline
                | Self::Close { .. }
        )
    }

    /// Answers what needs an engine with `error`; returns what does not.
    pub(crate) fn refuse(self, error: &Error) -> Option<Self> {
        match self {
            Self::Enqueue { reply, .. } | Self::Repeat { reply, .. } | Self::RepeatWith { reply, .. } => {
                drop(reply.send(Err(error.clone())));
            }
            Self::RepeatAll { reply } => drop(reply.send(Err(error.clone()))),
            Self::Visit(visit) => visit.fail(error),
            Self::Watch { reply, .. } => drop(reply.send(Err(error.clone()))),
            Self::NextAttempt { reply, .. } => drop(reply.send(Err(error.clone()))),
            Self::Explain { reply, .. } => drop(reply.send(Err(error.clone()))),
            Self::Presence(command) => command.fail(error),
            Self::Local(command) => command.fail(error),
            Self::Ask { reply, .. } => drop(reply.send(Err(error.clone()))),
            Self::Gaps { reply, .. } => drop(reply.send(Err(error.clone()))),
            Self::Incomplete { reply } => drop(reply.send(Err(error.clone()))),
            Self::Discard { reply, .. }
            | Self::Amend { reply, .. }
            | Self::LoadOlder { reply, .. }
            | Self::LoadNewer { reply, .. }
            | Self::TellDelivered { reply }
            | Self::FillGap { reply, .. } => {
                drop(reply.send(Err(error.clone())));
            }
            Self::GoTo(place) => place.show.fail(error.clone()),
            // Nobody waits, and typing is worth nothing later.
            Self::Typing { .. } => {}
            other => return Some(other),
        }
        None
    }

    /// Answers with `error`, if it has an answer.
    pub(crate) fn fail(self, error: &Error) {
        match self.refuse(error) {
            Some(Self::OpenChannels { reply, .. }) => drop(reply.send(Err(error.clone()))),
            Some(Self::MoreChannels { reply, .. } | Self::MoreThreads { reply, .. }) => {
                drop(reply.send(Err(error.clone())));
            }
            Some(Self::OpenUnread { reply }) => drop(reply.send(Err(error.clone()))),
            Some(Self::OpenThreads { reply }) => drop(reply.send(Err(error.clone()))),
            Some(Self::OpenPins { reply, .. }) => drop(reply.send(Err(error.clone()))),
            Some(Self::OpenReceipts { reply, .. }) => drop(reply.send(Err(error.clone()))),
            Some(Self::OpenDrafts { reply }) => drop(reply.send(Err(error.clone()))),
            Some(Self::OpenTimeline { reply, .. }) => drop(reply.send(Err(error.clone()))),
            Some(Self::OpenObject(open)) => open.fail(error),
            Some(Self::CatchUp { reply } | Self::Suspend { reply } | Self::Resume { reply }) => {
                drop(reply.send(Err(error.clone())));
            }
            Some(Self::Logout { reply, .. }) => drop(reply.send(Err(error.clone()))),
            _ => {}
        }
    }
}

/// The way to the driver.
#[derive(Clone, Debug)]
pub(crate) struct Commands(mpsc::Sender<Command>);

impl Commands {
    pub(crate) fn channel() -> (Self, mpsc::Receiver<Command>) {
        let (sender, receiver) = mpsc::channel(COMMANDS);
        (Self(sender), receiver)
    }

    /// Hands a command over and waits for its answer.
    pub(crate) async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.0.send(command(reply)).await.map_err(|_| Error::Closed)?;
        answer.await.unwrap_or_else(|_| Err(self.unanswered()))
    }

    /// Returns why there is no answer: the driver has ended, or has let go of the question.
    fn unanswered(&self) -> Error {
        if self.0.is_closed() {
            Error::Closed
        } else {
            Error::Interrupted
        }
    }

    pub(crate) async fn queue(
        &self,
        command: impl FnOnce(oneshot::Sender<Settled>, Reply<OpId>) -> Command,
    ) -> Result<Queued, Error> {
        let (settled, outcome) = oneshot::channel();
        let op = self.ask(|reply| command(settled, reply)).await?;
        Ok(Queued::new(op, outcome))
    }

    pub(crate) async fn enqueue(&self, op: Op) -> Result<Queued, Error> {
        self.queue(|settled, reply| Command::Enqueue { op, settled, reply })
            .await
    }

    /// Waits until there is no driver any more.
    pub(crate) async fn ended(&self) {
        self.0.closed().await;
    }

    /// Hands a command over that has no answer.
    pub(crate) async fn tell(&self, command: Command) -> Result<(), Error> {
        self.0.send(command).await.map_err(|_| Error::Closed)
    }
}
