use super::{DeskConfig, Opening, recent::Recent};
use crate::{
    hub::millis,
    outbound::{Mailbox, encode_frame},
    presence::{
        ConnectionNumber, Now, Presence, PresenceRecord, Told,
        elsewhere::Elsewhere,
        hints::Hint,
        watchers::{News, Watchers},
    },
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};
use whimbrel_model::{ChannelId, Contact, Settings, UserId};
use whimbrel_protocol::{
    AskPresence, OwnPresence, Presence as Frame, PresenceRefused, ServerFrame, UserPresence,
    Watchers as WatchersFrame,
};

/// Users in one frame: as many as in an answer.
const TOLD_AT_ONCE: usize = whimbrel_model::limits::PRESENCE_PER_FRAME;

#[derive(Debug)]
pub(super) struct Live {
    pub(super) presence: Presence,
    pub(super) watchers: Watchers,
    pub(super) elsewhere: Elsewhere,
    pub(super) recent: Recent,
    /// Of whom another server knows newer settings.
    pub(super) stale: BTreeSet<UserId>,
    pub(super) grace_ms: u64,
    hints: Vec<Hint>,
    connections: HashMap<ConnectionNumber, (UserId, Arc<Mailbox>)>,
    last: ConnectionNumber,
}

impl Live {
    pub(super) fn new(config: DeskConfig) -> Self {
        let grace_ms = millis(config.grace);
        Self {
            presence: Presence::new(grace_ms).lease(millis(config.lease)),
            watchers: Watchers::default(),
            elsewhere: Elsewhere::new(millis(config.server_lease)),
            recent: Recent::default(),
            stale: BTreeSet::new(),
            grace_ms,
            hints: Vec::new(),
            connections: HashMap::new(),
            last: 0,
        }
    }

    pub(super) fn join(
        &mut self,
        record: PresenceRecord,
        mailbox: &Arc<Mailbox>,
        (own, background): (OwnPresence, bool),
        now: Now,
    ) -> ConnectionNumber {
        self.last += 1;
        let (number, user) = (self.last, record.user.clone());
        self.connections.insert(number, (user.clone(), mailbox.clone()));
        self.learn(&record, now);
        self.with_shown(&user, now, |live| match background {
            true => live.presence.join_in_background(number, &user, own, now),
            false => live.presence.join(number, &user, own, now),
        });
        number
    }

    pub(super) fn leave(&mut self, number: ConnectionNumber, now: Now) {
        for cid in self.watchers.of_connection(number) {
            self.close(number, &cid, now);
        }
        self.connections.remove(&number);
        self.presence.leave(number, now);
    }

    /// Takes what was read of somebody, and what was committed since.
    pub(super) fn learn(&mut self, record: &PresenceRecord, now: Now) {
        let elsewhere = self.elsewhere.of(&record.user);
        self.with_shown(&record.user, now, |live| {
            let mut told = live.presence.learn(record, now);
            if let Some(settings) = live.recent.settings(&record.user) {
                told.extend(live.presence.settings(settings, now));
            }
            for here in &elsewhere {
                told.extend(live.presence.heard(here, elsewhere.len(), now));
            }
            told
        });
    }

    /// Takes what was read anew of somebody, unless they are forgotten by now.
    pub(super) fn refresh(&mut self, record: &PresenceRecord, now: Now) {
        if self.presence.settings_ver(&record.user).is_some() {
            self.learn(record, now);
        }
    }

    /// Returns what was decided last, of what was read and what was committed since.
    fn newest(&self, user: &UserId, of: &UserId, read: Option<&Contact>) -> Option<Contact> {
        let recent = self.recent.contact(user, of).into_iter();
        recent.chain(read).max_by_key(|contact| contact.ver).cloned()
    }

    pub(super) fn watch(
        &mut self,
        number: ConnectionNumber,
        ask: &AskPresence,
        records: &[PresenceRecord],
        mut refused: Vec<PresenceRefused>,
        now: Now,
    ) {
        let Some((watcher, mailbox)) = self.connections.get(&number).cloned() else {
            return;
        };
        if let Some(background) = ask.background {
            let told = self.presence.set_background(number, background, now);
            self.tell(told);
        }
        let mut add = Vec::with_capacity(records.len());
        for record in records {
            self.learn(record, now);
            if let Some(contact) = self.newest(&record.user, &watcher, record.contact.as_ref()) {
                drop(self.presence.refuse(number, &contact, now));
            }
            add.push(record.user.clone());
        }
        let (users, too_many) = self.presence.watch(number, &add, &ask.remove);
        refused.extend(too_many);
        let answer = ServerFrame::Presence(Frame {
            id: Some(ask.id),
            users,
            refused,
        });
        if let Some(bytes) = encode_frame(&answer) {
            mailbox.answer(bytes);
        }
    }

