//! Whose presence is shown, and what the server said of them last.

use super::{Driver, Round};
use crate::{
    Presence, PresenceOf,
    command::{OfPresence, Reply},
    presence::Shown,
};
use eyeball::SharedObservable;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Weak},
};
use whimbrel_model::{Timestamp, UserId};

#[derive(Debug, Default)]
pub(super) struct Presences {
    open: Vec<Weak<Shown>>,
    known: BTreeMap<UserId, PresenceOf>,
}

impl Presences {
    /// Takes what the server said.
    pub(super) fn told(&mut self, presence: &whimbrel_protocol::Presence, now: Timestamp) {
        let users = presence.users.iter();
        let users = users.map(|user| (&user.user, PresenceOf::told(user, now)));
        let refused = presence.refused.iter().map(|refused| {
            let refused_of = PresenceOf {
                refused: Some((refused.code.clone(), refused.message.clone())),
                ..PresenceOf::default()
            };
            (&refused.user, refused_of)
        });
        let news: BTreeMap<&UserId, PresenceOf> = users.chain(refused).collect();
        for (user, known) in &mut self.known {
            if let Some(new) = news.get(user) {
                *known = new.clone();
            }
        }
        self.show();
    }

    /// Nothing is known any more; what was stays beside it.
    pub(super) fn lost(&mut self) {
        for known in self.known.values_mut() {
            known.online = None;
            known.refused = None;
        }
        self.show();
    }

    fn show(&self) {
        for shown in self.open.iter().filter_map(Weak::upgrade) {
            let mut of = shown.get();
            for (user, shown) in &mut of {
                if let Some(known) = self.known.get(user) {
                    shown.clone_from(known);
                }
            }
            // Those who watch hear of changes only.
            drop(shown.set_if_not_eq(of));
        }
    }

    /// Forgets whom nobody looks at any more. Returns them.
    fn forget(&mut self) -> Vec<UserId> {
        if self.open.iter().all(|shown| shown.strong_count() > 0) {
            return Vec::new();
        }
        self.open.retain(|shown| shown.strong_count() > 0);
        let open = self.open.iter().filter_map(Weak::upgrade);
        let wanted: BTreeSet<UserId> = open.flat_map(|shown| shown.get().into_keys()).collect();
        let gone: Vec<UserId> = self
            .known
            .keys()
            .filter(|user| !wanted.contains(*user))
            .cloned()
            .collect();
        for user in &gone {
            self.known.remove(user);
        }
        gone
    }
}

impl Driver {
    pub(super) fn presence(&mut self, command: OfPresence, round: &mut Round) {
        match command {
            OfPresence::Open { users, reply } => self.open_presence(users, reply, round),
            OfPresence::Watchers { cid, reply } => {
                let watchers = self.open_watchers(cid);
                // The caller may have gone.
                let _ = reply.send(Ok(watchers));
            }
        }
    }

    fn open_presence(&mut self, users: Vec<UserId>, reply: Reply<Presence>, round: &mut Round) {
        self.forget_presences(round);
        let presences = &mut self.presences;
        let mut shown = BTreeMap::new();
        for user in users {
            let known = presences.known.entry(user.clone()).or_default();
            shown.insert(user, known.clone());
        }
        let users: Vec<UserId> = shown.keys().cloned().collect();
        let shown = Arc::new(SharedObservable::new(shown));
        presences.open.push(Arc::downgrade(&shown));
        let effects = self.with_env(|engine, env| engine.want_presence(users, [], env));
        let opened = Presence::new(shown);
        round.answer_after(effects, move |outcome| drop(reply.send(outcome.map(|()| opened))));
    }

    /// Gives up whom nobody looks at any more; there may be room for whom the server refused.
    pub(super) fn forget_presences(&mut self, round: &mut Round) {
        let mut gone = self.presences.forget();
        if gone.is_empty() {
            return;
        }
        let known = self.presences.known.iter();
        let refused = known.filter(|(_, known)| known.refused.is_some());
        let again: Vec<UserId> = refused.map(|(user, _)| user.clone()).collect();
        gone.extend(again.iter().cloned());
        let effects = self.with_env(|engine, env| engine.want_presence(again, gone, env));
        round.effects.merge(effects);
    }

    /// Tells a new engine what the old one was told.
    pub(super) fn want_presences_again(&mut self, round: &mut Round) {
        let users: Vec<UserId> = self.presences.known.keys().cloned().collect();
        let effects = self.with_env(|engine, env| engine.want_presence(users, [], env));
        round.effects.merge(effects);
    }
}
