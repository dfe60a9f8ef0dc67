use crate::{
    Identity,
    outbound::{Mailbox, bye},
};
use bytes::Bytes;
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};
use tokio::time::Instant;
use whimbrel_model::{ChannelId, Code, DeviceId, StreamId, Timestamp, UserId, limits};
use whimbrel_protocol::{Bye, Watch};

/// One live connection, as the hub knows it.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) identity: Identity,
    pub(crate) device: DeviceId,
    pub(crate) mailbox: Arc<Mailbox>,
    /// Its number at the presence desk, once it is there.
    pub(crate) presence: OnceLock<u64>,
    last_heard: Mutex<Instant>,
    /// Channels whose changes are not wanted.
    unwatched: Mutex<HashSet<ChannelId>>,
}

impl Connection {
    pub(crate) fn new(identity: Identity, device: DeviceId, mailbox: Arc<Mailbox>) -> Arc<Self> {
        Arc::new(Self {
            identity,
            device,
            mailbox,
            presence: OnceLock::new(),
            last_heard: Mutex::new(Instant::now()),
            unwatched: Mutex::default(),
        })
    }

    /// Takes note of which channels' changes are wanted.
    ///
    /// # Errors
    /// The [`Bye`] to end the connection with: there are too many.
    pub(crate) fn watch(&self, Watch { cids, on }: Watch) -> Result<(), Bye> {
        let mut unwatched = self.unwatched.lock().unwrap_or_else(PoisonError::into_inner);
        let known = if on { 0 } else { unwatched.len() };
        if cids.len() > limits::WATCHED_PER_FRAME || known + cids.len() > limits::UNWATCHED {
            let message = format!(
                "{} channels in a frame, {known} unwatched; the limits are {} and {}",
                cids.len(),
                limits::WATCHED_PER_FRAME,
                limits::UNWATCHED
            );
            return Err(bye(Code::TooLarge, message));
        }
        if on {
            unwatched.retain(|cid| !cids.contains(cid));
        } else {
            unwatched.extend(cids);
        }
        Ok(())
    }

    fn watches(&self, stream: &StreamId) -> bool {
        let StreamId::Channel(cid) = stream else {
            return true;
        };
        let unwatched = self.unwatched.lock().unwrap_or_else(PoisonError::into_inner);
        !unwatched.contains(cid)
    }

    /// Notes that a frame arrived.
    pub(crate) fn heard(&self) {
        *self.last_heard.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Ends the connection if it was silent for longer than `silence`, or its token has expired.
    fn check(&self, silence: Duration, now: Timestamp) {
        let last = *self.last_heard.lock().unwrap_or_else(PoisonError::into_inner);
        if self.identity.has_expired(now) {
            self.mailbox.close(token_expired());
        } else if last.elapsed() > silence {
            let message = format!("nothing was heard for {} ms", silence.as_millis());
            self.mailbox.close(bye(Code::HeartbeatLost, message));
        }
    }
}

pub(crate) fn token_expired() -> Bye {
    bye(
        Code::TokenExpired,
        "the token has expired: get a new one and reconnect",
    )
}

pub(crate) fn device_revoked() -> Bye {
    bye(
        Code::DeviceRevoked,
        "this device was revoked: what it has stays on it, and it connects no more",
    )
}

/// The live connections, by user.
#[derive(Debug, Default)]
pub(crate) struct Registry(Mutex<Live>);

#[derive(Debug, Default)]
struct Live {
    by_user: HashMap<UserId, Vec<Arc<Connection>>>,
    draining: Option<Duration>,
}

impl Registry {
    /// Adds a connection: from now on it gets events.
    ///
    /// # Errors
    /// The [`Bye`] to refuse it with: too many of that user, or the server is stopping.
    pub(crate) fn add(&self, connection: &Arc<Connection>, limit: usize) -> Result<(), Bye> {
        let mut live = self.lock();
        if let Some(within) = live.draining {
            return Err(stopping(within));
        }
        let of_user = live.by_user.entry(connection.identity.user.clone()).or_default();
        // One that has ended stays listed until its session is dropped, and is not in the way.
        let open = of_user
            .iter()
            .filter(|other| other.mailbox.ended().is_none())
            .count();
        if open >= limit {
            let message = format!("the user has {limit} connections already: close one");
            return Err(bye(Code::RateLimited, message));
        }
        of_user.push(connection.clone());
        Ok(())
    }

