//! Others who come and go, get messages and read them.

use super::{CHANNELS, World, pick};
use crate::disk::{cid, user};
use proptest::prelude::*;
use whimbrel_model::{
    Delivered, DeviceId, Member, MemberState, MessageId, Read, ReadPosition, Role, Row, RowKey, Timestamp,
};

/// What somebody else does in a channel.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Other {
    Join,
    Leave,
    /// Reads so far, or marks as unread from there.
    Read(u8, bool),
    /// Reads a thread so far.
    ReadThread(u8, u8),
    /// One of their devices has so much.
    Get(u8, u8),
}

pub(crate) fn other() -> impl Strategy<Value = Other> {
    prop_oneof![
        2 => Just(Other::Join),
        1 => Just(Other::Leave),
        4 => any::<(u8, bool)>().prop_map(|(seq, back)| Other::Read(seq, back)),
        2 => any::<(u8, u8)>().prop_map(|(thread, seq)| Other::ReadThread(thread, seq)),
        4 => any::<(u8, u8)>().prop_map(|(device, seq)| Other::Get(device, seq)),
    ]
}

impl World {
    pub(crate) fn other(&mut self, channel: u8, who: u8, what: Other) {
        let cid = cid(pick(&CHANNELS, channel).unwrap());
        let who = user(pick(&["bob", "carol", "dora"], who).unwrap());
        let head = self.seqs.get(&cid).copied().unwrap_or(0);
        let ver = self.next();
        let row = match what {
            Other::Join | Other::Leave => Some(Row::Member(Member {
                state: match what {
                    Other::Join => MemberState::Active,
                    _ => MemberState::Gone,
                },
                joined_at: Timestamp(i64::try_from(ver).unwrap()),
                cid,
                user: who,
                role: Role::Member,
                ver,
            })),
            Other::Read(seq, back) => self.other_reads(Read::new(cid, who, None), u64::from(seq), back),
            Other::ReadThread(thread, seq) => {
                let begun: Vec<MessageId> = self.newest.values().filter_map(|row| row.parent).collect();
                let thread = pick(&begun, thread).copied();
                thread.and_then(|thread| {
                    self.other_reads(Read::new(cid, who, Some(thread)), u64::from(seq), false)
                })
            }
            Other::Get(device, seq) => {
                let key = RowKey::Delivered(cid.clone(), who.clone());
                let mut row = match self.others.get(&key) {
                    Some(Row::Delivered(row)) => row.clone(),
                    _ => Delivered::new(cid, who),
                };
                let device = DeviceId(uuid::Uuid::from_u128(u128::from(device % 3)));
                row.devices_public = true;
                row.advance(device, u64::from(seq).min(head))
                    .then_some(Row::Delivered(Delivered { ver, ..row }))
            }
        };
        if let Some(row) = row {
            self.others.insert(row.key(), row.clone());
            self.log.push(row);
        }
    }

    fn other_reads(&mut self, new: Read, seq: u64, back: bool) -> Option<Row> {
        let head = self.seqs.get(&new.cid).copied().unwrap_or(0);
        let key = RowKey::Read(new.cid.clone(), new.user.clone(), new.thread);
        let mut row = match self.others.get(&key) {
            Some(Row::Read(row)) => row.clone(),
            _ => new,
        };
        let position = ReadPosition {
            epoch: row.epoch + u32::from(back),
            seq: seq.min(head),
        };
        let ver = self.ver;
        row.advance(position).then_some(Row::Read(Read { ver, ..row }))
    }
}
