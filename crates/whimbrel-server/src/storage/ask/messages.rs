//! Messages: along the timeline of a channel, or everything there is to look at.

use super::{Asking, interrupted, message};
use crate::storage::{reader::bodies, stored::signed};
use whimbrel_hub::{AskPlan, Found, MessageWalk, StorageError, too_many};
use whimbrel_model::{ChannelId, Message, UserId};
use whimbrel_protocol::{Answer, Question};
use whimbrel_query::limits;

const UP: &str = "
SELECT body FROM rows INDEXED BY rows_timeline WHERE stream = ?1 AND seq > ?2 AND op IS NOT NULL ORDER BY seq LIMIT ?3";

const DOWN: &str = "
SELECT body FROM rows INDEXED BY rows_timeline WHERE stream = ?1 AND seq < ?2 AND op IS NOT NULL
ORDER BY seq DESC LIMIT ?3";

/// The messages of the channel `?1`, or of all channels of the user `?2`.
const ALL: &str = "
SELECT r.body FROM (SELECT ?1 AS channel WHERE ?1 IS NOT NULL
  UNION ALL SELECT channel FROM seats WHERE user = ?2 AND ?1 IS NULL) s
CROSS JOIN rows r ON r.stream = s.channel AND r.seq IS NOT NULL AND r.op IS NOT NULL LIMIT ?3";

/// Those of them that are pinned.
const PINNED: &str = "
SELECT r.body FROM (SELECT ?1 AS channel WHERE ?1 IS NOT NULL
  UNION ALL SELECT channel FROM seats WHERE user = ?2 AND ?1 IS NULL) s
CROSS JOIN pins p ON p.channel = s.channel
CROSS JOIN rows r ON r.stream = p.channel AND r.seq = p.seq AND r.op IS NOT NULL LIMIT ?3";

impl Asking {
    pub(super) async fn messages(
        &mut self,
        user: &UserId,
        cid: Option<&ChannelId>,
        plan: &AskPlan,
        question: &Question,
    ) -> Result<Answer, StorageError> {
        let stream = match cid {
            Some(cid) => Some(self.stream(user, cid).await?),
            None => None,
        };
        let page = match (MessageWalk::new(plan, question)?, stream) {
            (Some(mut walk), Some(stream)) if !plan.wants_pinned() => {
                loop {
                    let chunk = walk.chunk();
                    let seen = self.timeline(stream, &walk, chunk).await?;
                    let ended = seen.len() < chunk || chunk == 0;
                    seen.into_iter().for_each(|message| walk.look(message));
                    if ended {
                        break;
                    }
                }
                walk.page()?
            }
            _ => {
                let all = self.everything(stream, user, plan).await?;
                if all.len() > limits::LOOKED_AT {
                    return Err(too_many());
                }
                plan.page(plan.pick(all.into_iter().map(|row| Found::Message(Box::new(row))))?)
            }
        };
        Ok(page.answer(Vec::new()))
    }

    async fn timeline(
        &mut self,
        stream: i64,
        walk: &MessageWalk<'_>,
        chunk: usize,
    ) -> Result<Vec<Message>, StorageError> {
        let (sql, end) = if walk.is_up() { (UP, 0) } else { (DOWN, u64::MAX) };
        let lines = sqlx::query(sql)
            .bind(stream)
            .bind(signed(walk.beyond().unwrap_or(end)))
            .bind(signed(chunk as u64))
            .fetch_all(&mut *self.snapshot)
            .await
            .map_err(interrupted)?;
        Ok(bodies(&lines)?.into_iter().filter_map(message).collect())
    }

    async fn everything(
        &mut self,
        stream: Option<i64>,
        user: &UserId,
        plan: &AskPlan,
    ) -> Result<Vec<Message>, StorageError> {
        let sql = if plan.wants_pinned() { PINNED } else { ALL };
        let lines = sqlx::query(sql)
            .bind(stream)
            .bind(user.as_str())
            .bind(signed(limits::LOOKED_AT as u64 + 1))
            .fetch_all(&mut *self.snapshot)
            .await
            .map_err(interrupted)?;
        Ok(bodies(&lines)?.into_iter().filter_map(message).collect())
    }
}
