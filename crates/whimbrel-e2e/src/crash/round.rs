//! One round: a seeded mix of what people do and what breaks.

mod acts;

use super::{
    ledger::{Actor, Ledger, Said},
    world::World,
};
use crate::{
    Error,
    agent::{Answer, Order},
    check::Expected,
};
use acts::{Planned, order};
use std::{collections::BTreeSet, time::Duration};
use tokio::time::sleep;
use whimbrel_model::MessageId;
use whimbrel_testkit::{dice::Dice, proxy::Direction};

/// Who takes part: (user, device). Ada has two devices.
pub(super) const DEVICES: [(&str, &str); 4] =
    [("ada", "ada-1"), ("ada", "ada-2"), ("bob", "bob"), ("eve", "eve")];

/// Steps of a round: with the pauses between them about two seconds.
const STEPS: usize = 60;

/// The longest pause between two steps, in milliseconds: as long as a message takes to arrive everywhere.
const PAUSE: u64 = 40;

/// The longest time from an order to a kill that hits it, in milliseconds: about what the commit of an order takes.
const HIT: u64 = 8;

/// The longest time from the start of a client to a kill that hits it, in milliseconds: about what it takes to open.
const START: u64 = 60;

/// What a step is.
#[derive(Clone, Copy, Debug)]
enum Step {
    Act,
    KillClient,
    KillServer,
    KillBoth,
    Cut,
    Stall,
    DropReply,
    Delay,
    Restore,
    Hold,
    Connect,
    Disconnect,
}

const MIX: [(u64, Step); 12] = [
    (56, Step::Act),
    (5, Step::KillClient),
    (4, Step::KillServer),
    (2, Step::KillBoth),
    (5, Step::Cut),
    (4, Step::Stall),
    (6, Step::DropReply),
    (3, Step::Delay),
    (4, Step::Restore),
    (4, Step::Hold),
    (6, Step::Connect),
    (2, Step::Disconnect),
];

/// What happens while orders are carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hit {
    Nothing,
    Client,
    Server,
    Both,
    Cut,
}

const HITS: [(u64, Hit); 5] = [
    (68, Hit::Nothing),
    (14, Hit::Client),
    (8, Hit::Server),
    (4, Hit::Both),
    (6, Hit::Cut),
];

/// A round while it is played.
#[derive(Debug)]
pub(super) struct Round<'a> {
    world: &'a mut World,
    dice: Dice,
    ledger: Ledger,
    /// Counts texts and channels, so that no two are the same.
    made: usize,
    /// The messages that somebody has deleted, or was about to.
    doomed: BTreeSet<MessageId>,
}

impl<'a> Round<'a> {
    pub(super) fn new(world: &'a mut World, seed: u64) -> Self {
        Self {
            world,
            dice: Dice::from_state(seed),
            ledger: Ledger::default(),
            made: 0,
            doomed: BTreeSet::new(),
        }
    }

    /// Plays to the end, faults off, and returns what has to be in the files.
    pub(super) async fn play(mut self) -> Result<Expected, Error> {
        for at in 0..self.world.devices.len() {
            self.start(at).await?;
        }
        for _ in 0..STEPS {
            self.step().await?;
            let pause = self.dice.millis(PAUSE);
            sleep(pause).await; // tidy: allow sleep: real programs need real time between two steps
        }
        self.world.calm().await?;
        Ok(self.ledger.expected())
    }

    async fn step(&mut self) -> Result<(), Error> {
        if self.dice.percent(30) {
            self.world.start_server().await?;
        }
        let at = self.dice.index(self.world.devices.len());
        if self.dice.percent(40) {
            self.world.hold(at, false).await?;
        }
        if self.dice.percent(25) {
            self.world.devices[at].way.restore();
        }
        let step = self.dice.weighed(&MIX).unwrap_or(Step::Act);
        let way = &self.world.devices[at].way;
        let name = self.world.devices[at].name.clone();
        match step {
            Step::Act => return self.act(at).await,
            Step::KillClient => return self.world.kill_client(at).await,
            Step::KillServer => return self.world.kill_server().await,
            Step::KillBoth => {
                self.world.kill_server().await?;
                return self.world.kill_client(at).await;
            }
            Step::Hold => return self.world.hold(at, true).await,
            Step::Connect => return self.tell(at, Order::Connect).await,
            Step::Disconnect => return self.tell(at, Order::Disconnect).await,
            Step::Cut => way.cut(),
            Step::Stall => way.stall(),
            Step::Restore => way.restore(),
            Step::DropReply => {
                let bytes = self.dice.index(600);
                way.drop_reply_after(bytes);
            }
            Step::Delay => {
                let direction = *self
                    .dice
                    .pick(&[Direction::Up, Direction::Down])
                    .unwrap_or(&Direction::Up);
                let delay = self.dice.millis(80);
                way.set_delay(direction, delay);
            }
        }
        self.world.note(format!("the network of {name}: {step:?}"));
        Ok(())
    }

