//! Who is online, who types: the hub's own state machine in virtual time, what devices are told by it, and what of that has to hold.

use super::{
    Fault, Mutant, Violation,
    device::Device,
    log::violated,
    storage::now_or,
    world::{Event, Phase, World},
};
use std::collections::{BTreeMap, BTreeSet};
use whimbrel_hub::{Now, Presence as Machine, PresenceRecord, PresenceStorage as _, Storage as _, Told};
use whimbrel_model::{
    AccountKey, AccountRow, ChannelId, Code, Contact, MessageId, Row, RowKey, Settings, StreamId, UserId,
    limits,
};
use whimbrel_protocol::{
    AskPresence, OwnPresence, Presence, PresenceRefused, ServerFrame, Typing, UserPresence, UserTyping,
};
use whimbrel_sync::Notice;

/// For how long who has no connection any more is told to be online, as the hub has it.
const GRACE_MS: u64 = 10_000;

/// How long a lease is, as far as it spreads what is told of those who come and go.
const LEASE_MS: u64 = 50_000;

/// How often the machine is asked what is due, as the hub does.
const TICK_MS: u64 = GRACE_MS / 10;

/// How often silent connections are looked for.
pub(super) const SWEEP_MS: u64 = 5_000;

/// What is on its way to a screen takes less, when nothing goes wrong.
const ON_THE_WAY_MS: u64 = 2_000;

/// A channel, or the thread of a message in it.
type Place = (ChannelId, Option<MessageId>);

/// What a running app was told beside the streams.
#[derive(Debug, Default)]
pub(super) struct Beside {
    presence: BTreeMap<UserId, UserPresence>,
    /// Of whom it is not told.
    refused: BTreeSet<UserId>,
    typing: BTreeMap<Place, Vec<UserId>>,
}

/// The server's side of it: gone with the process.
#[derive(Debug)]
pub(super) struct Desk {
    machine: Machine,
    /// Who was told last that somebody types, by the connection of that somebody.
    typing: BTreeMap<(u64, Place), Vec<UserId>>,
    /// How users want to be shown: what they said as they came, or what was committed since.
    said: BTreeMap<UserId, (OwnPresence, u64)>,
    /// What users have decided of others, as of the step that was told last.
    contacts: BTreeMap<(UserId, UserId), Contact>,
    /// When each user was last heard of by this process, on any connection.
    heard: BTreeMap<UserId, u64>,
}

impl Default for Desk {
    fn default() -> Self {
        Self {
            machine: Machine::new(GRACE_MS).lease(LEASE_MS),
            typing: BTreeMap::new(),
            said: BTreeMap::new(),
            contacts: BTreeMap::new(),
            heard: BTreeMap::new(),
        }
    }
}

impl Beside {
    /// Takes in what the engine says.
    fn take(&mut self, notice: &Notice) {
        match notice {
            Notice::Presence(told) => {
                for refused in &told.refused {
                    self.presence.remove(&refused.user);
                    self.refused.insert(refused.user.clone());
                }
                for user in &told.users {
                    self.refused.remove(&user.user);
                    self.presence.insert(user.user.clone(), user.clone());
                }
            }
            Notice::PresenceLost => {
                self.presence.clear();
                self.refused.clear();
            }
            Notice::Typing { cid, parent, users } => {
                let place = (cid.clone(), *parent);
                if users.is_empty() {
                    self.typing.remove(&place);
                } else {
                    self.typing.insert(place, users.clone());
                }
            }
            _ => {}
        }
    }
}

impl World {
    fn presence_now(&self) -> Now {
        Now {
            mono: self.now,
            wall: self.server_time(),
        }
    }

    /// A user was heard of on a connection.
    pub(super) fn heard_of(&mut self, user: &UserId) {
        self.server.desk.heard.insert(user.clone(), self.now);
    }

