//! How far a message has got: to the server, onto others' devices, before their eyes.

mod of_message;

pub(crate) use of_message::Shared;
pub use of_message::{DeviceReceipt, MemberReceipt, MessageReceipts};

use std::collections::BTreeMap;
use whimbrel_model::{
    Change, ChannelId, Delivered, Delta, DeviceMark, Member, MemberState, Message, MessageId, Read, Row,
    StreamId, Timestamp, UserId, limits,
};

/// How far an own message has got with all of those whom it is for. It never goes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReceiptStatus {
    /// On this device.
    #[default]
    Pending,
    /// At the server. In a channel of more than [`limits::RECEIPT_MEMBERS`](whimbrel_model::limits::RECEIPT_MEMBERS) that is all
    /// that is told.
    Sent,
    /// On a device of everybody.
    Delivered,
    /// Read by everybody.
    Read,
}

/// How far an own message has got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Receipt {
    /// With all of them.
    pub status: ReceiptStatus,
    /// Onto a device of how many of them.
    pub delivered: u32,
    /// Before the eyes of how many of them.
    pub read: u32,
    /// How many they are: the other members who were in when the server accepted it and still are, and whoever has it besides. 0:
    /// nobody, too many, or it is not known.
    pub members: u32,
}

/// What the store has of those who are in a channel, and of how far they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReceiptRows {
    /// Its members, gone ones included.
    pub members: Vec<Member>,
    /// The read positions in it, and in the thread that is asked for, if one is.
    pub reads: Vec<Read>,
    /// What has reached whom.
    pub delivered: Vec<Delivered>,
}

/// Who is in a channel, and how far they are in it, or in one of its threads.
#[derive(Debug)]
pub(crate) struct Registers {
    cid: ChannelId,
    thread: Option<MessageId>,
    /// Absent: they were not read from the store.
    people: Option<BTreeMap<UserId, Person>>,
}

#[derive(Debug, Default)]
struct Person {
    /// Since when they are in. Absent: they are not.
    member: Place<Option<Timestamp>>,
    read: Place<u64>,
    read_in_thread: Place<u64>,
    delivered: Place<u64>,
    devices: Vec<DeviceMark>,
}

/// Something of a version.
#[derive(Clone, Copy, Debug, Default)]
struct Place<T> {
    ver: u64,
    at: T,
}

/// Sequences of messages: what is greater than the first, up to the second.
pub(crate) type Moved = (u64, u64);

/// All messages.
const ALL: Moved = (0, u64::MAX);

impl<T: Copy + PartialEq> Place<T> {
    /// Takes a newer version. Returns what was there, if it is another.
    fn put(&mut self, ver: u64, at: T) -> Option<T> {
        if ver <= self.ver {
            return None;
        }
        let before = std::mem::replace(self, Self { ver, at }).at;
        (before != at).then_some(before)
    }
}

/// How far one person has a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reached {
    /// Whether they were in when it was accepted, and still are.
    is_meant: bool,
    delivered: bool,
    read: bool,
}

impl Person {
    fn reached(&self, message: &Message) -> Reached {
        let in_channel = message.is_in_channel();
        // A reply that stands in its thread only is read there.
        let read = if in_channel {
            self.read.at
        } else {
            self.read_in_thread.at
        };
        let delivered = self.delivered.at.max(self.read.at).max(read);
        let (joined, accepted) = (self.member.at, message.accepted_at.unwrap_or_default());
        Reached {
            // Who came later must not take back what was told before.
            is_meant: joined.is_some_and(|joined| joined <= accepted),
            delivered: delivered >= message.seq,
            read: read >= message.seq,
        }
    }
}

impl Registers {
    pub(crate) const fn new(cid: ChannelId, thread: Option<MessageId>) -> Self {
        Self {
            cid,
            thread,
            people: None,
        }
    }

    pub(crate) const fn is_read(&self) -> bool {
        self.people.is_some()
    }

    /// Lets them be read from the store again. What is shown of them stays until then.
    pub(crate) fn forget(&mut self) {
        self.people = None;
    }

