//! Taking in what another device has given.

use super::{
    DeviceSyncState, queue,
    worker::{Step, Worker, digest},
};
use crate::{Error, ImportSummary, archives};
use std::io::Cursor;
use tracing::{info, warn};
use whimbrel_archive::Key;
use whimbrel_model::{DeviceId, DeviceSync, LocalChange, Op, Transfer, TransferWay, limits};
use whimbrel_protocol::ParcelAct;

impl Worker {
    /// Fetches the next part of what was offered; or takes it in, if it is whole.
    pub(super) async fn receive_from(
        &mut self,
        own: &DeviceSync,
        (by, total, sha256): (DeviceId, u64, &str),
        transfer: Transfer,
    ) -> Result<Step, Error> {
        self.show(DeviceSyncState::Receiving {
            by,
            received: transfer.stored,
            total,
        });
        if total > limits::PARCEL_BYTES || transfer.stored > total {
            self.end(own, by, Err("it has another length than it says".to_owned()))
                .await?;
            return Ok(Step::More);
        }
        if transfer.stored < total {
            return self.fetch(own, (by, total), transfer).await;
        }
        let outcome = self.take_in(&transfer, sha256).await?;
        self.end(own, by, outcome).await?;
        Ok(Step::More)
    }

    async fn fetch(
        &mut self,
        own: &DeviceSync,
        (by, total): (DeviceId, u64),
        transfer: Transfer,
    ) -> Result<Step, Error> {
        let offset = transfer.stored;
        let page = match self.carry(transfer.request, ParcelAct::Get { offset }).await {
            Ok(page) => page,
            Err(Error::Ask(error)) if error.is_parcel_gone() => {
                info!("what was offered is not at the server any more: asking again");
                self.ask_again().await?;
                return Ok(Step::More);
            }
            Err(error) => return Err(error),
        };
        let bytes = page.bytes.0;
        let stored = offset + bytes.len() as u64;
        if bytes.is_empty() || stored > total || page.next != stored || page.total != total {
            let reason = "the server sent something else than what was offered".to_owned();
            self.end(own, by, Err(reason)).await?;
            return Ok(Step::More);
        }
        let part = LocalChange::TransferPart {
            request: transfer.request,
            offset,
            bytes,
        };
        self.write(vec![part, LocalChange::Transfer(Transfer { stored, ..transfer })])
            .await?;
        Ok(Step::More)
    }

    /// Checks, decrypts and takes in what is here as a whole. The inner error is about what was given; the outer one is none of its.
    async fn take_in(
        &self,
        transfer: &Transfer,
        sha256: &str,
    ) -> Result<Result<ImportSummary, String>, Error> {
        let TransferWay::In { key } = &transfer.way else {
            return Ok(Err("it is not for this device".to_owned()));
        };
        let Some(bytes) = self.bytes(transfer).await? else {
            return Ok(Err("parts of it are missing on this device".to_owned()));
        };
        if !digest(&bytes).eq_ignore_ascii_case(sha256) {
            return Ok(Err("it was changed on its way".to_owned()));
        }
        let input = Cursor::new(bytes);
        let key = Key::Device(key.clone());
        match archives::import(&self.commands, &self.account.user, input, key).await {
            Ok(summary) => Ok(Ok(summary)),
            Err(Error::Archive(problem)) => Ok(Err(problem.to_string())),
            Err(error) => Err(error),
        }
    }

    /// Ends the request, and forgets the key and the bytes with it.
    async fn end(
        &self,
        own: &DeviceSync,
        by: DeviceId,
        outcome: Result<ImportSummary, String>,
    ) -> Result<(), Error> {
        let op = Op::EndDeviceSync {
            device: own.device,
            request: own.request,
        };
        let over = vec![LocalChange::TransferOver(own.request)];
        self.commands.ask(queue(op, over)).await?;
        match outcome {
            Ok(summary) => {
                info!(%by, added = summary.added, duplicates = summary.duplicates, "took in what another device has");
                self.show(DeviceSyncState::Done(summary));
            }
            Err(reason) => {
                warn!(%by, reason, "what another device has given was refused");
                self.show(DeviceSyncState::Failed { by, reason });
            }
        }
        Ok(())
    }
}
