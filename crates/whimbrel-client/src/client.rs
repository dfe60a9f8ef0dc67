use crate::{
    Channel, ChannelList, ClientBuilder, Environment, Error, Explanation, MessageExplanation, Network,
    Notice, QueryChannels, Queued, ThreadList, Timeline,
    command::{Command, Commands, Place, Show},
    device_sync, explain,
};
use eyeball::SharedObservable;
use std::{sync::Arc, time::Duration};
use tokio::sync::oneshot;
use tokio_util::{sync::DropGuard, task::TaskTracker};
use uuid::Uuid;
use whimbrel_model::{
    Account, ChannelId, Custom, DeviceId, HistoryFrom, Message, MessageBody, MessageId, MessageScope, Op,
    OpId, OutboxItem, User, UserId, WaitsFor,
};
use whimbrel_query::{Filter, Query};
use whimbrel_state::{ConsentChange, Diffs, Items, OutboxSummary, State, SyncState, Unread};
use whimbrel_store::{Recovery, Store};
use whimbrel_sync::IdSource;

/// One account on one device: its database, its observable state and its link to the server.
///
/// Opening is not connecting: everything works from disk at once, and changes are queued. [`Client::connect`] lets it
/// sync. Cheap to clone; when the last clone, and the last handle made from it, is dropped, its tasks end.
#[derive(Clone, Debug)]
pub struct Client(Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) account: Account,
    pub(crate) commands: Commands,
    pub(crate) state: State,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) environment: Arc<dyn Environment>,
    pub(crate) ids: std::sync::Mutex<IdSource>,
    pub(crate) device_sync: device_sync::Notes,
    pub(crate) tasks: TaskTracker,
    pub(crate) notices: tokio::sync::broadcast::Sender<Notice>,
    /// What each listener begins with. It is over when the driver is.
    pub(crate) consents: tokio::sync::broadcast::Receiver<ConsentChange>,
    /// What the system says of it.
    pub(crate) network: SharedObservable<Network>,
    /// Whether a push syncs all of the account.
    pub(crate) background_sync: bool,
    pub(crate) _stop: DropGuard,
}

impl Client {
    /// Starts to set up a client.
    #[must_use]
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    pub(crate) fn from_inner(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    /// Returns the account's user.
    #[must_use]
    pub fn user(&self) -> &UserId {
        &self.0.account.user
    }

    /// Returns the id of this installation.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        self.0.account.device
    }

