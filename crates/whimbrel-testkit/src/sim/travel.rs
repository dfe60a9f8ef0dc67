//! A device that wakes up as it was before: a restored backup, a cloned virtual machine, a disk that lied.

use super::{
    Fault, Violation,
    device::or_broken,
    ghost::{Fate, Ghost},
    log::violated,
    storage::now_or,
    world::World,
};
use std::collections::BTreeSet;
use whimbrel_model::{Loaded, OpId};
use whimbrel_store::{MemoryStore, Store as _};

impl World {
    /// Replaces what is on the disk of a device by an earlier image of it (C15).
    pub(super) fn travel(&mut self, index: usize) -> Result<(), Violation> {
        let commits = self.devices[index].commits.len();
        if commits < 3 {
            return Ok(());
        }
        self.log.count(Fault::DeviceRestored.name());
        self.kill(index, "and its disk is as it was before");
        let kept = 1 + self.dice.index(commits - 1);
        self.forget_commits(index, kept)?;
        let loaded = or_broken(now_or(self.devices[index].store.load())?)?;
        self.ghost.travelled(index, &loaded)
    }

    /// Keeps the first commits of a device only.
    pub(super) fn forget_commits(&mut self, index: usize, kept: usize) -> Result<(), Violation> {
        let device = &mut self.devices[index];
        device.commits.truncate(kept);
        device.store = MemoryStore::new();
        for delta in &device.commits {
            or_broken(now_or(device.store.apply(delta))?)?;
        }
        Ok(())
    }
}

impl Ghost {
    /// A device has forgotten what it did after `image`: what never left is lost, what left acted or did not.
    fn travelled(&mut self, device: usize, image: &Loaded) -> Result<(), Violation> {
        self.cursors[device].clone_from(&image.cursors);
        self.travels.insert((self.server.log.len(), device));
        self.left.retain(|(of, _), _| *of != device);
        let kept: BTreeSet<OpId> = image.outbox.iter().map(|item| item.id).collect();
        for (id, made) in self.ops.iter_mut().filter(|(_, made)| made.device == device) {
            if !kept.contains(id) && matches!(made.fate, Fate::Queued | Fate::Rejected) {
                made.fate = Fate::Discarded;
                self.expired.insert(*id);
            }
        }
        for item in &image.outbox {
            self.ordered += 1;
            let order = self.ordered;
            let Some(made) = self.ops.get_mut(&item.id) else {
                return violated("sim", format!("{} was never made", item.id));
            };
            made.fate = match item.rejection() {
                Some(_) => Fate::Rejected,
                None => Fate::Queued,
            };
            // What the server knows already keeps its place there.
            if !self.server.accepted.contains(&item.id) {
                made.order = order;
            }
            made.op.clone_from(&item.op);
            if !item.attempted {
                // It may go another way this time, whatever the server knows of it.
                made.digest = None;
                self.expired.insert(item.id);
            }
        }
        Ok(())
    }
}
