//! The whole world of one schedule: its clock, its queue of what comes, and the two phases.

use super::{
    Cut, Fault, Mutant, Outcome, Violation,
    device::Device,
    dice::Dice,
    follow::{drawn, everything_followed},
    ghost::Ghost,
    log::{Log, violated},
    net::Net,
    plan::Plan,
    presence::SWEEP_MS,
    query::wanted,
    server::Server,
};
use std::collections::{BTreeMap, BTreeSet};
use whimbrel_model::UserId;
use whimbrel_protocol::{ClientFrame, ServerFrame};
use whimbrel_sync::Status;

/// Virtual time that everything has to be done in once nothing goes wrong any more (L1), after a dead connection was found
/// (2.5 heartbeats): the longest waits are over (36 s each, for a connection and for a lane), and all is read.
const PATIENCE_MS: u64 = 190_000;

/// Heartbeats after which a lost event is repaired (L2), three times over.
const QUIET_HEARTBEATS: u64 = 3;

/// What one device says is told to the others in less, when nothing goes wrong.
const NEWS_MS: u64 = 2_000;

/// Virtual time between two looks at whether a crowd is done.
const LOOK_MS: u64 = 1_000;

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
    /// Presence that is due by now.
    Tick,
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
    /// When each device wants to be woken.
    wakes: Wakes,
    pub(super) server: Server,
    pub(super) devices: Vec<Device>,
    pub(super) net: Net,
    pub(super) ghost: Ghost,
    pub(super) log: Log,
}

/// When each device wants to be woken.
#[derive(Debug, Default)]
struct Wakes {
    of: Vec<Option<u64>>,
    by_time: BTreeSet<(u64, usize)>,
}

impl Wakes {
    fn set(&mut self, device: usize, at: Option<u64>) {
        if self.of.len() <= device {
            self.of.resize(device + 1, None);
        }
        let before = std::mem::replace(&mut self.of[device], at);
        if before != at {
            before.map(|before| self.by_time.remove(&(before, device)));
            self.by_time.extend(at.map(|at| (at, device)));
        }
    }

    fn first(&self) -> Option<(u64, usize)> {
        self.by_time.first().copied()
    }
}

impl World {
    pub(super) fn new(seed: u64, mutant: Option<Mutant>, cut: &Cut, told: bool) -> Self {
        let mut dice = Dice::new(seed);
        let plan = Plan::draw(&mut dice, cut);
        Self::planned(plan, dice, mutant, told)
    }

    fn planned(plan: Plan, dice: Dice, mutant: Option<Mutant>, told: bool) -> Self {
        let names = ["ada", "bob", "cyd", "dan"].map(str::to_owned);
        Self::populated(plan, &names, dice, mutant, told)
    }

    /// A world of these people, each with as many devices as the plan says.
    pub(super) fn populated(
        plan: Plan,
        names: &[String],
        mut dice: Dice,
        mutant: Option<Mutant>,
        told: bool,
    ) -> Self {
        let mut devices = Vec::new();
        for (name, count) in names.iter().zip(&plan.users) {
            for number in 1..=*count {
                if let Ok(user) = UserId::new(name) {
                    let query = wanted(&mut dice, names);
                    let mut dice = Dice::new(dice.next());
                    let config = if plan.day {
                        everything_followed()
                    } else {
                        drawn(&mut dice)
                    };
                    devices.push(Device::new(format!("{name}/{number}"), user, query, config, dice));
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
            wakes: Wakes::default(),
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
        world.later(SWEEP_MS, Event::Sweep);
        world.later(1_000, Event::Tick);
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

    /// Takes note of when a device wants to be woken, after something was done to its engine.
    pub(super) fn wake_later(&mut self, device: usize) {
        self.wakes.set(device, self.devices[device].next_wake());
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
        let mut events = 0;
        self.come_to_rest(&mut events)?;
        self.check_presence(&mut events)?;
        self.check_end()?;
        if self.dice.per_mille(400) {
            let (old, new) = self.sign_in()?;
            self.until_done(&mut events)?;
            // What the new device says to have is news to the others.
            self.run_until(self.now + NEWS_MS, &mut events)?;
            self.until_done(&mut events)?;
            self.check_presence(&mut events)?;
            self.check_end()?;
            self.check_fresh(old, new)?;
        }
        Ok(())
    }

    /// Stops the faults, and waits until all is done and what was lost is repaired.
    pub(super) fn come_to_rest(&mut self, events: &mut u64) -> Result<(), Violation> {
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
        self.until_done(events)?;
        self.run_until(self.now + QUIET_HEARTBEATS * self.plan.heartbeat_ms, events)?;
        // A heartbeat may be on its way just now.
        self.until_done(events)
    }

    /// Lets things happen until a moment.
    pub(super) fn run_until(&mut self, end: u64, events: &mut u64) -> Result<(), Violation> {
        while self.now < end {
            self.step(events, &mut { u64::MAX })?;
        }
        Ok(())
    }

    pub(super) fn until_done(&mut self, events: &mut u64) -> Result<(), Violation> {
        let patience = PATIENCE_MS + self.plan.heartbeat_ms * 5 / 2;
        let deadline = self.now + patience;
        while !self.is_done() {
            if self.now > deadline {
                return violated("L1", self.why_not_done(patience));
            }
            if self.plan.day {
                self.run_until(self.now + LOOK_MS, events)?;
            } else {
                self.step(events, &mut { u64::MAX })?;
            }
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
        (0..self.devices.len()).all(|index| self.is_settled(index))
    }

    /// Whether a device has nothing to do any more, or is shut out and knows it.
    fn is_settled(&self, index: usize) -> bool {
        if self.is_revoked(index) {
            return self.has_stopped(index);
        }
        self.devices[index].is_done()
    }

    fn why_not_done(&self, patience: u64) -> String {
        let stuck = (0..self.devices.len()).filter(|index| !self.is_settled(*index));
        let stuck: Vec<_> = stuck.map(|index| self.devices[index].describe()).collect();
        format!("not done after {} s: {}", patience / 1_000, stuck.join("; "))
    }

    pub(super) fn step(&mut self, events: &mut u64, left: &mut u64) -> Result<(), Violation> {
        *events += 1;
        if *events > MOST_EVENTS && !self.plan.day {
            return violated("L1", "the world spins");
        }
        let next = self.queue.keys().next().copied();
        if let Some((at, device)) = self.wakes.first()
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
                self.later(SWEEP_MS, Event::Sweep);
                Ok(())
            }
            Event::Tick => self.tick(),
            Event::Action => {
                let wait = self.dice.below(self.plan.pace + 1);
                self.later(wait, Event::Action);
                if self.plan.day { self.live() } else { self.action() }
            }
        }
    }
}

/// Returns whether an engine has nothing to do but wait for news.
pub(super) fn is_live(status: &Status) -> bool {
    *status == Status::Live
}