    /// Somebody has said hello.
    pub(super) fn joins(&mut self, conn: u64, user: &UserId, own: OwnPresence) -> Result<(), Violation> {
        self.heard_of(user);
        let was = self.server.desk.machine.of(user, true).online;
        if was {
            self.log.count("presence_stays");
        }
        // Whose token it is not has nothing to say about whom it is of.
        let device = self
            .net
            .conns
            .get(&conn)
            .map(|conn| &self.devices[conn.device].user);
        let own = if device == Some(user) {
            own
        } else {
            OwnPresence::default()
        };
        let now = self.presence_now();
        for record in self.presence_records(user, std::slice::from_ref(user))? {
            let (said, ver) = self.server.desk.said.entry(user.clone()).or_default();
            if let Some(settings) = record.settings.as_ref().filter(|row| row.ver > *ver) {
                (said.invisible, said.status) = (Some(settings.invisible), Some(settings.status.clone()));
                *ver = settings.ver;
            }
            said.invisible = own.invisible.or(said.invisible);
            said.status = own.status.clone().or(said.status.take());
            let told = self.server.desk.machine.learn(&self.seen_anyway(record), now);
            self.tell_presence(told)?;
        }
        let told = self.server.desk.machine.join(conn, user, own, now);
        self.tell_presence(told)
    }

    /// A connection is over, as far as the server knows.
    pub(super) fn parts(&mut self, conn: u64) {
        let now = self.presence_now();
        let heard = self.net.conns.get(&conn).map_or(0, |conn| conn.last_heard);
        let silent = heard + self.plan.heartbeat_ms * 5 / 2 < self.now;
        if !(silent && self.mutant == Some(Mutant::LeaseForEver)) {
            self.server.desk.machine.leave(conn, now);
        }
        let typing = std::mem::take(&mut self.server.desk.typing);
        for ((of, place), told) in typing {
            if of == conn {
                self.tell_typing(conn, place, &told, false);
            } else {
                self.server.desk.typing.insert((of, place), told);
            }
        }
    }

    /// The server process is over, and with it all that it knew beside the streams.
    pub(super) fn forget_presence(&mut self) {
        let users = self.users();
        let online = |user: &UserId| self.server.desk.machine.of(user, true).online;
        if users.iter().any(online) {
            self.log.count("server_restart_with_online");
        }
        if self.mutant == Some(Mutant::OnlineAfterCrash) {
            self.server.desk.heard.clear();
        } else {
            self.server.desk = Desk::default();
        }
    }

    /// Reads what is stored of users whose presence somebody wants.
    fn presence_records(&self, watcher: &UserId, users: &[UserId]) -> Result<Vec<PresenceRecord>, Violation> {
        match now_or(self.server.storage.presence(watcher, users))? {
            Ok(records) => Ok(records),
            Err(error) => violated("sim", error.to_string()),
        }
    }

    /// Lets a mutant forget who wants not to be seen.
    fn seen_anyway(&self, mut record: PresenceRecord) -> PresenceRecord {
        if self.mutant == Some(Mutant::InvisibleSeen) {
            record.settings = None;
        }
        record
    }

    /// Somebody asks who is there: of those with whom they share a channel they are told.
    pub(super) fn asks_presence(
        &mut self,
        conn: u64,
        user: &UserId,
        ask: &AskPresence,
    ) -> Result<(), Violation> {
        let now = self.presence_now();
        let (mut add, mut refused) = (Vec::new(), Vec::new());
        for record in self.presence_records(user, &ask.add)? {
            if !record.is_shared {
                refused.push(PresenceRefused {
                    user: record.user,
                    code: Code::Forbidden,
                    message: "no channel is shared".to_owned(),
                });
                continue;
            }
            let record = self.seen_anyway(record);
            let told = self.server.desk.machine.learn(&record, now);
            self.tell_presence(told)?;
            if let Some(contact) = &record.contact {
                // The answer says it.
                let place = (contact.user.clone(), contact.of.clone());
                self.server.desk.contacts.insert(place, contact.clone());
                drop(self.server.desk.machine.refuse(conn, contact, now));
            }
            add.push(record.user);
        }
        let (users, too_many) = self.server.desk.machine.watch(conn, &add, &ask.remove);
        refused.extend(too_many);
        let id = Some(ask.id);
        self.send_presence(conn, Presence { id, users, refused })
    }

