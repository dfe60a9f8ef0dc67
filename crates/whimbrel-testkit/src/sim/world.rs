//! The whole world of one schedule: its clock, its queue of what comes, and the two phases.

use super::{
    Cut, Fault, Mutant, Outcome, Violation,
    device::Device,
    dice::Dice,
    ghost::Ghost,
    log::{Log, violated},
    net::Net,
    plan::Plan,
    server::Server,
};
use std::collections::BTreeMap;
use whimbrel_model::UserId;
use whimbrel_protocol::{ClientFrame, ServerFrame};
use whimbrel_sync::Status;

/// Virtual time that everything has to be done in once nothing goes wrong any more (L1): a dead connection is found
/// (50 s), the longest waits are over (36 s each, for a connection and for a lane), and all is read.
const PATIENCE_MS: u64 = 240_000;

/// Virtual time after which a lost event is repaired (L2), three times over.
const QUIET_MS: u64 = 3 * super::server::HEARTBEAT_MS;

/// Events in a schedule beyond which something spins.
const MOST_EVENTS: u64 = 200_000;

/// What comes, and when.
#[derive(Debug)]
pub(super) enum Event {
    Up(u64, ClientFrame),
    Down(u64, ServerFrame),
    UpClosed(u64),
    DownClosed(u64),
    /// A connection of a device is made or not.
    Dial(usize, u64),
    /// A device takes what waits for it.
    Round(usize),
    /// An app starts.
    Start(usize, u64),
    Commit(u64),
    ServerUp,
    Sweep,
    Action,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Faults,
    Quiet,
}

pub(super) struct World {
    pub(super) dice: Dice,
    pub(super) plan: Plan,
    pub(super) mutant: Option<Mutant>,
    pub(super) now: u64,
    pub(super) phase: Phase,
    queue: BTreeMap<(u64, u64), Event>,
    queued: u64,
    pub(super) server: Server,
    pub(super) devices: Vec<Device>,
    pub(super) net: Net,
    pub(super) ghost: Ghost,
    pub(super) log: Log,
}

impl World {
    pub(super) fn new(seed: u64, mutant: Option<Mutant>, cut: &Cut, told: bool) -> Self {
        let mut dice = Dice::new(seed);
        let plan = Plan::draw(&mut dice, cut);
        Self::planned(plan, dice, mutant, told)
    }

    fn planned(plan: Plan, mut dice: Dice, mutant: Option<Mutant>, told: bool) -> Self {
        let mut devices = Vec::new();
        for (name, count) in ["ada", "bob", "cyd", "dan"].iter().zip(&plan.users) {
            for number in 1..=*count {
                if let Ok(user) = UserId::new(name) {
                    devices.push(Device::new(
                        format!("{name}/{number}"),
                        user,
                        Dice::new(dice.next()),
                    ));
                }
            }
        }
        let mut world = Self {
            plan,
            mutant,
            now: 0,
            phase: Phase::Faults,
            queue: BTreeMap::new(),
            queued: 0,
            server: Server::default(),
            net: Net::default(),
            ghost: Ghost {
                cursors: vec![BTreeMap::new(); devices.len()],
                ..Ghost::default()
            },
            log: Log {
                story: told.then(Vec::new),
                ..Log::default()
            },
            devices,
            dice,
        };
        for device in 0..world.devices.len() {
            world.later(device as u64, Event::Start(device, 0));
        }
        world.later(5_000, Event::Sweep);
        world.later(10, Event::Action);
        world
    }

    /// A world of four people with `each` devices, in which nothing goes wrong and nobody does anything.
    pub(super) fn crowded(seed: u64, cut: &Cut, each: u64) -> Self {
        let mut dice = Dice::new(seed);
        let mut plan = Plan::draw(&mut dice, cut);
        plan.users = vec![each; 4];
        let mut world = Self::planned(plan, dice, None, false);
        world.phase = Phase::Quiet;
        world
    }

    /// Lets time pass, then waits until everybody is up to date, unless the server is not there. Returns when that was.
    pub(super) fn calm(&mut self, wait: u64) -> Result<u64, Violation> {
        let (mut events, end) = (0, self.now + wait);
        while self.now < end {
            self.step(&mut events, &mut { u64::MAX })?;
        }
        if self.server.up {
            self.until_done(&mut events)?;
        }
        Ok(self.now)
    }

    pub(super) fn run(mut self) -> Outcome {
        let violation = self.faults().and_then(|()| self.quiet()).err();
        let sent = self.ghost.ops.values();
        Outcome {
            violation,
            messages: sent
                .filter(|op| matches!(op.op, whimbrel_model::Op::SendMessage { .. }))
                .count() as u64,
            counters: self.log.counters,
            story: self.log.story.unwrap_or_default(),
        }
    }

    pub(super) fn later(&mut self, wait: u64, event: Event) {
        self.at(self.now + wait, event);
    }

    pub(super) fn at(&mut self, moment: u64, event: Event) {
        self.queued += 1;
        self.queue.insert((moment, self.queued), event);
    }

