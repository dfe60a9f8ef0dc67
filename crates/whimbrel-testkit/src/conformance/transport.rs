//! What every transport has to do, as a suite that each implementation runs.
//!
//! Implement [`Opener`] in the tests of the transport's crate, and call
//! [`transport_conformance!`](crate::transport_conformance) with it in a module of its own:
//!
//! ```
//! use std::sync::Arc;
//! use whimbrel_testkit::conformance::transport::Opener;
//! use whimbrel_transport::{Connection, Connector, memory};
//!
//! struct Memory {
//!     connector: memory::MemoryConnector,
//!     listener: memory::MemoryListener,
//! }
//!
//! #[async_trait::async_trait]
//! impl Opener for Memory {
//!     async fn open(max_frame: usize) -> Self {
//!         let (connector, listener) = memory::channel();
//!         Self { connector: connector.with_max_frame(max_frame), listener }
//!     }
//!
//!     fn connector(&self) -> Arc<dyn Connector> {
//!         Arc::new(self.connector.clone())
//!     }
//!
//!     async fn accept(&mut self) -> Connection {
//!         self.listener.accept().await.expect("the connector lives")
//!     }
//!
//!     async fn refuse(&mut self) {
//!         self.connector.refuse(true);
//!     }
//! }
//!
//! mod conformance {
//!     whimbrel_testkit::transport_conformance!(super::Memory);
//! }
//! # fn main() {}
//! ```
//!
//! The suite drives the connector's side and only uses the server's side as a peer: what the server's own halves do when
//! they are dropped one by one is not asserted. Deadlines are not asserted either, because only the transport knows how
//! to make its link die without a sign: its own tests do that.

use async_trait::async_trait;
use bytes::Bytes;
use std::{cell::Cell, future::Future, sync::Arc, time::Duration};
use tokio::{
    task::yield_now,
    time::{Instant, timeout},
};
use whimbrel_transport::{Connection, Connector, FrameStream, TransportError};

/// The limit in bytes that most cases open with. Any limit has to do.
pub const MAX_FRAME: usize = 64 * 1024;

/// The largest frame in bytes that the suite sends from the server's side.
pub const SERVER_MAX_FRAME: usize = 1024 * 1024;

/// How long a case waits for what has to happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server, and a connector to it.
#[async_trait]
pub trait Opener: Send + Sized {
    /// Opens a server, and a connector to it that sends and takes frames of at most `max_frame` bytes. The server's side
    /// sends frames of up to [`SERVER_MAX_FRAME`].
    async fn open(max_frame: usize) -> Self;

    /// Returns the connector under test.
    fn connector(&self) -> Arc<dyn Connector>;

    /// Waits for the next connection, and completes its handshake. It is awaited while the connector connects.
    async fn accept(&mut self) -> Connection;

    /// Takes the server away: from now on a connect finds nothing at its address.
    async fn refuse(&mut self);
}

/// Runs every case of [`conformance::transport`](crate::conformance::transport) as a test of its own, on the type that
/// is given, which implements [`Opener`](crate::conformance::transport::Opener). The calling crate needs tokio with
/// `macros` and `rt`.
#[macro_export]
macro_rules! transport_conformance {
    ($opener:ty) => {
        $crate::transport_conformance! { @cases $opener,
            frames_arrive_whole_and_in_order_both_ways
            a_batch_arrives_as_its_frames
            an_empty_batch_sends_nothing
            a_frame_at_the_limit_passes_both_ways
            a_frame_over_the_limit_is_refused_before_it_is_sent
            a_frame_over_the_limit_ends_the_connection_when_it_arrives
            a_frame_that_is_not_text_is_refused
            what_was_sent_before_a_goodbye_arrives_and_then_the_reason
            a_goodbye_of_this_side_arrives
            dropping_the_sink_ends_both_sides
            dropping_the_stream_ends_both_sides
            a_server_that_goes_ends_both_halves
            an_end_is_final
            a_wait_for_a_frame_can_be_dropped_without_losing_one
            a_sender_waits_for_a_reader_that_does_not_read
            a_server_that_is_not_there_is_a_retryable_error
            one_connector_opens_connections_that_do_not_mix
        }
    };
    (@cases $opener:ty, $($case:ident)*) => {
        $(
            #[tokio::test]
            async fn $case() {
                $crate::conformance::transport::$case::<$opener>().await;
            }
        )*
    };
}

async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    match timeout(PATIENCE, work).await {
        Ok(done) => done,
        Err(_) => panic!("{what} did not happen within {PATIENCE:?}"),
    }
}

