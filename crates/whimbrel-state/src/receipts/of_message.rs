//! One message, and how far each member has it.

use super::{ReceiptRows, Registers};
use crate::{
    list::{Diffs, Items, Sorted},
    state::lock,
};
use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, Mutex},
};
use whimbrel_model::{Change, ChannelId, Delta, DeviceId, Message, MessageId, Row, StreamId, UserId};

/// How far one member has a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberReceipt {
    /// Who: the identity of the row.
    pub user: UserId,
    /// Whether it is on a device of theirs.
    pub delivered: bool,
    /// Whether they have read it.
    pub read: bool,
    /// Their devices that are known, if they let others see them, or are the account itself.
    pub devices: Vec<DeviceReceipt>,
}

/// Whether one device has a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceReceipt {
    /// Which device.
    pub device: DeviceId,
    /// Whether it is said to have it. One that got it after it was read on another may not have said so.
    pub delivered: bool,
}

/// How far everybody has one message, by user, kept up to date while a handle or a [`Diffs`] of it lives.
///
/// In it are those who were in the channel when it was accepted and still are, and whoever has it besides; not its author. It is
/// empty while the message is not accepted, or not on this device, and in a channel of too many.
#[derive(Clone)]
pub struct MessageReceipts(pub(crate) Arc<Shared>);

pub(crate) struct Shared {
    cid: ChannelId,
    id: MessageId,
    known: Mutex<Known>,
}

struct Known {
    message: Option<Message>,
    registers: Registers,
    list: Sorted<UserId, MemberReceipt>,
}

impl MessageReceipts {
    /// Returns the channel.
    #[must_use]
    pub fn cid(&self) -> &ChannelId {
        &self.0.cid
    }

    /// Returns the message.
    #[must_use]
    pub fn message(&self) -> MessageId {
        self.0.id
    }

    /// Returns everybody, by user.
    #[must_use]
    pub fn items(&self) -> Items<MemberReceipt> {
        lock(&self.0.known).list.items()
    }

    /// Returns everybody, by user, and what changes from now on.
    #[must_use]
    pub fn subscribe(&self) -> (Items<MemberReceipt>, Diffs<MemberReceipt>) {
        let keep = Arc::clone(&self.0);
        lock(&self.0.known).list.subscribe(Some(keep))
    }

    pub(crate) fn new(cid: ChannelId, id: MessageId) -> Self {
        let known = Known {
            message: None,
            registers: Registers::new(cid.clone(), None),
            list: Sorted::default(),
        };
        Self(Arc::new(Shared {
            cid,
            id,
            known: Mutex::new(known),
        }))
    }

    /// Replaces everything by what the store has.
    pub(crate) fn put(&self, message: Option<&Message>, rows: &ReceiptRows) {
        let mut known = lock(&self.0.known);
        known.take(message.filter(|message| message.cid == self.0.cid && message.ver > 0));
        known.registers.replace(rows);
        known.show();
    }

    /// Takes in a delta.
    pub(crate) fn reduce(&self, delta: &Delta) {
        let mut known = lock(&self.0.known);
        let mut touched = known.registers.reduce(delta).is_some();
        for change in &delta.changes {
            match change {
                Change::Row(Row::Message(row))
                    if (row.id, &row.cid) == (self.0.id, &self.0.cid)
                        && known.message.as_ref().is_none_or(|old| row.ver > old.ver) =>
                {
                    known.take(Some(row));
                    touched = true;
                }
                Change::Rebase(StreamId::Channel(cid)) if *cid == self.0.cid => known.message = None,
                _ => {}
            }
        }
        if touched {
            known.show();
        }
    }

    /// Returns whether what the store has is to be put.
    pub(crate) fn wants_rows(&self) -> bool {
        !lock(&self.0.known).registers.is_read()
    }

    /// Lets everything be read from the store again. What is shown stays until then.
    pub(crate) fn forget(&self) {
        lock(&self.0.known).registers.forget();
    }
}

impl Known {
    fn take(&mut self, message: Option<&Message>) {
        self.message = message.cloned();
        let parent = message.and_then(|message| message.parent);
        if self.registers.thread != parent {
            self.registers.thread = parent;
            self.registers.forget();
        }
    }

    /// Computes everybody again, and shows the result as one batch.
    fn show(&mut self) {
        let mut receipts = Vec::new();
        if let Some(message) = self.message.as_ref().filter(|message| message.seq > 0) {
            for (user, person, reached) in self.registers.reached(message) {
                let devices = person.devices.iter().map(|mark| DeviceReceipt {
                    device: mark.device,
                    delivered: mark.seq >= message.seq,
                });
                receipts.push(MemberReceipt {
                    user: user.clone(),
                    delivered: reached.delivered,
                    read: reached.read,
                    devices: devices.collect(),
                });
            }
        }
        let mut gone: BTreeSet<UserId> = self.list.keys().iter().cloned().collect();
        let mut batch = self.list.edit();
        for receipt in receipts {
            let user = receipt.user.clone();
            let old = gone.remove(&user).then_some(&user);
            batch.place(old, Some((user.clone(), receipt)));
        }
        for user in gone {
            batch.place(Some(&user), None);
        }
        batch.commit();
    }
}

impl fmt::Debug for MessageReceipts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageReceipts")
            .field("message", &self.0.id)
            .finish_non_exhaustive()
    }
}