    /// What an account holds about itself has changed. `again`: it was said once more, and is so already.
    pub(super) fn account_moves(&mut self, row: &AccountRow, again: bool) -> Result<(), Violation> {
        let now = self.presence_now();
        if let AccountRow::Settings(row) = row {
            // One after the other, as they were committed.
            let said = OwnPresence {
                invisible: Some(row.invisible),
                status: Some(row.status.clone()),
                ..OwnPresence::default()
            };
            self.server.desk.said.insert(row.user.clone(), (said, row.ver));
        }
        if let AccountRow::Contact(row) = row {
            let desk = &mut self.server.desk;
            desk.contacts
                .insert((row.user.clone(), row.of.clone()), row.clone());
        }
        let machine = &mut self.server.desk.machine;
        let told = match row {
            AccountRow::Settings(_) if self.mutant == Some(Mutant::InvisibleSeen) => Vec::new(),
            AccountRow::Settings(row) if again => machine.settle(row, now),
            AccountRow::Settings(row) => machine.settings(row, now),
            AccountRow::Contact(row) => machine.contact(row, now),
            AccountRow::Device(_) | AccountRow::DeviceSync(_) => Vec::new(),
        };
        self.tell_presence(told)
    }

    fn tell_presence(&mut self, told: Vec<Told>) -> Result<(), Violation> {
        for Told { to, user } in told {
            self.log.count(if user.online {
                "presence_online"
            } else {
                "presence_offline"
            });
            for conn in to {
                let frame = Presence {
                    id: None,
                    users: vec![user.clone()],
                    refused: Vec::new(),
                };
                self.send_presence(conn, frame)?;
            }
        }
        Ok(())
    }

    fn send_presence(&mut self, conn: u64, frame: Presence) -> Result<(), Violation> {
        let reader = self.net.conns.get(&conn).and_then(|conn| conn.user.clone());
        for user in frame
            .users
            .iter()
            .filter(|user| Some(&user.user) != reader.as_ref())
        {
            self.check_shown(user)?;
            if let Some(reader) = &reader {
                self.check_hidden(reader, user)?;
            }
        }
        // Nothing is left out of the middle of a connection: what is lost ends it.
        if self.goes_wrong(Fault::PresenceLost) {
            self.break_conn(conn);
            return Ok(());
        }
        self.send_down(conn, ServerFrame::Presence(frame));
        Ok(())
    }

    /// P1, P2: who is shown online was heard of by this process, a lease and a grace ago at most.
    fn check_shown(&self, shown: &UserPresence) -> Result<(), Violation> {
        if !shown.online {
            return Ok(());
        }
        let lease = self.plan.heartbeat_ms * 5 / 2 + SWEEP_MS;
        // Who comes and goes all the time is told to go a lease later, at most twice.
        let most = lease + GRACE_MS.max(2 * LEASE_MS) + TICK_MS;
        match self.server.desk.heard.get(&shown.user) {
            None => violated(
                "P2",
                format!(
                    "{} is online, and was never heard of since the server began",
                    shown.user
                ),
            ),
            Some(heard) if self.now - heard > most => violated(
                "P1",
                format!(
                    "{} is online, and was heard of {} ms ago",
                    shown.user,
                    self.now - heard
                ),
            ),
            Some(_) => Ok(()),
        }
    }

    /// Lets the machine do what is due.
    pub(super) fn tick(&mut self) -> Result<(), Violation> {
        self.later(TICK_MS, Event::Tick);
        if !self.server.up || self.plan.day {
            return Ok(());
        }
        let now = self.presence_now();
        let told = self.server.desk.machine.tick(now);
        self.tell_presence(told)?;
        for user in self.users() {
            self.check_shown(&self.server.desk.machine.of(&user, false))?;
        }
        Ok(())
    }

