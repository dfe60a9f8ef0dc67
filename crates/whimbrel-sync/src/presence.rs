//! Whose presence is wanted: beside the streams, for as long as the engine lives.

use crate::{Effects, Engine, Env, Notice, engine::Request, session::Phase};
use std::collections::BTreeSet;
use whimbrel_model::{Op, SettingsChange, UserId, limits};
use whimbrel_protocol::{AskPresence, ClientFrame, Failed, OwnPresence, Presence, PresenceRefused};

/// What every new connection is told.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    users: BTreeSet<UserId>,
    /// Whom the server could not tell of just now: they are asked for again with the next heartbeat.
    again: BTreeSet<UserId>,
    /// Whether nobody is there, so that a connection does not make the user online.
    pub(crate) background: bool,
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

    /// Says whether nobody is there: then a connection does not make the user online, nor is any channel open on it. At first
    /// somebody is.
    pub fn set_background(&mut self, background: bool, env: &mut Env<'_>) -> Effects {
        let mut effects = Effects::default();
        if std::mem::replace(&mut self.presence.background, background) == background
            || !matches!(self.phase, Phase::Online(_))
        {
            return effects;
        }
        let id = self.requests.add(Request::Presence(Vec::new()), env.mono);
        effects.frames.push(ClientFrame::Presence(AskPresence {
            id,
            add: Vec::new(),
            remove: Vec::new(),
            background: Some(background),
        }));
        self.tell_watching(&mut effects);
        self.finish(effects, env)
    }

    /// Returns how the operations that wait will let the user be shown, so that nobody is told anything else before.
    pub(crate) fn own_presence(&self) -> OwnPresence {
        let mut waiting = SettingsChange::default();
        for item in self.outbox.items().filter(|item| item.rejection().is_none()) {
            if let Op::UpdateSettings { change } = &item.op {
                waiting = waiting.then(change.clone());
            }
        }
        OwnPresence {
            invisible: waiting.invisible,
            status: waiting.status,
            custom: waiting.custom,
        }
    }

    /// Tells a new connection whose presence is wanted.
    pub(crate) fn tell_presence(&mut self, effects: &mut Effects, env: &Env<'_>) {
        self.presence.again.clear();
        let users: Vec<UserId> = self.presence.users.iter().cloned().collect();
        self.ask_presence(&users, &[], effects, env);
    }

    /// Asks again for whom the server could not tell of.
    pub(crate) fn ask_presence_again(&mut self, effects: &mut Effects, env: &Env<'_>) {
        let again = std::mem::take(&mut self.presence.again);
        let wanted = again
            .into_iter()
            .filter(|user| self.presence.users.contains(user));
        let wanted: Vec<UserId> = wanted.collect();
        self.ask_presence(&wanted, &[], effects, env);
    }

    fn ask_presence(&mut self, add: &[UserId], remove: &[UserId], effects: &mut Effects, env: &Env<'_>) {
        let mut ask = |add: &[UserId], remove: &[UserId]| {
            let id = self.requests.add(Request::Presence(add.to_vec()), env.mono);
            effects.frames.push(ClientFrame::Presence(AskPresence {
                id,
                add: add.to_vec(),
                remove: remove.to_vec(),
                background: None,
            }));
        };
        for some in remove.chunks(limits::PRESENCE_PER_FRAME) {
            ask(&[], some);
        }
        for some in add.chunks(limits::PRESENCE_PER_FRAME) {
            ask(some, &[]);
        }
    }

    pub(crate) fn lose_presence(&self, effects: &mut Effects) {
        if !self.presence.users.is_empty() {
            effects.notices.push(Notice::PresenceLost);
        }
    }

    pub(crate) fn told_presence(&mut self, presence: Presence, effects: &mut Effects) {
        if let Some(id) = presence.id {
            let is_presence = |request: &Request| matches!(request, Request::Presence(_));
            if self.requests.take_if(id, is_presence).is_none() {
                return;
            }
        }
        if !(presence.users.is_empty() && presence.refused.is_empty()) {
            effects.notices.push(Notice::Presence(presence));
        }
    }

    /// The server did not tell of some at all. If it cannot just now, they are asked for again.
    pub(crate) fn presence_failed(&mut self, users: Vec<UserId>, failed: &Failed, effects: &mut Effects) {
        if failed.code.is_retryable() {
            self.presence.again.extend(users.iter().cloned());
        }
        let refused = |user| PresenceRefused {
            user,
            code: failed.code.clone(),
            message: failed.message.clone(),
        };
        if !users.is_empty() {
            effects.notices.push(Notice::Presence(Presence {
                id: Some(failed.id),
                users: Vec::new(),
                refused: users.into_iter().map(refused).collect(),
            }));
        }
    }
}
