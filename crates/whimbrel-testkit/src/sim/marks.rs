//! What devices say to have: a mark never comes before its rows are on the disk of the device that it is of.

use super::{
    Mutant, Violation, device::or_broken, ghost::Ghost, log::violated, storage::now_or, world::World,
};
use std::collections::{BTreeMap, BTreeSet};
use whimbrel_model::{
    Change, ChannelId, Cursor, Delivered, Delta, DeviceId, Epoch, Loaded, Op, OpEnvelope, Row, RowKey,
    StreamId, UserId,
};
use whimbrel_protocol::{ClientFrame, Ops};
use whimbrel_store::StoreReader as _;

/// What each device ever had on its disk, and what each shows.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// By device and channel: up to which message, of which history.
    had: BTreeMap<(usize, ChannelId), (Epoch, u64)>,
    /// By device: registers of what was read and what has arrived, as last committed.
    shown: BTreeMap<(usize, RowKey), u64>,
    /// Which device each is.
    of: BTreeMap<DeviceId, usize>,
    /// What was said once, for a mutant.
    said: BTreeSet<(ChannelId, DeviceId, u64)>,
}

/// Returns how far a register is.
fn register(row: &Row) -> Option<u64> {
    match row {
        Row::Read(row) => Some(row.receipt()),
        Row::Delivered(row) => Some(row.seq),
        _ => None,
    }
}

impl Marks {
    pub(super) fn is(&mut self, device: usize, id: DeviceId) {
        self.of.insert(id, device);
    }

    pub(super) fn device(&self, id: DeviceId) -> Option<usize> {
        self.of.get(&id).copied()
    }

    /// Takes note that a mark leaves. Returns whether it never did before.
    pub(super) fn leaves(&mut self, op: &Op) -> bool {
        match op {
            Op::MarkDelivered { cid, device, seq } => self.said.insert((cid.clone(), *device, *seq)),
            _ => true,
        }
    }

    /// A device has a cursor on its disk.
    pub(super) fn follows(&mut self, device: usize, cid: &ChannelId, cursor: Cursor) {
        let had = self.had.entry((device, cid.clone())).or_default();
        let seq = if had.0 == cursor.epoch {
            had.1.max(cursor.seq)
        } else {
            cursor.seq
        };
        *had = (cursor.epoch, seq);
    }

    /// A device does not follow a channel any more, or wakes up as it was before: what it shows begins anew.
    pub(super) fn forget_shown(&mut self, device: usize) {
        self.shown.retain(|(of, _), _| *of != device);
    }

    /// What everybody was shown is of a history that is gone.
    pub(super) fn forget_all_shown(&mut self) {
        self.shown.clear();
    }

    /// S11 of a screen: what was shown as read, or as arrived, stays so.
    pub(super) fn shows(&mut self, device: usize, row: &Row) -> Result<(), Violation> {
        let Some(now) = register(row) else { return Ok(()) };
        let before = self.shown.insert((device, row.key()), now).unwrap_or_default();
        if before > now {
            return violated(
                "S11",
                format!("what was shown to be at {before} is shown as {row:?}"),
            );
        }
        Ok(())
    }
}

impl Ghost {
    /// S20: who says to have a message had it on disk before the server takes that as a fact.
    pub(super) fn check_mark(&self, user: &UserId, op: &Op, epoch: Epoch) -> Result<(), Violation> {
        let Op::MarkDelivered { cid, device, seq } = op else {
            return Ok(());
        };
        let had = self
            .marks
            .device(*device)
            .and_then(|index| self.marks.had.get(&(index, cid.clone())));
        if had.is_some_and(|(of, had)| *of == epoch && had >= seq) {
            return Ok(());
        }
        violated(
            "S20",
            format!(
                "a device of {user} says to have {cid} up to {seq}, and had {had:?} on its disk, of {epoch:?}"
            ),
        )
    }

    /// S11, S20: the register of what has reached somebody.
    pub(super) fn check_register(old: Option<&Row>, new: &Delivered, head: u64) -> Result<(), Violation> {
        let most = new.devices.iter().map(|mark| mark.seq).max().unwrap_or_default();
        let before = match old {
            Some(Row::Delivered(old)) => Some(old),
            _ => None,
        };
        let back = before.is_some_and(|old| {
            let of = |mark: &whimbrel_model::DeviceMark| new.of_device(mark.device) < mark.seq;
            old.seq > new.seq || old.devices.iter().any(of)
        });
        if back || new.seq != most || new.seq > head {
            return violated("S11", format!("{old:?} became {new:?}, at {head}"));
        }
        Ok(())
    }
}

impl World {
    /// Marks leave beside the outbox, and leave no trace in it.
    pub(super) fn send_marks(
        &mut self,
        index: usize,
        conn: u64,
        mut ops: Ops,
        loaded: &Loaded,
    ) -> Result<(), Violation> {
        for op in &ops.ops {
            self.check_mark_leaves(index, op, loaded)?;
        }
        if self.mutant == Some(Mutant::MarkNotRepeated) {
            ops.ops.retain(|op| self.ghost.marks.leaves(&op.op));
        }
        let name = self.devices[index].name.clone();
        self.say(&name, || {
            format!("has {:?}", ops.ops.iter().map(|op| &op.op).collect::<Vec<_>>())
        });
        self.send_up(conn, ClientFrame::Ops(ops));
        Ok(())
    }

    /// S11 of what a device shows of reads and of what has arrived.
    pub(super) fn check_shows(&mut self, index: usize, delta: &Delta) -> Result<(), Violation> {
        let moved = delta.changes.iter().filter_map(|change| match change {
            Change::Row(row @ (Row::Read(_) | Row::Delivered(_))) => Some(row.key()),
            _ => None,
        });
        let moved: BTreeSet<RowKey> = moved.collect();
        for key in moved {
            let store = &self.devices[index].store;
            let shown = match &key {
                RowKey::Read(cid, user, thread) => {
                    let reads = or_broken(now_or(store.reads(cid, *thread))?)?.into_iter();
                    reads.filter(|row| row.user == *user).map(Row::Read).next()
                }
                RowKey::Delivered(cid, user) => {
                    let rows = or_broken(now_or(store.delivered(cid))?)?.into_iter();
                    rows.filter(|row| row.user == *user).map(Row::Delivered).next()
                }
                _ => None,
            };
            if let Some(row) = shown {
                self.ghost.marks.shows(index, &row)?;
            }
        }
        Ok(())
    }

    /// S20, C13: a mark leaves after its rows are on disk, and is of this device.
    pub(super) fn check_mark_leaves(
        &self,
        index: usize,
        envelope: &OpEnvelope,
        loaded: &Loaded,
    ) -> Result<(), Violation> {
        let Op::MarkDelivered { cid, device, seq } = &envelope.op else {
            return Ok(());
        };
        let name = &self.devices[index].name;
        if self.devices[index].id != Some(*device) {
            return violated("C13", format!("{name} speaks for {device}"));
        }
        let stream = StreamId::Channel(cid.clone());
        let here = loaded.cursors.get(&stream).map_or(0, |cursor| cursor.seq);
        if here < *seq {
            return violated(
                "S20",
                format!("{name} says to have {cid} up to {seq}, and has it on disk to {here}"),
            );
        }
        Ok(())
    }
}

/// Whether a frame says what has arrived.
pub(super) fn is_marks(frame: &ClientFrame) -> bool {
    matches!(frame, ClientFrame::Ops(ops) if ops.ops.iter().all(|op| op.op.leaves_no_result()))
}
