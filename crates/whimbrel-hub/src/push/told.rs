use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};
use tokio::time::Instant;
use whimbrel_model::{ChannelId, DeviceId, UserId};
use whimbrel_protocol::PushKind;

/// (Device, channel) pairs that are remembered. Beyond it everything is forgotten: some devices are told once more.
const REMEMBERED: usize = 100_000;

/// What devices were told last of each channel, since they were connected.
#[derive(Debug, Default)]
pub(super) struct Told {
    devices: HashMap<(UserId, DeviceId), BTreeMap<ChannelId, (PushKind, Instant)>>,
    count: usize,
}

impl Told {
    /// Returns whether a device is to be told: the last it was told of the channel is something else, or `again` ago. Takes note
    /// of it then.
    pub(super) fn may_tell(
        &mut self,
        (user, device): (&UserId, DeviceId),
        cid: &ChannelId,
        kind: &PushKind,
        (now, again): (Instant, Duration),
    ) -> bool {
        if self.count >= REMEMBERED {
            *self = Self::default();
        }
        let channels = self.devices.entry((user.clone(), device)).or_default();
        match channels.get(cid) {
            Some((last, at)) if last == kind && now < *at + again => return false,
            Some(_) => {}
            None => self.count += 1,
        }
        channels.insert(cid.clone(), (kind.clone(), now));
        true
    }

    /// Forgets what a device was told of a channel.
    pub(super) fn forget(&mut self, user: &UserId, device: DeviceId, cid: &ChannelId) {
        if let Some(channels) = self.devices.get_mut(&(user.clone(), device))
            && channels.remove(cid).is_some()
        {
            self.count -= 1;
        }
    }

    /// Forgets what a device was told: it has connected, and knows better.
    pub(super) fn connected(&mut self, user: &UserId, device: DeviceId) {
        if let Some(channels) = self.devices.remove(&(user.clone(), device)) {
            self.count -= channels.len();
        }
    }
}
