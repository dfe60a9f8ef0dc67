//! Whose presence is wanted, and how the own one is shown: beside the streams, for as long as the engine lives.

use crate::{Effects, Engine, Env, Notice, engine::Request, session::Phase};
use std::collections::BTreeSet;
use whimbrel_model::{UserId, limits};
use whimbrel_protocol::{AskPresence, ClientFrame, OwnPresence, Presence};

/// What every new connection is told.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    users: BTreeSet<UserId>,
    own: OwnPresence,
    /// Whether the server was not told of `own` as it is now.
    own_is_new: bool,
}

impl Wanted {
    /// Returns what to say of the own presence.
    pub(crate) fn take_own(&mut self) -> OwnPresence {
        self.own_is_new = false;
        self.own.clone()
    }
}

impl Engine {
    /// Says whose presence is wanted from now on, and whose not any more. What the server says of them comes with
    /// [`Notice::Presence`]; each new connection is asked again.
    pub fn want_presence(
        &mut self,
        add: impl IntoIterator<Item = UserId>,
        remove: impl IntoIterator<Item = UserId>,
        env: &mut Env<'_>,
    ) -> Effects {
        let wanted = &mut self.presence.users;
        let remove: Vec<UserId> = remove.into_iter().filter(|user| wanted.remove(user)).collect();
        let add: Vec<UserId> = add
            .into_iter()
            .filter(|user| wanted.insert(user.clone()))
            .collect();
        let mut effects = Effects::default();
        if matches!(self.phase, Phase::Online(_)) {
            self.ask_presence(&add, &remove, &mut effects, env);
        }
        self.finish(effects, env)
    }

    /// Says how the own presence is shown; what is absent stays. Every connection is told, also later ones.
    pub fn set_own_presence(&mut self, own: OwnPresence, env: &mut Env<'_>) -> Effects {
        self.presence.own.merge(own);
        self.presence.own_is_new = true;
        let mut effects = Effects::default();
        if matches!(self.phase, Phase::Online(_)) {
            self.ask_presence(&[], &[], &mut effects, env);
        }
        self.finish(effects, env)
    }

    /// Tells a new connection whose presence is wanted.
    pub(crate) fn tell_presence(&mut self, effects: &mut Effects, env: &Env<'_>) {
        let users: Vec<UserId> = self.presence.users.iter().cloned().collect();
        self.ask_presence(&users, &[], effects, env);
    }

    fn ask_presence(&mut self, add: &[UserId], remove: &[UserId], effects: &mut Effects, env: &Env<'_>) {
        let mut ask = |add: &[UserId], remove: &[UserId], own| {
            let id = self.requests.add(Request::Presence, env.mono);
            effects.frames.push(ClientFrame::Presence(AskPresence {
                id,
                add: add.to_vec(),
                remove: remove.to_vec(),
                own,
            }));
        };
        if self.presence.own_is_new {
            let own = self.presence.take_own();
            ask(&[], &[], own);
        }
        for some in remove.chunks(limits::PRESENCE_PER_FRAME) {
            ask(&[], some, OwnPresence::default());
        }
        for some in add.chunks(limits::PRESENCE_PER_FRAME) {
            ask(some, &[], OwnPresence::default());
        }
    }

    pub(crate) fn lose_presence(&self, effects: &mut Effects) {
        if !self.presence.users.is_empty() {
            effects.notices.push(Notice::PresenceLost);
        }
    }

    pub(crate) fn told_presence(&mut self, presence: Presence, effects: &mut Effects) {
        if let Some(id) = presence.id {
            let is_presence = |request: &Request| matches!(request, Request::Presence);
            if self.requests.take_if(id, is_presence).is_none() {
                return;
            }
        }
        if !(presence.users.is_empty() && presence.refused.is_empty()) {
            effects.notices.push(Notice::Presence(presence));
        }
    }
}
