//! One round: a seeded mix of what people do and what breaks.

use super::{
    dice::Dice,
    ledger::{Act, Actor, Ledger, Said, Sent},
    world::World,
};
use crate::{
    Error,
    agent::{Answer, Order},
    check::Expected,
};
use std::time::Duration;
use tokio::time::sleep;
use whimbrel_model::{ChannelId, MessageId, ReactionType, UserId};
use whimbrel_testkit::proxy::Direction;

/// Who takes part: (user, device). Ada has two devices.
pub(super) const DEVICES: [(&str, &str); 4] =
    [("ada", "ada-1"), ("ada", "ada-2"), ("bob", "bob"), ("eve", "eve")];

const USERS: [&str; 3] = ["ada", "bob", "eve"];

/// Who may be removed from channels, so that what everyone else writes is never refused.
const GUEST: &str = "eve";

/// Steps of a round: with the pauses between them about two seconds.
const STEPS: usize = 60;

/// The longest pause between two steps, in milliseconds: as long as a message takes to arrive everywhere.
const PAUSE: usize = 40;

/// The longest time from an order to a kill that hits it, in milliseconds: about what the commit of an order takes.
const HIT: usize = 8;

const REACTIONS: [&str; 2] = ["👍", "🎉"];

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

const MIX: [(usize, Step); 12] = [
    (56, Step::Act),
    (5, Step::KillClient),
    (4, Step::KillServer),
    (2, Step::KillBoth),
    (5, Step::Cut),
    (4, Step::Stall),
    (6, Step::DropReply),
    (3, Step::Delay),
    (6, Step::Restore),
    (3, Step::Hold),
    (3, Step::Connect),
    (3, Step::Disconnect),
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

const HITS: [(usize, Hit); 5] = [
    (68, Hit::Nothing),
    (14, Hit::Client),
    (8, Hit::Server),
    (4, Hit::Both),
    (6, Hit::Cut),
];

/// What somebody does.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Send,
    Reply,
    Edit,
    Delete,
    React,
    Create,
    Member,
    Read,
}

const KINDS: [(usize, Kind); 8] = [
    (44, Kind::Send),
    (9, Kind::Reply),
    (13, Kind::Edit),
    (5, Kind::Delete),
    (13, Kind::React),
    (3, Kind::Create),
    (6, Kind::Member),
    (7, Kind::Read),
];

/// Something to do, and where.
struct Planned {
    cid: ChannelId,
    act: Act,
}

/// A round while it is played.
#[derive(Debug)]
pub(super) struct Round<'a> {
    world: &'a mut World,
    dice: Dice,
    ledger: Ledger,
    /// Counts texts and channels, so that no two are the same.
    made: usize,
}

impl<'a> Round<'a> {
    pub(super) fn new(world: &'a mut World, seed: u64) -> Self {
        Self {
            world,
            dice: Dice::new(seed),
            ledger: Ledger::default(),
            made: 0,
        }
    }

    /// Plays to the end, faults off, and returns what has to be in the files.
    pub(super) async fn play(mut self) -> Result<Expected, Error> {
        let first = self.create()?;
        self.carry_out(0, vec![first], Hit::Nothing).await?;
        for _ in 0..STEPS {
            self.step().await?;
            let pause = self.dice.millis(PAUSE);
            sleep(pause).await; // tidy: allow sleep: real programs need real time between two steps
        }
        self.world.calm().await?;
        Ok(self.ledger.expected())
    }

