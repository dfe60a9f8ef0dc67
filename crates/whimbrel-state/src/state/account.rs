//! What the account keeps about itself, and what becomes of consent.

use super::{Inner, State, lock};
use crate::{AccountFacts, ChangedBy, ConsentChange, Part, typing::Typing};
use eyeball::Subscriber;
use whimbrel_model::{AccountRow, People};

impl State {
    /// Puts the account's rows, as the store has them. Returns whether everything has to be read again: [`Stale::people`].
    ///
    /// [`Stale::people`]: crate::Stale::people
    #[must_use = "what is not read again stays as it was on the screen"]
    pub fn put_account(&self, rows: Vec<AccountRow>) -> bool {
        let mut inner = lock(&self.0.inner);
        let Inner { account, outbox, .. } = &mut *inner;
        account.replace(rows, outbox);
        inner.consents.because(ChangedBy::Elsewhere);
        let changed = inner.settle_people(&self.0.typing);
        if changed {
            inner.settle_timelines();
        }
        inner.settle_objects(&self.0.me);
        changed
    }

    /// Returns what the account keeps about itself: settings, contacts, devices.
    #[must_use]
    pub fn account(&self) -> AccountFacts {
        lock(&self.0.inner).account.facts().get()
    }

    /// Returns a reader of [`State::account`]. It sees the latest, not each one on the way.
    pub fn subscribe_account(&self) -> Subscriber<AccountFacts> {
        lock(&self.0.inner).account.facts().subscribe()
    }

    /// Returns a reader of a part of [`State::account`], which wakes only when that part is another one.
    pub fn account_part<T: Clone + PartialEq>(&self, pick: fn(&AccountFacts) -> T) -> Part<AccountFacts, T> {
        Part::new(self.subscribe_account(), pick)
    }

    /// Returns what became of consent since it was asked last, and forgets it: of people, and of channels while the totals of
    /// what is unread are open ([`State::open_unread`]).
    #[must_use]
    pub fn take_consent_changes(&self) -> Vec<ConsentChange> {
        lock(&self.0.inner).consents.take()
    }

    /// Returns what holds of others now: what the store is to be read with.
    #[must_use]
    pub fn people(&self) -> People {
        lock(&self.0.inner).account.people()
    }
}

impl Inner {
    /// Takes in what holds of others by now. Returns whether everything that depends on it has to be read again.
    pub(super) fn settle_people(&mut self, typing: &Typing) -> bool {
        let wants_typing = self.account.facts().read().settings.typing_indicators;
        typing.set_wanted(wants_typing, self.outbox.people());
        let Some(before) = self.outbox.set_people(self.account.people()) else {
            return false;
        };
        self.consents.people(&before, self.outbox.people());
        typing.settle_people(self.outbox.people());
        for channel in self.objects.channels() {
            channel.settle_people(&self.outbox);
            channel.wait_for_row();
        }
        true
    }

    /// Lets open timelines take in what holds of others by now.
    pub(super) fn settle_timelines(&mut self) {
        for timeline in self.timelines.all() {
            timeline.change(|window| window.settle_people(&self.outbox));
        }
    }
}