async fn connect<O: Opener>(opener: &mut O) -> (Connection, Connection) {
    let connector = opener.connector();
    let both = async { tokio::join!(connector.connect(), opener.accept()) };
    let (client, server) = within("a connection", both).await;
    (client.expect("the server is there"), server)
}

async fn open<O: Opener>() -> (O, Connection, Connection) {
    let mut opener = O::open(MAX_FRAME).await;
    let (client, server) = connect(&mut opener).await;
    (opener, client, server)
}

/// Makes a text frame of `size` bytes that tells its number.
fn frame(number: usize, size: usize) -> Bytes {
    let mut text = format!("{number}:");
    text.extend(std::iter::repeat_n('x', size.saturating_sub(text.len())));
    Bytes::from(text)
}

async fn receive(stream: &mut Box<dyn FrameStream>) -> Bytes {
    within("a frame", stream.next())
        .await
        .expect("the connection is open")
}

async fn send(connection: &mut Connection, frames: Vec<Bytes>) {
    within("a send", connection.sink.send(frames))
        .await
        .expect("the connection is open");
}

async fn end_of(stream: &mut Box<dyn FrameStream>) -> TransportError {
    match within("an end", stream.next()).await {
        Ok(frame) => panic!("a frame of {} bytes came after the end", frame.len()),
        Err(error) => error,
    }
}

/// Sends until it fails: a network may take some before it knows that nobody is there.
async fn sending_fails(connection: &mut Connection) {
    within("a failing send", async {
        while connection.sink.send(vec![frame(0, 16)]).await.is_ok() {
            yield_now().await;
        }
    })
    .await;
}

/// Frames of very different sizes, empty ones included, arrive as they were sent.
pub async fn frames_arrive_whole_and_in_order_both_ways<O: Opener>() {
    let (_opener, mut client, mut server) = open::<O>().await;
    let sizes = [2, 0, 125, 126, 127, 1_000, 65_535, 0, 3, MAX_FRAME];
    let frames: Vec<Bytes> = sizes.iter().map(|size| frame(7, *size).slice(..*size)).collect();
    for sent in &frames {
        send(&mut client, vec![sent.clone()]).await;
        assert_eq!(&receive(&mut server.stream).await, sent);
        send(&mut server, vec![sent.clone()]).await;
        assert_eq!(&receive(&mut client.stream).await, sent);
    }
    let text = Bytes::from("grüße 👋 \u{0}");
    send(&mut client, vec![text.clone()]).await;
    assert_eq!(receive(&mut server.stream).await, text);
}

/// A batch is a saving and not a frame.
pub async fn a_batch_arrives_as_its_frames<O: Opener>() {
    let (_opener, mut client, mut server) = open::<O>().await;
    let batch: Vec<Bytes> = (0..50).map(|number| frame(number, 700)).collect();
    send(&mut client, batch.clone()).await;
    for sent in batch {
        assert_eq!(receive(&mut server.stream).await, sent);
    }
}

/// Nothing is not a frame.
pub async fn an_empty_batch_sends_nothing<O: Opener>() {
    let (_opener, mut client, mut server) = open::<O>().await;
    send(&mut client, Vec::new()).await;
    send(&mut client, vec![frame(1, 9)]).await;
    assert_eq!(receive(&mut server.stream).await, frame(1, 9));
}

/// The limit itself is allowed, and does not depend on the default.
pub async fn a_frame_at_the_limit_passes_both_ways<O: Opener>() {
    for limit in [100, MAX_FRAME, SERVER_MAX_FRAME] {
        let mut opener = O::open(limit).await;
        let (mut client, mut server) = connect(&mut opener).await;
        let largest = frame(1, limit);
        let there = async { tokio::join!(client.sink.send(vec![largest.clone()]), server.stream.next()) };
        let (sent, arrived) = within("a frame at the limit", there).await;
        assert_eq!((sent, arrived), (Ok(()), Ok(largest.clone())));
        let back = async { tokio::join!(server.sink.send(vec![largest.clone()]), client.stream.next()) };
        let (sent, arrived) = within("a frame at the limit", back).await;
        assert_eq!((sent, arrived), (Ok(()), Ok(largest)));
    }
}