    async fn step(&mut self) -> Result<(), Error> {
        if self.dice.chance(30) {
            self.world.start_server().await?;
        }
        let at = self.dice.below(self.world.devices.len());
        if self.dice.chance(40) {
            self.world.hold(at, false).await?;
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
                let bytes = self.dice.below(600);
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
        if self.world.devices[at].agent.is_none() {
            self.world.start_client(at)?;
            if self.dice.chance(85) {
                self.tell(at, Order::Connect).await?;
            }
        }
        let mut planned = Vec::new();
        for _ in 0..=self.dice.below(4) {
            planned.extend(self.plan(at).await?);
        }
        let hit = self.dice.weighed(&HITS).unwrap_or(Hit::Nothing);
        self.carry_out(at, planned, hit).await
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
        // A kill of the client lets some of the answers come, which are promises then.
        let heard = match hit {
            Hit::Client | Hit::Both => self.dice.below(planned.len() + 1),
            _ => planned.len(),
        };
        if hit != Hit::Nothing && heard == planned.len() {
            self.hit(at, hit).await?;
        }
        let (mut said, total) = (Vec::new(), planned.len());
        while said.len() < heard && self.world.devices[at].agent.is_some() {
            said.push(self.hear(at).await?);
        }
        if heard < total {
            self.hit(at, hit).await?;
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
        let moment: Duration = self.dice.millis(HIT);
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

    fn create(&mut self) -> Result<Planned, Error> {
        self.made += 1;
        let cid = ChannelId::new(format!("messaging:c{}", self.made));
        let cid = cid.map_err(|error| Error::program("the round", error))?;
        Ok(Planned {
            cid,
            act: Act::Create,
        })
    }

    /// Plans something that is allowed, as far as the device can know. Nothing, if it does not know enough.
    async fn plan(&mut self, at: usize) -> Result<Option<Planned>, Error> {
        let kind = self.dice.weighed(&KINDS).unwrap_or(Kind::Send);
        let (name, user) = (
            self.world.devices[at].name.clone(),
            self.world.devices[at].user.clone(),
        );
        let made = self.dice.pick(self.ledger.channels()).cloned();
        let Some(made) = made.filter(|_| !matches!(kind, Kind::Create)) else {
            return self.create().map(Some);
        };
        if made.device != name && !self.knows(at, &made.cid, None).await? {
            return Ok(None);
        }
        let cid = made.cid;
        let is_own = |sent: &Sent| sent.author == user;
        let act = match kind {
            Kind::Reply => self
                .target(at, &cid, |sent| !sent.is_reply)
                .await?
                .map(|parent| self.send(&name, Some(parent))),
            Kind::Edit => self.target(at, &cid, is_own).await?.map(|id| {
                self.made += 1;
                let text = format!("{name} {} (edited)", self.made);
                Act::Edit { id, text }
            }),
            Kind::Delete => self.target(at, &cid, is_own).await?.map(|id| Act::Delete { id }),
            Kind::React => {
                let target = self.target(at, &cid, |_| true).await?;
                let kind = self
                    .dice
                    .pick(&REACTIONS)
                    .and_then(|kind| ReactionType::new(kind).ok());
                let there = self.dice.chance(70);
                target.zip(kind).map(|(id, kind)| Act::React { id, kind, there })
            }
            Kind::Member => self.member(&user, made.owner == user),
            Kind::Read => Some(Act::Read),
            Kind::Send | Kind::Create => None,
        };
        let act = act.unwrap_or_else(|| self.send(&name, None));
        Ok(Some(Planned { cid, act }))
    }

    fn send(&mut self, name: &str, parent: Option<MessageId>) -> Act {
        self.made += 1;
        let text = format!("{name} {}", self.made);
        Act::Send { text, parent }
    }

    /// An owner adds or removes the guest, and the guest leaves.
    fn member(&mut self, user: &UserId, owner: bool) -> Option<Act> {
        let guest = UserId::new(GUEST).ok()?;
        match (owner, *user == guest) {
            (true, false) if self.dice.chance(60) => Some(Act::Add { user: guest }),
            (true, false) | (false, true) => Some(Act::Remove { user: guest }),
            _ => None,
        }
    }

    /// Picks a message that the device has written, or knows to be on the server.
    async fn target(
        &mut self,
        at: usize,
        cid: &ChannelId,
        wanted: impl Fn(&Sent) -> bool,
    ) -> Result<Option<MessageId>, Error> {
        let sent = self.ledger.messages().iter();
        let fits: Vec<&Sent> = sent.filter(|sent| sent.cid == *cid && wanted(sent)).collect();
        let Some(sent) = self.dice.pick(&fits) else {
            return Ok(None);
        };
        let id = sent.id;
        let known = sent.device == self.world.devices[at].name || self.knows(at, cid, Some(id)).await?;
        Ok(known.then_some(id))
    }

    async fn knows(&mut self, at: usize, cid: &ChannelId, message: Option<MessageId>) -> Result<bool, Error> {
        let cid = cid.to_string();
        let answer = self.world.agent(at)?.tell(Order::Knows { cid, message }).await?;
        Ok(matches!(answer, Answer::Knows(true)))
    }
}

fn order(planned: &Planned, user: &UserId) -> Order {
    let cid = planned.cid.to_string();
    match planned.act.clone() {
        Act::Send { text, parent } => Order::Send { cid, text, parent },
        Act::Edit { id, text } => Order::Edit { cid, id, text },
        Act::Delete { id } => Order::Delete { cid, id },
        Act::React { id, kind, there } => {
            let kind = kind.to_string();
            if there {
                Order::React { cid, id, kind }
            } else {
                Order::Unreact { cid, id, kind }
            }
        }
        Act::Create => Order::Create {
            name: format!("Channel {}", planned.cid.local_id()),
            cid,
            members: USERS
                .iter()
                .filter(|member| **member != user.as_str())
                .map(|member| (*member).to_owned())
                .collect(),
        },
        Act::Add { user } => Order::Add {
            cid,
            user: user.to_string(),
        },
        Act::Remove { user } => Order::Remove {
            cid,
            user: user.to_string(),
        },
        Act::Read => Order::Read { cid },
    }
}
