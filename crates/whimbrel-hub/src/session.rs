use crate::{
    StorageError,
    hub::Hub,
    outbound::bye,
    registry::{Connection, token_expired},
    typing::Typist,
    writer::{Reply, Submission, push_results},
};
use std::sync::Arc;
use tokio::sync::Semaphore;
use whimbrel_model::{Code, DeviceId, Op, OpEnvelope, UserId, limits};
use whimbrel_protocol::{
    Answer, Bye, ClientFrame, Failed, HeadsPage, HistoryPage, OpResult, Ops, Outcome, Page, ServerFrame,
    Sync, encode,
};

/// One live connection: takes the client's frames. Dropping it ends the connection.
///
/// Answers and events go out through the [`Outbound`](crate::Outbound) that came with it: answers to `ops` in the
/// order of the frames, once they are durable; answers to everything else in the order of the frames.
#[derive(Debug)]
pub struct Session {
    hub: Hub,
    connection: Arc<Connection>,
    in_flight: Arc<Semaphore>,
    typing: Typist,
}

impl Session {
    pub(crate) fn new(hub: Hub, connection: Arc<Connection>) -> Self {
        Self {
            hub,
            connection,
            in_flight: Arc::new(Semaphore::new(limits::IN_FLIGHT)),
            typing: Typist::default(),
        }
    }

    /// Returns whose connection it is.
    #[must_use]
    pub fn user(&self) -> &UserId {
        &self.connection.identity.user
    }

    /// Carries out a frame. Call it for one frame after the other.
    ///
    /// `ops` are only queued for the writer here, so that several frames share a commit; it waits when
    /// [`limits::IN_FLIGHT`] of them have no answer yet. Any other request waits until its answer is queued, and
    /// before that until the last answer was taken by the transport.
    ///
    /// Cancellation: a dropped call has queued its operations or has not; the client sends again what it has no
    /// answer for.
    ///
    /// # Errors
    /// The connection is over: the returned [`Bye`] is its last frame, queued already. Stop reading.
    pub async fn handle(&self, frame: ClientFrame) -> Result<(), Bye> {
        self.check()?;
        match frame {
            ClientFrame::Hello(_) => {
                Err(self.close(bye(Code::FrameInvalid, "hello was said already: send it once")))
            }
            ClientFrame::Ops(ops) => self.ops(ops).await,
            ClientFrame::Heads(ask) => {
                self.connection.mailbox.room().await?;
                let asks = self.hub.device_asks(&self.connection, ask.since.as_deref());
                asks.await.map_err(|bye| self.close(bye))?;
                let answer = self.hub.heads(self.user(), ask.since.as_deref()).await;
                self.answer(
                    ask.id,
                    answer.map(|page| ServerFrame::Heads(HeadsPage { id: ask.id, ..page })),
                );
                Ok(())
            }
            ClientFrame::Sync(ask) => {
                self.connection.mailbox.room().await?;
                let answer = self.page(&ask).await;
                self.answer(
                    ask.id,
                    answer.map(|page| ServerFrame::Page(Page { id: ask.id, ..page })),
                );
                Ok(())
            }
            ClientFrame::History(ask) => {
                self.connection.mailbox.room().await?;
                let limit = usize::try_from(ask.limit).unwrap_or(usize::MAX);
                let answer = self.hub.history(self.user(), &ask.cid, ask.from, limit).await;
                self.answer(
                    ask.id,
                    answer.map(|page| ServerFrame::History(HistoryPage { id: ask.id, ..page })),
                );
                Ok(())
            }
            ClientFrame::Watch(watch) => self.connection.watch(watch).map_err(|bye| self.close(bye)),
            ClientFrame::Presence(ask) => {
                self.connection.mailbox.room().await?;
                let asked = self.hub.presence(&self.connection, ask).await;
                asked.map_err(|bye| self.close(bye))
            }
            ClientFrame::Watching(watching) => {
                let watched = self.hub.watching(&self.connection, watching).await;
                watched.map_err(|bye| self.close(bye))
            }
            ClientFrame::Typing(typing) => {
                self.typing.take(&self.hub, self.user(), typing).await;
                Ok(())
            }
            ClientFrame::Parcel(parcel) => {
                self.connection.mailbox.room().await?;
                let answer = self.hub.carry(&self.connection, &parcel).await;
                self.answer(parcel.id, answer.map(ServerFrame::Parcel));
                Ok(())
            }
            ClientFrame::Ask(ask) => {
                self.connection.mailbox.room().await?;
                let answer = self.hub.ask(self.user(), &ask.question).await;
                self.answer(
                    ask.id,
                    answer.map(|answer| ServerFrame::Answer(Answer { id: ask.id, ..answer })),
                );
                Ok(())
            }
        }
    }

