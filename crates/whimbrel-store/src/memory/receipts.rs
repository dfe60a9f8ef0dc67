//! What the server does not know to have reached the account.

use super::data::{ChannelData, Data};
use std::collections::BTreeMap;
use whimbrel_model::{Account, ChannelId, Cursor, MessageId, StreamId};

impl Data {
    pub(super) fn undelivered(&self) -> BTreeMap<ChannelId, u64> {
        let mut undelivered = BTreeMap::new();
        let Some(account) = &self.account else {
            return undelivered;
        };
        for (stream, cursor) in self.cursors() {
            let StreamId::Channel(cid) = stream else { continue };
            let Some(channel) = self.channels.get(cid) else {
                continue;
            };
            // Of a channel that was left too: whoever comes back is not brought its messages again.
            if let Some(seq) = self.newest_undelivered(account, channel, *cursor) {
                undelivered.insert(cid.clone(), seq);
            }
        }
        undelivered
    }

    fn newest_undelivered(&self, account: &Account, channel: &ChannelData, cursor: Cursor) -> Option<u64> {
        let Account { user, device } = account;
        let delivered = channel.delivered.get(user).filter(|row| row.ver > 0);
        let read = channel.reads.get(&(None, user.clone()));
        let read = read.filter(|row| row.ver > 0 && !row.private);
        let known = match delivered {
            Some(row) if row.devices_public => row.of_device(*device),
            row => {
                let read = read.map_or(0, |row| row.receipt());
                row.map_or(0, |row| row.seq).max(read)
            }
        };
        let log = channel.log.iter().rev();
        let mut newest = log.take_while(|(seq, _)| *seq > known);
        // A chain of pages that is not complete has brought messages beyond the sequence of the cursor.
        let is_others = |id: &MessageId| {
            let message = self
                .messages
                .get(id)
                .filter(|row| row.ver > 0 && row.author != *user);
            message.is_some_and(|row| row.seq <= cursor.seq || row.ver <= cursor.ver)
        };
        newest.find(|(_, id)| is_others(id)).map(|(seq, _)| *seq)
    }
}
