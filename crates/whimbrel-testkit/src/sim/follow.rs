//! Which channels a device follows: those that may reach the account, and what somebody has on the screen or asks for.

use super::{
    Violation,
    device::{everything, or_broken, stream_of},
    dice::Dice,
    ghost::Decisions,
    log::violated,
    storage::now_or,
    world::World,
};
use std::collections::BTreeSet;
use whimbrel_model::{
    AccountKey, AccountRow, ChannelId, ConsentState, MessageScope, Op, Row, RowKey, StreamId, Timestamp,
    UserId, consent,
};
use whimbrel_store::StoreReader as _;
use whimbrel_sync::EngineConfig;

/// Draws how a device is set up: mostly as any is.
pub(super) fn drawn(dice: &mut Dice) -> EngineConfig {
    use ConsentState::{Allowed, Denied, Unknown};
    let usual = EngineConfig::default();
    let follow_consent = match dice.below(10) {
        0 | 1 => BTreeSet::from([Allowed]),
        2 | 3 => BTreeSet::from([Allowed, Unknown, Denied]),
        _ => usual.follow_consent.clone(),
    };
    let unknown_messages = match dice.below(4) {
        0 => None,
        1 => Some(1 + u32::try_from(dice.below(4)).unwrap_or(0)),
        _ => usual.unknown_messages,
    };
    EngineConfig {
        follow_consent,
        unknown_messages,
        ..usual
    }
}

/// Returns how a device is set up that follows everything, as far back as any channel goes.
pub(super) fn everything_followed() -> EngineConfig {
    EngineConfig {
        unknown_messages: None,
        ..EngineConfig::default()
    }
}

impl Decisions {
    /// Returns what holds of a channel for somebody who is in it.
    pub(super) fn consent(&self, user: &UserId, cid: &ChannelId, now: Timestamp) -> ConsentState {
        let Some(rows) = self.rows.get(&StreamId::User(user.clone())) else {
            return ConsentState::Unknown;
        };
        let Some(Row::Membership(own)) = rows.get(&RowKey::Membership(cid.clone(), user.clone())) else {
            return ConsentState::Unknown;
        };
        let adder = own.added_by.as_ref();
        let contact =
            adder.and_then(|of| rows.get(&RowKey::Account(user.clone(), AccountKey::Contact(of.clone()))));
        let contact = match contact {
            Some(Row::Account(AccountRow::Contact(row))) => Some(row),
            _ => None,
        };
        consent::of(own, contact, now)
    }

    /// Notes what holds now of each channel of somebody of whose account something has changed.
    pub(super) fn note_consents(&mut self, user: &UserId, now: Timestamp) {
        let mine: Vec<ChannelId> = self
            .members
            .iter()
            .filter(|((_, of), active)| of == user && **active)
            .map(|((cid, _), _)| cid.clone())
            .collect();
        for cid in mine {
            let state = self.consent(user, &cid, now);
            let ever = self.ever.entry((cid, user.clone())).or_default();
            ever.insert(state);
            // That ends by itself, perhaps.
            if state == ConsentState::Denied {
                ever.insert(ConsentState::Unknown);
            }
        }
    }
}

impl World {
    /// Returns whether a device follows a channel, by what the server holds.
    pub(super) fn follows(&self, index: usize, cid: &ChannelId) -> bool {
        let device = &self.devices[index];
        let consent = self.ghost.server.consent(&device.user, cid, self.server_time());
        let run = device.run.as_ref();
        // What was decided in a history that the server lost stays decided here: nothing says otherwise.
        let follow = &device.config.follow_consent;
        let lost =
            self.ghost.restores > 0 && run.is_some_and(|run| !follow.contains(&run.engine.consent(cid)));
        follow.contains(&consent) && !lost
    }

    pub(super) fn follows_stream(&self, index: usize, stream: &StreamId) -> bool {
        match stream {
            StreamId::User(_) => true,
            StreamId::Channel(cid) => self.follows(index, cid),
        }
    }

    /// Returns of how many of its newest messages a device has a channel at least, if that is not as many as of any: what was
    /// decided may come after the channel.
    pub(super) fn brings(&self, index: usize) -> Option<u64> {
        self.devices[index].config.unknown_messages.map(u64::from)
    }

    /// Somebody looks at a channel on a device, or does something in it.
    pub(super) fn touches(&mut self, index: usize, cid: &ChannelId) {
        self.ghost.touched.insert((index, Some(cid.clone())));
    }

    /// Somebody does something on a device, which may say what it follows.
    pub(super) fn touches_by(&mut self, index: usize, op: &Op) {
        match (op, op.cid()) {
            (_, Some(cid)) => self.touches(index, &cid.clone()),
            (Op::UpdateContact { .. }, None) => drop(self.ghost.touched.insert((index, None))),
            _ => {}
        }
    }

    /// E22: a channel that never was to reach a device, and that nobody looked at there, has left nothing on its disk.
    pub(super) fn check_unreached(&mut self, index: usize, cid: &ChannelId) -> Result<(), Violation> {
        let device = &self.devices[index];
        let touched = |place| self.ghost.touched.contains(&(index, place));
        if self.ghost.restores > 0 || touched(None) || touched(Some(cid.clone())) {
            return Ok(());
        }
        let ever = self.ghost.server.ever.get(&(cid.clone(), device.user.clone()));
        let ever = ever.cloned().unwrap_or_default();
        if ever.is_empty() || !ever.is_disjoint(&device.config.follow_consent) {
            return Ok(());
        }
        self.log.count("never_followed");
        let device = &self.devices[index];
        let page = or_broken(now_or(
            device.store.messages(&everything(cid, MessageScope::Channel)),
        )?)?;
        let members = or_broken(now_or(device.store.members(cid))?)?;
        // A place in it is no row of it.
        let cursor = self.ghost.cursors[index]
            .get(&stream_of(cid))
            .filter(|cursor| cursor.ver > 0);
        if page.messages.is_empty() && members.is_empty() && cursor.is_none() {
            return Ok(());
        }
        violated(
            "E22",
            format!(
                "{} follows {:?}, {cid} was {ever:?}, and it has {} messages and {} members of it, to {cursor:?}",
                device.name,
                device.config.follow_consent,
                page.messages.len(),
                members.len()
            ),
        )
    }
}