    /// Ends the connection with a last frame, for what the transport finds, such as bytes that are not a frame.
    /// Returns what it ended with, which is the earlier one if it had ended already.
    pub fn close(&self, bye: Bye) -> Bye {
        self.connection.mailbox.close(bye)
    }

    async fn ops(&self, Ops { ops }: Ops) -> Result<(), Bye> {
        if ops.len() > limits::OPS_PER_BATCH {
            let message = format!(
                "{} operations in a frame, the limit is {}",
                ops.len(),
                limits::OPS_PER_BATCH
            );
            return Err(self.close(bye(Code::TooLarge, message)));
        }
        let ops = self.refuse_of_others(ops);
        if ops.is_empty() {
            return Ok(());
        }
        let count = u32::try_from(ops.len()).unwrap_or(u32::MAX);
        let permit = self.in_flight.clone().acquire_many_owned(count).await;
        let Ok(permit) = permit else { return self.check() };
        let reply = Reply::Connection(self.connection.clone(), permit);
        let submission = Submission::new(self.user(), ops, reply);
        self.hub.submit(submission).await;
        Ok(())
    }

    /// Rejects what only another device may do, and returns the rest.
    fn refuse_of_others(&self, ops: Vec<OpEnvelope>) -> Vec<OpEnvelope> {
        let own = self.connection.device;
        let is_of_another = |op: &OpEnvelope| acting_device(&op.op).is_some_and(|device| device != own);
        let (others, ops): (Vec<_>, Vec<_>) = ops.into_iter().partition(is_of_another);
        let results = others.into_iter().map(|op| OpResult {
            id: op.id,
            outcome: Outcome::Rejected {
                code: Code::Forbidden,
                message: format!(
                    "this is the connection of {own}, and {} is of another device",
                    op.op.name()
                ),
            },
        });
        let results: Vec<_> = results.collect();
        if !results.is_empty() {
            push_results(&self.connection, results);
        }
        ops
    }

    async fn page(&self, ask: &Sync) -> Result<Page, StorageError> {
        let (user, stream, cursor) = (self.user(), &ask.stream, ask.cursor);
        match ask.newest {
            None => self.hub.page(user, stream, cursor).await,
            Some(newest) => self.hub.capped_page(user, stream, cursor, newest).await,
        }
    }

    fn check(&self) -> Result<(), Bye> {
        if let Some(bye) = self.connection.mailbox.ended() {
            return Err(bye);
        }
        if self.connection.identity.has_expired(self.hub.now()) {
            return Err(self.close(token_expired()));
        }
        self.connection.heard();
        Ok(())
    }

    /// Queues the answer to a request; one that cannot be given becomes `failed`.
    fn answer(&self, id: u64, answer: Result<ServerFrame, StorageError>) {
        let failed = |code, message| {
            let retry_after_ms = None;
            ServerFrame::Failed(Failed {
                id,
                code,
                message,
                retry_after_ms,
            })
        };
        let frame = answer.unwrap_or_else(|error| failed(error.code(), error.to_string()));
        let bytes = encode(&frame).or_else(|error| encode(&failed(error.code(), error.to_string())));
        if let Ok(bytes) = bytes {
            self.connection.mailbox.answer(bytes.into());
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.typing.end(&self.hub, self.user());
        self.hub.leave(&self.connection);
        self.connection.mailbox.abandon();
    }
}

/// Returns the device that does something of its own in an operation.
const fn acting_device(op: &Op) -> Option<DeviceId> {
    match op {
        Op::MarkDelivered { device, .. }
        | Op::SaveDraft { device, .. }
        | Op::RegisterDevice { device, .. }
        | Op::RequestDeviceSync { device, .. }
        | Op::OfferDeviceSync { by: device, .. } => Some(*device),
        _ => None,
    }
}
