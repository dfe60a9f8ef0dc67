//! Calls that are given up before they are done, as a request is whose client hangs up.
//!
//! ```
//! use whimbrel_testkit::dropped::{Moment, dropped_at};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let call = async {
//!     tokio::task::yield_now().await;
//!     "done"
//! };
//! assert_eq!(dropped_at(Moment { polls: 2, turns: 0 }, call).await, Some("done"));
//!
//! let call = async {
//!     tokio::task::yield_now().await;
//!     unreachable!("it was polled once, and dropped")
//! };
//! assert_eq!(dropped_at(Moment { polls: 1, turns: 3 }, call).await, None::<&str>);
//! # }
//! ```

use std::{future::poll_fn, task::Poll};

/// When a call is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// How often it is polled at most: at once, and then each time that it asks for it. So it stops at its `polls`th await.
    pub polls: usize,
    /// How often everything else may run after that, before it is dropped.
    pub turns: usize,
}

impl Moment {
    /// Returns every moment from the very first on, up to so many polls, each followed by up to so many turns.
    pub fn all(polls: usize, turns: usize) -> impl Iterator<Item = Self> {
        (0..=polls).flat_map(move |polls| (0..=turns).map(move |turns| Self { polls, turns }))
    }
}

/// Makes a call and gives it up at `moment`, unless it is done before: then returns what it came to.
///
/// A call that does not ask to be polled again is waited for.
pub async fn dropped_at<F: Future>(moment: Moment, call: F) -> Option<F::Output> {
    let mut call = Box::pin(call);
    let mut left = moment.polls;
    let done = poll_fn(|context| {
        if left > 0 {
            left -= 1;
            if let Poll::Ready(output) = call.as_mut().poll(context) {
                return Poll::Ready(Some(output));
            }
        }
        if left == 0 {
            return Poll::Ready(None);
        }
        Poll::Pending
    })
    .await;
    if done.is_none() {
        for _ in 0..moment.turns {
            tokio::task::yield_now().await;
        }
    }
    done
}