    /// Everybody who has a device.
    pub(super) fn users(&self) -> BTreeSet<UserId> {
        self.devices.iter().map(|device| device.user.clone()).collect()
    }

    /// An app that has started wants to know who is there.
    pub(super) fn watch_presence(&mut self, index: usize) -> Result<(), Violation> {
        if self.plan.day {
            return Ok(());
        }
        let users = self.users();
        self.command(index, &mut |engine, env| {
            Some(engine.want_presence(users.clone(), [], env))
        })?;
        Ok(())
    }

    /// An app is told something beside the streams.
    pub(super) fn heeds(&mut self, index: usize, notice: &Notice) {
        if let Some(run) = self.devices[index].run.as_mut() {
            run.beside.take(notice);
        }
    }

    /// Somebody presses a key.
    pub(super) fn type_in(&mut self, index: usize, cid: &ChannelId) -> Result<(), Violation> {
        let stops = self.dice.per_mille(300);
        self.command(index, &mut |engine, env| {
            Some(match stops {
                true => engine.stop_typing(cid.clone(), None),
                false => engine.typing(cid.clone(), None, env),
            })
        })?;
        Ok(())
    }

    /// Passes on that somebody types, to those who are in the channel then.
    pub(super) fn typing(&mut self, conn: u64, user: &UserId, typing: Typing) -> Result<(), Violation> {
        let place = (typing.cid, typing.parent);
        let key = (conn, place.clone());
        if !typing.on {
            if let Some(told) = self.server.desk.typing.remove(&key) {
                self.tell_typing(conn, place, &told, false);
            }
            return Ok(());
        }
        let members = now_or(self.server.storage.members(&place.0))?.unwrap_or_default();
        let is_in = members.contains(user) && members.len() <= limits::TYPING_MEMBERS;
        let others: Vec<UserId> = members
            .into_iter()
            .filter(|other| is_in && other != user)
            .collect();
        if others.is_empty() {
            return Ok(());
        }
        self.log.count("typing");
        self.server.desk.typing.insert(key, others.clone());
        self.tell_typing(conn, place, &others, true);
        Ok(())
    }

    fn tell_typing(&mut self, from: u64, (cid, parent): Place, told: &[UserId], on: bool) {
        let Some(user) = self.net.conns.get(&from).and_then(|conn| conn.user.clone()) else {
            return;
        };
        let is_told = |of: &&UserId| told.contains(of);
        let targets = self.net.conns.iter().filter(|(_, conn)| conn.server_open);
        let targets = targets.filter(|(_, conn)| conn.user.as_ref().filter(is_told).is_some());
        for id in targets.map(|(id, _)| *id).collect::<Vec<_>>() {
            let typing = UserTyping {
                cid: cid.clone(),
                parent,
                user: user.clone(),
                on,
            };
            self.send_down(id, ServerFrame::Typing(typing));
        }
    }

    /// What the server holds as the settings of somebody.
    fn settings_of(&self, user: &UserId) -> Settings {
        let rows = self.ghost.server.rows.get(&StreamId::User(user.clone()));
        let row = rows.and_then(|rows| rows.get(&RowKey::Account(user.clone(), AccountKey::Settings)));
        match row {
            Some(Row::Account(AccountRow::Settings(row))) => row.clone(),
            _ => Settings::new(user.clone()),
        }
    }

    /// Whether somebody has decided that somebody else is not to reach them.
    fn denies(&self, user: &UserId, other: &UserId) -> bool {
        let rows = self.ghost.server.rows.get(&StreamId::User(user.clone()));
        let key = RowKey::Account(user.clone(), AccountKey::Contact(other.clone()));
        match rows.and_then(|rows| rows.get(&key)) {
            Some(Row::Account(AccountRow::Contact(row))) => row.is_denied(self.server_time()),
            _ => false,
        }
    }

