use eyeball::Subscriber;
use futures_util::{Stream, StreamExt};
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

/// A reader of one part of an observable value: it wakes when that part is another one, and not for the rest.
///
/// It sees the latest, not each one on the way. It ends with what it reads.
pub struct Part<W, T> {
    whole: Subscriber<W>,
    pick: fn(&W) -> T,
    seen: T,
}

impl<W: Clone, T: Clone + PartialEq> Part<W, T> {
    pub(crate) fn new(whole: Subscriber<W>, pick: fn(&W) -> T) -> Self {
        let seen = pick(&whole.read());
        Self { whole, pick, seen }
    }

    /// Returns the part as it is now.
    #[must_use]
    pub fn get(&self) -> T {
        (self.pick)(&self.whole.read())
    }

    /// Waits until the part differs from the one that was returned last, or was there at the beginning. Nothing: it has
    /// ended. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<T> {
        StreamExt::next(self).await
    }
}

impl<W: Clone, T: Clone + PartialEq> Stream for Part<W, T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        loop {
            match Pin::new(&mut self.whole).poll_next(cx) {
                Poll::Ready(Some(whole)) => {
                    let now = (self.pick)(&whole);
                    if now != self.seen {
                        self.seen = now.clone();
                        return Poll::Ready(Some(now));
                    }
                }
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

/// Nothing is pinned in it.
impl<W, T> Unpin for Part<W, T> {}

impl<W: fmt::Debug, T: fmt::Debug> fmt::Debug for Part<W, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Part").field(&self.seen).finish()
    }
}
