use whimbrel_model::{Epoch, Timestamp};
use whimbrel_protocol::{HeadsPage, StreamHead};

/// Which streams a page of heads names, and the token that goes on from there.
///
/// A storage keeps one counter, *activity*: every stream that a transaction moves gets the next value, in the
/// order of [`Records::heads`](crate::Records::heads). A page chain
/// lists what moved after the token's `since` and not after the counter's value when the chain began, most recent
/// first; what moves meanwhile is in the next chain. So no move is ever missed.
///
/// Within one snapshot, a storage reads the counter, makes the plan, reads the user's own stream if
/// [`wants_own`](Self::wants_own), and the first [`fetch`](Self::fetch) channels by falling activity with
/// [`since`](Self::since) < activity < [`below`](Self::below), and hands them to [`finish`](Self::finish).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadsPlan {
    epoch: Epoch,
    since: u64,
    until: u64,
    below: u64,
    is_first: bool,
    limit: usize,
}

impl HeadsPlan {
    /// Plans the page that `token` asks for; `activity` is the counter now. A token that is not understood, or is of
    /// another history, counts as absent. The limit is at least 2.
    #[must_use]
    pub fn new(epoch: Epoch, activity: u64, token: Option<&str>, limit: usize) -> Self {
        let begin = |since| Self {
            epoch,
            since,
            until: activity,
            below: activity + 1,
            is_first: true,
            limit: limit.max(2),
        };
        let numbers = token.and_then(parse).filter(|numbers| numbers[0] == epoch.0);
        match numbers.as_deref() {
            Some(&[_, since]) if since <= activity => begin(since),
            Some(&[_, since, until, below]) if since <= until && until <= activity => Self {
                until,
                below: below.min(until),
                is_first: false,
                ..begin(since)
            },
            _ => begin(0),
        }
    }

    /// Returns the activity after which streams count.
    #[must_use]
    pub const fn since(&self) -> u64 {
        self.since
    }

    /// Returns the activity before which streams count.
    #[must_use]
    pub const fn below(&self) -> u64 {
        self.below
    }

    /// Returns how many channels to read: one more than the page holds, so that it is known whether more follow.
    #[must_use]
    pub const fn fetch(&self) -> usize {
        self.limit + 1
    }

    /// Returns whether this page begins with the user's own stream, if that moved.
    #[must_use]
    pub const fn wants_own(&self) -> bool {
        self.is_first
    }

    /// Builds the page from the user's own stream and the channels' streams, each with its activity.
    #[must_use]
    pub fn finish(self, own: Option<(StreamHead, u64)>, channels: Vec<(StreamHead, u64)>) -> HeadsPage {
        let own = own.filter(|(_, activity)| self.is_first && *activity > self.since);
        let room = self.limit - usize::from(own.is_some());
        let more = channels.len() > room;
        let mut below = self.below;
        let mut heads: Vec<_> = own.map(|(head, _)| head).into_iter().collect();
        for (head, activity) in channels.into_iter().take(room) {
            below = activity;
            heads.push(head);
        }
        let Self {
            epoch, since, until, ..
        } = self;
        let token = if more {
            format!("{}.{since}.{until}.{below}", epoch.0)
        } else {
            format!("{}.{until}", epoch.0)
        };
        HeadsPage {
            id: 0,
            server_time: Timestamp::default(),
            heads,
            token,
            more,
        }
    }
}

fn parse(token: &str) -> Option<Vec<u64>> {
    token.split('.').map(|number| number.parse().ok()).collect()
}