    /// Tells a device that can hear it.
    async fn tell(&mut self, at: usize, order: Order) -> Result<(), Error> {
        let device = &self.world.devices[at];
        if device.held || device.agent.is_none() {
            return Ok(());
        }
        let event = format!("{}: {order:?}", device.name);
        self.world.note(event);
        self.world.agent(at)?.tell(order).await.map(drop)
    }

    async fn act(&mut self, at: usize) -> Result<(), Error> {
        if self.world.devices[at].held {
            return Ok(());
        }
        if self.world.devices[at].agent.is_none() && !self.start(at).await? {
            return Ok(());
        }
        let mut planned = Vec::new();
        for _ in 0..=self.dice.below(4) {
            planned.push(self.plan(at).await?);
        }
        let hit = self.dice.weighed(&HITS).unwrap_or(Hit::Nothing);
        self.carry_out(at, planned, hit).await
    }

    /// Starts a client, and kills some while they open their database. Returns whether it runs.
    async fn start(&mut self, at: usize) -> Result<bool, Error> {
        self.world.start_client(at)?;
        if self.dice.percent(15) {
            let moment = self.dice.millis(START);
            sleep(moment).await; // tidy: allow sleep: the kill has to hit different moments of a start
            self.world.kill_client(at).await?;
            return Ok(false);
        }
        if self.dice.percent(85) {
            self.tell(at, Order::Connect).await?;
        }
        Ok(true)
    }

    /// Orders all at once, then hits, then hears the answers.
    async fn carry_out(&mut self, at: usize, planned: Vec<Planned>, hit: Hit) -> Result<(), Error> {
        for planned in &planned {
            let event = format!(
                "{}: {:?} in {}",
                self.world.devices[at].name, planned.act, planned.cid
            );
            self.world.note(event);
            let order = order(planned, &self.world.devices[at].user);
            self.world.agent(at)?.order(&order).await?;
        }
        let total = planned.len();
        let mut said = Vec::new();
        if matches!(hit, Hit::Client | Hit::Both) {
            // The answers that come before the kill are promises.
            for _ in 0..self.dice.index(total + 1) {
                said.push(self.hear(at).await?);
            }
            self.hit(at, hit).await?;
        } else {
            self.hit(at, hit).await?;
            while said.len() < total {
                said.push(self.hear(at).await?);
            }
        }
        said.resize(total, Said::Nothing);
        for (Planned { cid, act }, said) in planned.into_iter().zip(said) {
            let device = &self.world.devices[at];
            let actor = Actor {
                device: &device.name,
                user: &device.user,
                cid: &cid,
            };
            if said == Said::Nothing {
                let event = format!("{} has not said whether it keeps {act:?}", device.name);
                self.world.events.push(event);
            }
            self.ledger.record(actor, act, said);
        }
        Ok(())
    }

    async fn hear(&mut self, at: usize) -> Result<Said, Error> {
        let agent = self.world.agent(at)?;
        match agent.answer().await? {
            Answer::Sent(id) => Ok(Said::Done(Some(id))),
            Answer::Failed(problem) => Err(Error::program(agent.user(), problem)),
            _ => Ok(Said::Done(None)),
        }
    }

    async fn hit(&mut self, at: usize, hit: Hit) -> Result<(), Error> {
        if hit == Hit::Nothing {
            return Ok(());
        }
        // At once in half of the cases: an answer that came too early shows only then.
        let moment = if self.dice.percent(50) {
            Duration::ZERO
        } else {
            self.dice.millis(HIT)
        };
        sleep(moment).await; // tidy: allow sleep: the kill has to hit different moments of a commit
        if matches!(hit, Hit::Server | Hit::Both) {
            self.world.kill_server().await?;
        }
        if matches!(hit, Hit::Client | Hit::Both) {
            self.world.kill_client(at).await?;
        }
        if hit == Hit::Cut {
            let device = &self.world.devices[at];
            device.way.cut();
            let event = format!("the network of {}: Cut", device.name);
            self.world.note(event);
        }
        Ok(())
    }
}
