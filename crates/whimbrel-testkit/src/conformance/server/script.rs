//! Who takes part, and what they send.

use super::{Problem, Target, peer::Peer};
use std::sync::{Mutex, PoisonError};
use uuid::Uuid;
use whimbrel_client::{Environment, SystemEnvironment};
use whimbrel_model::{
    ChannelId, Custom, MessageBody, MessageId, Op, OpEnvelope, OpId, ReactionType, StreamId, UserId,
};
use whimbrel_protocol::Token;
use whimbrel_sync::{Entropy, Env, IdSource};

/// The server and its users. Each case makes its own channels.
#[derive(Debug)]
pub(super) struct World {
    pub(super) target: Target,
    ids: Mutex<IdSource>,
}

struct Randomness;

impl Entropy for Randomness {
    fn next_u64(&mut self) -> u64 {
        SystemEnvironment.next_u64()
    }
}

/// A channel with ada as its owner and bob in it.
pub(super) struct Room {
    pub(super) cid: ChannelId,
    pub(super) stream: StreamId,
}

impl World {
    pub(super) fn new(target: &Target) -> Self {
        Self {
            target: target.clone(),
            ids: Mutex::default(),
        }
    }

    pub(super) fn user(&self, place: usize) -> &UserId {
        &self.target.people[place].0
    }

    pub(super) fn token(&self, place: usize) -> &Token {
        &self.target.people[place].1
    }

    pub(super) async fn ada(&self) -> Result<Peer, Problem> {
        Peer::login(self, 0).await
    }

    pub(super) async fn bob(&self) -> Result<Peer, Problem> {
        Peer::login(self, 1).await
    }

    pub(super) async fn carol(&self) -> Result<Peer, Problem> {
        Peer::login(self, 2).await
    }

    /// Makes an id of version 7.
    pub(super) fn id(&self) -> Uuid {
        let mut env = Env {
            mono: 0,
            wall: SystemEnvironment.wall(),
            entropy: &mut Randomness,
        };
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        ids.next(&mut env)
    }

    pub(super) fn op(&self, op: Op) -> OpEnvelope {
        OpEnvelope {
            id: OpId(self.id()),
            op,
            composed_at: SystemEnvironment.wall(),
            after: None,
        }
    }

    /// Names a channel that is not there.
    pub(super) fn new_room(&self) -> Result<Room, Problem> {
        let id = self.id();
        let cid = ChannelId::new(format!("conformance:{id}"));
        let cid = cid.map_err(|error| Problem::Failed(error.to_string()))?;
        let stream = StreamId::Channel(cid.clone());
        Ok(Room { cid, stream })
    }

    /// Lets ada make a channel with bob in it.
    pub(super) async fn room(&self, ada: &mut Peer) -> Result<Room, Problem> {
        let room = self.new_room()?;
        ada.accepted(self.op(room.create(vec![self.user(1).clone()])))
            .await?;
        Ok(room)
    }
}

impl Room {
    pub(super) fn create(&self, members: Vec<UserId>) -> Op {
        Op::CreateChannel {
            cid: self.cid.clone(),
            name: "A conformance suite".to_owned(),
            image: String::new(),
            custom: Custom::default(),
            members,
        }
    }

    pub(super) fn rename(&self, name: &str) -> Op {
        Op::UpdateChannel {
            cid: self.cid.clone(),
            name: Some(name.to_owned()),
            image: None,
            custom: None,
        }
    }

    pub(super) fn add(&self, user: &UserId) -> Op {
        Op::AddMembers {
            cid: self.cid.clone(),
            users: vec![user.clone()],
        }
    }

    pub(super) fn remove(&self, user: &UserId) -> Op {
        Op::RemoveMembers {
            cid: self.cid.clone(),
            users: vec![user.clone()],
        }
    }

    pub(super) fn send(&self, id: Uuid, text: &str) -> Op {
        self.reply(id, text, None)
    }

    pub(super) fn reply(&self, id: Uuid, text: &str, parent: Option<Uuid>) -> Op {
        Op::SendMessage {
            kind: whimbrel_model::MessageKind::Regular,
            silent: false,
            cid: self.cid.clone(),
            id: MessageId(id),
            body: MessageBody::text(text),
            parent: parent.map(MessageId),
            show_in_channel: false,
            quoted: None,
        }
    }

    pub(super) fn edit(&self, id: Uuid, text: &str) -> Op {
        Op::EditMessage {
            cid: self.cid.clone(),
            id: MessageId(id),
            body: MessageBody::text(text),
            base_revision: 0,
        }
    }

    pub(super) fn delete(&self, id: Uuid) -> Op {
        Op::DeleteMessage {
            cid: self.cid.clone(),
            id: MessageId(id),
        }
    }

    pub(super) fn react(&self, id: Uuid, kind: &str) -> Result<Op, Problem> {
        Ok(Op::AddReaction {
            cid: self.cid.clone(),
            message: MessageId(id),
            kind: ReactionType::new(kind).map_err(|error| Problem::Failed(error.to_string()))?,
        })
    }

    pub(super) fn read(&self, seq: u64) -> Op {
        self.read_in(0, seq)
    }

    pub(super) fn read_in(&self, epoch: u32, seq: u64) -> Op {
        let cid = self.cid.clone();
        Op::MarkRead {
            thread: None,
            cid,
            epoch,
            seq,
        }
    }
}
