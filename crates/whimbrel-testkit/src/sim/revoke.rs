//! Devices that were shut out.

use super::{
    Mutant, Violation, device::or_broken, ghost::Fate, log::violated, storage::now_or, world::World,
};
use whimbrel_model::{Code, DeviceId, Op, UserId};
use whimbrel_store::Store as _;
use whimbrel_sync::Status;

impl World {
    /// Returns whether a device was shut out, as the server has it.
    pub(super) fn is_revoked(&self, index: usize) -> bool {
        let device = &self.devices[index];
        let key = |id: DeviceId| (device.user.clone(), id);
        device
            .id
            .is_some_and(|id| self.ghost.server.revoked.contains(&key(id)))
    }

    /// Whether the server refuses a device: S21 says that it has to.
    pub(super) fn refuses(&mut self, conn: u64, user: &UserId, device: DeviceId) -> Result<bool, Violation> {
        let revoked = self.ghost.server.revoked.contains(&(user.clone(), device));
        if !revoked {
            return Ok(false);
        }
        if self.mutant == Some(Mutant::RevokedGoesOn) {
            return violated(
                "S21",
                format!("{device} of {user} was shut out, and is spoken to"),
            );
        }
        self.log.count("revoked_refused");
        self.end(conn, Code::DeviceRevoked);
        Ok(true)
    }

    /// A device is shut out from now on, or was by a commit of which nothing was heard: its connections end.
    pub(super) fn shuts_out(&mut self, user: &UserId, op: &Op, is_new: bool) {
        let Op::RevokeDevice { device } = op else { return };
        let index = self.ghost.marks.device(*device);
        let open = self.net.conns.iter().filter(|(_, conn)| {
            conn.server_open && conn.user.as_ref() == Some(user) && Some(conn.device) == index
        });
        let open: Vec<u64> = open.map(|(id, _)| *id).collect();
        let sends = index.is_some_and(|index| {
            let run = self.devices[index].run.as_ref();
            run.is_some_and(|run| run.state.outbox().iter().any(|item| item.attempted))
        });
        if is_new {
            self.log.count(match (open.is_empty(), sends) {
                (true, _) => "revoked_offline",
                (false, true) => "revoked_sending",
                (false, false) => "revoked_online",
            });
        }
        if self.mutant == Some(Mutant::RevokedGoesOn) {
            return;
        }
        for conn in open {
            self.end(conn, Code::DeviceRevoked);
        }
    }

    /// Returns whether a device that was shut out has heard of it.
    pub(super) fn has_stopped(&self, index: usize) -> bool {
        let run = self.devices[index].run.as_ref();
        run.is_some_and(|run| matches!(run.engine.status(), Status::Revoked { .. }))
    }

    /// E21: who is shut out keeps what was not sent, and sends nothing.
    pub(super) fn check_shut_out(&mut self, index: usize) -> Result<(), Violation> {
        let device = &self.devices[index];
        if !self.has_stopped(index) {
            return violated(
                "S21",
                format!("{} was shut out, and does not know it", device.name),
            );
        }
        let loaded = or_broken(now_or(device.store.load())?)?;
        let waiting = self.ghost.ops.iter().filter(|(_, made)| made.device == index);
        let mut waiting = waiting.filter(|(_, made)| matches!(made.fate, Fate::Queued | Fate::Rejected));
        let gone = waiting.find(|(id, _)| !loaded.outbox.iter().any(|item| item.id == **id));
        if let Some((id, made)) = gone {
            return violated(
                "E21",
                format!(
                    "{} was shut out, and has lost {} {id}",
                    device.name,
                    made.op.name()
                ),
            );
        }
        if loaded.outbox.iter().any(|item| item.rejection().is_none()) {
            self.log.count("revoked_keeps");
        }
        Ok(())
    }
}
