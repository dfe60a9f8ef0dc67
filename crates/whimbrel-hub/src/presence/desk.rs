//! The state machine among live connections: what it says goes into their mailboxes, in its order.

use super::{ConnectionNumber, Now, Presence, Told};
use crate::{
    Clock,
    outbound::{Mailbox, bye, encode_frame},
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;
use whimbrel_model::{Code, UserId, limits};
use whimbrel_protocol::{AskPresence, Bye, Failed, OwnPresence, Presence as Frame, ServerFrame};

#[derive(Debug)]
pub(crate) struct PresenceDesk {
    clock: Arc<dyn Clock>,
    began: Instant,
    live: Mutex<Live>,
}

#[derive(Debug)]
struct Live {
    presence: Presence,
    mailboxes: HashMap<ConnectionNumber, Arc<Mailbox>>,
    last: ConnectionNumber,
}

impl PresenceDesk {
    pub(crate) fn new(clock: Arc<dyn Clock>, grace: Duration) -> Self {
        Self {
            clock,
            began: Instant::now(),
            live: Mutex::new(Live {
                presence: Presence::new(crate::hub::millis(grace)),
                mailboxes: HashMap::new(),
                last: 0,
            }),
        }
    }

    /// A connection begins. Returns the number to end it with.
    pub(crate) fn join(&self, user: &UserId, mailbox: &Arc<Mailbox>, own: OwnPresence) -> ConnectionNumber {
        let now = self.now();
        let mut live = self.lock();
        live.last += 1;
        let number = live.last;
        live.mailboxes.insert(number, mailbox.clone());
        let told = live.presence.join(number, user, own, now);
        live.tell(told);
        number
    }

    /// A connection has ended, or its lease has.
    pub(crate) fn leave(&self, number: ConnectionNumber) {
        let now = self.now();
        let mut live = self.lock();
        live.mailboxes.remove(&number);
        live.presence.leave(number, now);
    }

    /// Carries out a request, and queues its answer.
    ///
    /// # Errors
    /// The [`Bye`] to end the connection with: there is too much in the frame.
    pub(crate) fn ask(&self, number: ConnectionNumber, ask: AskPresence) -> Result<(), Bye> {
        let AskPresence { id, add, remove, own } = ask;
        let most = limits::PRESENCE_PER_FRAME;
        if add.len() > most || remove.len() > most {
            let message = format!(
                "{} users are added and {} removed in a frame, the limit is {most}",
                add.len(),
                remove.len()
            );
            return Err(bye(Code::TooLarge, message));
        }
        let mut live = self.lock();
        let answer = match check(&own) {
            Err(message) => ServerFrame::Failed(Failed {
                id,
                code: Code::TooLarge,
                message,
                retry_after_ms: None,
            }),
            Ok(()) => {
                let told = live.presence.set(number, own);
                live.tell(told);
                let (users, refused) = live.presence.watch(number, &add, &remove);
                ServerFrame::Presence(Frame {
                    id: Some(id),
                    users,
                    refused,
                })
            }
        };
        if let (Some(mailbox), Some(bytes)) = (live.mailboxes.get(&number), encode_frame(&answer)) {
            mailbox.answer(bytes);
        }
        Ok(())
    }

    /// Does what is due by now.
    pub(crate) fn tick(&self) {
        let now = self.now();
        let mut live = self.lock();
        let told = live.presence.tick(now);
        live.tell(told);
    }

    fn now(&self) -> Now {
        Now {
            mono: crate::hub::millis(self.began.elapsed()),
            wall: self.clock.now(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Live {
    fn tell(&self, told: Vec<Told>) {
        for Told { to, user } in told {
            let frame = ServerFrame::Presence(Frame {
                id: None,
                users: vec![user],
                refused: Vec::new(),
            });
            let Some(bytes) = encode_frame(&frame) else {
                continue;
            };
            for mailbox in to.iter().filter_map(|number| self.mailboxes.get(number)) {
                mailbox.push(bytes.clone());
            }
        }
    }
}

/// Says what is wrong with how somebody wants to be shown.
pub(crate) fn check(own: &OwnPresence) -> Result<(), String> {
    let chars = own.status.as_ref().map_or(0, |status| status.chars().count());
    if chars > limits::STATUS_CHARS {
        return Err(format!(
            "the status has {chars} characters, the limit is {}: shorten it",
            limits::STATUS_CHARS
        ));
    }
    Ok(())
}
