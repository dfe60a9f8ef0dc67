use super::{ChannelState, GlobalState, QueryChannelsState, ThreadState};
use crate::{Client, ClientBuilder, Error, channel_list::query_of};
use eyeball::{SharedObservable, Subscriber};
use std::{fmt, future::Future, pin::Pin, sync::Arc};
use tokio::sync::Mutex;
use whimbrel_model::{ChannelId, MessageId};
use whimbrel_query::{Filter, Sort};

/// A place for one account at a time, in an app where people sign in and out: made once, before anybody is known, and asked
/// at any time.
///
/// At most one account is open at a time. Opening another one closes the one before, and only then does it begin: nothing of
/// one user is ever in an object of another. What was taken from a user's objects before stays what it was, and their
/// connection says [`SyncState::Closed`](crate::SyncState::Closed); the streams of a seat lead on to the next user's.
/// Cloning it gives another handle to the same seat.
///
/// ```
/// # async fn example(builder: whimbrel_client::ClientBuilder) -> Result<(), whimbrel_client::Error> {
/// use whimbrel_client::{Seat, SeatState};
///
/// let seat = Seat::default();
/// assert!(matches!(seat.state(), SeatState::NoUser));
/// // A screen that is there before anybody signed in, and stays when somebody else does.
/// let mut general = seat.watch_channel_as_state("messaging:general", 50)?;
/// seat.open(builder).await?.connect().await?;
/// while let Some(channel) = general.next().await {
///     match channel? {
///         None => println!("sign in"),
///         Some(channel) => println!("{} messages", channel.messages().len()),
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Seat(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    current: SharedObservable<SeatState>,
    /// Held while somebody signs in or out.
    switching: Mutex<()>,
}

/// What a [`Seat`] has to show.
#[derive(Clone, Debug, Default)]
pub enum SeatState {
    /// Nobody is signed in.
    #[default]
    NoUser,
    /// The account that is open.
    User(GlobalState),
}

impl Seat {
    /// Returns who is signed in, as it is now. Never waits.
    #[must_use]
    pub fn state(&self) -> SeatState {
        self.0.current.get()
    }

    /// Returns a reader of [`Seat::state`]: who is signed in now, and each change. A slow reader gets the latest.
    pub fn watch_state(&self) -> crate::Watch<SeatState> {
        self.0.current.subscribe()
    }

    /// Returns the client of the account that is open.
    #[must_use]
    pub fn client(&self) -> Option<Client> {
        match self.state() {
            SeatState::NoUser => None,
            SeatState::User(state) => Some(state.client().clone()),
        }
    }

    /// Signs in: closes the account that is open, if there is one, and opens this one, without connecting. Needs no network.
    ///
    /// Dropping it leaves nobody signed in, or the new user, never a part of either.
    ///
    /// # Errors
    /// As [`ClientBuilder::open`]. Nobody is signed in then.
    pub async fn open(&self, builder: ClientBuilder) -> Result<Client, Error> {
        let _one = self.0.switching.lock().await;
        self.sign_out().await;
        let client = builder.open().await?;
        let state = client.state().await?;
        self.0.current.set(SeatState::User(state));
        Ok(client)
    }

    /// Signs out: closes the account that is open. What it has is on disk, what is unsent too.
    pub async fn close(&self) {
        let _one = self.0.switching.lock().await;
        self.sign_out().await;
    }

    async fn sign_out(&self) {
        if let Some(client) = self.client() {
            self.0.current.set(SeatState::NoUser);
            client.close().await;
        }
    }

    /// Watches a channel of whoever is signed in: see [`Client::watch_channel_as_state`].
    ///
    /// # Errors
    /// [`Error::Invalid`] when `cid` does not look like `type:id`.
    pub fn watch_channel_as_state(
        &self,
        cid: impl AsRef<str>,
        limit: usize,
    ) -> Result<Following<ChannelState>, Error> {
        let cid = ChannelId::new(cid)?;
        Ok(self.follow(move |client| {
            let cid = cid.clone();
            async move { client.watch_channel_as_state(cid.as_str(), limit).await }
        }))
    }

    /// Watches a thread of whoever is signed in: see [`Client::replies_as_state`].
    ///
    /// # Errors
    /// As [`Seat::watch_channel_as_state`].
    pub fn replies_as_state(
        &self,
        cid: impl AsRef<str>,
        parent: MessageId,
        limit: usize,
    ) -> Result<Following<ThreadState>, Error> {
        let cid = ChannelId::new(cid)?;
        Ok(self.follow(move |client| {
            let cid = cid.clone();
            async move { client.replies_as_state(cid.as_str(), parent, limit).await }
        }))
    }

    /// Watches a list of channels of whoever is signed in: see [`Client::query_channels_as_state`].
    ///
    /// # Errors
    /// [`Error::Query`] when the filter or the order is none of channels.
    pub fn query_channels_as_state(
        &self,
        filter: Filter,
        sort: Sort,
        limit: usize,
    ) -> Result<Following<QueryChannelsState>, Error> {
        query_of(filter.clone(), sort.clone())?;
        Ok(self.follow(move |client| {
            let query = client.query_channels_as_state(filter.clone());
            query.sort(sort.clone()).limit(limit).into_future()
        }))
    }

    /// Opens something of whoever is signed in, and again at each switch.
    ///
    /// `open` is called with the client of each user that the stream is asked for.
    pub fn follow<T, F>(&self, open: impl Fn(Client) -> F + Send + Sync + 'static) -> Following<T>
    where
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        Following {
            states: self.0.current.subscribe(),
            is_told: false,
            open: Box::new(move |client| Box::pin(open(client))),
        }
    }
}

type Opening<T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>;

/// An object of whoever is signed in: nothing while nobody is, and a new one at each switch.
pub struct Following<T> {
    states: Subscriber<SeatState>,
    /// Whether what `states` says was told.
    is_told: bool,
    open: Box<dyn Fn(Client) -> Opening<T> + Send + Sync>,
}

impl<T> Following<T> {
    /// Returns the object of the user who is signed in now, then waits for each change. `Some(Ok(None))`: nobody is signed
    /// in. Nothing: the seat is gone. A slow reader gets the latest.
    ///
    /// An error concerns this user only; the next call waits for the next switch. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Result<Option<T>, Error>> {
        loop {
            if self.is_told {
                self.states.next().await?;
                self.is_told = false;
            }
            let state = self.states.next_now();
            let SeatState::User(user) = state else {
                self.is_told = true;
                return Some(Ok(None));
            };
            let opened = (self.open)(user.client().clone()).await;
            // Whoever was signed in when it began may not be any more: their object is not what is to be shown.
            if is_user(&self.states.get(), user.client()) {
                self.is_told = true;
                return Some(opened.map(Some));
            }
        }
    }
}

fn is_user(state: &SeatState, client: &Client) -> bool {
    matches!(state, SeatState::User(user) if user.client().is(client))
}

impl<T> fmt::Debug for Following<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Following")
            .field("states", &self.states)
            .finish_non_exhaustive()
    }
}
