//! The search in two stores.

use crate::{Store, StoreError};
use std::{cmp::Reverse, str::FromStr};
use whimbrel_model::{Message, MessageId, Timestamp};
use whimbrel_query::{SearchPage, SearchQuery, limits};

/// Where a message stands among those that are found in either: its time, then its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place(Timestamp, MessageId);

impl Place {
    fn of(message: &Message) -> Self {
        Self(message.accepted_at.unwrap_or(message.composed_at), message.id)
    }
}

impl FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (at, id) = text.split_once(' ').ok_or(())?;
        Ok(Self(
            Timestamp(at.parse().map_err(drop)?),
            id.parse().map_err(drop)?,
        ))
    }
}

/// Searches both: the newest of what either has.
pub(super) async fn both(
    disk: &dyn Store,
    memory: &dyn Store,
    query: &SearchQuery,
) -> Result<SearchPage, StoreError> {
    let after: Option<Place> = query.place()?;
    let limit = query.limit.clamp(1, limits::SEARCH_HITS);
    let (mut messages, mut unindexed) = (Vec::new(), 0);
    for store in [disk, memory] {
        let (found, left_out) = newest(store, query, after, limit).await?;
        messages.extend(found);
        unindexed += left_out;
    }
    messages.sort_unstable_by_key(|message| Reverse(Place::of(message)));
    let next = messages
        .get(limit - 1)
        .filter(|_| messages.len() > limit)
        .map(Place::of)
        .map(|Place(at, id)| format!("{} {id}", at.0));
    messages.truncate(limit);
    Ok(SearchPage {
        messages,
        next,
        unindexed,
    })
}

/// Finds what one store has after a place: one more than `limit` if there are so many, and all of one time or none. Its own
/// places are of no use here, as a page ends where those of both end: it starts again at the place's time.
async fn newest(
    store: &dyn Store,
    query: &SearchQuery,
    after: Option<Place>,
    limit: usize,
) -> Result<(Vec<Message>, u64), StoreError> {
    let mut query = SearchQuery {
        after: None,
        limit: limit + 1,
        ..query.clone()
    };
    if let Some(Place(at, _)) = after {
        query.until = Some(query.until.map_or(at, |until| until.min(at)));
    }
    let mut found: Vec<Message> = Vec::new();
    loop {
        let page = store.search(&query).await?;
        let rest = page.messages.into_iter();
        found.extend(rest.filter(|message| after.is_none_or(|after| Place::of(message) < after)));
        let time = |message: &Message| Place::of(message).0;
        let is_enough = found
            .get(limit)
            .zip(found.last())
            .is_some_and(|(edge, last)| time(last) < time(edge));
        query.after = page.next;
        if is_enough || query.after.is_none() {
            return Ok((found, page.unindexed));
        }
    }
}
