//! The socket: carries frames between a peer and the hub.

use super::{App, Problem};
use crate::server::RETURN_AFTER;
use axum::{
    Extension,
    body::Bytes,
    extract::{
        State, WebSocketUpgrade,
        ws::{CloseFrame, Message, Utf8Bytes, WebSocket, rejection::WebSocketUpgradeRejection},
    },
    response::Response,
};
use futures_util::{
    Sink, SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::task_tracker::TaskTrackerToken};
use whimbrel_hub::{Outbound, Session};
use whimbrel_model::{Code, limits};
use whimbrel_protocol::{Bye, ClientFrame, ServerFrame, decode, encode};

/// Bytes of each buffer of an idle socket. With the defaults it costs 137 KB.
const BUFFER_BYTES: usize = 4 * 1024;

/// Bytes that may wait within a socket: one frame and what stands around it. The hub bounds what waits before it.
const WRITE_BYTES: usize = 2 * limits::FRAME_BYTES;

/// How long a peer may take for its hello.
const HELLO_DEADLINE: Duration = Duration::from_secs(10);

/// How long a peer may take to read what was written.
const WRITE_DEADLINE: Duration = Duration::from_secs(10);

/// How long a closed socket is kept, so that the peer can read why before it is reset.
const LINGER: Duration = Duration::from_secs(1);

/// What a connection carries into its requests: its place under the limit, its entry among the tasks, and the signal
/// to end at once.
#[derive(Clone, Debug)]
pub(crate) struct Guest(Arc<Entry>);

#[derive(Debug)]
struct Entry {
    _permit: OwnedSemaphorePermit,
    _task: TaskTrackerToken,
    kill: CancellationToken,
}

impl Guest {
    pub(crate) fn new(permit: OwnedSemaphorePermit, task: TaskTrackerToken, kill: CancellationToken) -> Self {
        Self(Arc::new(Entry {
            _permit: permit,
            _task: task,
            kill,
        }))
    }

    /// Waits for the signal to end at once.
    pub(crate) async fn killed(&self) {
        self.0.kill.cancelled().await;
    }
}

/// `GET /v1/socket`
pub(super) async fn open(
    State(app): State<Arc<App>>,
    Extension(guest): Extension<Guest>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let upgrade = upgrade
        .map_err(|error| Problem::new(Code::Invalid, error.body_text()).with_status(error.status()))?;
    let upgrade = upgrade
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES)
        .max_write_buffer_size(WRITE_BYTES)
        .max_message_size(limits::FRAME_BYTES)
        .max_frame_size(limits::FRAME_BYTES);
    Ok(upgrade.on_upgrade(move |socket| async move {
        tokio::select! {
            biased;
            () = guest.killed() => {}
            () = serve(&app, socket) => {}
        }
    }))
}

async fn serve(app: &App, mut socket: WebSocket) {
    let first = tokio::select! {
        biased;
        () = app.stopping.cancelled() => Ok(Read::Wrong(stopping())),
        first = timeout(HELLO_DEADLINE, next_frame(&mut socket)) => first,
    };
    let greeted = match first {
        Err(_) => Err(bye(Code::HeartbeatLost, "no hello arrived within 10 s")),
        Ok(Read::Frame(ClientFrame::Hello(hello))) => app.hub.hello(hello, app).await,
        Ok(Read::Frame(_)) => Err(bye(Code::FrameInvalid, "the first frame must be hello")),
        Ok(Read::Wrong(bye)) => Err(bye),
        Ok(Read::Gone) => return,
    };
    match greeted {
        Ok((session, outbound)) => carry(socket, session, outbound).await,
        Err(bye) => refuse(socket, bye).await,
    }
}

/// Carries frames both ways until either side ends it.
async fn carry(socket: WebSocket, session: Session, outbound: Outbound) {
    let (sink, mut stream) = socket.split();
    let mut writer = std::pin::pin!(write(sink, outbound));
    tokio::select! {
        biased;
        () = &mut writer => {}
        () = read(&mut stream, session) => writer.await,
    }
    linger(&mut stream).await;
}

/// Hands the peer's frames to the session. When it returns, the session has ended, and the writer ends after it.
async fn read(stream: &mut SplitStream<WebSocket>, session: Session) {
    loop {
        let ended = match next_frame(stream).await {
            Read::Frame(frame) => session.handle(frame).await.is_err(),
            Read::Wrong(bye) => {
                session.close(bye);
                true
            }
            Read::Gone => true,
        };
        if ended {
            return;
        }
    }
}

