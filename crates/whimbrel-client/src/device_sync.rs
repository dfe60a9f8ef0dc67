//! What only another device of the account has: asked for, given, and carried by the server, which cannot read it.

mod offering;
mod receiving;
mod worker;

pub(crate) use worker::{Notes, Worker};

use crate::{
    Client, Error, ImportSummary,
    command::{Command, OfLocal},
};
use eyeball::SharedObservable;
use std::sync::Arc;
use whimbrel_archive::DeviceKey;
use whimbrel_model::{DeviceId, LocalChange, Op, Transfer, TransferWay};

/// How far this device has come with what other devices of the account have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeviceSyncState {
    /// Nothing is asked for.
    #[default]
    Idle,
    /// The other devices are asked, and none has answered yet. One has to be online for that.
    Asked,
    /// A device has answered, and what it gave is coming in.
    Receiving {
        /// Which device.
        by: DeviceId,
        /// Bytes that are on this device.
        received: u64,
        /// Bytes in all.
        total: u64,
    },
    /// It was taken in. Until the client is closed.
    Done(ImportSummary),
    /// What a device gave could not be taken in: it was not what it said, or not of this account. Ask again.
    Failed {
        /// Which device.
        by: DeviceId,
        /// Why, in words.
        reason: String,
    },
}

impl Client {
    /// Asks the account's other devices for what only they have: see [`Client::create_archive`] for what that is. The first
    /// one that is online answers; what it gives is encrypted to this device, and is taken in as by [`Client::import_archive`].
    /// Watch [`Client::device_sync`].
    ///
    /// A device that is new does so by itself ([`ClientBuilder::device_sync`](crate::ClientBuilder::device_sync)). By hand it is for a
    /// device that wants what has been added elsewhere since. It takes the place of what was asked for before. Works without a
    /// connection: then it is asked once there is one.
    ///
    /// # Errors
    /// [`Error`] when the outbox is full, the write failed or the client is closed.
    pub async fn request_device_sync(&self) -> Result<(), Error> {
        let commands = self.commands();
        let command = |reply| worker::ask(self.device(), self.new_id(), reply);
        commands.ask(command).await
    }

    /// Answers what another device of the account asks for, also if this client does not by itself. Nothing happens if it asks for
    /// nothing, or another one was faster.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn offer_device_sync(&self, to: DeviceId) -> Result<(), Error> {
        let notes = &self.inner().device_sync;
        notes.offer_to(to).await.map_err(|()| Error::Closed)
    }

    /// Returns how far it has come.
    #[must_use]
    pub fn device_sync(&self) -> DeviceSyncState {
        self.inner().device_sync.shown.get()
    }

    /// Returns a reader of [`Client::device_sync`]: the value now, and each later one. A slow reader gets the latest.
    pub fn watch_device_sync(&self) -> crate::Watch<DeviceSyncState> {
        self.inner().device_sync.shown.subscribe()
    }
}

pub(crate) type Shown = Arc<SharedObservable<DeviceSyncState>>;

/// Makes a key for one answer, and what is written to ask for it. The private part stays here.
fn request(device: DeviceId, request: uuid::Uuid) -> (Op, Vec<LocalChange>) {
    let DeviceKey { private, public } = DeviceKey::generate();
    let transfer = Transfer {
        request,
        way: TransferWay::In { key: private },
        stored: 0,
    };
    let op = Op::RequestDeviceSync {
        device,
        request,
        key: public,
    };
    (op, vec![LocalChange::Transfer(transfer)])
}

fn queue(op: Op, changes: Vec<LocalChange>) -> impl FnOnce(crate::command::Reply<()>) -> Command {
    |reply| Command::Local(OfLocal::Queue { op, changes, reply })
}
