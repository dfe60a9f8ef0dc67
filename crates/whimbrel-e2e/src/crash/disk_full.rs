//! A disk that is full for a while: what was promised stays, what cannot be kept is said so, and it goes on after.

use super::{
    ledger::{Act, Actor, Ledger, Said},
    world::World,
};
use crate::{
    Error,
    agent::{Answer, Order},
    check::Expected,
};
use std::time::Duration;
use tokio::time::sleep;
use whimbrel_model::{ChannelId, UserId};

/// Who takes part: ada's disk is full, and bob writes to her.
pub(super) const DEVICES: [(&str, &str); 2] = [("ada", "ada-1"), ("bob", "bob")];

const ADA: usize = 0;
const BOB: usize = 1;

/// How much the files of ada's device may grow: a few dozen messages.
const ROOM: u64 = 128 * 1024;

/// Messages after which a disk of this size has to be full.
const FULL_AFTER: usize = 400;

/// Tries after which a client whose disk has room again has to go on: ten seconds.
const TRIES: usize = 100;

/// Between two tries.
const TRY: Duration = Duration::from_millis(100);

/// The scenario while it is played.
#[derive(Debug)]
pub(super) struct DiskFull<'a> {
    world: &'a mut World,
    ledger: Ledger,
    cid: ChannelId,
    made: usize,
}

impl<'a> DiskFull<'a> {
    pub(super) fn new(world: &'a mut World) -> Result<Self, Error> {
        let cid = ChannelId::new("messaging:full").map_err(|error| Error::program("the scenario", error))?;
        Ok(Self {
            world,
            ledger: Ledger::default(),
            cid,
            made: 0,
        })
    }

    /// Plays to the end, with room again, and returns what has to be in the files.
    pub(super) async fn play(mut self) -> Result<Expected, Error> {
        self.world.calm().await?;
        self.create().await?;
        self.fill().await?;
        self.world.agent(ADA)?.lift_limit().await?;
        self.world.note("ada-1's disk has room again");
        self.go_on().await?;

        self.fill().await?;
        self.world.kill_client(ADA).await?;
        self.world.start_client(ADA)?;
        self.go_on().await?;
        self.world.calm().await?;
        Ok(self.ledger.expected())
    }

    async fn create(&mut self) -> Result<(), Error> {
        let order = Order::Create {
            cid: self.cid.to_string(),
            name: "Full".to_owned(),
            members: vec!["bob".to_owned()],
        };
        self.world.agent(ADA)?.tell(order).await?;
        self.world.agent(ADA)?.tell(Order::Drain).await?;
        self.record(ADA, Act::Create, Said::Done(None));
        let knows = Order::Knows {
            cid: self.cid.to_string(),
            message: None,
        };
        for _ in 0..TRIES {
            if matches!(
                self.world.agent(BOB)?.tell(knows.clone()).await?,
                Answer::Knows(true)
            ) {
                return Ok(());
            }
            sleep(TRY).await; // tidy: allow sleep: another program is asked until it has heard
        }
        Err(Error::program("bob", "has not heard of the channel"))
    }

    /// Starts ada's client on a disk with little room, and writes until it is full, and beyond.
    async fn fill(&mut self) -> Result<(), Error> {
        self.world.limit_client(ADA, ROOM).await?;
        self.world.note("ada-1's disk has little room left");
        let mut kept = 0;
        while self.send(ADA).await? {
            kept += 1;
            if kept == FULL_AFTER {
                return Err(Error::program("ada-1", "its disk does not get full"));
            }
        }
        let mut failed = 0;
        for _ in 0..5 {
            failed += usize::from(!self.send(ADA).await?);
            self.send(BOB).await?;
        }
        self.world.note(format!(
            "ada-1 kept {kept} messages, then its disk was full; {failed} of 5 more failed"
        ));
        Ok(())
    }

    /// Writes again, as soon as it is taken.
    async fn go_on(&mut self) -> Result<(), Error> {
        for _ in 0..TRIES {
            if self.send(ADA).await? {
                self.world.note("ada-1 goes on");
                return Ok(());
            }
            sleep(TRY).await; // tidy: allow sleep: another program is asked until it can write
        }
        Err(Error::program(
            "ada-1",
            "does not go on although its disk has room",
        ))
    }

    /// Sends a message of a page and more. Returns whether the device keeps it.
    async fn send(&mut self, at: usize) -> Result<bool, Error> {
        self.made += 1;
        let text = format!("{} {:x>4000}", self.world.devices[at].name, self.made);
        let order = Order::Send {
            cid: self.cid.to_string(),
            text: text.clone(),
            parent: None,
        };
        let agent = self.world.agent(at)?;
        agent.order(&order).await?;
        let said = match agent.answer().await? {
            Answer::Sent(id) => Said::Done(Some(id)),
            Answer::Failed(problem) => {
                self.world
                    .note(format!("ada-1 does not keep a message: {problem}"));
                Said::Nothing
            }
            other => return Err(Error::program("an agent", format!("answered {other:?}"))),
        };
        self.record(at, Act::Send { text, parent: None }, said);
        Ok(said != Said::Nothing)
    }

    fn record(&mut self, at: usize, act: Act, said: Said) {
        let device = &self.world.devices[at];
        let user: &UserId = &device.user;
        let actor = Actor {
            device: &device.name,
            user,
            cid: &self.cid,
        };
        self.ledger.record(actor, act, said);
    }
}
