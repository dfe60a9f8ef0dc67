use crate::{Client, Error, command::Command};
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use whimbrel_model::ConsentState;
use whimbrel_query::{Endpoint, Filter, Query, Sort, field};
use whimbrel_state::{ChannelItem, Diffs, Freshness, Items, LoadState};

/// The channels that a query wants, from disk, kept up to date while a handle or a subscription of it lives.
///
/// The filter itself decides what is in it, on what is on this device with what waits in the outbox laid over it: with no
/// connection too, and for a change that was made a moment ago.
#[derive(Clone, Debug)]
pub struct ChannelList {
    list: whimbrel_state::ChannelList,
    client: Client,
}

impl ChannelList {
    pub(crate) const fn new(list: whimbrel_state::ChannelList, client: Client) -> Self {
        Self { list, client }
    }

    /// Returns what it is the answer to.
    #[must_use]
    pub fn query(&self) -> &Query {
        self.list.query()
    }

    /// Returns the rows as they are now, in the order of the query.
    #[must_use]
    pub fn items(&self) -> Items<ChannelItem> {
        self.list.items()
    }

    /// Returns the rows as they are now, and a stream of what changes from now on.
    ///
    /// All changes of one cause come as one batch; applied in order they rebuild the list exactly. A reader that falls
    /// behind gets one reset.
    #[must_use]
    pub fn subscribe(&self) -> (Items<ChannelItem>, Diffs<ChannelItem>) {
        self.list.subscribe()
    }

    /// Returns how much of it is loaded.
    #[must_use]
    pub fn load_state(&self) -> LoadState {
        self.list.load_state()
    }

    /// Returns a reader of [`ChannelList::load_state`].
    pub fn watch_load_state(&self) -> crate::Watch<LoadState> {
        self.list.subscribe_load_state()
    }

    /// Returns whether there are more rows on this device to load.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.list.has_more()
    }

    /// Returns how fresh it is, and whether every channel of the account is on this device.
    #[must_use]
    pub fn freshness(&self) -> Freshness {
        self.list.freshness()
    }

    /// Returns a reader of [`ChannelList::freshness`]. While connected it changes with every heartbeat.
    pub fn watch_freshness(&self) -> crate::Watch<Freshness> {
        self.list.subscribe_freshness()
    }

    /// Loads up to `limit` more rows. They are in the list when this returns. At the end it does nothing.
    ///
    /// # Errors
    /// [`Error`] when the database cannot be read or the client is closed.
    pub async fn load_more(&self, limit: usize) -> Result<(), Error> {
        let list = self.list.clone();
        self.client
            .commands()
            .ask(|reply| Command::MoreChannels { list, limit, reply })
            .await
    }
}

/// A query of channels that was not asked yet: await it. See [`Client::query_channels`].
#[derive(Clone, Debug)]
#[must_use = "it is asked when it is awaited"]
pub struct QueryChannels {
    client: Client,
    filter: Filter,
    sort: Sort,
}

impl QueryChannels {
    pub(crate) fn new(client: Client, filter: Filter) -> Self {
        Self {
            client,
            filter,
            sort: Query::channel_list().sort().clone(),
        }
    }

    /// Sets the order. Without, the newest message comes first.
    pub fn sort(mut self, sort: Sort) -> Self {
        self.sort = sort;
        self
    }

    pub(crate) fn into_parts(self) -> (Client, Filter, Sort) {
        (self.client, self.filter, self.sort)
    }

    async fn open(self) -> Result<ChannelList, Error> {
        self.client.open_channels(query_of(self.filter, self.sort)?).await
    }
}

/// Returns the query of a filter and an order: of the account's channels, unless the filter says something of `joined` or
/// `invited`, without those that are denied, unless it says something of `consent`.
pub(crate) fn query_of(filter: Filter, sort: Sort) -> Result<Query, Error> {
    let says = |fields: &[&str]| fields.iter().any(|field| filter.uses(field));
    let joined = (!says(&["joined", "invited"])).then(|| field("joined").eq(true));
    let allowed = (!says(&["consent"])).then(|| field("consent").ne(ConsentState::Denied.as_str()));
    let filter = Filter::and([filter.clone()].into_iter().chain(joined).chain(allowed));
    Ok(Query::new(&Endpoint::CHANNELS, filter, sort)?)
}

impl IntoFuture for QueryChannels {
    type Output = Result<ChannelList, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.open())
    }
}