    /// Connects, and stays connected: after any break it connects again by itself. Returns at once; watch
    /// [`Client::status`].
    ///
    /// After [`SyncState::NeedsAuth`] or [`SyncState::Failed`] it tries again, with a new token.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn connect(&self) -> Result<(), Error> {
        self.0.commands.tell(Command::GoOnline).await
    }

    /// Disconnects, and stays so until [`Client::connect`]. What is queued waits on disk.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn disconnect(&self) -> Result<(), Error> {
        self.0.commands.tell(Command::GoOffline).await
    }

    /// Returns where the client is on its way to being up to date.
    #[must_use]
    pub fn status(&self) -> SyncState {
        self.0.state.status()
    }

    /// Returns a reader of the status: the value now, and each later one. A slow reader gets the latest.
    pub fn watch_status(&self) -> crate::Watch<SyncState> {
        self.0.state.subscribe_status()
    }

    /// Returns what became of the database, if it was found damaged when it was opened or since: the file was set aside, and what
    /// was unsent is kept as far as it could be read. Everything else comes from the server again.
    #[must_use]
    pub fn recovery(&self) -> Option<Recovery> {
        self.0.store.recovery()
    }

    /// Returns a stream of the rare things that an app may want to know of: see [`Notice`]. A listener that falls far behind
    /// is told how many it missed.
    #[must_use]
    pub fn notices(&self) -> tokio::sync::broadcast::Receiver<Notice> {
        self.0.notices.subscribe()
    }

    /// Returns a handle on a channel, which need not exist.
    ///
    /// # Errors
    /// [`Error::Invalid`] when `cid` does not look like `type:id`.
    pub fn channel(&self, cid: impl AsRef<str>) -> Result<Channel, Error> {
        Ok(Channel::new(self.clone(), ChannelId::new(cid)?))
    }

    /// Opens the channel list: the channels that the account is in and has not denied, the newest message first. What is on disk, at once, and
    /// every change from then on.
    ///
    /// # Errors
    /// [`Error`] when the database cannot be read or the client is closed.
    pub async fn channels(&self) -> Result<ChannelList, Error> {
        self.open_channels(Query::channel_list()).await
    }

    /// Opens the totals of what is unread in all channels: as it is on disk, at once, and every change from then on. They cost
    /// a look at each channel once, and then one at each that changes.
    ///
    /// # Errors
    /// As [`Client::channels`].
    pub async fn unread(&self) -> Result<Unread, Error> {
        self.0.commands.ask(|reply| Command::OpenUnread { reply }).await
    }

    /// Opens the list of the threads that the account follows, the one with the newest reply first: what is on disk, at once, and
    /// every change from then on.
    ///
    /// # Errors
    /// As [`Client::channels`].
    pub async fn threads(&self) -> Result<ThreadList, Error> {
        let list = self
            .0
            .commands
            .ask(|reply| Command::OpenThreads { reply })
            .await?;
        Ok(ThreadList::new(list, self.clone()))
    }

    /// Creates the one channel that exactly this account and `others` have, or finds it: whoever creates it, and however many do
    /// at once and with no network, it is the same channel. Returns nothing queued when it is known here already.
    ///
    /// # Errors
    /// [`Error`] when the type or a user is invalid, with nobody else or too many, and as [`Channel::create`].
    pub async fn create_distinct(
        &self,
        channel_type: &str,
        others: impl IntoIterator<Item = UserId>,
    ) -> Result<(Channel, Option<Queued>), Error> {
        let members: Vec<UserId> = others.into_iter().filter(|user| user != self.user()).collect();
        let cid = ChannelId::distinct(channel_type, members.iter().chain([self.user()]))?;
        let channel = Channel::new(self.clone(), cid);
        let known = channel.summary().await?.and_then(|summary| summary.membership);
        let joined = known.is_some_and(|own| own.state == whimbrel_model::MemberState::Active);
        let waits =
            |item: &OutboxItem| matches!(&item.op, Op::CreateChannel { cid, .. } if cid == channel.cid());
        if joined
            || self
                .outbox()
                .iter()
                .any(|item| item.rejection().is_none() && waits(item))
        {
            return Ok((channel, None));
        }
        let new = crate::NewChannel {
            members,
            ..crate::NewChannel::default()
        };
        let queued = channel.create_with(new).await?;
        Ok((channel, Some(queued)))
    }

    /// Opens the list of the channels that `filter` wants: what is on disk, at once, and every change from then on.
    ///
    /// Await it, or give it an order first. Channels that the account has left are left out, unless the filter says
    /// something of `joined` or `invited`; denied ones, unless it says something of `consent`. Needs no connection. Several lists can be open at once; the same query twice is one list.
    ///
    /// ```
    /// # async fn example(client: &whimbrel_client::Client) -> Result<(), whimbrel_client::Error> {
    /// use whimbrel_client::{Sort, field};
    ///
    /// let red = client.query_channels(field("custom.team").eq("red")).await?;
    /// let by_name = client
    ///     .query_channels(field("name").autocomplete("re"))
    ///     .sort(Sort::by_ascending("name"))
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Query`] when the filter or the order is none of channels; [`Error`] as [`Client::channels`].
    pub fn query_channels(&self, filter: Filter) -> QueryChannels {
        QueryChannels::new(self.clone(), filter)
    }

    /// Returns what waits in the outbox or was rejected, oldest first.
    #[must_use]
    pub fn outbox(&self) -> Items<OutboxItem> {
        self.0.state.outbox()
    }

    /// Returns a reader of how much waits in the outbox and how much was rejected.
    pub fn watch_outbox(&self) -> crate::Watch<OutboxSummary> {
        self.0.state.subscribe_outbox_summary()
    }

    /// Returns the outbox as it is now, and a stream of what changes in it from now on, in batches.
    #[must_use]
    pub fn subscribe_outbox(&self) -> (Items<OutboxItem>, Diffs<OutboxItem>) {
        self.0.state.subscribe_outbox()
    }

    /// Returns a reader of a number that grows whenever a profile changes: a reason to ask for names again.
    pub fn watch_users(&self) -> crate::Watch<u64> {
        self.0.state.subscribe_users()
    }

    /// Queues a rejected operation again, as a new one at the end.
    ///
    /// # Errors
    /// [`Error::Command`] when it is not in the outbox or was not rejected.
    pub async fn retry(&self, op: OpId) -> Result<Queued, Error> {
        self.0
            .commands
            .queue(|settled, reply| Command::Repeat { op, settled, reply })
            .await
    }

    /// Queues a rejected message or edit again, with another body.
    ///
    /// # Errors
    /// [`Error::Command`] as [`Client::retry`], and when the operation has no body, or not one like this.
    pub async fn retry_with(&self, op: OpId, body: impl Into<MessageBody>) -> Result<Queued, Error> {
        let body = body.into();
        let command = |settled, reply| Command::RepeatWith {
            op,
            body,
            settled,
            reply,
        };
        self.0.commands.queue(command).await
    }

    /// Queues everything that was rejected again, oldest first. What cannot be queued any more stays rejected.
    ///
    /// # Errors
    /// [`Error`] when the write failed or the client is closed.
    pub async fn retry_all(&self) -> Result<Vec<Queued>, Error> {
        self.0.commands.ask(|reply| Command::RepeatAll { reply }).await
    }

    /// Returns what has to happen before an operation in the outbox is decided. Absent: it is not in the outbox.
    #[must_use]
    pub fn waits_for(&self, op: OpId) -> Option<WaitsFor> {
        let outbox = self.outbox();
        let item = outbox.iter().find(|item| item.id == op)?;
        Some(item.waits_for(outbox.iter().map(|item| &**item)))
    }

    /// Returns how long an operation in the outbox is certainly not tried again: until the next connection, or for what
    /// the server asked for. Absent: it waits for no moment.
    ///
    /// # Errors
    /// [`Error::Closed`], or when the database failed just now.
    pub async fn next_attempt(&self, op: OpId) -> Result<Option<Duration>, Error> {
        self.0
            .commands
            .ask(|reply| Command::NextAttempt { op, reply })
            .await
    }

    /// Replaces the body of a message or an edit in the outbox that was never sent, in its place and under its id.
    ///
    /// # Errors
    /// [`Error::Command`] when it is not in the outbox, may have reached the server already, or has no body or not one like
    /// this. Nothing was changed.
    pub async fn edit_queued(&self, op: OpId, body: impl Into<MessageBody>) -> Result<(), Error> {
        let body = body.into();
        self.0
            .commands
            .ask(|reply| Command::Amend { op, body, reply })
            .await
    }

    /// Explains why an operation has no answer yet. Absent: it is not in the outbox.
    ///
    /// # Errors
    /// [`Error::Closed`], or when the database failed just now.
    pub async fn explain(&self, op: OpId) -> Result<Option<Explanation>, Error> {
        let facts = self
            .0
            .commands
            .ask(|reply| Command::Explain { op, reply })
            .await?;
        let outbox = self.outbox();
        let Some((item, facts)) = outbox.iter().find(|item| item.id == op).zip(facts) else {
            return Ok(None);
        };
        let waits_for = item.waits_for(outbox.iter().map(|item| &**item));
        Ok(Some(Explanation::new(
            OutboxItem::clone(item),
            facts,
            waits_for,
            self.status(),
        )))
    }

    /// Explains where what is shown of a message comes from: the server's row and the change that made it, and what waits in
    /// the outbox on top of it.
    ///
    /// # Errors
    /// [`Error`] when the database cannot be read or the client is closed.
    pub async fn explain_message(&self, id: MessageId) -> Result<MessageExplanation, Error> {
        let stored = self.message(id).await?;
        let (mut kept_up_to_date, mut cursor) = (false, None);
        if let Some(message) = &stored {
            let cid = message.cid.clone();
            let (gaps, reached) = self.0.commands.ask(|reply| Command::Gaps { cid, reply }).await?;
            kept_up_to_date = explain::is_outside(&gaps, message.seq);
            cursor = reached;
        }
        let mut waiting = Vec::new();
        for item in self.outbox().iter().filter(|item| item.op.message() == Some(id)) {
            waiting.extend(self.explain(item.id).await?);
        }
        Ok(MessageExplanation {
            id,
            stored,
            kept_up_to_date,
            cursor,
            waiting,
        })
    }

    /// Waits until everything that the server had accepted when this was called is on this device, at most for `deadline`.
    ///
    /// A barrier: what the server accepted before, from any device, is in the store and in every open list when this returns.
    /// It says nothing of the own outbox, see [`Queued::settled`]. It does not connect by itself. Dropping it, or a deadline
    /// that passes, changes nothing.
    ///
    /// # Errors
    /// [`Error::NotCaughtUp`] when the time is over, [`Error::Closed`].
    pub async fn wait_until_caught_up(&self, deadline: Duration) -> Result<(), Error> {
        let caught_up = self.0.commands.ask(|reply| Command::CatchUp { reply });
        let waited = tokio::time::timeout(deadline, caught_up).await;
        waited.unwrap_or(Err(Error::NotCaughtUp(deadline)))
    }

    /// Removes an operation that was rejected, or never sent, with its content.
    ///
    /// # Errors
    /// [`Error::Command`] when it is not in the outbox, or may have reached the server already.
    pub async fn discard(&self, op: OpId) -> Result<(), Error> {
        self.0.commands.ask(|reply| Command::Discard { op, reply }).await
    }

    /// Changes the own profile; what is absent stays.
    ///
    /// # Errors
    /// [`Error`] when a value is invalid, the outbox is full or the write failed.
    pub async fn update_profile(
        &self,
        name: Option<String>,
        image: Option<String>,
        custom: Option<Custom>,
    ) -> Result<Queued, Error> {
        self.0
            .commands
            .enqueue(Op::UpdateUser { name, image, custom })
            .await
    }

    /// Reads an accepted message from disk.
    ///
    /// # Errors
    /// [`Error::Store`] when the database cannot be read.
    pub async fn message(&self, id: MessageId) -> Result<Option<Message>, Error> {
        Ok(self.0.store.message(id).await?)
    }

    /// Reads the profiles that are known of `users`.
    ///
    /// # Errors
    /// [`Error::Store`] when the database cannot be read.
    pub async fn users(&self, users: &[UserId]) -> Result<Vec<User>, Error> {
        Ok(self.0.store.users(users).await?)
    }

    /// Closes: lets the running write finish, ends every task, releases the database. What is queued is on disk.
    ///
    /// Other clones of this client fail with [`Error::Closed`] from then on.
    pub async fn close(&self) {
        let (reply, closed) = oneshot::channel();
        if self.0.commands.tell(Command::Close { reply }).await.is_ok() {
            let _ = closed.await;
        }
        self.0.tasks.wait().await;
    }

    pub(crate) async fn open_channels(&self, query: Query) -> Result<ChannelList, Error> {
        let open = |reply| Command::OpenChannels { query, reply };
        let list = self.0.commands.ask(open).await?;
        Ok(ChannelList::new(list, self.clone()))
    }

    pub(crate) async fn open_timeline(&self, cid: ChannelId, scope: MessageScope) -> Result<Timeline, Error> {
        let list = self
            .0
            .commands
            .ask(|reply| Command::OpenTimeline { cid, scope, reply })
            .await?;
        Ok(Timeline::new(list, self.clone()))
    }

    /// Returns whether it is the same client, or a clone of it.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(crate) async fn open_timeline_at(
        &self,
        cid: ChannelId,
        scope: MessageScope,
        from: HistoryFrom,
    ) -> Result<Timeline, Error> {
        let open = |reply| {
            Command::GoTo(Place {
                cid,
                scope,
                from,
                show: Show::Open(reply),
            })
        };
        let list = self.0.commands.ask(open).await?;
        Ok(Timeline::new(list, self.clone()))
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }

    pub(crate) fn commands(&self) -> &Commands {
        &self.0.commands
    }

    pub(crate) fn store(&self) -> &dyn Store {
        self.0.store.as_ref()
    }

    pub(crate) fn new_id(&self) -> Uuid {
        let mut entropy = crate::driver::Draw(self.0.environment.as_ref());
        let wall = self.0.environment.wall();
        let mut env = whimbrel_sync::Env {
            mono: 0,
            wall,
            entropy: &mut entropy,
        };
        let mut ids = self
            .0
            .ids
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        ids.next(&mut env)
    }
}
