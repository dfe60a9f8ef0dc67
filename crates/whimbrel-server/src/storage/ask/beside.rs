//! The state of the channels of an answer.

use super::{Asking, interrupted};
use crate::storage::{
    reader::bodies,
    stored::{opt_row, signed},
};
use whimbrel_hub::{ChannelBeside, Found, StorageError};
use whimbrel_model::{ChannelSummary, Row, StreamId};
use whimbrel_protocol::FindChannels;

/// Rows of one channel's newest messages, with the reactions to them: an end to those of one that everybody reacts to.
const ROWS: u64 = 1_000;

/// The newest messages, and what stands at their places.
const NEWEST: &str = "
SELECT body FROM rows INDEXED BY rows_timeline WHERE stream = (SELECT id FROM streams WHERE name = ?1) AND seq > ?2
ORDER BY seq DESC LIMIT ?3";

const MEMBERS: &str = "
SELECT m.body, p.body FROM (SELECT user FROM members WHERE channel = (SELECT id FROM streams WHERE name = ?1)
  ORDER BY joined_at, user LIMIT ?3) a
CROSS JOIN rows m ON m.key = 'member ' || ?2 || ' ' || a.user LEFT JOIN rows p ON p.key = 'user ' || a.user";

impl Asking {
    pub(super) async fn beside(
        &mut self,
        find: &FindChannels,
        found: &[Found],
    ) -> Result<Vec<ChannelBeside>, StorageError> {
        let mut channels = Vec::with_capacity(found.len());
        for found in found {
            if let Found::Channel(found) = found {
                channels.push(self.beside_one(find, &found.summary).await?);
            }
        }
        Ok(channels)
    }

    async fn beside_one(
        &mut self,
        find: &FindChannels,
        summary: &ChannelSummary,
    ) -> Result<ChannelBeside, StorageError> {
        let (messages, members) = ChannelBeside::limits(find);
        let stream = StreamId::Channel(summary.cid.clone()).to_string();
        let mut beside = ChannelBeside {
            membership: summary.membership.clone(),
            read: summary.read.clone(),
            last_message: summary.last_message.clone(),
            ..ChannelBeside::default()
        };
        if messages > 0 {
            // The places of a channel are dense.
            let lines = sqlx::query(NEWEST)
                .bind(&stream)
                .bind(signed(summary.head_seq.saturating_sub(messages as u64)))
                .bind(signed(ROWS))
                .fetch_all(&mut *self.snapshot)
                .await
                .map_err(interrupted)?;
            for row in bodies(&lines)? {
                match row {
                    Row::Message(row) => beside.messages.push(row),
                    Row::Reaction(row) => beside.reactions.push(row),
                    _ => {}
                }
            }
        }
        if members > 0 {
            let lines = sqlx::query(MEMBERS)
                .bind(&stream)
                .bind(summary.cid.as_str())
                .bind(signed(members as u64))
                .fetch_all(&mut *self.snapshot)
                .await
                .map_err(interrupted)?;
            for line in &lines {
                for place in 0..2 {
                    match opt_row(line, place)? {
                        Some(Row::Member(row)) => beside.members.push(row),
                        Some(Row::User(row)) => beside.profiles.push(row),
                        _ => {}
                    }
                }
            }
        }
        Ok(beside)
    }
}
