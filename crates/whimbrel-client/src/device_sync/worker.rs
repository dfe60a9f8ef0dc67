//! The task that asks, answers and takes in. It does one small thing at a time, and decides from what is on disk and in the account's
//! stream what that is: so it goes on after a restart where it was.

use super::{DeviceSyncState, Shown, offering::Offering};
use crate::{
    Error,
    command::{Command, Commands, OfLocal, Reply},
    driver::Parts,
    environment::Environment,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    future::pending,
    sync::Arc,
    time::Duration,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use uuid::Uuid;
use whimbrel_model::{
    Account, Device, DeviceId, DeviceSync, DeviceSyncState as Remote, LocalChange, Transfer, TransferWay,
};
use whimbrel_protocol::{ParcelAct, ParcelPage};
use whimbrel_state::{AccountFacts, State, SyncState};
use whimbrel_store::Store;

/// After a failure that is nobody's to mend, it is tried again then: the database may be back.
const AGAIN: Duration = Duration::from_secs(30);

/// Devices that were named by hand and wait.
const NAMED: usize = 16;

/// The other end of the task.
#[derive(Debug)]
pub(crate) struct Notes {
    pub(crate) shown: Shown,
    named: mpsc::Sender<DeviceId>,
}

impl Notes {
    pub(super) async fn offer_to(&self, device: DeviceId) -> Result<(), ()> {
        self.named.send(device).await.map_err(|_| ())
    }
}

/// What a step came to.
pub(super) enum Step {
    /// There may be more to do at once.
    More,
    /// There is nothing to do until something changes.
    Rest,
    /// There is nothing to do until then, or until something changes.
    Until(Duration),
}

/// The task.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(super) account: Account,
    pub(super) commands: Commands,
    pub(super) state: State,
    pub(super) store: Arc<dyn Store>,
    pub(super) environment: Arc<dyn Environment>,
    pub(super) shown: Shown,
    /// Whether it asks and answers by itself.
    automatic: bool,
    named: mpsc::Receiver<DeviceId>,
    /// Devices that are answered because somebody said so.
    pub(super) allowed: BTreeSet<DeviceId>,
    pub(super) offering: Offering,
}

/// Builds the command that asks the other devices.
pub(super) fn ask(device: DeviceId, id: Uuid, reply: Reply<()>) -> Command {
    let (op, changes) = super::request(device, id);
    super::queue(op, changes)(reply)
}

impl Worker {
    pub(crate) fn new(
        parts: &Parts,
        account: &Account,
        commands: &Commands,
        automatic: bool,
    ) -> (Self, Notes) {
        let shown = Shown::default();
        let (sender, named) = mpsc::channel(NAMED);
        let notes = Notes {
            shown: Arc::clone(&shown),
            named: sender,
        };
        let worker = Self {
            account: account.clone(),
            commands: commands.clone(),
            state: parts.state.clone(),
            store: Arc::clone(&parts.store),
            environment: Arc::clone(&parts.environment),
            shown,
            automatic,
            named,
            allowed: BTreeSet::new(),
            offering: Offering::default(),
        };
        (worker, notes)
    }

