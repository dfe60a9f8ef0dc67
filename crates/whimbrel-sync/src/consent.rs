//! Which channels may reach the account, and so are followed: what was decided of them and of who added the account, with what
//! waits in the outbox laid over.

use crate::{Effects, Engine, EngineConfig, Env, session::Phase};
use std::collections::{BTreeMap, BTreeSet};
use whimbrel_model::{
    AccountRow, ChannelId, ConsentState, Contact, MemberState, Membership, Op, OutboxItem, Row, StreamId,
    Timestamp, UserId, consent, limits,
};
use whimbrel_protocol::{ClientFrame, Watch};

/// One of the account's channels.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Own {
    active: bool,
    consent: ConsentState,
    added_by: Option<UserId>,
    ver: u64,
}

/// What was decided, and what follows from it.
#[derive(Debug, Default)]
pub(crate) struct Consents {
    channels: BTreeMap<ChannelId, Own>,
    contacts: BTreeMap<UserId, Contact>,
    /// What the outbox will decide.
    waiting: Waiting,
    /// What is followed.
    follow: BTreeSet<ConsentState>,
    /// Of how many of its newest messages a channel is brought of which nothing was decided.
    unknown_messages: Option<u32>,
    /// Whether something was decided since the last judgement.
    is_new: bool,
    /// The moment of the last judgement, by the server's clock.
    now: Timestamp,
    /// The next moment after it at which somebody is denied no longer.
    ends: Option<Timestamp>,
}

/// What waits in the outbox: the last word of each.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Waiting {
    channels: BTreeMap<ChannelId, ConsentState>,
    /// Channels that the account writes in: that allows what was not decided.
    written: BTreeSet<ChannelId>,
    contacts: BTreeMap<UserId, (ConsentState, Option<Timestamp>)>,
}

impl Waiting {
    /// Reads what is queued; what was rejected decides nothing.
    pub(crate) fn of<'a>(items: impl IntoIterator<Item = &'a OutboxItem>) -> Self {
        let mut waiting = Self::default();
        for item in items.into_iter().filter(|item| item.rejection().is_none()) {
            match &item.op {
                Op::UpdateMembership { cid, change } => {
                    if let Some(consent) = change.consent {
                        waiting.channels.insert(cid.clone(), consent);
                        waiting.written.remove(cid);
                    }
                }
                Op::UpdateContact { user, change } => {
                    let set = change.consent.map(|set| (set.state, set.until));
                    waiting.contacts.extend(set.map(|set| (user.clone(), set)));
                }
                Op::SendMessage { cid, .. } => drop(waiting.written.insert(cid.clone())),
                _ => {}
            }
        }
        waiting
    }
}

/// Returns whether an operation says who may reach the account.
pub(crate) const fn decides(op: &Op) -> bool {
    match op {
        Op::UpdateMembership { change, .. } => change.consent.is_some(),
        Op::UpdateContact { change, .. } => change.consent.is_some(),
        _ => false,
    }
}

impl Consents {
    pub(crate) fn load(memberships: Vec<Membership>, contacts: Vec<Contact>, config: &EngineConfig) -> Self {
        let mut consents = Self {
            follow: config.follow_consent.clone(),
            unknown_messages: config.unknown_messages,
            is_new: true,
            ..Self::default()
        };
        for row in memberships {
            consents.channels.insert(row.cid.clone(), Own::of(&row));
        }
        for row in contacts {
            consents.contacts.insert(row.of.clone(), row);
        }
        consents
    }

    /// Takes note of a row of the own stream, if it is newer.
    pub(crate) fn note(&mut self, row: &Row) {
        match row {
            Row::Membership(row) => {
                let new = Own::of(row);
                match self.channels.get_mut(&row.cid) {
                    Some(old) if old.ver >= new.ver => {}
                    Some(old) => {
                        self.is_new |= Own {
                            ver: old.ver,
                            ..new.clone()
                        } != *old;
                        *old = new;
                    }
                    None => {
                        self.is_new = true;
                        self.channels.insert(row.cid.clone(), new);
                    }
                }
            }
            Row::Account(AccountRow::Contact(row)) => {
                let old = self.contacts.get(&row.of);
                if old.is_none_or(|old| row.ver > old.ver) {
                    self.contacts.insert(row.of.clone(), row.clone());
                    self.is_new = true;
                }
            }
            _ => {}
        }
    }

    /// Whatever another history of the own stream says is newer.
    pub(crate) fn rebase(&mut self) {
        self.channels.values_mut().for_each(|own| own.ver = 0);
        self.contacts.values_mut().for_each(|contact| contact.ver = 0);
    }

    /// Returns whether the account is known to be in the channel.
    pub(crate) fn is_mine(&self, cid: &ChannelId) -> bool {
        self.channels.get(cid).is_some_and(|own| own.active)
    }

    /// Returns whether the account is known not to be in the channel any more.
    pub(crate) fn is_left(&self, cid: &ChannelId) -> bool {
        self.channels.get(cid).is_some_and(|own| !own.active)
    }

    /// Returns whether nothing of the account's own stream is needed to know that a channel is followed.
    pub(crate) fn follows_all(&self) -> bool {
        self.follow.len() == 3
    }

    pub(crate) fn follows_unknown(&self) -> bool {
        self.follow.contains(&ConsentState::Unknown)
    }

    /// Returns of how many of its newest messages a channel is brought at once, if it is not all.
    pub(crate) fn cap(&self, cid: &ChannelId) -> Option<u32> {
        self.unknown_messages
            .filter(|_| self.of(cid) == ConsentState::Unknown)
    }

