//! A day of a crowd: in the evening each open channel list is what the server's rows come to under the same query.

use super::{
    Counters, Mutant, Violation,
    check::{Held, or_denied},
    device::Device,
    dice::Dice,
    follow::everything_followed,
    log::violated,
    observe::extend_channels,
    plan::Plan,
    storage::now_or,
    world::World,
};
use std::collections::{BTreeMap, BTreeSet};
use whimbrel_hub::Storage as _;
use whimbrel_model::{
    Channel, ChannelId, ChannelSummary, MemberState, Membership, Message, MessageId, Mute, People, PlainJson,
    Read, Row, RowKey, StreamId, Timestamp, UserId,
};
use whimbrel_protocol::{FindChannels, Question};
use whimbrel_query::{ChannelItem as Asked, Query};
use whimbrel_state::ChannelItem;

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// Within which the channels of the day are made.
const MORNING_MS: u64 = 30 * 60 * 1_000;

/// How large a day is.
#[derive(Clone, Copy, Debug)]
pub struct Day {
    /// What everything is drawn from.
    pub seed: u64,
    /// How many people there are.
    pub users: u64,
    /// How many devices each has.
    pub devices: u64,
    /// How many channels are made in the morning.
    pub channels: u64,
    /// How often somebody does something, comes or goes, about.
    pub actions: u64,
    /// A protection that is switched off.
    pub mutant: Option<Mutant>,
}

impl Day {
    /// A day of so many devices, two to a person. With fifty it is over in seconds, with a thousand in about a minute.
    #[must_use]
    pub const fn of(seed: u64, devices: u64) -> Self {
        Self {
            seed,
            users: devices.div_ceil(2),
            devices: 2,
            channels: devices / 4 + 15,
            actions: devices * 18 + 1_000,
            mutant: None,
        }
    }
}

/// What a day came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DayTotal {
    /// Devices of the day.
    pub devices: usize,
    /// Channels that there are in the evening.
    pub channels: usize,
    /// Operations that the server accepted.
    pub accepted: usize,
    /// Messages among them.
    pub messages: usize,
    /// Lists that were compared, those of new devices included.
    pub lists: usize,
    /// Pages of the server's own answers to the same queries.
    pub answers: usize,
    /// Different queries among them.
    pub queries: usize,
    /// Rows of the lists of the day's devices.
    pub rows: usize,
    /// Lists that had some of their user's channels, and not all.
    pub partial: usize,
    /// What was reached.
    pub counters: Counters,
}

/// Lets a crowd live through a day: they come and go, apps die, the network loses things, channels change; then nothing goes
/// wrong any more, and each list has to be what the server's rows with the evaluator, a new device, and the server's own answer
/// to the same query say.
///
/// # Errors
/// What did not hold.
pub fn day(day: Day) -> Result<DayTotal, Violation> {
    let mut dice = Dice::new(day.seed);
    let mut plan = Plan::of_a_day(&mut dice, 2 * DAY_MS / day.actions.max(1));
    let names: Vec<String> = (0..day.users).map(|number| format!("u{number:03}")).collect();
    plan.users = vec![day.devices; names.len()];
    let mut world = World::populated(plan, &names, dice, day.mutant, false);
    let mut events = 0;
    for _ in 0..day.channels {
        let index = world.dice.index(world.devices.len());
        if let Some(op) = world.found(index) {
            world.does(index, &op)?;
        }
        world.run_until(world.now + MORNING_MS / day.channels, &mut events)?;
    }
    world.run_until(DAY_MS, &mut events)?;
    world.come_to_rest(&mut events)?;
    world.evening(&mut events)
}

/// What the server holds of a channel, for everyone in it.
struct Contents {
    channel: Option<Channel>,
    members: Vec<UserId>,
    messages: Vec<Message>,
    reads: BTreeMap<UserId, Read>,
    head_seq: u64,
}

/// What a row of a list says, as far as it does not depend on the device.
#[derive(Debug, PartialEq)]
struct Line {
    cid: ChannelId,
    name: String,
    custom: whimbrel_model::Custom,
    last_message: Option<(MessageId, u64)>,
    unread: u64,
    unknown: u64,
    mentions: u64,
    members: u64,
    role: whimbrel_model::Role,
    pinned_at: Option<Timestamp>,
    archived: bool,
    hidden: bool,
    muted: Option<Mute>,
}

