//! Data that looks like a chat.

use crate::figure::Result;
use uuid::Uuid;
use whimbrel_model::{ChannelId, Message, MessageBody, MessageId, MessageKind, Timestamp, UserId};

/// A moment in 2026: when everything here was written.
const WRITTEN: Timestamp = Timestamp(1_767_225_600_000);

/// Returns the `number`th id: of version 7, and in the order of the numbers, as ids of one device nearly are.
pub(crate) fn id(number: u64) -> Uuid {
    const FIRST: u128 = 0x0190_0000_0000_7000_8000_0000_0000_0000;
    Uuid::from_u128(FIRST + (u128::from(number >> 32) << 80) + u128::from(number & 0xffff_ffff))
}

/// Returns the `number`th user.
pub(crate) fn user(number: u64) -> Result<UserId> {
    Ok(UserId::new(format!("user-{number}"))?)
}

/// Returns the `number`th channel.
pub(crate) fn channel(number: u64) -> Result<ChannelId> {
    Ok(ChannelId::new(format!("bench:{number}"))?)
}

/// Returns the text of a message: one line, as most are.
pub(crate) fn body(number: u64) -> MessageBody {
    MessageBody::text(format!(
        "Message {number}: shall we meet at the usual place, a little later than last week?"
    ))
}

/// Returns the `seq`th message of a channel, as the server has accepted it.
pub(crate) fn message(cid: &ChannelId, author: &UserId, seq: u64) -> Message {
    Message {
        id: MessageId(id(seq)),
        cid: cid.clone(),
        author: author.clone(),
        seq,
        ver: seq,
        kind: MessageKind::Regular,
        silent: false,
        body: body(seq),
        parent: None,
        show_in_channel: false,
        quoted: None,
        composed_at: WRITTEN,
        accepted_at: Some(WRITTEN),
        edited_at: None,
        revision: 0,
        deleted_at: None,
        pinned: None,
        thread: None,
    }
}

/// Returns when everything here was written.
pub(crate) fn written() -> Timestamp {
    WRITTEN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_valid_and_ordered() {
        let ids: Vec<Uuid> = [0, 1, 0xffff_ffff, 0x1_0000_0000, 0x1_0000_0001].map(id).to_vec();
        assert!(ids.is_sorted());
        for id in ids {
            MessageId(id).validate().unwrap();
        }
    }
}
