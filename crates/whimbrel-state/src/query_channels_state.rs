//! A list of channels as one observable object.

use crate::{ChannelItem, ChannelList, Content, Currency, Items, LoadState, Part, Source, SyncState};
use eyeball::{SharedObservable, Subscriber};
use std::{fmt, sync::Arc};
use whimbrel_query::PageCursor;

/// Everything of a list of channels besides its rows, as one value. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChannelsFacts {
    /// Whether rows are there, and what it means when none are.
    pub content: Content,
    /// Whether the next rows are being read.
    pub loading_more: bool,
    /// Whether all rows that are on this device are in the list.
    pub end_of_channels: bool,
    /// The place after which the next page begins. Absent: there is none, or nothing was read yet.
    pub next_page: Option<PageCursor>,
    /// How it stands to what the server has.
    pub currency: Currency,
}

/// A list of channels, and what there is to know about it, kept up to date while a handle lives. Cloning it gives another
/// handle to the same object.
#[derive(Clone)]
pub struct QueryChannelsState(pub(crate) Arc<Shared>);

pub(crate) struct Shared {
    list: ChannelList,
    facts: SharedObservable<ChannelsFacts>,
}

impl QueryChannelsState {
    /// Returns the rows. Absent: nothing was read yet, which is not the same as no rows.
    #[must_use]
    pub fn channels(&self) -> Option<Items<ChannelItem>> {
        let loaded = self.0.list.load_state() != LoadState::Loading;
        loaded.then(|| self.0.list.items())
    }

    /// Returns the list itself: the query, and the rows with what changes.
    #[must_use]
    pub fn list(&self) -> &ChannelList {
        &self.0.list
    }

    /// Returns everything besides the rows, as it is now.
    #[must_use]
    pub fn facts(&self) -> ChannelsFacts {
        self.0.facts.get()
    }

    /// Returns a reader of [`QueryChannelsState::facts`]. It sees the latest, not each one on the way.
    pub fn subscribe(&self) -> Subscriber<ChannelsFacts> {
        self.0.facts.subscribe()
    }

    /// Returns a reader of a part of [`QueryChannelsState::facts`], which wakes only when that part is another one.
    pub fn part<T: Clone + PartialEq>(&self, pick: fn(&ChannelsFacts) -> T) -> Part<ChannelsFacts, T> {
        Part::new(self.0.facts.subscribe(), pick)
    }

    pub(crate) fn new(list: ChannelList) -> Self {
        Self(Arc::new(Shared {
            list,
            facts: SharedObservable::default(),
        }))
    }

    /// Computes the facts again.
    pub(crate) fn settle(&self, status: &SyncState) {
        let (list, load) = (&self.0.list, self.0.list.load_state());
        let freshness = list.freshness();
        let content = match load {
            LoadState::Loading => Content::NotLoaded,
            _ => Content::of(freshness.complete || !list.items().is_empty(), status),
        };
        self.0.facts.set_if_not_eq(ChannelsFacts {
            content,
            loading_more: load == LoadState::LoadingMore,
            end_of_channels: load == LoadState::End,
            next_page: list.next_page(),
            currency: Currency {
                freshness,
                recovery_needed: freshness.source == Source::Disk,
            },
        });
    }
}

impl fmt::Debug for QueryChannelsState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueryChannelsState")
            .field("query", self.0.list.query())
            .finish_non_exhaustive()
    }
}