    /// Draws whether a fault happens here, and counts it.
    pub(super) fn goes_wrong(&mut self, fault: Fault) -> bool {
        let drawn = self.dice.per_mille(self.plan.rate(fault));
        let happens = drawn && self.phase == Phase::Faults;
        if happens {
            self.log.count(fault.name());
        }
        happens
    }

    pub(super) fn say(&mut self, who: &str, what: impl FnOnce() -> String) {
        self.log.say(self.now, who, what);
    }

    fn faults(&mut self) -> Result<(), Violation> {
        let mut left = self.plan.actions;
        let mut events = 0;
        while left > 0 {
            self.step(&mut events, &mut left)?;
        }
        Ok(())
    }

    /// Stops the faults, waits until all is done, then checks what has to be so in the end.
    fn quiet(&mut self) -> Result<(), Violation> {
        self.phase = Phase::Quiet;
        self.say("world", || "no more faults".to_owned());
        if !self.server.up {
            self.server_up()?;
        }
        for device in 0..self.devices.len() {
            if self.devices[device].run.is_none() {
                self.start(device)?;
            }
            self.go_online(device)?;
        }
        let mut events = 0;
        self.until_done(&mut events)?;
        let end = self.now + QUIET_MS;
        while self.now < end {
            self.step(&mut events, &mut { u64::MAX })?;
        }
        // A heartbeat may be on its way just now.
        self.until_done(&mut events)?;
        self.check_end()?;
        if self.dice.per_mille(400) {
            let (old, new) = self.sign_in()?;
            self.until_done(&mut events)?;
            self.check_end()?;
            self.check_fresh(old, new)?;
        }
        Ok(())
    }

    fn until_done(&mut self, events: &mut u64) -> Result<(), Violation> {
        let deadline = self.now + PATIENCE_MS;
        while !self.is_done() {
            if self.now > deadline {
                return violated("L1", self.why_not_done());
            }
            self.step(events, &mut { u64::MAX })?;
            self.give_tokens()?;
        }
        Ok(())
    }

    /// People whose token was refused sign in again, and those whose app is too old get a new one.
    fn give_tokens(&mut self) -> Result<(), Violation> {
        for index in 0..self.devices.len() {
            let run = self.devices[index].run.as_ref();
            let given_up = |status| matches!(status, Status::NeedsAuth { .. } | Status::Failed { .. });
            if run.is_some_and(|run| given_up(run.engine.status())) {
                self.log.count("needs_auth");
                self.go_online(index)?;
            }
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.devices.iter().all(Device::is_done)
    }

    fn why_not_done(&self) -> String {
        let stuck = self.devices.iter().filter(|device| !device.is_done());
        let stuck: Vec<_> = stuck.map(Device::describe).collect();
        format!("not done after {} s: {}", PATIENCE_MS / 1_000, stuck.join("; "))
    }

    pub(super) fn step(&mut self, events: &mut u64, left: &mut u64) -> Result<(), Violation> {
        *events += 1;
        if *events > MOST_EVENTS {
            return violated("L1", "the world spins");
        }
        let wakes = self.devices.iter().enumerate();
        let wake = wakes
            .filter_map(|(index, device)| Some((device.next_wake()?, index)))
            .min();
        let next = self.queue.keys().next().copied();
        if let Some((at, device)) = wake
            && next.is_none_or(|(moment, _)| at < moment)
        {
            self.now = self.now.max(at);
            return self.timer(device);
        }
        let Some((key, event)) = self.queue.pop_first() else {
            return violated("L1", "nothing is left to happen");
        };
        self.now = self.now.max(key.0);
        if matches!(event, Event::Action) {
            if *left == 0 || self.phase == Phase::Quiet {
                return Ok(());
            }
            *left -= 1;
        }
        self.happen(event)
    }

    fn happen(&mut self, event: Event) -> Result<(), Violation> {
        match event {
            Event::Up(conn, frame) => self.server_frame(conn, frame),
            Event::Down(conn, frame) => self.device_frame(conn, frame),
            Event::UpClosed(conn) => {
                self.server_forgets(conn);
                Ok(())
            }
            Event::DownClosed(conn) => {
                self.device_closed(conn);
                Ok(())
            }
            Event::Dial(device, link) => {
                self.dialled(device, link);
                Ok(())
            }
            Event::Round(device) => self.round(device),
            Event::Start(device, life) => {
                if self.devices[device].life == life && self.devices[device].run.is_none() {
                    self.start(device)?;
                }
                Ok(())
            }
            Event::Commit(boot) => {
                if self.server.boot == boot {
                    self.commit()?;
                }
                Ok(())
            }
            Event::ServerUp => self.server_up(),
            Event::Sweep => {
                self.sweep();
                self.later(5_000, Event::Sweep);
                Ok(())
            }
            Event::Action => {
                let wait = self.dice.below(self.plan.pace + 1);
                self.later(wait, Event::Action);
                self.action()
            }
        }
    }
}

/// Returns whether an engine has nothing to do but wait for news.
pub(super) fn is_live(status: &Status) -> bool {
    *status == Status::Live
}
