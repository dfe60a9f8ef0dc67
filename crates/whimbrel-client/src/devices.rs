//! The account's devices: who they are, where they are woken, how far each is.

use crate::{Client, Error, Queued, command::Command};
use eyeball::SharedObservable;
use futures_util::{Stream, StreamExt, stream};
use std::{collections::BTreeMap, sync::Arc};
use whimbrel_model::{Device, DeviceChange, DeviceId, Op, PushToken, SetPush, Timestamp, limits};
use whimbrel_protocol::{DeviceState, FindDevices, Question};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// One of the account's devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceItem {
    /// What the account has of it: name, software, when it was registered and revoked, where it is woken. What waits in the outbox
    /// is laid over.
    pub device: Arc<Device>,
    /// Whether it is this one.
    pub is_this: bool,
    /// What the server said of it at the last [`Devices::refresh`]. Absent: it was not asked, or it knows nothing of it.
    pub state: Option<DeviceState>,
}

impl DeviceItem {
    /// Returns its id.
    #[must_use]
    pub fn id(&self) -> DeviceId {
        self.device.id
    }

    /// Returns when the server last saw it, as of the last [`Devices::refresh`].
    #[must_use]
    pub fn last_seen(&self) -> Option<Timestamp> {
        self.state.as_ref()?.seen_at
    }

    /// Returns how many of the account's streams had moved beyond what it said to have, as of the last [`Devices::refresh`].
    #[must_use]
    pub fn behind(&self) -> Option<u64> {
        self.state.as_ref()?.behind
    }

    /// Returns whether it is revoked.
    #[must_use]
    pub fn is_revoked(&self) -> bool {
        self.device.revoked_at.is_some()
    }
}

/// The account's devices, as they are now and as they become. Made by [`Client::devices`].
///
/// This device first, then the others, those that were registered last first, then those that are revoked. A device is listed
/// for [`limits::REVOKED_DEVICE_DAYS`] after it was revoked. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Devices {
    client: Client,
    states: Arc<SharedObservable<BTreeMap<DeviceId, DeviceState>>>,
}

impl Devices {
    /// Returns the devices.
    #[must_use]
    pub fn items(&self) -> Vec<DeviceItem> {
        let this = self.client.device();
        let now = self.client.inner().environment.wall();
        let kept_ms = DAY_MS * i64::from(limits::REVOKED_DEVICE_DAYS);
        let is_old = |device: &Device| {
            device
                .revoked_at
                .is_some_and(|at| at.0.saturating_add(kept_ms) < now.0)
        };
        let states = self.states.get();
        let facts = self.client.inner().state.account();
        let known = facts.devices.values().filter(|device| !is_old(device));
        let mut items: Vec<_> = known
            .map(|device| DeviceItem {
                device: device.clone(),
                is_this: device.id == this,
                state: states.get(&device.id).cloned(),
            })
            .collect();
        items.sort_by_key(|item| {
            let registered = std::cmp::Reverse(item.device.registered_at);
            (item.is_revoked(), !item.is_this, registered, item.id())
        });
        items
    }

    /// Asks the server when it saw each of them, and how far each is. Needs a connection.
    ///
    /// # Errors
    /// [`Error::Ask`](crate::Error) without a connection, or when the server cannot answer now.
    pub async fn refresh(&self) -> Result<(), Error> {
        let question = Question::Devices(FindDevices {});
        let answer = self
            .client
            .commands()
            .ask(|reply| Command::Ask { question, reply })
            .await?;
        let states = answer.devices.into_iter().map(|state| (state.device, state));
        drop(self.states.set_if_not_eq(states.collect()));
        Ok(())
    }

    /// Returns a stream of the devices: as they are whenever something has changed. A slow reader sees the latest.
    pub fn watch(&self) -> impl Stream<Item = Vec<DeviceItem>> + Unpin + Send + 'static {
        let this = self.clone();
        let of_account = self
            .client
            .inner()
            .state
            .account_part(|facts| facts.devices.clone());
        let changed = stream::select(of_account.map(drop), self.states.subscribe().map(drop));
        changed.map(move |()| this.items())
    }
}

impl Client {
    /// Returns the account's devices: what is on disk, at once, and every change from then on.
    ///
    /// A device registers itself when it is connected for the first time, and again when its software is another one.
    #[must_use]
    pub fn devices(&self) -> Devices {
        Devices {
            client: self.clone(),
            states: Arc::default(),
        }
    }

    /// Gives a device of the account another name.
    ///
    /// # Errors
    /// [`Error`] when the name is too long, the outbox is full or the write failed. A device that is none of the account's, or
    /// is revoked, is a rejection.
    pub async fn rename_device(&self, device: DeviceId, name: impl Into<String>) -> Result<Queued, Error> {
        let change = DeviceChange {
            name: Some(name.into()),
            push: None,
        };
        self.commands().enqueue(Op::UpdateDevice { device, change }).await
    }

    /// Shuts a device of the account out, for good: the server ends its connections and speaks to it no more. What is on it stays
    /// on it. Its token may be good for requests over HTTP until it expires: whoever hands tokens out has to stop that.
    ///
    /// # Errors
    /// [`Error`] when the outbox is full or the write failed.
    pub async fn revoke_device(&self, device: DeviceId) -> Result<Queued, Error> {
        self.commands().enqueue(Op::RevokeDevice { device }).await
    }

    /// Sets where this device is woken when there is something new and it has no connection: `provider` is a word that the
    /// server's operator chose for the push service, `token` what the service calls this device.
    ///
    /// Call it whenever the service gives out a token, also the same one again.
    ///
    /// # Errors
    /// [`Error`] when a value is invalid, the outbox is full or the write failed.
    pub async fn set_push_token(
        &self,
        provider: impl Into<String>,
        token: impl Into<String>,
    ) -> Result<Queued, Error> {
        let token = PushToken {
            provider: provider.into(),
            token: token.into(),
        };
        self.set_push(SetPush::On(token)).await
    }

    /// Takes back where this device is woken: it is not any more.
    ///
    /// # Errors
    /// [`Error`] when the outbox is full or the write failed.
    pub async fn clear_push_token(&self) -> Result<Queued, Error> {
        self.set_push(SetPush::Off).await
    }

    async fn set_push(&self, push: SetPush) -> Result<Queued, Error> {
        let change = DeviceChange {
            name: None,
            push: Some(push),
        };
        let device = self.device();
        self.commands().enqueue(Op::UpdateDevice { device, change }).await
    }
}
