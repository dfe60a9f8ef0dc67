//! Sending again what was rejected, and changing what never left.

use super::Outbox;
use crate::{CommandError, EngineConfig, Env};
use whimbrel_model::{Invalid, MessageBody, Op, OpId};

impl Outbox {
    /// Queues a rejected operation again, as a new one: the old id has its answer for ever. It goes to the end of the outbox,
    /// but for where it holds its lane: there it keeps its place.
    pub(crate) fn repeat(
        &mut self,
        id: OpId,
        body: Option<MessageBody>,
        new_id: OpId,
        config: &EngineConfig,
        env: &Env<'_>,
    ) -> Result<(), CommandError> {
        let item = self.find(id)?;
        if item.rejection().is_none() {
            return Err(CommandError::NotRejected(id));
        }
        let (pos, mut op, user) = (item.pos, item.op.clone(), item.user.clone());
        if let Some(body) = body {
            set_body(&mut op, body)?;
        }
        // An operation that cannot be queued any more, after an update of the software, stays as it is.
        op.validate()?;
        op.validate_for(&user)?;
        self.forget(pos);
        if config.hold_after_rejection {
            self.put(pos, new_id, op, &user, env);
        } else {
            self.append(new_id, op, &user, env);
        }
        Ok(())
    }

    /// Replaces the body of a message or an edit that never left, in its place and under its id.
    pub(crate) fn amend(&mut self, id: OpId, body: MessageBody) -> Result<(), CommandError> {
        let item = self.find(id)?;
        if item.attempted {
            return Err(CommandError::Attempted(id));
        }
        let (pos, mut op) = (item.pos, item.op.clone());
        set_body(&mut op, body)?;
        op.validate()?;
        if let Some(item) = self.items.get_mut(&pos) {
            item.op = op;
            self.dirty.insert(pos);
        }
        Ok(())
    }
}

fn set_body(op: &mut Op, new: MessageBody) -> Result<(), Invalid> {
    match op {
        Op::SendMessage { body, .. } | Op::EditMessage { body, .. } => {
            *body = new;
            Ok(())
        }
        other => Err(Invalid::new("op", format!("{} has no body", other.name()))),
    }
}
