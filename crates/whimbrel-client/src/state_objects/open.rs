//! What is asked of the driver to open an object.

use crate::{Error, command::Reply};
use std::{fmt, sync::Arc};
use whimbrel_model::{ChannelId, MessageId};
use whimbrel_query::Query;
use whimbrel_state::{Admission, ChannelState, GlobalState, QueryChannelsState, ThreadState, Timeline};

pub(crate) enum OpenObject {
    Channel {
        cid: ChannelId,
        limit: usize,
        reply: Reply<ChannelState>,
    },
    /// Over a timeline of its own, in the past.
    ChannelOver {
        timeline: Timeline,
        reply: Reply<ChannelState>,
    },
    Thread {
        cid: ChannelId,
        parent: MessageId,
        limit: usize,
        reply: Reply<ThreadState>,
    },
    Channels {
        query: Query,
        limit: usize,
        admission: Option<Arc<dyn Admission>>,
        reply: Reply<QueryChannelsState>,
    },
    Global {
        reply: Reply<GlobalState>,
    },
}

impl OpenObject {
    pub(crate) fn fail(self, error: &Error) {
        match self {
            Self::Channel { reply, .. } | Self::ChannelOver { reply, .. } => {
                drop(reply.send(Err(error.clone())));
            }
            Self::Thread { reply, .. } => drop(reply.send(Err(error.clone()))),
            Self::Channels { reply, .. } => drop(reply.send(Err(error.clone()))),
            Self::Global { reply } => drop(reply.send(Err(error.clone()))),
        }
    }
}

impl fmt::Debug for OpenObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Channel { .. } => "Channel",
            Self::ChannelOver { .. } => "ChannelOver",
            Self::Thread { .. } => "Thread",
            Self::Channels { .. } => "Channels",
            Self::Global { .. } => "Global",
        })
    }
}
