//! Searches on the tables in memory: every message of the channels is looked at.

use super::tables::Tables;
use crate::{Found, SearchPlan, StorageError};
use std::{fmt, str::FromStr};
use whimbrel_model::{MessageId, Timestamp, UserId};
use whimbrel_protocol::{Answer, Search};
use whimbrel_query::Hits;

/// Where a message stands among those that are found: its time, then its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place(i64, MessageId);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, self.1)
    }
}

impl FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (at, id) = text.split_once(' ').ok_or(())?;
        Ok(Self(at.parse().map_err(drop)?, id.parse().map_err(drop)?))
    }
}

impl Tables {
    pub(super) fn search(
        &self,
        user: &UserId,
        search: &Search,
        now: Timestamp,
    ) -> Result<Answer, StorageError> {
        let plan = SearchPlan::new(search)?;
        let after: Option<Place> = plan.place()?;
        let people = self.people_of(user, plan.channels(), now);
        let channels = self
            .channels_of(user)
            .filter_map(|cid| self.found(cid, user, plan.channels(), &people));
        let channels = plan
            .channels()
            .pick_all(channels)?
            .into_iter()
            .filter_map(|found| match found {
                Found::Channel(found) => Some(found.summary.cid),
                _ => None,
            });
        let channels = channels.collect();
        let plan = plan.within(channels);
        let messages = plan
            .query()
            .channels
            .iter()
            .flat_map(|cid| self.messages(cid, 1, u64::MAX));
        let candidates = messages.map(|message| {
            (
                Place(message.accepted_at.unwrap_or(message.composed_at).0, message.id),
                message,
            )
        });
        let hits = Hits::of(
            candidates.collect(),
            (after, None),
            plan.query().page_size(),
            |message| plan.wants(message),
        );
        Ok(plan.answer(hits, 0))
    }
}
