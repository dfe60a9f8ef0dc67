//! A thousand changes at once.

use super::{Violation, world::World};
use whimbrel_hub::Request;
use whimbrel_model::{MessageId, MessageKind, Op, OpEnvelope, OpId, ReactionType, Timestamp};
use whimbrel_sync::{Env, IdSource};

/// Messages and changes of a flood: more than the server pages through.
const FLOOD: (usize, usize) = (60, 2_000);

impl World {
    /// A thousand changes that nobody is told of: whoever is there jumps over them.
    pub(super) fn flood(&mut self) -> Result<(), Violation> {
        let members = self.ghost.server.members.iter();
        let active: Vec<_> = members
            .filter(|(_, active)| **active)
            .map(|(place, _)| place.clone())
            .collect();
        let Some((cid, user)) = self.dice.pick(&active).cloned() else {
            return Ok(());
        };
        let said = self.ghost.server.logs.get(&cid).cloned().unwrap_or_default();
        let Ok(kind) = ReactionType::new("flood") else {
            return Ok(());
        };
        let mut ids = IdSource::default();
        let wall = self.server_time();
        let mut made = Vec::new();
        let mut ops = Vec::new();
        for round in 0..FLOOD.0 + FLOOD.1 {
            let mut env = Env {
                mono: 0,
                wall,
                entropy: &mut self.dice,
            };
            let (op, new) = (OpId(ids.next(&mut env)), MessageId(ids.next(&mut env)));
            let body = format!("flood {round}").into();
            let old = self.dice.index(20.min(said.len()));
            let op_body = if round < FLOOD.0 {
                made.push(new);
                Op::SendMessage {
                    cid: cid.clone(),
                    id: new,
                    body,
                    parent: None,
                    show_in_channel: false,
                    quoted: None,
                    kind: MessageKind::Regular,
                    silent: false,
                }
            } else if let Some(old) = said.get(old).filter(|_| round % 2 == 0) {
                Op::AddReaction {
                    cid: cid.clone(),
                    message: *old,
                    kind: kind.clone(),
                }
            } else {
                Op::EditMessage {
                    cid: cid.clone(),
                    id: made[round % 7],
                    body,
                    base_revision: 0,
                }
            };
            let op = OpEnvelope {
                id: op,
                op: op_body,
                composed_at: Timestamp(1),
                after: None,
            };
            ops.push((
                None,
                Request {
                    user: user.clone(),
                    op,
                },
            ));
        }
        self.say("server", || {
            format!("is flooded with {} changes of {cid}", ops.len())
        });
        self.apply(&ops)?;
        Ok(())
    }
}
