//! The link to the server: one task connects and reads, one writes. Both end when the link is dropped.

use crate::{TokenError, TokenProvider};
use bytes::Bytes;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::debug;
use whimbrel_model::Code;
use whimbrel_protocol::{ClientFrame, FrameError, Ops, ServerFrame, Token, decode, encode};
use whimbrel_sync::Input;
use whimbrel_transport::{Connector, FrameSink, FrameStream, TransportError};

/// Batches of frames that may wait for the socket. The engine bounds what it has on its way, so this many are never
/// behind a link that works.
const BATCHES: usize = 64;

/// Inputs that may wait for the driver. A full queue slows the socket down, which is what it is for.
pub(crate) const INPUTS: usize = 256;

/// What came from a link.
#[derive(Debug)]
pub(crate) struct LinkInput {
    /// The number of the link, so that news of an old one can be told apart.
    pub(crate) link: u64,
    /// What it means to the engine.
    pub(crate) input: Input,
    /// What happened, in words; with the last news only.
    pub(crate) words: Option<String>,
}

/// Why a link ended: the code, and the same in words.
type End = (Code, String);

/// What it takes to connect.
#[derive(Clone, Debug)]
pub(crate) struct Dialer {
    pub(crate) connector: Arc<dyn Connector>,
    pub(crate) tokens: Arc<dyn TokenProvider>,
    pub(crate) inputs: mpsc::Sender<LinkInput>,
    pub(crate) tasks: TaskTracker,
}

/// A link, connecting or connected.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) number: u64,
    greeted: bool,
    batches: mpsc::Sender<Vec<Bytes>>,
    stop: CancellationToken,
}

impl Dialer {
    /// Starts to connect. What happens comes in through `inputs`.
    pub(crate) fn dial(&self, number: u64, refresh_token: bool) -> Link {
        let (batches, waiting) = mpsc::channel(BATCHES);
        let stop = CancellationToken::new();
        let dialer = self.clone();
        let stopped = stop.clone();
        self.tasks.spawn(async move {
            let run = dialer.run(number, refresh_token, waiting, stopped.clone());
            // Dropping the future drops the socket: nothing of a stopped link goes on.
            stopped.run_until_cancelled(run).await;
        });
        Link {
            number,
            greeted: false,
            batches,
            stop,
        }
    }

    async fn run(
        &self,
        number: u64,
        refresh_token: bool,
        waiting: mpsc::Receiver<Vec<Bytes>>,
        stop: CancellationToken,
    ) {
        let (input, words) = match self.connect(refresh_token).await {
            Ok((token, connection)) => {
                self.tell(number, Input::Connected(token), None).await;
                let writer = write(connection.sink, waiting, stop.clone());
                let reader = self.read(number, connection.stream);
                let (code, words) = tokio::select! {
                    biased;
                    end = reader => end,
                    end = writer => end,
                };
                (Input::Closed { code }, words)
            }
            Err(end) => end,
        };
        self.tell(number, input, Some(words)).await;
    }

    async fn connect(
        &self,
        refresh_token: bool,
    ) -> Result<(Token, whimbrel_transport::Connection), (Input, String)> {
        let token = self.tokens.token(refresh_token).await.map_err(|error| {
            debug!(code = error.code(), "no token");
            let words = error.to_string();
            match error {
                TokenError::Unavailable(_) => {
                    let code = Code::Other(error.code().to_owned());
                    (Input::ConnectFailed { code }, words)
                }
                TokenError::SignedOut(message) => (Input::NoToken { message }, words),
            }
        })?;
        let connection = self.connector.connect().await.map_err(|error| {
            debug!(code = error.code(), %error, "cannot connect");
            let (code, words) = end_of(&error);
            (Input::ConnectFailed { code }, words)
        })?;
        Ok((token, connection))
    }

    async fn read(&self, number: u64, mut stream: Box<dyn FrameStream>) -> End {
        loop {
            let frame = match stream.next().await {
                Ok(bytes) => decode::<ServerFrame>(&bytes),
                Err(error) => {
                    debug!(code = error.code(), %error, "the connection ended");
                    return end_of(&error);
                }
            };
            match frame {
                Ok(frame) => self.tell(number, Input::Frame(frame), None).await,
                Err(error) => {
                    debug!(%error, "the server sent something else");
                    return (error.code(), error.to_string());
                }
            }
        }
    }

    async fn tell(&self, link: u64, input: Input, words: Option<String>) {
        // The driver is gone only when the client is closing.
        let _ = self.inputs.send(LinkInput { link, input, words }).await;
    }
}

async fn write(
    mut sink: Box<dyn FrameSink>,
    mut waiting: mpsc::Receiver<Vec<Bytes>>,
    stop: CancellationToken,
) -> End {
    while let Some(mut frames) = waiting.recv().await {
        while let Ok(more) = waiting.try_recv() {
            frames.extend(more);
        }
        if let Err(error) = sink.send(frames).await {
            return end_of(&error);
        }
    }
    sink.close().await;
    // The link was dropped: the reader is stopped with it.
    stop.cancel();
    (Code::Other("closed".to_owned()), "the link was closed".to_owned())
}

fn end_of(error: &TransportError) -> End {
    (Code::Other(error.code().to_owned()), error.to_string())
}

impl Link {
    /// Hands frames to the writer.
    ///
    /// # Errors
    /// The code to close with: a frame that does not fit, or a writer that is stuck or gone.
    pub(crate) fn send(&mut self, frames: Vec<ClientFrame>) -> Result<(), Code> {
        let mut batch = Vec::with_capacity(frames.len());
        for frame in frames {
            encode_into(frame, &mut batch).map_err(|error| error.code())?;
        }
        self.greeted = true;
        self.batches
            .try_send(batch)
            .map_err(|_| Code::Other("link_stuck".to_owned()))
    }

    /// Ends. A link that said hello first lets leave what was handed over and says goodbye, within the transport's own
    /// deadlines.
    pub(crate) fn close(self) {
        if !self.greeted {
            self.stop.cancel();
        }
        // Dropping the queue ends the writer, which says goodbye and stops the rest.
    }
}

/// Encodes a frame; operations that do not fit into one are split.
fn encode_into(frame: ClientFrame, batch: &mut Vec<Bytes>) -> Result<(), FrameError> {
    match (encode(&frame), frame) {
        (Ok(bytes), _) => batch.push(bytes.into()),
        (Err(FrameError::TooLarge { .. }), ClientFrame::Ops(Ops { mut ops })) if ops.len() > 1 => {
            let rest = ops.split_off(ops.len() / 2);
            encode_into(ClientFrame::Ops(Ops { ops }), batch)?;
            encode_into(ClientFrame::Ops(Ops { ops: rest }), batch)?;
        }
        (Err(error), _) => return Err(error),
    }
    Ok(())
}
