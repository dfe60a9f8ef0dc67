use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::Instant,
};

/// Knows when bytes last moved in each direction, so that a deadline ends a dead link and not a slow one.
#[derive(Debug)]
pub(crate) struct Meter {
    opened: Instant,
    /// Microseconds after `opened`.
    read: AtomicU64,
    /// Microseconds after `opened`.
    written: AtomicU64,
}

impl Meter {
    /// Returns when bytes last came in.
    pub(crate) fn read(&self) -> Instant {
        self.at(&self.read)
    }

    /// Returns when bytes last went out to the operating system.
    pub(crate) fn written(&self) -> Instant {
        self.at(&self.written)
    }

    fn at(&self, moved: &AtomicU64) -> Instant {
        self.opened + Duration::from_micros(moved.load(Ordering::Relaxed))
    }

    fn mark(&self, moved: &AtomicU64) {
        let now = u64::try_from(self.opened.elapsed().as_micros()).unwrap_or(u64::MAX);
        moved.store(now, Ordering::Relaxed);
    }
}

/// A TCP connection under a [`Meter`].
#[derive(Debug)]
pub(crate) struct Metered {
    socket: TcpStream,
    meter: Arc<Meter>,
}

impl Metered {
    pub(crate) fn new(socket: TcpStream) -> (Self, Arc<Meter>) {
        let meter = Arc::new(Meter {
            opened: Instant::now(),
            read: AtomicU64::new(0),
            written: AtomicU64::new(0),
        });
        (
            Self {
                socket,
                meter: Arc::clone(&meter),
            },
            meter,
        )
    }
}

impl AsyncRead for Metered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.socket).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.meter.mark(&self.meter.read);
        }
        read
    }
}

impl AsyncWrite for Metered {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(cx, bytes);
        if matches!(written, Poll::Ready(Ok(count)) if count > 0) {
            self.meter.mark(&self.meter.written);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // TLS writes several records at once.
        let written = Pin::new(&mut self.socket).poll_write_vectored(cx, parts);
        if matches!(written, Poll::Ready(Ok(count)) if count > 0) {
            self.meter.mark(&self.meter.written);
        }
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }
}
