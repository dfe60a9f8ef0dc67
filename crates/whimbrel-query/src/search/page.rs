use super::{SearchPage, SearchQuery};
use std::fmt::Display;
use whimbrel_model::Message;

/// What was found, newest first, with the place of each.
#[derive(Clone, Debug)]
pub struct Hits<P> {
    /// The messages.
    pub hits: Vec<(P, Message)>,
    /// The place after which the next page begins, if there may be one.
    pub next: Option<P>,
}

impl<P: Copy + Ord> Hits<P> {
    /// Finds the first `limit` of the `candidates` after the place `after` that are `wanted`; the greatest place is the newest.
    /// Each is looked at again, whatever an index said: its text may have changed since.
    ///
    /// `end` is how far the index was asked, if it may have more beyond: what comes after it waits for its turn.
    pub fn of(
        candidates: Vec<(P, Message)>,
        (after, end): (Option<P>, Option<P>),
        limit: usize,
        wanted: impl Fn(&Message) -> bool,
    ) -> Self {
        let is_here =
            |place: P| after.is_none_or(|after| place < after) && end.is_none_or(|end| place >= end);
        let here = candidates
            .into_iter()
            .filter(|(place, message)| is_here(*place) && wanted(message));
        let mut hits: Vec<(P, Message)> = here.collect();
        hits.sort_by(|(a, _), (b, _)| b.cmp(a));
        // A message whose text has changed may be found by the index and beside it.
        hits.dedup_by(|(_, a), (_, b)| a.id == b.id);
        let mut page = Self { hits, next: end };
        page.cut(limit);
        page
    }

    /// Leaves out all but the first `limit`; the next page begins with the others.
    pub fn cut(&mut self, limit: usize) {
        if self.hits.len() > limit {
            self.hits.truncate(limit);
            self.next = self.hits.last().map(|(place, _)| *place).or(self.next);
        }
    }
}

impl<P: Display> Hits<P> {
    /// Makes the page, of which `unindexed` were not looked at.
    pub fn into_page(self, unindexed: u64) -> SearchPage {
        SearchPage {
            messages: self.hits.into_iter().map(|(_, message)| message).collect(),
            next: self.next.map(|place| place.to_string()),
            unindexed,
        }
    }
}

impl SearchQuery {
    /// Returns how many messages a page has, at most.
    #[must_use]
    pub fn page_size(&self) -> usize {
        self.limit.clamp(1, crate::limits::SEARCH_HITS)
    }
}
