//! Questions that only the server can answer: one page at a time, as it is at that moment.

mod kinds;

pub use kinds::{FoundChannel, FoundMember, FoundThread};

use crate::{Channel, Client, Error, Presence, QueryChannels, command::Command};
use kinds::{Kind, OfUsers, Scope};
use std::{
    future::{Future, IntoFuture},
    marker::PhantomData,
    pin::Pin,
};
use whimbrel_model::{Draft, Message, MessageId, PlainJson, Reaction, User};
use whimbrel_protocol::{Answer, Find, Window};
use whimbrel_query::{Filter, Query, Sort, field};

/// A question to the server that was not asked yet: await it. It needs a connection, and changes nothing on this device.
///
/// Its filter and its order are checked here first, so that [`Error::Query`] points at what is wrong.
#[derive(Clone, Debug)]
#[must_use = "it is asked when it is awaited"]
pub struct ServerQuery<T> {
    client: Client,
    scope: Scope,
    filter: Filter,
    sort: Option<Sort>,
    window: Window,
    presence: bool,
    kind: PhantomData<fn() -> T>,
}

/// One page of what the server answered: as it was at that moment, and not kept up to date.
#[derive(Clone, Debug)]
pub struct ServerPage<T> {
    items: Vec<T>,
    next: Option<Window>,
    previous: Option<Window>,
    presence: Option<Presence>,
    query: ServerQuery<T>,
}

impl<T> ServerQuery<T> {
    fn new(client: Client, scope: Scope, filter: Filter) -> Self {
        Self {
            client,
            scope,
            filter,
            sort: None,
            window: Window::default(),
            presence: false,
            kind: PhantomData,
        }
    }

    /// Wants only what `filter` matches too.
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = Filter::and([self.filter, filter]);
        self
    }

    /// Sets the order. Without it is the usual one of what is asked for: `docs/QUERY.md` has them.
    pub fn sort(mut self, sort: Sort) -> Self {
        self.sort = Some(sort);
        self
    }

    /// Sets how many items a page has at most. Without they are 30; more than 100, or 30 channels, the server refuses.
    pub fn limit(mut self, limit: u32) -> Self {
        self.window.limit = Some(limit);
        self
    }

    /// Leaves out the first so many, up to 1,000. [`ServerPage::next_page`] goes further, and does not mind what comes and goes
    /// meanwhile.
    pub fn offset(mut self, offset: u32) -> Self {
        self.window.offset = Some(offset);
        self
    }
}

impl ServerQuery<FoundChannel> {
    /// Asks for the channels alone, without what a screen shows of each.
    pub fn without_state(mut self) -> Self {
        self.scope = Scope::Channels {
            state: false,
            messages: None,
            members: None,
        };
        self
    }

    /// Sets how many of the newest messages to bring of each channel, up to 100. Without they are 25. The server brings as many
    /// as fit into one answer.
    pub fn messages(mut self, limit: u32) -> Self {
        if let Scope::Channels { messages, .. } = &mut self.scope {
            *messages = Some(limit);
        }
        self
    }

    /// Sets how many members to bring of each channel, up to 100. Without they are 25. The server brings as many as fit into
    /// one answer.
    pub fn members(mut self, limit: u32) -> Self {
        if let Scope::Channels { members, .. } = &mut self.scope {
            *members = Some(limit);
        }
        self
    }
}

impl<T: Kind + OfUsers> ServerQuery<T> {
    /// Sets whether each page brings how the users of what is found are, as [`ServerPage::presence`]: the users, or the members that
    /// come with the channels.
    pub const fn presence(mut self, wanted: bool) -> Self {
        self.presence = wanted;
        self
    }
}

impl<T: Kind> ServerQuery<T> {
    async fn ask(self) -> Result<ServerPage<T>, Error> {
        let sort = self.sort.clone().unwrap_or_default();
        Query::new(self.scope.endpoint(), self.filter.clone(), sort)?;
        let find = Find {
            filter: PlainJson(self.filter.to_json()),
            sort: self
                .sort
                .as_ref()
                .map_or_else(PlainJson::default, |sort| PlainJson(sort.to_json())),
            window: self.window.clone(),
        };
        let question = self.scope.question(find);
        let ask = |reply| Command::Ask { question, reply };
        let mut answer: Answer = self.client.commands().ask(ask).await?;
        let limit = self.window.limit;
        let after = |after| Window {
            limit,
            after: Some(after),
            ..Window::default()
        };
        let before = |before| Window {
            limit,
            before: Some(before),
            ..Window::default()
        };
        let items = T::collect(answer.rows);
        let presence = match self.presence {
            true => Some(self.client.presence(T::users(&items)).await?),
            false => None,
        };
        Ok(ServerPage {
            next: answer.next.take().map(after),
            previous: answer.previous.take().map(before),
            items,
            presence,
            query: self,
        })
    }
}

impl<T: Kind> IntoFuture for ServerQuery<T> {
    type Output = Result<ServerPage<T>, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.ask())
    }
}

impl<T> ServerPage<T> {
    /// Returns what was found, in the order of the question.
    #[must_use]
    pub fn items(&self) -> &[T] {
        &self.items
    }

    /// Returns what was found, in the order of the question.
    #[must_use]
    pub fn into_items(self) -> Vec<T> {
        self.items
    }

    /// Returns how the users of what was found are, and every change as long as a clone of it lives: who is told of, who is not and
    /// why. Absent: it was not wanted ([`ServerQuery::presence`]).
    #[must_use]
    pub const fn presence(&self) -> Option<&Presence> {
        self.presence.as_ref()
    }

    /// Returns whether there may be more. A page can have less than was asked for, even nothing, and more after it: the server
    /// looks at no more than so many at a time.
    #[must_use]
    pub const fn has_next(&self) -> bool {
        self.next.is_some()
    }

