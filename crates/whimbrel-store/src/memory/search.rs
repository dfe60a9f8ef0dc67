//! The search: every message is looked at.

use super::data::Data;
use std::str::FromStr;
use whimbrel_model::{MemberState, Message, MessageId};
use whimbrel_query::{QueryError, SearchPage, SearchQuery, limits};

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

impl Data {
    pub(super) fn search(&self, query: &SearchQuery) -> Result<SearchPage, QueryError> {
        let after: Option<Place> = query.place()?;
        let limit = query.limit.clamp(1, limits::SEARCH_HITS);
        let me = self.account.as_ref().map(|account| &account.user);
        let is_joined = |message: &Message| {
            let membership = me.and_then(|me| self.memberships.get(&(me.clone(), message.cid.clone())));
            membership.is_some_and(|row| row.state == MemberState::Active)
        };
        let mut found: Vec<_> = self
            .messages
            .values()
            .filter(|message| query.matches(message))
            .collect();
        found.retain(|message| after.is_none_or(|after| Place::of(message) < after) && is_joined(message));
        found.sort_unstable_by_key(|message| std::cmp::Reverse(Place::of(message)));
        let last = found
            .get(limit - 1)
            .filter(|_| found.len() > limit)
            .map(|message| Place::of(message));
        found.truncate(limit);
        Ok(SearchPage {
            messages: found.into_iter().cloned().collect(),
            next: last.map(|Place(at, id)| format!("{at} {id}")),
            unindexed: 0,
        })
    }
}