/// Nothing of the batch leaves, and the connection is over.
pub async fn a_frame_over_the_limit_is_refused_before_it_is_sent<O: Opener>() {
    let (_opener, mut client, mut server) = open::<O>().await;
    let batch = vec![frame(1, 10), frame(2, MAX_FRAME + 1)];
    let refused = within("a refusal", client.sink.send(batch)).await;
    assert_eq!(
        refused,
        Err(TransportError::FrameTooLarge {
            size: MAX_FRAME + 1,
            limit: MAX_FRAME
        })
    );
    sending_fails(&mut client).await;
    end_of(&mut server.stream).await;
}

/// It is not delivered, not even in part, and nothing after it is.
pub async fn a_frame_over_the_limit_ends_the_connection_when_it_arrives<O: Opener>() {
    let (_opener, mut client, mut server) = open::<O>().await;
    send(&mut server, vec![frame(1, 10)]).await;
    // It may fail, as the client hangs up on it.
    let batch = vec![frame(2, MAX_FRAME + 1), frame(3, 10)];
    let both = async {
        tokio::join!(server.sink.send(batch), async {
            assert_eq!(receive(&mut client.stream).await, frame(1, 10));
            end_of(&mut client.stream).await
        })
    };
    let (_, error) = within("an end", both).await;
    assert_eq!(
        error,
        TransportError::FrameTooLarge {
            size: MAX_FRAME + 1,
            limit: MAX_FRAME
        }
    );
    end_of(&mut client.stream).await;
    sending_fails(&mut client).await;
    end_of(&mut server.stream).await;
}

/// Frames are UTF-8, so that every transport can carry them.
pub async fn a_frame_that_is_not_text_is_refused<O: Opener>() {
    let (_opener, mut client, mut server) = open::<O>().await;
    let refused = within(
        "a refusal",
        client.sink.send(vec![Bytes::from_static(b"\xff\xfe")]),
    )
    .await;
    assert!(matches!(refused, Err(TransportError::Protocol(_))), "{refused:?}");
    end_of(&mut server.stream).await;
}

/// A server says its last word and goes: the client gets the word, and then why.
pub async fn what_was_sent_before_a_goodbye_arrives_and_then_the_reason<O: Opener>() {
    let (_opener, mut client, mut server) = open::<O>().await;
    send(&mut server, vec![frame(1, 10), frame(2, 10)]).await;
    let goodbye = async {
        tokio::join!(server.sink.close(), async {
            assert_eq!(receive(&mut client.stream).await, frame(1, 10));
            assert_eq!(receive(&mut client.stream).await, frame(2, 10));
            end_of(&mut client.stream).await
        })
    };
    let ((), error) = within("a goodbye", goodbye).await;
    assert!(
        matches!(&error, TransportError::Closed(reason) if !reason.is_empty()),
        "{error:?}"
    );
    assert!(error.is_retryable());
    sending_fails(&mut client).await;
}

/// The same the other way round; and close returns.
pub async fn a_goodbye_of_this_side_arrives<O: Opener>() {
    let (_opener, mut client, mut server) = open::<O>().await;
    send(&mut client, vec![frame(1, 10)]).await;
    let goodbye = async {
        tokio::join!(client.sink.close(), async {
            assert_eq!(receive(&mut server.stream).await, frame(1, 10));
            end_of(&mut server.stream).await
        })
    };
    let ((), error) = within("a goodbye", goodbye).await;
    assert!(matches!(error, TransportError::Closed(_)), "{error:?}");
    end_of(&mut client.stream).await;
    // Once more is harmless.
    within("a goodbye after the goodbye", client.sink.close()).await;
    sending_fails(&mut client).await;
}

/// The stream half is waiting in another task when the sink half goes.
pub async fn dropping_the_sink_ends_both_sides<O: Opener>() {
    let (_opener, client, mut server) = open::<O>().await;
    let Connection { sink, mut stream } = client;
    // The drop comes second: by then the stream waits.
    let both = async { tokio::join!(stream.next(), async { drop(sink) }) };
    let (ended, ()) = within("an end", both).await;
    assert!(ended.is_err(), "{ended:?}");
    end_of(&mut server.stream).await;
}

/// The server sees the end although the sink half is still there.
pub async fn dropping_the_stream_ends_both_sides<O: Opener>() {
    let (_opener, client, mut server) = open::<O>().await;
    let Connection { mut sink, stream } = client;
    drop(stream);
    end_of(&mut server.stream).await;
    let sent = within("a failing send", sink.send(vec![frame(1, 10)])).await;
    assert!(sent.is_err(), "{sent:?}");
}

/// Nobody says goodbye.
pub async fn a_server_that_goes_ends_both_halves<O: Opener>() {
    let (_opener, mut client, server) = open::<O>().await;
    drop(server);
    let error = end_of(&mut client.stream).await;
    assert!(error.is_retryable(), "{error:?}");
    sending_fails(&mut client).await;
}

