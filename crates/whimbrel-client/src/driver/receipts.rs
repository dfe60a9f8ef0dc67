//! How far messages have got: read from the store for what is open, and said to the server before a visit ends.

use super::{Driver, Round};
use crate::{Error, command::Reply};
use whimbrel_model::{ChannelId, MessageId, MessageScope};
use whimbrel_state::{MessageReceipts, ReceiptRows};

impl Driver {
    pub(super) async fn open_receipts(
        &self,
        cid: ChannelId,
        message: MessageId,
    ) -> Result<MessageReceipts, Error> {
        let receipts = self.parts.state.open_receipts(cid, message);
        self.read_receipts().await?;
        Ok(receipts)
    }

    /// Reads who is in a channel and how far they are, wherever that is shown and was not read.
    pub(super) async fn read_receipts(&self) -> Result<(), Error> {
        let state = &self.parts.state;
        for (cid, scope) in state.wanted_receipts() {
            let thread = match scope {
                MessageScope::Channel => None,
                MessageScope::Thread(parent) => Some(parent),
            };
            let rows = self.receipt_rows(&cid, thread).await?;
            state.put_receipts(&cid, scope, &rows);
        }
        for receipts in state.wanted_message_receipts() {
            let message = self.parts.store.message(receipts.message()).await?;
            let thread = message.as_ref().and_then(|message| message.parent);
            let rows = self.receipt_rows(receipts.cid(), thread).await?;
            state.put_message_receipts(&receipts, message.as_ref(), &rows);
        }
        Ok(())
    }

    async fn receipt_rows(&self, cid: &ChannelId, thread: Option<MessageId>) -> Result<ReceiptRows, Error> {
        let store = &self.parts.store;
        let mut reads = store.reads(cid, None).await?;
        if thread.is_some() {
            reads.extend(store.reads(cid, thread).await?);
        }
        Ok(ReceiptRows {
            members: store.members(cid).await?,
            reads,
            delivered: store.delivered(cid).await?,
        })
    }

    /// Tells the server now of all that is here. Answers when it knows.
    pub(super) fn tell_delivered(&mut self, reply: Reply<()>, round: &mut Round) {
        let effects = self.with_env(|engine, env| engine.tell_delivered(env));
        round.effects.merge(effects);
        self.telling.push(reply);
    }

    /// Answers those who wait for the server to know of all that is here.
    pub(super) fn answer_told(&mut self) {
        if !self.telling.is_empty() && !self.engine.owes_delivered() {
            for reply in self.telling.drain(..) {
                let _ = reply.send(Ok(()));
            }
        }
    }
}