    /// What somebody has to be shown of somebody else, by what the server holds and who is connected.
    fn is_shown_wrong(&self, device: &Device, shown: &UserPresence) -> Option<String> {
        let user = &shown.user;
        let own = *user == device.user;
        let settings = self.settings_of(user);
        let connected = self
            .settled()
            .into_iter()
            .any(|index| self.devices[index].user == *user);
        let hidden = !own && (settings.invisible || self.denies(user, &device.user));
        // What they said as they came counts until an operation of theirs is decided: one that is given up never is.
        let (said, _) = self.server.desk.said.get(user).cloned().unwrap_or_default();
        let hid = !own && (said.invisible == Some(true) || self.denies(user, &device.user));
        let fits = |hidden: bool| shown.online == (connected && !hidden);
        let wrong = !(fits(hidden) || fits(hid)) || (shown.invisible && !own);
        let status = |text: &String| shown.status == *text;
        let silent =
            hidden || hid || status(&settings.status) || said.status.is_some_and(|text| status(&text));
        let known = self.server.desk.machine.of(user, true);
        (wrong || !silent).then(|| {
            format!(
                "{} shows {shown:?}, they want {settings:?}, hidden: {hidden}, connected: {connected}, known: {known:?}",
                device.name
            )
        })
    }

    /// Whether the server knows, by what it was told or has read, that somebody is not to be seen by somebody else.
    fn is_hidden(&self, user: &UserId, reader: &UserId) -> bool {
        let desk = &self.server.desk;
        let contact = desk.contacts.get(&(user.clone(), reader.clone()));
        let invisible = desk.said.get(user).and_then(|(said, _)| said.invisible);
        contact.is_some_and(|contact| contact.is_denied(self.server_time())) || invisible == Some(true)
    }

    /// P3: who does not want to be seen is not.
    fn check_hidden(&self, reader: &UserId, shown: &UserPresence) -> Result<(), Violation> {
        let user = &shown.user;
        if *reader == *user || !(shown.online || shown.invisible) {
            return Ok(());
        }
        if self.is_hidden(user, reader) || shown.invisible {
            let (settings, denied) = (self.settings_of(user), self.denies(user, reader));
            return violated(
                "P3",
                format!("{reader} is told {shown:?}, and is not to: {settings:?}, denied: {denied}"),
            );
        }
        Ok(())
    }

    /// P4: every screen shows of everybody what is so, and nobody who types, once nothing changes any more.
    pub(super) fn check_presence(&mut self, events: &mut u64) -> Result<(), Violation> {
        if self.plan.day {
            return Ok(());
        }
        debug_assert!(self.phase == Phase::Quiet, "nothing is at rest");
        for again in [true, false] {
            self.run_until(self.now + ON_THE_WAY_MS, events)?;
            match self.shown_wrong() {
                None => return Ok(()),
                // The quarter of an hour may just be over.
                Some(_) if again => {}
                Some(what) => return violated("P4", what),
            }
        }
        Ok(())
    }

    fn shown_wrong(&self) -> Option<String> {
        let users = self.users();
        for index in self.settled() {
            let device = &self.devices[index];
            let Some(run) = &device.run else { continue };
            if let Some((place, who)) = run.beside.typing.first_key_value() {
                return Some(format!("{} shows that {who:?} type in {place:?}", device.name));
            }
            let Some(conn) = run.link.and_then(|link| link.conn) else {
                return Some(format!("{} is not connected", device.name));
            };
            for user in users.iter().filter(|user| !run.beside.refused.contains(*user)) {
                let there = self.server.desk.machine.of_for(conn, user);
                let shown = run.beside.presence.get(user);
                if shown != Some(&there) {
                    return Some(format!("{} shows {shown:?}, and it is {there:?}", device.name));
                }
                if let Some(what) = self.is_shown_wrong(device, &there) {
                    return Some(what);
                }
            }
        }
        None
    }
}