    /// Returns what holds of a channel, as of the last judgement. Of one that is not known to be the account's: nothing was decided.
    pub(crate) fn of(&self, cid: &ChannelId) -> ConsentState {
        let (consent, added_by) = match self.channels.get(cid) {
            Some(own) => (own.consent, own.added_by.as_ref()),
            None => (ConsentState::Unknown, None),
        };
        let consent = self.waiting.channels.get(cid).copied().unwrap_or(consent);
        if consent == ConsentState::Unknown && self.waiting.written.contains(cid) {
            return ConsentState::Allowed;
        }
        let adder = added_by.and_then(|user| self.contact(user));
        consent::decided(consent, adder.as_ref(), self.now)
    }

    fn contact(&self, of: &UserId) -> Option<Contact> {
        let known = self.contacts.get(of);
        let Some((consent, denied_until)) = self.waiting.contacts.get(of).copied() else {
            return known.cloned();
        };
        let contact = known
            .cloned()
            .unwrap_or_else(|| Contact::new(of.clone(), of.clone()));
        Some(Contact {
            consent,
            denied_until,
            ..contact
        })
    }

    /// Returns the account's channels, with what holds of each.
    pub(crate) fn channels(&self) -> impl Iterator<Item = (&ChannelId, ConsentState)> {
        let mine = self.channels.iter().filter(|(_, own)| own.active);
        mine.map(|(cid, _)| (cid, self.of(cid)))
    }

    fn find_end(&self) -> Option<Timestamp> {
        let waiting = self.waiting.contacts.values().filter_map(|(_, until)| *until);
        let known = self.contacts.values().filter_map(|contact| contact.denied_until);
        known.chain(waiting).filter(|until| *until > self.now).min()
    }

    /// Judges again, as of `now`. Returns the channels that are not followed, if that may be others than before.
    fn judge(&mut self, now: Timestamp, waiting: Option<Waiting>) -> Option<BTreeSet<ChannelId>> {
        let is_over = self.ends.is_some_and(|end| end <= now);
        let decided = waiting.is_some_and(|waiting| {
            let differs = waiting != self.waiting;
            self.waiting = waiting;
            differs
        });
        if !std::mem::take(&mut self.is_new) && !is_over && !decided {
            return None;
        }
        self.now = now;
        self.ends = self.find_end();
        let aside = self
            .channels()
            .filter(|(_, consent)| !self.follow.contains(consent));
        Some(aside.map(|(cid, _)| cid.clone()).collect())
    }
}

impl Own {
    fn of(row: &Membership) -> Self {
        Self {
            active: row.state == MemberState::Active,
            consent: row.consent,
            added_by: row.added_by.clone(),
            ver: row.ver,
        }
    }
}

impl Engine {
    /// Returns what holds of a channel: what was decided of it, else of whoever added the account, with what waits in the outbox
    /// laid over.
    #[must_use]
    pub fn consent(&self, cid: &ChannelId) -> ConsentState {
        self.streams.consents.of(cid)
    }

    /// Returns the server's time, as far as it is known.
    pub(crate) fn server_now(&self, env: &Env<'_>) -> Timestamp {
        self.clock.map_or(env.wall, |(said, at)| {
            let since = i64::try_from(env.mono.saturating_sub(at)).unwrap_or(i64::MAX);
            Timestamp(said.0.saturating_add(since))
        })
    }

    /// Judges which channels are followed, if anything was decided, or is over by now.
    pub(crate) fn judge_consents(&mut self, effects: &mut Effects, env: &Env<'_>) {
        let now = self.server_now(env);
        let look = self.outbox.take_decided() || self.streams.consents.is_new;
        let waiting = look.then(|| Waiting::of(self.outbox.items()));
        if let Some(aside) = self.streams.consents.judge(now, waiting) {
            self.streams.put_aside(aside);
            self.tell_watched(effects);
        }
        self.consent_ends = self.streams.consents.ends.map(|end| {
            let wait = u64::try_from(end.0.saturating_sub(now.0)).unwrap_or(0);
            // A wait for long is cut: the server's clock is asked at each heartbeat.
            env.mono + wait.clamp(1, LONGEST_WAIT_MS)
        });
    }

    /// Tells the connection what is not to be sent on it, as far as it was not told yet.
    pub(crate) fn tell_watched(&mut self, effects: &mut Effects) {
        if !matches!(self.phase, Phase::Greeting { .. } | Phase::Online(_)) {
            return;
        }
        // More than a server takes are sent, and not taken here.
        let unwanted: BTreeSet<ChannelId> =
            self.streams.unwanted().take(limits::UNWATCHED).cloned().collect();
        let told = &mut self.told_unwatched;
        for (cids, on) in [
            (told.difference(&unwanted), true),
            (unwanted.difference(told), false),
        ] {
            let cids: Vec<ChannelId> = cids.cloned().collect();
            let frames = cids.chunks(limits::WATCHED_PER_FRAME).map(|cids| {
                ClientFrame::Watch(Watch {
                    cids: cids.to_vec(),
                    on,
                })
            });
            effects.frames.extend(frames);
        }
        *told = unwanted;
    }
}

/// A day.
const LONGEST_WAIT_MS: u64 = 24 * 60 * 60 * 1_000;

impl crate::streams::Streams {
    /// Leaves these channels aside from now on, and no others.
    fn put_aside(&mut self, aside: BTreeSet<ChannelId>) {
        let before = std::mem::replace(&mut self.aside, aside);
        let changed: Vec<ChannelId> = before.symmetric_difference(&self.aside).cloned().collect();
        for cid in changed {
            self.judge(&StreamId::Channel(cid));
        }
    }

    /// Returns the channels of which no changes are wanted as they happen, each once.
    fn unwanted(&self) -> impl Iterator<Item = &ChannelId> {
        self.unwatched.union(&self.aside)
    }
}
