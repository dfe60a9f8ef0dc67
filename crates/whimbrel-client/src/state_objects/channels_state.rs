use super::open::OpenObject;
use crate::{ChannelList, Client, Error, Part, command::Command};
use std::{
    fmt,
    future::{Future, IntoFuture},
    pin::Pin,
    sync::Arc,
};
use whimbrel_query::{Filter, Query, Sort};
use whimbrel_state::{Admission, ChannelItem, ChannelsFacts, Diffs, Items};

/// A list of channels as one object: its rows, how much of it is loaded and how fresh it is, kept up to date while a handle
/// or a subscription of it lives.
///
/// See [`Client::query_channels_as_state`]. Cloning it gives another handle to the same object.
#[derive(Clone, Debug)]
pub struct QueryChannelsState {
    state: whimbrel_state::QueryChannelsState,
    list: ChannelList,
}

impl QueryChannelsState {
    pub(super) fn new(state: whimbrel_state::QueryChannelsState, client: Client) -> Self {
        Self {
            list: ChannelList::new(state.list().clone(), client),
            state,
        }
    }

    /// Returns what it is the answer to: the filter and the order.
    #[must_use]
    pub fn query(&self) -> &Query {
        self.list.query()
    }

    /// Returns the rows as they are now, in the order of the query. Absent: nothing was read yet, which is not the same as
    /// no rows.
    #[must_use]
    pub fn channels(&self) -> Option<Items<ChannelItem>> {
        self.state.channels()
    }

    /// Returns the rows as they are now, and a stream of what changes from now on: see [`ChannelList::subscribe`].
    #[must_use]
    pub fn subscribe_channels(&self) -> (Items<ChannelItem>, Diffs<ChannelItem>) {
        self.list.subscribe()
    }

    /// Returns everything besides the rows, as it is now.
    #[must_use]
    pub fn facts(&self) -> ChannelsFacts {
        self.state.facts()
    }

    /// Returns a reader of [`QueryChannelsState::facts`]: the facts now, and each later ones. A slow reader gets the latest.
    pub fn watch(&self) -> crate::Watch<ChannelsFacts> {
        self.state.subscribe()
    }

    /// Returns a reader of a part of [`QueryChannelsState::facts`], which wakes only when that part is another one.
    pub fn watch_part<T: Clone + PartialEq>(&self, pick: fn(&ChannelsFacts) -> T) -> Part<ChannelsFacts, T> {
        self.state.part(pick)
    }

    /// Loads up to `limit` more rows. They are in the list when this returns. At the end it does nothing.
    ///
    /// # Errors
    /// As [`ChannelList::load_more`].
    pub async fn load_more(&self, limit: usize) -> Result<(), Error> {
        self.list.load_more(limit).await
    }
}

/// A list of channels that was not asked for yet: await it. See [`Client::query_channels_as_state`].
#[derive(Clone)]
#[must_use = "it is asked for when it is awaited"]
pub struct QueryChannelsAsState {
    client: Client,
    filter: Filter,
    sort: Sort,
    limit: usize,
    admission: Option<Arc<dyn Admission>>,
}

/// Rows that a list begins with where nothing else is asked for.
const USUAL_LIMIT: usize = 30;

impl QueryChannelsAsState {
    pub(super) fn new(client: Client, filter: Filter) -> Self {
        Self {
            client,
            filter,
            sort: Query::channel_list().sort().clone(),
            limit: USUAL_LIMIT,
            admission: None,
        }
    }

    /// Sets the order. Without, the newest message comes first.
    pub fn sort(mut self, sort: Sort) -> Self {
        self.sort = sort;
        self
    }

    /// Sets how many rows it begins with. Without, 30.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Sets a rule of the app that decides which channels are in the list, in the place of the filter alone: see
    /// [`Admission`]. Such a list is not shared with others of the same query.
    ///
    /// ```
    /// # async fn example(client: &whimbrel_client::Client) -> Result<(), whimbrel_client::Error> {
    /// use whimbrel_client::{field, model::ChannelSummary};
    ///
    /// // What was archived by a word in its name goes, whatever the filter says.
    /// let open = client
    ///     .query_channels_as_state(field("joined").eq(true))
    ///     .admission(|channel: &ChannelSummary, wanted: bool| {
    ///         let name = channel.channel.as_ref().map(|channel| channel.name.as_str());
    ///         wanted && !name.is_some_and(|name| name.starts_with("[closed]"))
    ///     })
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn admission(mut self, admission: impl Admission) -> Self {
        self.admission = Some(Arc::new(admission));
        self
    }

    async fn open(self) -> Result<QueryChannelsState, Error> {
        let query = crate::channel_list::query_of(self.filter, self.sort)?;
        let (limit, admission) = (self.limit, self.admission);
        let open = |reply| {
            Command::OpenObject(OpenObject::Channels {
                query,
                limit,
                admission,
                reply,
            })
        };
        let state = self.client.commands().ask(open).await?;
        Ok(QueryChannelsState::new(state, self.client))
    }
}

impl IntoFuture for QueryChannelsAsState {
    type Output = Result<QueryChannelsState, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.open())
    }
}

impl fmt::Debug for QueryChannelsAsState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueryChannelsAsState")
            .field("filter", &self.filter)
            .field("sort", &self.sort)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}