/// Asking again neither waits nor panics.
pub async fn an_end_is_final<O: Opener>() {
    let (_opener, mut client, server) = open::<O>().await;
    drop(server);
    for _ in 0..3 {
        end_of(&mut client.stream).await;
    }
    sending_fails(&mut client).await;
    for _ in 0..3 {
        let sent = within("a failing send", client.sink.send(vec![frame(1, 10)])).await;
        assert!(sent.is_err(), "{sent:?}");
    }
}

/// A loop that selects over a frame and other work drops the wait again and again.
pub async fn a_wait_for_a_frame_can_be_dropped_without_losing_one<O: Opener>() {
    const FRAMES: usize = 300;
    let (_opener, mut client, mut server) = open::<O>().await;
    let sending = async {
        for number in 0..FRAMES {
            send(&mut server, vec![frame(number, 3_000)]).await;
            yield_now().await;
        }
    };
    let receiving = async {
        let (mut next, mut dropped) = (0, 0);
        while next < FRAMES {
            tokio::select! {
                biased;
                received = client.stream.next() => {
                    assert_eq!(received, Ok(frame(next, 3_000)));
                    next += 1;
                }
                () = yield_now() => dropped += 1,
            }
        }
        dropped
    };
    let ((), dropped) = within("all frames", async { tokio::join!(sending, receiving) }).await;
    assert!(dropped > 0, "no wait was dropped, so nothing was tested");
}

/// What is on its way is bounded; and when the reader comes back, everything arrives.
pub async fn a_sender_waits_for_a_reader_that_does_not_read<O: Opener>() {
    const FRAMES: usize = 1_024;
    let (_opener, mut client, mut server) = open::<O>().await;
    let sent = Cell::new(0);
    let sending = async {
        for number in 0..FRAMES {
            client
                .sink
                .send(vec![frame(number, MAX_FRAME)])
                .await
                .expect("the reader comes back");
            sent.set(number + 1);
        }
    };
    tokio::pin!(sending);
    tokio::select! {
        biased;
        () = &mut sending => panic!("{FRAMES} frames of {MAX_FRAME} bytes left, with nobody reading"),
        () = within("a full queue", stalls(&sent)) => {}
    }
    assert!(sent.get() > 0);
    let reading = async {
        for number in 0..FRAMES {
            assert_eq!(receive(&mut server.stream).await, frame(number, MAX_FRAME));
        }
    };
    within("everything", async { tokio::join!(sending, reading) }).await;
}

/// Waits until `count` stays the same while everything else had many turns.
async fn stalls(count: &Cell<usize>) {
    const TURNS: usize = 2_000;
    let (mut last, mut turns) = (count.get(), 0);
    while turns < TURNS {
        yield_now().await;
        turns = if count.get() == last { turns + 1 } else { 0 };
        last = count.get();
    }
}

/// The engine tries again later, and the app keeps working.
pub async fn a_server_that_is_not_there_is_a_retryable_error<O: Opener>() {
    let (mut opener, mut client, mut server) = open::<O>().await;
    opener.refuse().await;
    let begun = Instant::now();
    let refused = within("a refusal", opener.connector().connect()).await;
    let error = refused.expect_err("nothing is there");
    assert!(matches!(&error, TransportError::Connect { .. }), "{error:?}");
    assert!(error.is_retryable());
    assert!(
        begun.elapsed() < PATIENCE / 2,
        "a refusal is not a deadline that passed"
    );
    // What was open is another matter.
    send(&mut client, vec![frame(1, 10)]).await;
    assert_eq!(receive(&mut server.stream).await, frame(1, 10));
}

/// As after a reconnect, and with several accounts.
pub async fn one_connector_opens_connections_that_do_not_mix<O: Opener>() {
    let (mut opener, mut first, mut first_server) = open::<O>().await;
    let (mut second, mut second_server) = connect(&mut opener).await;
    send(&mut first, vec![frame(1, 10)]).await;
    send(&mut second, vec![frame(2, 10)]).await;
    assert_eq!(receive(&mut second_server.stream).await, frame(2, 10));
    assert_eq!(receive(&mut first_server.stream).await, frame(1, 10));
    drop(first);
    end_of(&mut first_server.stream).await;
    send(&mut second_server, vec![frame(3, 10)]).await;
    assert_eq!(receive(&mut second.stream).await, frame(3, 10));
}
