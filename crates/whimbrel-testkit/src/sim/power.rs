//! How the server ends, comes back, and is replaced by its backup.

use super::{
    Fault, Mutant, Violation,
    world::{Event, World},
};
use whimbrel_model::{Code, Epoch};

/// How long clients are told to stay away when the server stops.
const STOP_MS: u64 = 500;

impl World {
    pub(super) fn server_dies(&mut self, when: &str) {
        self.say("server", || format!("dies {when}"));
        self.server.up = false;
        self.server.boot += 1;
        self.server.queue.clear();
        self.server.members.clear();
        self.forget_presence();
        if let Some(synced) = self.server.synced.take() {
            self.server.storage = synced;
        }
        for id in self.net.conns.keys().copied().collect::<Vec<_>>() {
            self.server_closes(id);
        }
        let wait = self.dice.between(50, 6_000);
        self.later(wait, Event::ServerUp);
    }

    /// Tells everyone to come back, and restarts.
    pub(super) fn server_stops(&mut self) {
        let open = self.net.conns.iter().filter(|(_, conn)| conn.server_open);
        let open: Vec<u64> = open.map(|(id, _)| *id).collect();
        for (place, id) in open.iter().enumerate() {
            // As the hub does: one after the other, spread over as long again.
            let later = STOP_MS + STOP_MS * place as u64 / open.len() as u64;
            self.end_for(*id, Code::ServerStopping, Some(later));
        }
        self.server_dies("as it was told to");
    }

    pub(super) fn server_up(&mut self) -> Result<(), Violation> {
        if self.server.up {
            return Ok(());
        }
        self.server.up = true;
        self.say("server", || "is up".to_owned());
        self.check_durable()
    }

    pub(super) fn back_up(&mut self) {
        if self.server.backup.is_none() {
            self.server.backup = Some(self.server.storage.fork(Epoch(self.server.epoch)));
            self.ghost.backup = Some(self.ghost.server.clone());
            self.say("server", || "is backed up".to_owned());
        }
    }

    pub(super) fn restore(&mut self) {
        let Some(backup) = self.server.backup.take() else {
            return;
        };
        self.log.count(Fault::Restored.name());
        if self.mutant != Some(Mutant::RestoreKeepsEpoch) {
            self.server.epoch += 1;
        }
        self.server_dies("and its disk with it: the backup takes over");
        self.server.storage = backup.fork(Epoch(self.server.epoch));
        self.server.synced = None;
        self.ghost.restored();
    }
}
