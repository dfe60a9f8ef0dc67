//! The state machines among live connections: what they say goes into their mailboxes, in its order, and to other servers.

mod beat;
mod live;
mod recent;

use super::{
    ConnectionNumber, LastSeen, Now, PresenceRecord,
    hints::{Hint, Letter},
};
use crate::{
    Clock,
    bus::Courier,
    hub::millis,
    outbound::{Mailbox, bye},
};
use live::Live;
use std::{
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};
use tokio::time::Instant;
use whimbrel_model::{AccountRow, ChannelId, Code, UserId, limits};
use whimbrel_protocol::{AskPresence, Bye, OwnPresence, PresenceRefused};

/// Where servers tell one another who is there.
const TOPIC: &str = "whimbrel.presence";

/// Last seens that are stored in one call.
const SAVED_AT_ONCE: usize = 500;

#[derive(Debug)]
pub(crate) struct PresenceDesk {
    clock: Arc<dyn Clock>,
    began: Instant,
    boot: i64,
    courier: OnceLock<Courier>,
    live: Mutex<Live>,
}

/// How the desk behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DeskConfig {
    pub(crate) grace: Duration,
    /// How often a change is told of who comes and goes all the time.
    pub(crate) lease: Duration,
    /// For how long another server is believed that is not heard.
    pub(crate) server_lease: Duration,
}

/// A channel that somebody opens, with what was read of it.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) cid: ChannelId,
    pub(crate) members: usize,
    /// Those members of whom something is decided, if the channel is small.
    pub(crate) records: Vec<PresenceRecord>,
}

impl PresenceDesk {
    pub(crate) fn new(clock: Arc<dyn Clock>, config: DeskConfig) -> Self {
        Self {
            boot: clock.now().as_millis(),
            clock,
            began: Instant::now(),
            courier: OnceLock::new(),
            live: Mutex::new(Live::new(config)),
        }
    }

    /// Tells other servers from now on.
    pub(crate) fn join_bus(&self, courier: Courier) {
        self.lock().presence.keep_hints();
        self.courier.get_or_init(|| courier);
    }

    /// A connection begins. `record` is what is stored of its user. Returns the number to end it with.
    pub(crate) fn join(
        &self,
        record: PresenceRecord,
        mailbox: &Arc<Mailbox>,
        (own, background): (OwnPresence, bool),
    ) -> ConnectionNumber {
        self.with(|live, now| live.join(record, mailbox, (own, background), now))
    }

    /// A connection has ended, or its lease has.
    pub(crate) fn leave(&self, number: ConnectionNumber) {
        self.with(|live, now| live.leave(number, now));
    }

    /// Tells a connection of some from now on, and not of others, and queues the answer. `records` is what is stored of those who
    /// are added; `stored` of nobody: why it could not be read.
    pub(crate) fn watch(&self, number: ConnectionNumber, ask: &AskPresence, records: Vec<PresenceRecord>) {
        let (mut shared, mut refused) = (Vec::new(), Vec::new());
        for record in records {
            if record.is_shared {
                shared.push(record);
            } else {
                refused.push(stranger(record.user));
            }
        }
        self.with(|live, now| live.watch(number, ask, &shared, refused, now));
    }

    /// A connection opens a channel.
    ///
    /// # Errors
    /// The [`Bye`] to end it with: it has too many open.
    pub(crate) fn open(&self, number: ConnectionNumber, opening: &Opening) -> Result<(), Bye> {
        self.with(|live, now| live.open(number, opening, now))
            .map_err(|()| {
                let message = format!(
                    "the connection has {} channels open: close others first",
                    limits::WATCHING
                );
                bye(Code::TooLarge, message)
            })
    }

    /// A connection closes a channel.
    pub(crate) fn close(&self, number: ConnectionNumber, cid: &ChannelId) {
        self.with(|live, now| live.close(number, cid, now));
    }

    /// Somebody is in a channel no longer.
    pub(crate) fn put_out(&self, cid: &ChannelId, user: &UserId) {
        self.with(|live, now| live.put_out(cid, user, true, now));
    }

