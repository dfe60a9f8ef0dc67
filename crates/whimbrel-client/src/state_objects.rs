//! What screens are built on: objects of a channel, a thread, a list and the account, each from one call that asks and
//! observes.

mod channel_state;
mod channels_state;
mod global_state;
mod loading;
mod open;
mod seat;
mod thread_state;

use crate::{Client, Error, command::Command};
pub use channel_state::ChannelState;
pub use channels_state::{QueryChannelsAsState, QueryChannelsState};
pub use global_state::GlobalState;
pub(crate) use open::OpenObject;
pub use seat::{Following, Seat, SeatState};
pub use thread_state::ThreadState;
use whimbrel_model::{ChannelId, HistoryFrom, MessageId, MessageScope};
use whimbrel_query::Filter;

/// One call that asks and observes. What is on disk is there when it returns, with no connection too, and before there ever
/// was one; what is asked of the server meanwhile, the object says.
impl Client {
    /// Opens a list of channels as one object: await it, or give it an order, a size or a rule of its own first. Which
    /// channels, as for [`Client::query_channels`].
    ///
    /// Its rows are the account's channels, which the device follows: they come from the server by themselves.
    ///
    /// ```
    /// # async fn example(client: &whimbrel_client::Client) -> Result<(), whimbrel_client::Error> {
    /// use whimbrel_client::{Content, field};
    ///
    /// let state = client.query_channels_as_state(field("joined").eq(true)).limit(20).await?;
    /// match state.facts().content {
    ///     Content::NotLoaded | Content::Loading => println!("…"),
    ///     Content::OfflineNoResults => println!("nothing here yet, and no connection"),
    ///     Content::Loaded => println!("{} channels", state.channels().unwrap_or_default().len()),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Client::query_channels`].
    pub fn query_channels_as_state(&self, filter: Filter) -> QueryChannelsAsState {
        QueryChannelsAsState::new(self.clone(), filter)
    }

    /// Opens a channel as one object, with `limit` messages if there are so many: those on disk at once, the others are
    /// asked of the server as soon as there is a connection. The channel need not exist.
    ///
    /// ```
    /// # async fn example(client: &whimbrel_client::Client) -> Result<(), whimbrel_client::Error> {
    /// let state = client.watch_channel_as_state("messaging:general", 50).await?;
    /// let facts = state.facts();
    /// let name = facts.channel.map_or_else(|| state.cid().to_string(), |channel| channel.name.clone());
    /// println!("{name}: {} messages, {} unread", state.messages().len(), facts.counts.unread);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Invalid`] when `cid` does not look like `type:id`, [`Error`] when the database cannot be read or the client
    /// is closed.
    pub async fn watch_channel_as_state(
        &self,
        cid: impl AsRef<str>,
        limit: usize,
    ) -> Result<ChannelState, Error> {
        let cid = ChannelId::new(cid)?;
        let open = |reply| Command::OpenObject(OpenObject::Channel { cid, limit, reply });
        let state = self.commands().ask(open).await?;
        Ok(ChannelState::new(state, self.clone(), limit))
    }

    /// Opens a channel as one object that begins with the messages around one of them: what a link to a message leads to. It has
    /// a window of its own: an object of the newest messages stays where it is. [`ChannelState::load_older`],
    /// [`ChannelState::load_newer`] and [`ChannelState::jump_to_newest`] lead on from there.
    ///
    /// # Errors
    /// As [`Channel::timeline_around`](crate::Channel::timeline_around), and as [`Client::watch_channel_as_state`].
    pub async fn watch_channel_around_as_state(
        &self,
        cid: impl AsRef<str>,
        message: MessageId,
    ) -> Result<ChannelState, Error> {
        let (cid, from) = (ChannelId::new(cid)?, HistoryFrom::AroundMessage(message));
        let timeline = self.open_timeline_at(cid, MessageScope::Channel, from).await?;
        let timeline = timeline.list().clone();
        let open = |reply| Command::OpenObject(OpenObject::ChannelOver { timeline, reply });
        let state = self.commands().ask(open).await?;
        Ok(ChannelState::new(state, self.clone(), 0))
    }

    /// Opens the thread of a message as one object, with `limit` replies if there are so many: those on disk at once, the
    /// others are asked of the server as soon as there is a connection.
    ///
    /// # Errors
    /// As [`Client::watch_channel_as_state`].
    pub async fn replies_as_state(
        &self,
        cid: impl AsRef<str>,
        parent: MessageId,
        limit: usize,
    ) -> Result<ThreadState, Error> {
        let cid = ChannelId::new(cid)?;
        let open = |reply| {
            Command::OpenObject(OpenObject::Thread {
                cid,
                parent,
                limit,
                reply,
            })
        };
        let state = self.commands().ask(open).await?;
        Ok(ThreadState::new(state, self.clone(), limit))
    }

    /// Opens the account as one object. It costs a look at each channel once, and then one at each that changes.
    ///
    /// # Errors
    /// [`Error`] when the database cannot be read or the client is closed.
    pub async fn state(&self) -> Result<GlobalState, Error> {
        let open = |reply| Command::OpenObject(OpenObject::Global { reply });
        let state = self.commands().ask(open).await?;
        Ok(GlobalState::new(state, self.clone()))
    }
}
