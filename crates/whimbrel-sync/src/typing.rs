//! Who types: said and heard beside the streams, never stored.

use crate::{Effects, Engine, Env, Notice, session::Phase};
use std::collections::BTreeMap;
use whimbrel_model::{ChannelId, MessageId, UserId, limits};
use whimbrel_protocol::{ClientFrame, UserTyping};

/// A channel, or the thread of a message in it.
pub(crate) type Place = (ChannelId, Option<MessageId>);

/// What is known of typing on this connection.
#[derive(Debug, Default)]
pub(crate) struct Typing {
    own: BTreeMap<Place, Own>,
    /// When each of the others was heard of last.
    others: BTreeMap<Place, BTreeMap<UserId, u64>>,
}

#[derive(Debug)]
struct Own {
    /// When the last start was sent.
    started: u64,
    /// When the last key was pressed. Absent: the start was followed by a stop.
    pressed: Option<u64>,
}

impl Engine {
    /// Says that the user presses a key in a channel, or in the thread of a message. Call it at every one.
    ///
    /// At most one start is sent in [`limits::TYPING_EVERY_MS`], a stop by itself after [`limits::TYPING_IDLE_MS`]
    /// without a key, or when a message is sent there. Without a connection it does nothing: typing is worth nothing later.
    pub fn typing(&mut self, cid: ChannelId, parent: Option<MessageId>, env: &Env<'_>) -> Effects {
        let mut effects = Effects::default();
        if !self.config.typing_indicators || !matches!(self.phase, Phase::Online(_)) {
            return effects;
        }
        let now = env.mono;
        self.typing.forget(now);
        let place = (cid, parent);
        match self.typing.own.get_mut(&place) {
            Some(own) if now < own.started + limits::TYPING_EVERY_MS => {
                own.pressed = own.pressed.map(|_| now);
            }
            _ => {
                let (started, pressed) = (now, Some(now));
                self.typing.own.insert(place.clone(), Own { started, pressed });
                effects.frames.push(frame(place, true));
            }
        }
        effects
    }

    /// Says that the user types no longer in a channel, or in the thread of a message.
    pub fn stop_typing(&mut self, cid: ChannelId, parent: Option<MessageId>) -> Effects {
        let mut effects = Effects::default();
        self.stop_typing_at((cid, parent), &mut effects);
        effects
    }

    pub(crate) fn stop_typing_at(&mut self, place: Place, effects: &mut Effects) {
        let own = self.typing.own.get_mut(&place);
        if own.and_then(|own| own.pressed.take()).is_some() {
            effects.frames.push(frame(place, false));
        }
    }

    pub(crate) fn heard_typing(&mut self, heard: UserTyping, effects: &mut Effects, env: &Env<'_>) {
        if !self.config.typing_indicators || heard.user == self.account.user {
            return;
        }
        let UserTyping {
            cid,
            parent,
            user,
            on,
        } = heard;
        let place = (cid, parent);
        let others = &mut self.typing.others;
        if on {
            let full = others.len() >= limits::TYPING_MEMBERS && !others.contains_key(&place);
            let users = others.get(&place).map_or(0, BTreeMap::len);
            if !full && users < limits::TYPING_MEMBERS {
                others.entry(place.clone()).or_default().insert(user, env.mono);
            }
        } else if let Some(users) = others.get_mut(&place) {
            users.remove(&user);
        }
        effects.notices.push(self.typing.notice(place));
    }

    /// Stops what was left without a key, and drops who was not heard of for [`limits::TYPING_HEARD_MS`].
    pub(crate) fn typing_timer(&mut self, effects: &mut Effects, now: u64) {
        let idle = |own: &Own| {
            own.pressed
                .is_some_and(|pressed| now >= pressed + limits::TYPING_IDLE_MS)
        };
        let own = self.typing.own.iter().filter(|(_, own)| idle(own));
        let idle: Vec<Place> = own.map(|(place, _)| place.clone()).collect();
        for place in idle {
            self.stop_typing_at(place, effects);
        }
        self.typing.forget(now);
        let mut pruned = Vec::new();
        for (place, users) in &mut self.typing.others {
            let before = users.len();
            users.retain(|_, heard| now < *heard + limits::TYPING_HEARD_MS);
            if users.len() < before {
                pruned.push(place.clone());
            }
        }
        for place in pruned {
            effects.notices.push(self.typing.notice(place));
        }
    }

    /// Forgets everything: the connection is lost, and the server has told the others.
    pub(crate) fn forget_typing(&mut self, effects: &mut Effects) {
        self.typing.own.clear();
        for (cid, parent) in std::mem::take(&mut self.typing.others).into_keys() {
            let users = Vec::new();
            effects.notices.push(Notice::Typing { cid, parent, users });
        }
    }
}

impl Typing {
    /// Returns when something ends by itself.
    pub(crate) fn next_end(&self) -> Option<u64> {
        let own = self.own.values().filter_map(|own| own.pressed);
        let own = own.map(|pressed| pressed + limits::TYPING_IDLE_MS);
        let others = self.others.values().flat_map(BTreeMap::values);
        own.chain(others.map(|heard| heard + limits::TYPING_HEARD_MS))
            .min()
    }

    /// Forgets starts that keep no other start from leaving any more.
    fn forget(&mut self, now: u64) {
        self.own
            .retain(|_, own| own.pressed.is_some() || now < own.started + limits::TYPING_EVERY_MS);
    }

    /// Returns who types in a place now, and forgets it if nobody does.
    fn notice(&mut self, place: Place) -> Notice {
        let users: Vec<UserId> = match self.others.get(&place) {
            Some(users) => users.keys().cloned().collect(),
            None => Vec::new(),
        };
        if users.is_empty() {
            self.others.remove(&place);
        }
        let (cid, parent) = place;
        Notice::Typing { cid, parent, users }
    }
}

fn frame((cid, parent): Place, on: bool) -> ClientFrame {
    ClientFrame::Typing(whimbrel_protocol::Typing { cid, parent, on })
}
