//! Giving another device of the account what only this one has.

use super::{
    queue,
    worker::{ByRequest, Step, Worker, digest},
};
use crate::{
    Error,
    archives::{ArchiveOptions, Selection, Sink, Source, export},
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::time::Instant;
use tracing::{info, warn};
use uuid::Uuid;
use whimbrel_archive::{ArchiveWriter, Element, Lock};
use whimbrel_model::{
    DeviceId, DeviceSync, DeviceSyncState as Remote, LocalChange, Op, Transfer, TransferWay, limits,
};
use whimbrel_protocol::{ParcelAct, PartBytes, PutPart};
use whimbrel_state::AccountFacts;

/// For how long a device that has nothing to give lets others answer first.
const NOTHING_AFTER: Duration = Duration::from_secs(60);

/// How often one device is answered, at most: whoever asks again and again costs each of the others an archive.
const ANSWERED_EVERY: Duration = Duration::from_secs(10);

/// Bytes of an archive after which no more is put into it: what is put at a time, and the encryption, has room above.
const FULL_AT: u64 = limits::PARCEL_BYTES - 4 * 1024 * 1024;

/// Parts of an archive that are written down at a time.
const WRITTEN_TOGETHER: usize = 4;

/// What is not worth writing down.
#[derive(Debug, Default)]
pub(super) struct Offering {
    /// When each request was seen first.
    seen: ByRequest<Instant>,
    /// When each device was answered last.
    answered: BTreeMap<DeviceId, Instant>,
    /// How far the server has each, as it said on this connection.
    sent: ByRequest<u64>,
    /// Requests that the server took nothing for on this connection.
    refused: ByRequest<()>,
}

impl Offering {
    pub(super) fn forget_refusals(&mut self) {
        self.refused.clear();
        self.sent.clear();
    }
}

/// An archive in memory, as large as a parcel may be.
struct Parcel(ArchiveWriter<Vec<u8>>);

impl Sink for Parcel {
    async fn put(&mut self, elements: Vec<Element>) -> Result<(), Error> {
        for element in &elements {
            self.0.put(element)?;
        }
        Ok(())
    }

    async fn leave_out(&mut self, kind: &'static str) -> Result<(), Error> {
        self.0.leave_out(kind);
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.0.bytes() >= FULL_AT
    }
}

impl Worker {
    /// Does the next small thing for the devices that ask.
    pub(super) async fn offer(&mut self, facts: &AccountFacts) -> Result<Step, Error> {
        let is_asked = |sync: &&Arc<DeviceSync>| {
            let asker = facts.devices.get(&sync.device);
            let is_revoked = asker.is_some_and(|asker| asker.revoked_at.is_some());
            sync.state == Remote::Asked && sync.device != self.account.device && !is_revoked
        };
        let asked: Vec<_> = facts.device_syncs.values().filter(is_asked).cloned().collect();
        let asking: Vec<Uuid> = asked.iter().map(|sync| sync.request).collect();
        self.offering.seen.retain(|request, _| asking.contains(request));
        let mut wait = None;
        for sync in asked {
            if !self.answers(sync.device) || self.offering.refused.contains_key(&sync.request) {
                continue;
            }
            match self.offer_to(&sync).await? {
                Step::More => return Ok(Step::More),
                Step::Until(until) => wait = Some(wait.map_or(until, |wait: Duration| wait.min(until))),
                Step::Rest => {}
            }
        }
        Ok(wait.map_or(Step::Rest, Step::Until))
    }

    async fn offer_to(&mut self, sync: &DeviceSync) -> Result<Step, Error> {
        match self.state.transfers().get(&sync.request).cloned() {
            Some(transfer) if transfer.stored > 0 => self.send(sync, transfer).await,
            // It was not written down to its end.
            Some(transfer) => {
                self.write(vec![LocalChange::TransferOver(transfer.request)])
                    .await?;
                Ok(Step::More)
            }
            None => self.build(sync).await,
        }
    }

    /// Makes the archive and writes it down: what is sent has to be the same after a restart.
    async fn build(&mut self, sync: &DeviceSync) -> Result<Step, Error> {
        let source = Source {
            account: &self.account,
            state: &self.state,
            store: self.store.as_ref(),
            environment: self.environment.as_ref(),
        };
        let selection = Selection::of(source, ArchiveOptions::default()).await?;
        let seen = *self
            .offering
            .seen
            .entry(sync.request)
            .or_insert_with(Instant::now);
        let waited = seen.elapsed();
        if selection.is_empty() && waited < NOTHING_AFTER {
            return Ok(Step::Until(NOTHING_AFTER - waited));
        }
        let last = self.offering.answered.get(&sync.device).map(Instant::elapsed);
        if let Some(since) = last.filter(|since| *since < ANSWERED_EVERY) {
            return Ok(Step::Until(ANSWERED_EVERY - since));
        }
        self.offering.answered.insert(sync.device, Instant::now());
        let lock = Lock::Device(sync.key.clone());
        let writer = ArchiveWriter::new(Vec::new(), &lock, selection.manifest.clone());
        let mut parcel = match writer {
            Ok(writer) => Parcel(writer),
            Err(error) => {
                warn!(device = %sync.device, %error, "a device asks with a key that is none");
                self.offering.refused.insert(sync.request, ());
                return Ok(Step::More);
            }
        };
        export(self.store.as_ref(), &selection, &mut parcel).await?;
        let (bytes, metadata) = parcel.0.finish()?;
        info!(device = %sync.device, bytes = bytes.len(), counts = ?metadata.counts, "a device of the account asks for what only others have");
        self.write_down(sync, &bytes).await?;
        Ok(Step::More)
    }

    async fn write_down(&self, sync: &DeviceSync, bytes: &[u8]) -> Result<(), Error> {
        let request = sync.request;
        let transfer = |stored| {
            LocalChange::Transfer(Transfer {
                request,
                way: TransferWay::Out {
                    to: sync.device,
                    sha256: digest(bytes),
                },
                stored,
            })
        };
        self.write(vec![transfer(0)]).await?;
        let parts: Vec<_> = bytes.chunks(limits::PARCEL_PART_BYTES).zip(0_u64..).collect();
        for some in parts.chunks(WRITTEN_TOGETHER) {
            let change = |(part, number): &(&[u8], u64)| LocalChange::TransferPart {
                request,
                offset: number * limits::PARCEL_PART_BYTES as u64,
                bytes: part.to_vec(),
            };
            self.write(some.iter().map(change).collect()).await?;
        }
        self.write(vec![transfer(bytes.len() as u64)]).await
    }

    /// Sends the next part, or says that all is there.
    async fn send(&mut self, sync: &DeviceSync, transfer: Transfer) -> Result<Step, Error> {
        let TransferWay::Out { sha256, .. } = &transfer.way else {
            return Ok(Step::Rest);
        };
        let known = self.offering.sent.get(&sync.request).copied();
        if known == Some(transfer.stored) {
            return self.say_so(sync, &transfer, sha256).await;
        }
        let offset = known.unwrap_or(0);
        let bytes = match known {
            // First it is asked how far the server has it.
            None => Vec::new(),
            Some(_) => match self.store.transfer_part(sync.request, offset).await? {
                Some(part) => part,
                // Not where this device cuts it: it has to begin anew.
                None => {
                    self.write(vec![LocalChange::TransferOver(sync.request)]).await?;
                    return Ok(Step::More);
                }
            },
        };
        let part = PutPart {
            total: transfer.stored,
            sha256: sha256.clone(),
            offset,
            bytes: PartBytes(bytes),
        };
        match self.carry(sync.request, ParcelAct::Put(part)).await {
            Ok(page) => {
                self.offering
                    .sent
                    .insert(sync.request, page.next.min(transfer.stored));
                Ok(Step::More)
            }
            Err(Error::Ask(error)) if error.is_retryable() => Err(Error::Ask(error)),
            Err(Error::Ask(error)) => {
                info!(device = %sync.device, %error, "the server takes nothing for a device that asks");
                self.offering.refused.insert(sync.request, ());
                self.write(vec![LocalChange::TransferOver(sync.request)]).await?;
                Ok(Step::More)
            }
            Err(error) => Err(error),
        }
    }

    /// All is at the server: says so, and forgets it here.
    async fn say_so(&mut self, sync: &DeviceSync, transfer: &Transfer, sha256: &str) -> Result<Step, Error> {
        let op = Op::OfferDeviceSync {
            device: sync.device,
            request: sync.request,
            by: self.account.device,
            bytes: transfer.stored,
            sha256: sha256.to_owned(),
        };
        let over = vec![LocalChange::TransferOver(sync.request)];
        self.commands.ask(queue(op, over)).await?;
        self.offering.sent.remove(&sync.request);
        self.allowed.remove(&sync.device);
        Ok(Step::More)
    }
}
