//! The search: every message is looked at.

use super::data::Data;
use std::{fmt, str::FromStr};
use whimbrel_model::{MemberState, Message, MessageId};
use whimbrel_query::{Hits, QueryError, SearchPage, SearchQuery};

/// Where a message stands among those that are found: its time, then its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place(i64, MessageId);

impl Place {
    fn of(message: &Message) -> Self {
        Self(message.accepted_at.unwrap_or(message.composed_at).0, message.id)
    }
}

impl FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (at, id) = text.split_once(' ').ok_or(())?;
        Ok(Self(at.parse().map_err(drop)?, id.parse().map_err(drop)?))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, self.1)
    }
}

impl Data {
    pub(super) fn search(&self, query: &SearchQuery) -> Result<SearchPage, QueryError> {
        let after: Option<Place> = query.place()?;
        let me = self.account.as_ref().map(|account| &account.user);
        let is_joined = |message: &Message| {
            let membership = me.and_then(|me| self.memberships.get(&(me.clone(), message.cid.clone())));
            membership.is_some_and(|row| row.state == MemberState::Active)
        };
        let found = self.messages.values().filter(|message| query.matches(message));
        let candidates = found.map(|message| (Place::of(message), message.clone()));
        let hits = Hits::of(candidates.collect(), (after, None), query.page_size(), is_joined);
        Ok(hits.into_page(0))
    }
}