    /// Replaces all by what the store has.
    pub(crate) fn replace(&mut self, rows: &ReceiptRows) {
        self.people = Some(BTreeMap::new());
        for row in &rows.members {
            self.put_member(row);
        }
        for row in &rows.reads {
            self.put_read(row);
        }
        for row in &rows.delivered {
            self.put_delivered(row);
        }
    }

    /// Takes in a delta. Returns of which messages it may have changed how far they are: of none, if only how far single devices
    /// are has changed.
    pub(crate) fn reduce(&mut self, delta: &Delta) -> Option<Moved> {
        let mut moved: Option<Moved> = None;
        for change in &delta.changes {
            let here = match change {
                Change::Row(Row::Member(row)) => self.put_member(row),
                Change::Row(Row::Read(row)) => self.put_read(row),
                Change::Row(Row::Delivered(row)) => self.put_delivered(row),
                Change::Rebase(StreamId::Channel(cid)) if *cid == self.cid => {
                    // What held in a history that the server no longer has says nothing about this one.
                    self.people = self.people.take().map(|_| BTreeMap::new());
                    Some(ALL)
                }
                _ => None,
            };
            if let Some((lo, hi)) = here {
                let (known_lo, known_hi) = moved.unwrap_or((lo, hi));
                moved = Some((lo.min(known_lo), hi.max(known_hi)));
            }
        }
        moved
    }

    fn person(&mut self, cid: &ChannelId, user: &UserId, ver: u64) -> Option<&mut Person> {
        let people = self.people.as_mut().filter(|_| *cid == self.cid && ver > 0)?;
        if !people.contains_key(user) {
            people.insert(user.clone(), Person::default());
        }
        people.get_mut(user)
    }

    fn put_member(&mut self, row: &Member) -> Option<Moved> {
        let person = self.person(&row.cid, &row.user, row.ver)?;
        let since = (row.state == MemberState::Active).then_some(row.joined_at);
        person.member.put(row.ver, since).map(|_| ALL)
    }

    fn put_read(&mut self, row: &Read) -> Option<Moved> {
        let in_thread = row.thread.is_some();
        if in_thread && row.thread != self.thread {
            return None;
        }
        let person = self.person(&row.cid, &row.user, row.ver)?;
        let place = if in_thread {
            &mut person.read_in_thread
        } else {
            &mut person.read
        };
        let (now, before) = (row.receipt(), place.put(row.ver, row.receipt())?);
        Some((now.min(before), now.max(before)))
    }

    fn put_delivered(&mut self, row: &Delivered) -> Option<Moved> {
        let person = self.person(&row.cid, &row.user, row.ver)?;
        if row.ver <= person.delivered.ver {
            return None;
        }
        person.devices.clone_from(&row.devices);
        let before = person.delivered.at;
        person.delivered.put(row.ver, row.seq);
        Some((row.seq.min(before), row.seq.max(before)))
    }

    /// Returns how far everybody but the author has an accepted message, if those are not too many.
    fn reached(&self, message: &Message) -> Vec<(&UserId, &Person, Reached)> {
        let people = self.people.iter().flatten();
        let others = people.filter(|(user, _)| **user != message.author);
        let reached = others.map(|(user, person)| (user, person, person.reached(message)));
        let concerned: Vec<_> = reached
            .filter(|(_, _, reached)| reached.is_meant || reached.delivered)
            .collect();
        let meant = concerned.iter().filter(|(_, _, reached)| reached.is_meant);
        if meant.count() < limits::RECEIPT_MEMBERS {
            concerned
        } else {
            Vec::new()
        }
    }

    /// Computes how far an accepted message has got.
    pub(crate) fn receipt(&self, message: &Message) -> Receipt {
        let mut receipt = Receipt {
            status: ReceiptStatus::Sent,
            ..Receipt::default()
        };
        let (mut is_delivered, mut is_read) = (true, true);
        for (_, _, reached) in self.reached(message) {
            receipt.members += 1;
            receipt.delivered += u32::from(reached.delivered);
            receipt.read += u32::from(reached.read);
            is_delivered &= reached.delivered || !reached.is_meant;
            is_read &= reached.read || !reached.is_meant;
        }
        if is_read && receipt.read > 0 {
            receipt.status = ReceiptStatus::Read;
        } else if is_delivered && receipt.delivered > 0 {
            receipt.status = ReceiptStatus::Delivered;
        }
        receipt
    }
}