    /// Returns whether there may be some before.
    #[must_use]
    pub const fn has_previous(&self) -> bool {
        self.previous.is_some()
    }
}

impl<T: Kind> ServerPage<T> {
    /// Asks for the page after this one. Nothing: this is the last one.
    ///
    /// # Errors
    /// As for the first page.
    pub async fn next_page(&self) -> Result<Option<Self>, Error> {
        self.page(self.next.as_ref()).await
    }

    /// Asks for the page before this one. Nothing: this is the first one.
    ///
    /// # Errors
    /// As for the first page.
    pub async fn previous_page(&self) -> Result<Option<Self>, Error> {
        self.page(self.previous.as_ref()).await
    }

    async fn page(&self, window: Option<&Window>) -> Result<Option<Self>, Error> {
        let Some(window) = window.cloned() else {
            return Ok(None);
        };
        let query = ServerQuery {
            client: self.query.client.clone(),
            scope: self.query.scope.clone(),
            filter: self.query.filter.clone(),
            sort: self.query.sort.clone(),
            window,
            presence: self.query.presence,
            kind: PhantomData,
        };
        query.ask().await.map(Some)
    }
}

impl Client {
    /// Asks the server for users, by their profiles.
    ///
    /// ```
    /// # async fn example(client: &whimbrel_client::Client) -> Result<(), whimbrel_client::Error> {
    /// use whimbrel_client::{Sort, field};
    ///
    /// let page = client
    ///     .query_users(field("name").autocomplete("ad"))
    ///     .sort(Sort::by_ascending("name"))
    ///     .limit(20)
    ///     .await?;
    /// for user in page.items() {
    ///     println!("{}", user.name);
    /// }
    /// let more = page.next_page().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When it is awaited: [`Error::Query`] when the filter or the order is none of users. [`Error::Ask`] when there is no
    /// connection (then it is retryable), or the server refuses.
    pub fn query_users(&self, filter: Filter) -> ServerQuery<User> {
        ServerQuery::new(self.clone(), Scope::Users, filter)
    }

    /// Asks the server for messages in all channels of the account, the newest first. [`Channel::query_messages`] is quicker, and
    /// reaches further.
    ///
    /// # Errors
    /// When it is awaited, as [`Client::query_users`].
    pub fn query_messages(&self, filter: Filter) -> ServerQuery<Message> {
        ServerQuery::new(self.clone(), Scope::Messages(None), filter)
    }

    /// Asks the server for the reactions to a message, the newest first.
    ///
    /// # Errors
    /// When it is awaited, as [`Client::query_users`].
    pub fn query_reactions(&self, message: MessageId) -> ServerQuery<Reaction> {
        ServerQuery::new(self.clone(), Scope::Reactions(message), Filter::everything())
    }

    /// Asks the server for the threads that the account follows, the one with the newest reply first.
    ///
    /// # Errors
    /// When it is awaited, as [`Client::query_users`].
    pub fn query_threads(&self, filter: Filter) -> ServerQuery<FoundThread> {
        ServerQuery::new(self.clone(), Scope::Threads, filter)
    }

    /// Asks the server for the drafts of the account, those of all its devices, the newest first.
    ///
    /// # Errors
    /// When it is awaited, as [`Client::query_users`].
    pub fn query_drafts(&self, filter: Filter) -> ServerQuery<Draft> {
        ServerQuery::new(self.clone(), Scope::Drafts, filter)
    }
}

impl Channel {
    /// Asks the server for members of the channel, those first who came first.
    ///
    /// ```
    /// # async fn example(channel: &whimbrel_client::Channel) -> Result<(), whimbrel_client::Error> {
    /// use whimbrel_client::field;
    ///
    /// let owners = channel.query_members(field("role").eq("owner")).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When it is awaited, as [`Client::query_users`].
    pub fn query_members(&self, filter: Filter) -> ServerQuery<FoundMember> {
        let scope = Scope::Members(self.cid().clone());
        ServerQuery::new(self.client().clone(), scope, filter)
    }

    /// Asks the server for messages of the channel, the newest first.
    ///
    /// # Errors
    /// When it is awaited, as [`Client::query_users`].
    pub fn query_messages(&self, filter: Filter) -> ServerQuery<Message> {
        let scope = Scope::Messages(Some(self.cid().clone()));
        ServerQuery::new(self.client().clone(), scope, filter)
    }

    /// Asks the server for the pinned messages of the channel, the one that was pinned last first; those too whose pin has
    /// come to its end, which [`Message::is_pinned`] says.
    ///
    /// # Errors
    /// When it is awaited, as [`Client::query_users`].
    pub fn pinned_messages(&self) -> ServerQuery<Message> {
        let pinned = self.query_messages(field("pinned").eq(true));
        pinned.sort(Sort::by_descending("pinned_at"))
    }
}

impl QueryChannels {
    /// Asks the server instead: for a page as it is there now, of channels that need not be on this device yet. It brings what a
    /// screen shows of each.
    ///
    /// ```
    /// # async fn example(client: &whimbrel_client::Client) -> Result<(), whimbrel_client::Error> {
    /// use whimbrel_client::field;
    ///
    /// let red = client.query_channels(field("custom.team").eq("red"));
    /// let page = red.from_server().limit(10).messages(1).await?;
    /// for found in page.items() {
    ///     println!("{}: {:?}", found.channel.name, found.last_message);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When it is awaited, as [`Client::query_users`].
    pub fn from_server(self) -> ServerQuery<FoundChannel> {
        let (client, filter, sort) = self.into_parts();
        let scope = Scope::Channels {
            state: true,
            messages: None,
            members: None,
        };
        ServerQuery::new(client, scope, filter).sort(sort)
    }
}