impl World {
    /// Compares every list with the server's rows, and with that of a new device.
    fn evening(&mut self, events: &mut u64) -> Result<DayTotal, Violation> {
        let mut total = DayTotal {
            devices: self.devices.len(),
            accepted: self.ghost.server.log.len(),
            messages: self.ghost.server.seqs.len(),
            ..DayTotal::default()
        };
        let contents = self.contents()?;
        total.channels = contents.len();
        let mut queries = BTreeSet::new();
        let mut lists = Vec::new();
        for index in 0..total.devices {
            let rows = self.rows_of(&self.devices[index].user, &contents)?;
            let expected = answer(&self.devices[index].query, &rows, &contents);
            let list = self.whole_list(index, &expected)?;
            total.answers += self.check_answer_of(index, &expected)?;
            queries.insert(self.devices[index].query.hash());
            total.rows += list.len();
            total.partial += usize::from(!list.is_empty() && list.len() < rows.len());
            lists.push((list, expected));
        }
        total.queries = queries.len();
        for (index, (list, expected)) in lists.into_iter().enumerate() {
            let old = &self.devices[index];
            let (user, query) = (old.user.clone(), old.query.clone());
            let dice = Dice::new(self.dice.next());
            let new = self.add_device(Device::new(
                format!("{user}/new"),
                user,
                query,
                everything_followed(),
                dice,
            ))?;
            self.until_new_is_done(new, events)?;
            let again = self.whole_list(new, &expected)?;
            if again != list {
                return violated(
                    "E3",
                    format!(
                        "{} lists {list:?}, a new device {again:?}",
                        self.devices[index].name
                    ),
                );
            }
            // It has been looked at, and is not needed any more.
            self.devices[new].wants_online = false;
            self.close_link(new);
            self.devices[new].run = None;
            self.wake_later(new);
        }
        total.lists = 2 * total.devices;
        total.counters = std::mem::take(&mut self.log.counters);
        Ok(total)
    }

    /// E14: the server answers the query of a list with the same channels in the same order. Returns in how many pages.
    fn check_answer_of(&self, index: usize, expected: &[ChannelSummary]) -> Result<usize, Violation> {
        let device = &self.devices[index];
        let mut find = FindChannels {
            filter: PlainJson(device.query.filter().to_json()),
            sort: PlainJson(device.query.sort().to_json()),
            ..FindChannels::default()
        };
        find.window.limit = Some(7);
        let (mut found, mut pages): (Vec<Channel>, usize) = (Vec::new(), 0);
        loop {
            let question = Question::Channels(find.clone());
            let answer = or_denied(now_or(self.server.storage.ask(
                &device.user,
                &question,
                self.server_time(),
            ))?)?;
            pages += 1;
            found.extend(answer.rows.into_iter().filter_map(|row| match row {
                Row::Channel(row) => Some(row),
                _ => None,
            }));
            match answer.next {
                Some(next) => find.window.after = Some(next),
                None => break,
            }
        }
        let wanted: Vec<&Channel> = expected.iter().filter_map(|row| row.channel.as_ref()).collect();
        if !found.iter().eq(wanted.iter().copied()) {
            return violated(
                "E14",
                format!(
                    "the server answers {:?} of {} with {found:?}, not {wanted:?}",
                    device.query, device.name
                ),
            );
        }
        Ok(pages)
    }

    fn until_new_is_done(&mut self, new: usize, events: &mut u64) -> Result<(), Violation> {
        let end = self.now + 60_000;
        while !self.devices[new].is_done() {
            if self.now > end {
                return violated("L1", self.devices[new].describe());
            }
            self.step(events, &mut { u64::MAX })?;
        }
        Ok(())
    }

    /// Reads what the server holds of every channel.
    fn contents(&self) -> Result<BTreeMap<ChannelId, Contents>, Violation> {
        let mut contents = BTreeMap::new();
        for stream in self.ghost.server.heads.keys() {
            let StreamId::Channel(cid) = stream else { continue };
            let members = or_denied(now_or(self.server.storage.members(cid))?)?;
            if let Some(reader) = members.first() {
                contents.insert(cid.clone(), Contents::of(cid, self.held(cid, reader)?));
            }
        }
        Ok(contents)
    }

    /// Returns the rows of a user's channels, by the server's.
    fn rows_of(
        &self,
        user: &UserId,
        contents: &BTreeMap<ChannelId, Contents>,
    ) -> Result<Vec<ChannelSummary>, Violation> {
        let mut rows = Vec::new();
        for row in self.own_rows(user)? {
            if let Row::Membership(own) = row
                && own.state == MemberState::Active
                && let Some(held) = contents.get(&own.cid)
            {
                rows.push(held.summary(user, own));
            }
        }
        Ok(rows)
    }

