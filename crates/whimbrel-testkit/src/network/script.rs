//! What is asked of the network.

use std::{collections::HashMap, time::Duration};
use whimbrel_model::DeviceId;

/// What is asked for every device, and for single ones.
#[derive(Clone, Debug, Default)]
pub(super) struct Script {
    all: Faults,
    devices: HashMap<DeviceId, Faults>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Faults {
    pub(super) drop_requests: u32,
    pub(super) drop_replies: u32,
    pub(super) drop_events: u32,
    pub(super) duplicate_events: u32,
    pub(super) delay: Duration,
    pub(super) offline: bool,
    pub(super) stalled: bool,
    /// Counts the cuts: a connection that is older than the last one breaks, even if it missed the cut itself.
    pub(super) cuts: u64,
}

/// What can be asked for once.
#[derive(Clone, Copy, Debug)]
pub(super) enum Once {
    DropRequest,
    DropReply,
    DropEvent,
    DuplicateEvent,
}

impl Faults {
    fn count(&mut self, once: Once) -> &mut u32 {
        match once {
            Once::DropRequest => &mut self.drop_requests,
            Once::DropReply => &mut self.drop_replies,
            Once::DropEvent => &mut self.drop_events,
            Once::DuplicateEvent => &mut self.duplicate_events,
        }
    }

    /// Forgets all but the cuts, which have happened.
    fn heal(&mut self) {
        *self = Self {
            cuts: self.cuts,
            ..Self::default()
        };
    }
}

impl Script {
    /// Returns what is asked for a device, or for all, to be changed.
    pub(super) fn faults(&mut self, device: Option<DeviceId>) -> &mut Faults {
        match device {
            Some(device) => self.devices.entry(device).or_default(),
            None => &mut self.all,
        }
    }

    pub(super) fn heal(&mut self, device: Option<DeviceId>) {
        if device.is_none() {
            self.devices.values_mut().for_each(Faults::heal);
        }
        self.faults(device).heal();
    }

    pub(super) fn is_offline(&self, device: Option<DeviceId>) -> bool {
        self.of(device).any(|faults| faults.offline)
    }

    pub(super) fn is_stalled(&self, device: Option<DeviceId>) -> bool {
        self.of(device).any(|faults| faults.stalled)
    }

    pub(super) fn delay(&self, device: Option<DeviceId>) -> Duration {
        self.of(device)
            .map(|faults| faults.delay)
            .max()
            .unwrap_or_default()
    }

    /// Returns how often all were cut, and how often the device was.
    pub(super) fn cuts(&self, device: Option<DeviceId>) -> (u64, u64) {
        let own = device.and_then(|device| self.devices.get(&device));
        (self.all.cuts, own.map_or(0, |faults| faults.cuts))
    }

    /// Returns whether something is asked for that has not happened yet.
    pub(super) fn wants(&self, device: Option<DeviceId>, once: Once) -> bool {
        self.of(device).any(|mut faults| *faults.count(once) > 0)
    }

    /// Takes one of what is asked for once, the device's own first. Returns whether there was one.
    pub(super) fn take(&mut self, device: Option<DeviceId>, once: Once) -> bool {
        let own = device.and_then(|device| self.devices.get_mut(&device));
        for faults in own.into_iter().chain([&mut self.all]) {
            let count = faults.count(once);
            if *count > 0 {
                *count -= 1;
                return true;
            }
        }
        false
    }

    fn of(&self, device: Option<DeviceId>) -> impl Iterator<Item = Faults> {
        let own = device.and_then(|device| self.devices.get(&device));
        own.into_iter().chain([&self.all]).copied()
    }
}