    /// Takes a row of an account that was committed.
    pub(crate) fn committed(&self, row: &AccountRow) {
        match row {
            AccountRow::Settings(settings) => {
                self.with(|live, now| live.settings(settings, true, now));
            }
            AccountRow::Contact(contact) => {
                self.with(|live, now| live.contact(contact, true, now));
            }
            AccountRow::Device(_) | AccountRow::DeviceSync(_) => {}
        }
    }

    /// Takes a row of an account that an operation came to without a change. Nobody may have been told of it when it changed: the
    /// outcome of its transaction may not have been known.
    pub(crate) fn answered(&self, row: &AccountRow) {
        match row {
            AccountRow::Settings(settings) => self.with(|live, now| live.settle(settings, now)),
            row => self.committed(row),
        }
    }

    /// Does what is due by now.
    pub(crate) fn tick(&self) {
        self.with(Live::tick);
    }

    /// Says to other servers who is here.
    pub(crate) fn beat(&self) {
        if let Some(courier) = self.courier.get() {
            let live = self.lock();
            for hints in live.beat() {
                courier.send(TOPIC, &self.letter(courier, hints));
            }
        }
    }

    /// Says to other servers that this one ends.
    pub(crate) fn end(&self) {
        if let Some(courier) = self.courier.get() {
            courier.send(TOPIC, &self.letter(courier, vec![Hint::Ends]));
        }
    }

    /// Takes what another server says.
    pub(crate) fn hear(&self, letter: Letter) {
        let own = self
            .courier
            .get()
            .is_some_and(|courier| courier.server() == letter.server);
        if !own {
            self.with(|live, now| live.hear(letter, now));
        }
    }

    /// Takes some of whom to store when they were seen last.
    pub(crate) fn take_unsaved(&self) -> Vec<LastSeen> {
        self.lock().presence.take_unsaved(SAVED_AT_ONCE)
    }

    /// Takes back what could not be stored.
    pub(crate) fn put_back(&self, seen: Vec<LastSeen>) {
        self.lock().presence.put_back(seen);
    }

    /// Takes of whom another server knows newer settings.
    pub(crate) fn take_stale(&self) -> Vec<UserId> {
        let stale = &mut self.lock().stale;
        let mut some = Vec::new();
        while some.len() < SAVED_AT_ONCE
            && let Some(user) = stale.pop_first()
        {
            some.push(user);
        }
        some
    }

    /// Wants the last seen of everybody who is here to be stored, as the server ends.
    pub(crate) fn leave_all(&self) {
        self.with(|live, now| live.presence.leave_all(now));
    }

    /// Takes what was read anew of somebody.
    pub(crate) fn refresh(&self, record: &PresenceRecord) {
        self.with(|live, now| live.refresh(record, now));
    }

    fn with<T>(&self, work: impl FnOnce(&mut Live, Now) -> T) -> T {
        let now = self.now();
        let mut live = self.lock();
        let result = work(&mut live, now);
        let hints = live.take_hints();
        if let Some(courier) = self.courier.get().filter(|_| !hints.is_empty()) {
            // Under the lock, so that what is said is in the order in which it happened.
            courier.send(TOPIC, &self.letter(courier, hints));
        }
        result
    }

    fn letter(&self, courier: &Courier, hints: Vec<Hint>) -> Letter {
        Letter {
            server: courier.server().to_owned(),
            boot: self.boot,
            hints,
        }
    }

    /// Hears other servers until `stop`.
    pub(crate) const fn topic() -> &'static str {
        TOPIC
    }

    fn now(&self) -> Now {
        Now {
            mono: millis(self.began.elapsed()),
            wall: self.clock.now(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says what is wrong with the size of a request.
///
/// # Errors
/// The [`Bye`] to end the connection with.
pub(crate) fn check(ask: &AskPresence) -> Result<(), Bye> {
    let most = limits::PRESENCE_PER_FRAME;
    if ask.add.len() > most || ask.remove.len() > most {
        let message = format!(
            "{} users are added and {} removed in a frame, the limit is {most}",
            ask.add.len(),
            ask.remove.len()
        );
        return Err(bye(Code::TooLarge, message));
    }
    Ok(())
}

fn stranger(user: UserId) -> PresenceRefused {
    let message = format!("you share no channel with {user}: their presence is for those who do");
    PresenceRefused {
        user,
        code: Code::Forbidden,
        message,
    }
}
