//! What people do: something that is allowed, as far as their device can know.

use super::Round;
use crate::{
    Error,
    agent::{Answer, Order},
    crash::ledger::{Act, Made, Sent},
};
use whimbrel_model::{ChannelId, MessageId, ReactionType, UserId};

const REACTIONS: [&str; 2] = ["👍", "🎉"];

/// Who may be removed from channels, so that what everyone else writes is never refused.
const GUEST: &str = "eve";

const USERS: [&str; 3] = ["ada", "bob", "eve"];

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
    Pin,
    ReadThread,
}

const KINDS: [(u64, Kind); 10] = [
    (44, Kind::Send),
    (9, Kind::Reply),
    (13, Kind::Edit),
    (5, Kind::Delete),
    (13, Kind::React),
    (3, Kind::Create),
    (6, Kind::Member),
    (7, Kind::Read),
    (5, Kind::Pin),
    (4, Kind::ReadThread),
];

/// Something to do, and where.
pub(super) struct Planned {
    pub(super) cid: ChannelId,
    pub(super) act: Act,
}

impl Round<'_> {
    pub(super) fn create(&mut self) -> Result<Planned, Error> {
        self.made += 1;
        let cid = ChannelId::new(format!("messaging:c{}", self.made));
        let cid = cid.map_err(|error| Error::program("the round", error))?;
        Ok(Planned {
            cid,
            act: Act::Create,
        })
    }

    /// Plans something that is allowed, as far as the device can know. One that knows of no channel makes one.
    pub(super) async fn plan(&mut self, at: usize) -> Result<Planned, Error> {
        let kind = self.dice.weighed(&KINDS).unwrap_or(Kind::Send);
        let (name, user) = (
            self.world.devices[at].name.clone(),
            self.world.devices[at].user.clone(),
        );
        let made = self.channel(at).await?;
        let Some(made) = made.filter(|_| !matches!(kind, Kind::Create)) else {
            return self.create();
        };
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
            Kind::Delete => self.target(at, &cid, is_own).await?.map(|id| {
                self.doomed.insert(id);
                Act::Delete { id }
            }),
            Kind::React => {
                let target = self.target(at, &cid, |_| true).await?;
                let kind = self
                    .dice
                    .pick(&REACTIONS)
                    .and_then(|kind| ReactionType::new(kind).ok());
                let there = self.dice.percent(70);
                target.zip(kind).map(|(id, kind)| Act::React { id, kind, there })
            }
            Kind::Member => self.member(&user, made.owner == user),
            Kind::Read => Some(Act::Read),
            Kind::Pin => {
                let pinned = self.dice.percent(65);
                let target = self.target(at, &cid, |_| true).await?;
                target.map(|id| Act::Pin { id, pinned })
            }
            Kind::ReadThread => self
                .target(at, &cid, |sent| !sent.is_reply)
                .await?
                .map(|parent| Act::ReadThread { parent }),
            Kind::Send | Kind::Create => None,
        };
        let act = act.unwrap_or_else(|| self.send(&name, None));
        Ok(Planned { cid, act })
    }

    /// Picks a channel that the device has made, or knows to be in.
    async fn channel(&mut self, at: usize) -> Result<Option<Made>, Error> {
        let mut channels = self.ledger.channels().to_vec();
        while !channels.is_empty() {
            let made = channels.swap_remove(self.dice.index(channels.len()));
            if made.device == self.world.devices[at].name || self.knows(at, &made.cid, None).await? {
                return Ok(Some(made));
            }
        }
        Ok(None)
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
            (true, false) if self.dice.percent(60) => Some(Act::Add { user: guest }),
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
        // An own message that is deleted before it is sent never gets to the server.
        let is_here = sent.device == self.world.devices[at].name && !self.doomed.contains(&id);
        let known = is_here || self.knows(at, cid, Some(id)).await?;
        Ok(known.then_some(id))
    }

    async fn knows(&mut self, at: usize, cid: &ChannelId, message: Option<MessageId>) -> Result<bool, Error> {
        let cid = cid.to_string();
        let answer = self.world.agent(at)?.tell(Order::Knows { cid, message }).await?;
        Ok(matches!(answer, Answer::Knows(true)))
    }
}

pub(super) fn order(planned: &Planned, user: &UserId) -> Order {
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
        Act::Pin { id, pinned } => Order::Pin { cid, id, pinned },
        Act::ReadThread { parent } => Order::ReadThread { cid, parent },
    }
}
