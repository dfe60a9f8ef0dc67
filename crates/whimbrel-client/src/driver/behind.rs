//! Who waits for being caught up.

use crate::command::Reply;
use std::collections::HashMap;

/// The callers that wait, by the engine's number for what they wait for.
///
/// Offline nothing comes that would answer them, and most give up: those are forgotten with the next one that asks.
#[derive(Debug, Default)]
pub(super) struct Behind(HashMap<u64, Vec<Reply<()>>>);

impl Behind {
    pub(super) fn add(&mut self, ticket: u64, reply: Reply<()>) {
        self.0.retain(|_, replies| {
            replies.retain(|reply| !reply.is_closed());
            !replies.is_empty()
        });
        self.0.entry(ticket).or_default().push(reply);
    }

    /// Returns those who waited for `ticket`.
    pub(super) fn take(&mut self, ticket: u64) -> Vec<Reply<()>> {
        self.0.remove(&ticket).unwrap_or_default()
    }

    /// Returns all.
    pub(super) fn take_all(&mut self) -> Vec<Reply<()>> {
        std::mem::take(&mut self.0).into_values().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    #[test]
    fn who_gave_up_is_forgotten_whatever_they_waited_for() {
        let mut behind = Behind::default();
        let (kept, _waits) = oneshot::channel();
        behind.add(3, kept);
        for ticket in 0..1_000 {
            let (reply, _) = oneshot::channel();
            behind.add(ticket % 5, reply);
        }
        assert!(behind.0.len() <= 2, "{behind:?}");
        let mut answered = behind.take_all();
        // The last one is not looked at before somebody else comes.
        answered.retain(|reply| !reply.is_closed());
        assert_eq!(answered.len(), 1, "who waits is not forgotten");
        assert!(behind.0.is_empty());
    }

    #[test]
    fn an_answer_is_for_those_who_waited_for_it() {
        let mut behind = Behind::default();
        let (one, _waits) = oneshot::channel();
        let (two, _waits_too) = oneshot::channel();
        let (other, _waits_as_well) = oneshot::channel();
        behind.add(1, one);
        behind.add(1, two);
        behind.add(2, other);
        assert_eq!(behind.take(1).len(), 2);
        assert_eq!((behind.take(1).len(), behind.take(2).len()), (0, 1));
    }
}