    /// Fails if the connection has too many channels open.
    pub(super) fn open(&mut self, number: ConnectionNumber, opening: &Opening, now: Now) -> Result<(), ()> {
        let Opening {
            cid,
            members,
            records,
        } = opening;
        let Some((user, _)) = self.connections.get(&number).cloned() else {
            return Ok(());
        };
        if !self.watchers.has_room(number, cid) {
            return Err(());
        }
        for record in records {
            if let Some(contact) = self.newest(&record.user, &user, record.contact.as_ref()) {
                self.refuse(number, &contact, now);
            }
            if let Some(contact) = self.newest(&user, &record.user, record.own_contact.as_ref()) {
                for number in self.watchers.connections(cid, &record.user) {
                    self.refuse(number, &contact, now);
                }
            }
        }
        let (is_new, news) = self.watchers.open(number, &user, cid, *members);
        if is_new {
            for user in self.elsewhere.open(cid) {
                self.watchers.show(cid, &user, true, now.mono);
            }
        }
        if news == News::All {
            self.tell_everyone(cid, &self.watchers.all_connections(cid));
        }
        self.show(cid, &user, Some(number), now);
        self.tell_everyone(cid, &[number]);
        Ok(())
    }

    pub(super) fn close(&mut self, number: ConnectionNumber, cid: &ChannelId, now: Now) {
        let Some((user, _)) = self.connections.get(&number).cloned() else {
            return;
        };
        if self.watchers.close(number, &user, cid) {
            self.show(cid, &user, None, now);
            self.hints.push(Hint::Closed(cid.clone(), user));
        }
    }

    /// Somebody is in a channel no longer.
    pub(super) fn put_out(&mut self, cid: &ChannelId, user: &UserId, here: bool, now: Now) {
        for number in self.watchers.connections(cid, user) {
            self.close(number, cid, now);
        }
        if here {
            self.hints.push(Hint::Out(cid.clone(), user.clone()));
        }
    }

    pub(super) fn settings(&mut self, settings: &Settings, here: bool, now: Now) {
        self.with_shown(&settings.user, now, |live| live.presence.settings(settings, now));
        self.recent.put_settings(settings, here, now.mono);
        if here {
            self.hints.push(Hint::Settings(settings.clone()));
        }
    }

    /// Takes settings that an operation came to without a change.
    pub(super) fn settle(&mut self, settings: &Settings, now: Now) {
        self.with_shown(&settings.user, now, |live| live.presence.settle(settings, now));
    }

    /// Does something that may change whether a user may be seen, tells of it, and of the channels that the user has open.
    pub(super) fn with_shown(
        &mut self,
        user: &UserId,
        now: Now,
        change: impl FnOnce(&mut Self) -> Vec<Told>,
    ) {
        let was_seen = self.presence.is_seen(user);
        let told = change(self);
        self.tell(told);
        if self.presence.is_seen(user) == was_seen {
            return;
        }
        for cid in self.watchers.of_user(user) {
            self.show(&cid, user, None, now);
            if was_seen {
                self.hints.push(Hint::Closed(cid, user.clone()));
            }
        }
    }

    pub(super) fn contact(&mut self, contact: &Contact, here: bool, now: Now) {
        if !self.recent.put_contact(contact, here, now.mono) {
            // It is said again, for those who have not heard of it.
            return;
        }
        let told = self.presence.contact(contact, now);
        self.tell(told);
        for cid in self.watchers.of_user(&contact.of) {
            for number in self.watchers.connections(&cid, &contact.of) {
                self.refuse(number, contact, now);
                self.tell_everyone(&cid, &[number]);
            }
        }
        if here {
            self.hints.push(Hint::Contact(contact.clone()));
        }
    }

