use super::{SearchPage, SearchQuery};
use std::fmt::Display;
use whimbrel_model::Message;

/// A message that may be one of those that are looked for.
#[derive(Clone, Debug)]
pub struct Candidate<P> {
    /// Its place in the order; the greatest is the newest.
    pub place: P,
    /// Whether the index named it, and not a look at what the index does not have.
    pub indexed: bool,
    /// The message as it is now.
    pub message: Message,
}

/// What was found of the candidates, newest first, with the place of each.
#[derive(Clone, Debug)]
pub struct Hits<P> {
    /// The messages.
    pub hits: Vec<(P, Message)>,
    /// The place after which the next page begins, if there may be one.
    pub next: Option<P>,
}

impl<P: Copy + Ord> Hits<P> {
    /// Finds the first `limit` among the candidates after a place that are `wanted`. Every one is looked at again, since its
    /// text may have changed after it was indexed.
    ///
    /// The index was asked for `asked` at most, and for one more to know whether there are more; of what was looked at beside
    /// it, all are there.
    pub fn of(
        candidates: Vec<Candidate<P>>,
        (after, asked, limit): (Option<P>, usize, usize),
        wanted: impl Fn(&Message) -> bool,
    ) -> Self {
        let indexed = candidates.iter().filter(|one| one.indexed).map(|one| one.place);
        let mut indexed: Vec<P> = indexed.collect();
        indexed.sort_unstable_by(|a, b| b.cmp(a));
        // Beyond the last of the index there may be more of it: what else is there waits for its turn.
        let end = indexed
            .get(asked.saturating_sub(1))
            .filter(|_| indexed.len() > asked)
            .copied();
        let is_here =
            |place: P| after.is_none_or(|after| place < after) && end.is_none_or(|end| place >= end);
        let here = candidates
            .into_iter()
            .filter(|one| is_here(one.place) && wanted(&one.message));
        let mut hits: Vec<(P, Message)> = here.map(|one| (one.place, one.message)).collect();
        hits.sort_by(|(a, _), (b, _)| b.cmp(a));
        // A message whose text has changed may be found both ways.
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