    /// Works until the driver is gone, or until `stop`.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let commands = self.commands.clone();
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = commands.ended() => {}
            () = self.work() => {}
        }
    }

    async fn work(&mut self) {
        let pick: fn(&AccountFacts) -> _ = |facts| (facts.devices.clone(), facts.device_syncs.clone());
        let mut devices = self.state.account_part(pick);
        let mut status = self.state.subscribe_status();
        loop {
            let wait = match self.step().await {
                Ok(Step::More) => continue,
                Ok(Step::Rest) => None,
                Ok(Step::Until(wait)) => Some(wait),
                Err(Error::Closed) => return,
                // It goes on with the next connection, or once it is resumed; the server may also only be busy.
                Err(Error::Ask(_) | Error::Suspended) => Some(AGAIN),
                Err(error) => {
                    warn!(code = error.code(), %error, "what devices have of each other waits");
                    Some(AGAIN)
                }
            };
            let timer = async {
                match wait {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                biased;
                Some(device) = self.named.recv() => drop(self.allowed.insert(device)),
                Some(_) = devices.next() => {}
                Some(_) = status.next() => {}
                () = timer => {}
                else => return,
            }
        }
    }

    /// Does the next small thing, if there is any.
    async fn step(&mut self) -> Result<Step, Error> {
        let facts = self.state.account();
        self.show_asked(&facts);
        if self.state.status() != SyncState::Live {
            self.offering.forget_refusals();
            return Ok(Step::Rest);
        }
        if let Some(over) = self.over(&facts) {
            self.write(vec![LocalChange::TransferOver(over)]).await?;
            return Ok(Step::More);
        }
        if let step @ (Step::More | Step::Until(_)) = self.receive(&facts).await? {
            return Ok(step);
        }
        self.offer(&facts).await
    }

    /// Shows that this device asks, as soon as it does.
    fn show_asked(&self, facts: &AccountFacts) {
        let own = facts.device_syncs.get(&self.account.device);
        let is_asked = own.is_some_and(|own| own.state == Remote::Asked);
        if is_asked && self.transfer_in(own).is_some() {
            self.show(DeviceSyncState::Asked);
        }
    }

    /// Does what is next for this device: asks, receives, takes in.
    async fn receive(&mut self, facts: &AccountFacts) -> Result<Step, Error> {
        let own = facts.device_syncs.get(&self.account.device);
        let Some(own) = own else {
            if self.automatic && self.is_new(facts) {
                info!("this device is new: the account's other devices are asked for what only they have");
                self.ask_again().await?;
            }
            return Ok(Step::Rest);
        };
        match (&own.state, self.transfer_in(Some(own))) {
            (Remote::Done, _) | (Remote::Asked, Some(_)) => Ok(Step::Rest),
            // The key is gone with the database that it was in.
            (Remote::Asked | Remote::Offered { .. }, None) => {
                if self.automatic {
                    self.ask_again().await?;
                }
                Ok(Step::Rest)
            }
            (Remote::Offered { by, bytes, sha256 }, Some(transfer)) => {
                let offer = (*by, *bytes, sha256.as_str());
                self.receive_from(own, offer, transfer).await
            }
        }
    }

    /// Returns whether the account had another device before this one that it still has.
    fn is_new(&self, facts: &AccountFacts) -> bool {
        let accepted = |device: &Device| device.ver > 0 && device.revoked_at.is_none();
        let own = facts
            .devices
            .get(&self.account.device)
            .filter(|own| accepted(own));
        let Some(own) = own else { return false };
        let age = |device: &Device| (device.registered_at, device.id);
        let mut others = facts.devices.values().filter(|other| other.id != own.id);
        others.any(|other| accepted(other) && age(other) < age(own))
    }

    /// Returns a transfer that nobody wants any more.
    fn over(&self, facts: &AccountFacts) -> Option<Uuid> {
        let transfers = self.state.transfers();
        let is_wanted = |transfer: &Transfer| {
            let mut syncs = facts.device_syncs.values();
            let sync = syncs.find(|sync| sync.request == transfer.request);
            sync.is_some_and(|sync| match transfer.way {
                TransferWay::In { .. } => sync.device == self.account.device && sync.state != Remote::Done,
                TransferWay::Out { .. } => sync.state == Remote::Asked,
            })
        };
        let mut all = transfers.values();
        all.find(|transfer| !is_wanted(transfer))
            .map(|transfer| transfer.request)
    }

    fn transfer_in(&self, own: Option<&Arc<DeviceSync>>) -> Option<Transfer> {
        let transfer = self.state.transfers().get(&own?.request).cloned()?;
        matches!(transfer.way, TransferWay::In { .. }).then_some(transfer)
    }

    /// Returns whether a device is answered.
    pub(super) fn answers(&self, device: DeviceId) -> bool {
        self.automatic || self.allowed.contains(&device)
    }

    pub(super) fn show(&self, state: DeviceSyncState) {
        drop(self.shown.set_if_not_eq(state));
    }

    pub(super) async fn ask_again(&self) -> Result<(), Error> {
        let id = new_id(self.environment.as_ref());
        let command = |reply| ask(self.account.device, id, reply);
        self.commands.ask(command).await
    }

    pub(super) async fn write(&self, changes: Vec<LocalChange>) -> Result<(), Error> {
        let write = |reply| Command::Local(OfLocal::Write { changes, reply });
        self.commands.ask(write).await
    }

    pub(super) async fn carry(&self, request: Uuid, act: ParcelAct) -> Result<ParcelPage, Error> {
        let carry = |reply| Command::Local(OfLocal::Carry { request, act, reply });
        self.commands.ask(carry).await
    }

    /// Reads the bytes of a transfer, whole.
    pub(super) async fn bytes(&self, transfer: &Transfer) -> Result<Option<Vec<u8>>, Error> {
        let mut bytes = Vec::new();
        while (bytes.len() as u64) < transfer.stored {
            let offset = bytes.len() as u64;
            match self.store.transfer_part(transfer.request, offset).await? {
                Some(part) if !part.is_empty() => bytes.extend(part),
                _ => return Ok(None),
            }
        }
        Ok(Some(bytes))
    }
}

/// Makes the id of a request: 122 random bits, as nobody orders them.
fn new_id(environment: &dyn Environment) -> Uuid {
    let (high, low) = (environment.next_u64(), environment.next_u64());
    uuid::Builder::from_random_bytes((u128::from(high) << 64 | u128::from(low)).to_be_bytes()).into_uuid()
}

/// Returns the SHA-256 of bytes, in hexadecimal.
pub(super) fn digest(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    use std::fmt::Write as _;
    let mut text = String::with_capacity(64);
    for byte in sha2::Sha256::digest(bytes) {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// What the worker keeps of requests that it answers, by request.
pub(super) type ByRequest<T> = BTreeMap<Uuid, T>;