    pub(super) fn tick(&mut self, now: Now) {
        let hidden = self.presence.ends_said(now).into_iter();
        let hidden: Vec<_> = hidden.filter(|user| !self.presence.is_seen(user)).collect();
        let told = self.presence.tick(now);
        self.tell(told);
        for user in hidden {
            if self.presence.is_seen(&user) {
                for cid in self.watchers.of_user(&user) {
                    self.show(&cid, &user, None, now);
                }
            }
        }
        for number in self.presence.take_unrefused() {
            for cid in self.watchers.of_connection(number) {
                self.tell_everyone(&cid, &[number]);
            }
        }
        for cid in self.watchers.tick(now.mono) {
            self.tell_everyone(&cid, &self.watchers.all_connections(&cid));
        }
        let touched = self.elsewhere.tick(now.mono);
        self.touch(touched, 0, now);
        self.recent.tick(now.mono);
    }

    pub(super) fn take_hints(&mut self) -> Vec<Hint> {
        let mut hints = self.presence.take_hints();
        hints.append(&mut self.hints);
        hints
    }

    fn refuse(&mut self, number: ConnectionNumber, contact: &Contact, now: Now) {
        let told = self.presence.refuse(number, contact, now);
        self.tell(told.into_iter().collect());
    }

    /// Tells whoever has a channel open whether a user has, as it is now; but not on `except`, which is told of everyone.
    pub(super) fn show(
        &mut self,
        cid: &ChannelId,
        user: &UserId,
        except: Option<ConnectionNumber>,
        now: Now,
    ) {
        let here = self.watchers.is_here(cid, user) && self.presence.is_seen(user);
        if here {
            self.hints.push(Hint::Opened(cid.clone(), user.clone()));
        }
        let on = here || self.elsewhere.is_open(&(cid.clone(), user.clone()));
        if self.watchers.show(cid, user, on, now.mono) != News::One {
            return;
        }
        let (started, stopped) = match on {
            true => (vec![user.clone()], Vec::new()),
            false => (Vec::new(), vec![user.clone()]),
        };
        let Some((shown, _)) = self.watchers.shown(cid) else {
            return;
        };
        for number in self.watchers.all_connections(cid) {
            if except == Some(number) || self.presence.is_refused(number, user) {
                continue;
            }
            let count = shown
                .iter()
                .filter(|user| !self.presence.is_refused(number, user));
            self.send(
                number,
                frame(cid, count.count(), started.clone(), stopped.clone()),
            );
        }
    }

    /// Tells connections everyone who has a channel open, or how many they are.
    fn tell_everyone(&self, cid: &ChannelId, numbers: &[ConnectionNumber]) {
        let Some((shown, is_large)) = self.watchers.shown(cid) else {
            return;
        };
        for number in numbers {
            if is_large {
                self.send(*number, frame(cid, shown.len(), Vec::new(), Vec::new()));
                continue;
            }
            let seen = shown
                .iter()
                .filter(|user| !self.presence.is_refused(*number, user));
            let seen: Vec<UserId> = seen.cloned().collect();
            self.send(*number, frame(cid, seen.len(), seen, Vec::new()));
        }
    }

    /// Tells connections how users are: in one frame what goes to the same ones.
    pub(super) fn tell(&self, told: Vec<Told>) {
        let mut by_target: BTreeMap<Vec<ConnectionNumber>, Vec<UserPresence>> = BTreeMap::new();
        for Told { to, user } in told {
            by_target.entry(to).or_default().push(user);
        }
        for (to, users) in by_target {
            for users in users.chunks(TOLD_AT_ONCE) {
                let frame = ServerFrame::Presence(Frame {
                    id: None,
                    users: users.to_vec(),
                    refused: Vec::new(),
                });
                let Some(bytes) = encode_frame(&frame) else {
                    continue;
                };
                for (_, mailbox) in to.iter().filter_map(|number| self.connections.get(number)) {
                    mailbox.push(bytes.clone());
                }
            }
        }
    }

    fn send(&self, number: ConnectionNumber, frame: WatchersFrame) {
        if let Some((_, mailbox)) = self.connections.get(&number)
            && let Some(bytes) = encode_frame(&ServerFrame::Watchers(frame))
        {
            mailbox.push(bytes);
        }
    }
}

fn frame(cid: &ChannelId, count: usize, started: Vec<UserId>, stopped: Vec<UserId>) -> WatchersFrame {
    WatchersFrame {
        cid: cid.clone(),
        count: count as u64,
        started,
        stopped,
    }
}