    /// Removes a connection.
    pub(crate) fn remove(&self, connection: &Arc<Connection>) {
        let mut live = self.lock();
        if let Some(of_user) = live.by_user.get_mut(&connection.identity.user) {
            of_user.retain(|other| !Arc::ptr_eq(other, connection));
            if of_user.is_empty() {
                live.by_user.remove(&connection.identity.user);
            }
        }
    }

    /// Returns whether a device has a connection.
    pub(crate) fn is_live(&self, user: &UserId, device: DeviceId) -> bool {
        let live = self.lock();
        let mut own = live.by_user.get(user).into_iter().flatten();
        own.any(|connection| connection.device == device && connection.mailbox.ended().is_none())
    }

    /// Ends the connections of a device that was revoked.
    pub(crate) fn end_revoked(&self, user: &UserId, device: DeviceId) {
        let live = self.lock();
        let own = live.by_user.get(user).into_iter().flatten();
        for connection in own.filter(|connection| connection.device == device) {
            connection.mailbox.close(device_revoked());
        }
    }

    /// Queues a frame about a stream, encoded at the first connection that wants it, for all connections of `users` that
    /// watch the stream, but `except`.
    pub(crate) fn send<'a>(
        &self,
        stream: &StreamId,
        users: impl IntoIterator<Item = &'a UserId>,
        except: Option<&Arc<Connection>>,
        frame: impl FnOnce() -> Option<Bytes>,
    ) {
        let live = self.lock();
        let mut targets = users
            .into_iter()
            .filter_map(|user| live.by_user.get(user))
            .flatten()
            .filter(|connection| !except.is_some_and(|except| Arc::ptr_eq(except, connection)))
            .filter(|connection| connection.watches(stream))
            .peekable();
        if targets.peek().is_none() {
            return;
        }
        let Some(bytes) = frame() else { return };
        for connection in targets {
            connection.mailbox.push(bytes.clone());
        }
    }

    /// Ends connections that were silent for too long or whose token has expired. Returns the presence numbers of all that have
    /// ended, however they did.
    pub(crate) fn sweep(&self, silence: Duration, now: Timestamp) -> Vec<u64> {
        let mut ended = Vec::new();
        for connection in self.lock().by_user.values().flatten() {
            connection.check(silence, now);
            if connection.mailbox.ended().is_some() {
                ended.extend(connection.presence.get());
            }
        }
        ended
    }

    /// Ends all connections, and refuses new ones. They are told to come back after `within`, spread evenly over as
    /// long again, so that they do not all come at once.
    pub(crate) fn drain(&self, within: Duration) {
        let mut live = self.lock();
        live.draining = Some(within);
        let count = live.by_user.values().map(Vec::len).sum::<usize>().max(1);
        for (place, connection) in live.by_user.values().flatten().enumerate() {
            let later = within.mul_f64(place as f64 / count as f64);
            connection.mailbox.close(stopping(within + later));
        }
    }

    /// Returns how many connections are live.
    pub(crate) fn count(&self) -> usize {
        self.lock().by_user.values().map(Vec::len).sum()
    }

    fn lock(&self) -> MutexGuard<'_, Live> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stopping(retry_after: Duration) -> Bye {
    Bye {
        retry_after_ms: Some(u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX)),
        ..bye(Code::ServerStopping, "the server is stopping: reconnect later")
    }
}