    /// Loads all of a device's list, and compares it with what it has to be.
    fn whole_list(&self, index: usize, expected: &[ChannelSummary]) -> Result<Vec<ChannelItem>, Violation> {
        let device = &self.devices[index];
        let Some(run) = &device.run else {
            return violated("sim", format!("{} does not run", device.name));
        };
        let list = &run.views.list;
        let wanted: Vec<Line> = expected.iter().map(Line::of_row).collect();
        let is_like = |items: &[Line], what: &str| {
            let differs = items.iter().zip(&wanted).find(|(shown, wanted)| shown != wanted);
            if differs.is_none() && items.len() <= wanted.len() {
                return Ok(());
            }
            violated(
                "E14",
                format!(
                    "{} shows {} rows{what} of {:?}, the server has {}; first difference: {differs:?}",
                    device.name,
                    items.len(),
                    device.query,
                    wanted.len()
                ),
            )
        };
        let loaded: Vec<Line> = list.items().iter().map(|item| Line::of_item(item)).collect();
        is_like(&loaded, " so far")?;
        while list.has_more() {
            extend_channels(&run.state, &device.store, list, 20, None)?;
        }
        let items: Vec<ChannelItem> = list.items().iter().map(|item| (**item).clone()).collect();
        let whole: Vec<Line> = items.iter().map(Line::of_item).collect();
        is_like(&whole, "")?;
        if whole.len() < wanted.len() {
            return violated(
                "E14",
                format!("{} lacks {:?}", device.name, &wanted[whole.len()..]),
            );
        }
        Ok(items)
    }
}

/// Returns the rows that a query wants, in its order.
fn answer(
    query: &Query,
    rows: &[ChannelSummary],
    contents: &BTreeMap<ChannelId, Contents>,
) -> Vec<ChannelSummary> {
    // In a day nobody decides anything of others.
    let people = People::default();
    let asked = |summary| Asked {
        summary,
        people: &people,
        members: contents
            .get(&summary.cid)
            .map_or(&[], |held| held.members.as_slice()),
    };
    let mut wanted: Vec<&ChannelSummary> = rows
        .iter()
        .filter(|row| query.filter().matches(&asked(row)))
        .collect();
    wanted.sort_by(|one, other| query.compare(&asked(one), &asked(other)));
    wanted.into_iter().cloned().collect()
}

impl Contents {
    fn of(cid: &ChannelId, held: Held) -> Self {
        let mut contents = Self {
            channel: None,
            members: Vec::new(),
            messages: Vec::new(),
            reads: BTreeMap::new(),
            head_seq: held.head.seq,
        };
        for (key, row) in held.rows {
            match row {
                Row::Channel(row) if key == RowKey::Channel(cid.clone()) => contents.channel = Some(row),
                Row::Member(row) if row.state == MemberState::Active => contents.members.push(row.user),
                Row::Message(row) => contents.messages.push(row),
                Row::Read(row) if row.thread.is_none() => drop(contents.reads.insert(row.user.clone(), row)),
                _ => {}
            }
        }
        contents.messages.sort_by_key(|message| message.seq);
        contents
    }

    fn summary(&self, user: &UserId, own: Membership) -> ChannelSummary {
        let read = self.reads.get(user);
        let position = read.map_or(0, |read| read.seq);
        let counts = |message: &&Message| message.seq > position && message.counts_as_unread_for(user);
        let last = self.messages.iter().rfind(|message| message.is_in_channel());
        ChannelSummary {
            cid: own.cid.clone(),
            channel: self.channel.clone(),
            membership: Some(own),
            last_message: last.cloned(),
            read: read.cloned(),
            waiting_read: None,
            unread: self.messages.iter().filter(counts).count() as u64,
            mentions: self
                .messages
                .iter()
                .filter(counts)
                .filter(|message| message.body.mentions(user))
                .count() as u64,
            unread_unknown: 0,
            members: self.members.len() as u64,
            head_seq: self.head_seq,
        }
    }
}

impl Line {
    fn of_row(row: &ChannelSummary) -> Self {
        let (channel, own) = (row.channel.as_ref(), row.membership.as_ref());
        Self {
            cid: row.cid.clone(),
            name: channel.map_or_else(String::new, |channel| channel.name.clone()),
            custom: channel.map(|channel| channel.custom.clone()).unwrap_or_default(),
            last_message: row.last_message.as_ref().map(|message| (message.id, message.ver)),
            unread: row.unread,
            unknown: 0,
            mentions: row.mentions,
            members: row.members,
            role: own.map(|own| own.role).unwrap_or_default(),
            pinned_at: own.and_then(|own| own.pinned_at),
            archived: own.is_some_and(|own| own.archived_at.is_some()),
            hidden: own.is_some_and(|own| own.is_hidden(row.head_seq)),
            muted: own.and_then(|own| own.muted),
        }
    }

    fn of_item(item: &ChannelItem) -> Self {
        let last = item.last_message.as_ref();
        Self {
            cid: item.cid.clone(),
            name: item.name.clone(),
            custom: item.custom.clone(),
            last_message: last.map(|view| (view.message.id, view.message.ver)),
            unread: item.unread,
            unknown: item.unread_unknown,
            mentions: item.mentions,
            members: item.members,
            role: item.role,
            pinned_at: item.pinned_at,
            archived: item.archived,
            hidden: item.hidden,
            muted: item.muted,
        }
    }
}