/// Writes batches, each with as few system calls as the socket allows, and closes after the last.
async fn write(mut sink: SplitSink<WebSocket, Message>, mut outbound: Outbound) {
    let mut last = None;
    while let Some(batch) = outbound.next_batch().await {
        last = batch.last().cloned();
        if !matches!(
            timeout(WRITE_DEADLINE, write_batch(&mut sink, batch)).await,
            Ok(Ok(()))
        ) {
            return;
        }
    }
    let bye = last.and_then(|frame| match decode(&frame) {
        Ok(ServerFrame::Bye(bye)) => Some(bye),
        _ => None,
    });
    let _ = timeout(LINGER, close(&mut sink, bye.map(|bye| bye.code))).await;
}

async fn write_batch(sink: &mut SplitSink<WebSocket, Message>, batch: Vec<Bytes>) -> Result<(), axum::Error> {
    for frame in batch {
        sink.feed(text(frame)?).await?;
    }
    sink.flush().await
}

async fn refuse(mut socket: WebSocket, bye: Bye) {
    let code = bye.code.clone();
    let answer = async {
        let frame = encode(&ServerFrame::Bye(bye)).map_err(axum::Error::new)?;
        socket.feed(text(frame.into())?).await?;
        close(&mut socket, Some(code)).await
    };
    if matches!(timeout(LINGER, answer).await, Ok(Ok(()))) {
        linger(&mut socket).await;
    }
}

/// Says why with a close frame.
async fn close(
    sink: &mut (impl Sink<Message, Error = axum::Error> + Unpin),
    code: Option<Code>,
) -> Result<(), axum::Error> {
    let frame = CloseFrame {
        code: close_code(code.as_ref()),
        reason: code.as_ref().map_or("", Code::as_str).into(),
    };
    sink.send(Message::Close(Some(frame))).await
}

/// The number of RFC 6455 that says it best.
const fn close_code(code: Option<&Code>) -> u16 {
    match code {
        None => 1000,
        Some(Code::ServerStopping) => 1012,
        Some(Code::TooLarge) => 1009,
        Some(Code::FrameInvalid | Code::ProtocolUnsupported) => 1002,
        Some(Code::SlowConsumer | Code::RateLimited | Code::Unavailable) => 1013,
        Some(_) => 1008,
    }
}

/// Waits for the peer to close too.
async fn linger(stream: &mut (impl StreamExt<Item = Result<Message, axum::Error>> + Unpin)) {
    let closed = async {
        loop {
            match stream.next().await {
                Some(Ok(Message::Close(_))) => return,
                Some(Ok(_)) => {}
                // Nothing can be read any more, but the peer may still be reading.
                Some(Err(_)) | None => sleep(LINGER).await,
            }
        }
    };
    let _ = timeout(LINGER, closed).await;
}

enum Read {
    Frame(ClientFrame),
    /// The connection is to end with these words.
    Wrong(Bye),
    /// The peer closed, or the connection broke.
    Gone,
}

async fn next_frame(stream: &mut (impl StreamExt<Item = Result<Message, axum::Error>> + Unpin)) -> Read {
    loop {
        match stream.next().await {
            Some(Ok(Message::Text(text))) => {
                return match decode(text.as_bytes()) {
                    Ok(frame) => Read::Frame(frame),
                    Err(error) => Read::Wrong(bye(error.code(), error.to_string())),
                };
            }
            Some(Ok(Message::Binary(_))) => {
                return Read::Wrong(bye(Code::FrameInvalid, "a binary frame: frames are text"));
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(Message::Close(_))) | None => return Read::Gone,
            Some(Err(error)) => return broken(&error),
        }
    }
}

/// Tells a peer that breaks a rule from a connection that broke.
///
/// By the words: axum hides the kind of the error, and this crate does not depend on the library beneath it. The
/// tests send one of each kind, so that other words do not go unnoticed.
fn broken(error: &axum::Error) -> Read {
    let text = error.to_string();
    if text.contains("too long") || text.contains("too big") {
        let message = format!("a frame is over the limit of {} bytes", limits::FRAME_BYTES);
        return Read::Wrong(bye(Code::TooLarge, message));
    }
    if text.contains("UTF-8") || text.contains("WebSocket protocol error") {
        return Read::Wrong(bye(Code::FrameInvalid, text));
    }
    Read::Gone
}

fn text(frame: Bytes) -> Result<Message, axum::Error> {
    Ok(Message::Text(
        Utf8Bytes::try_from(frame).map_err(axum::Error::new)?,
    ))
}

fn stopping() -> Bye {
    Bye {
        retry_after_ms: u64::try_from(RETURN_AFTER.as_millis()).ok(),
        ..bye(Code::ServerStopping, "the server is stopping: reconnect later")
    }
}

fn bye(code: Code, message: impl Into<String>) -> Bye {
    Bye {
        code,
        message: message.into(),
        retry_after_ms: None,
        protocol: None,
    }
}
