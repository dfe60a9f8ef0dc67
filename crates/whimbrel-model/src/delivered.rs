use crate::{ChannelId, DeviceId, UserId, limits};
use serde::{Deserialize, Serialize};

/// Up to where a channel's messages have reached one user: a register that only grows.
///
/// A device says how far it has the channel's stream on disk. Messages that a snapshot left out count as well: the device knows
/// of them, and loads them whenever they are wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    /// Where.
    pub cid: ChannelId,
    /// Whom.
    pub user: UserId,
    /// The last message that any device of the user has.
    #[serde(deserialize_with = "crate::number::exact")]
    pub seq: u64,
    /// How far each device is, sorted. Others are shown none, unless the user lets them: see [`Delivered::devices_public`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<DeviceMark>,
    /// Whether others are shown nothing of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub private: bool,
    /// Whether others are shown how far each device is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub devices_public: bool,
    /// Version of the last change.
    #[serde(deserialize_with = "crate::number::exact")]
    pub ver: u64,
}

/// How far one device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceMark {
    /// Which device.
    pub device: DeviceId,
    /// The last message that it has.
    #[serde(deserialize_with = "crate::number::exact")]
    pub seq: u64,
}

impl Delivered {
    /// Creates the register of a user whom nothing has reached.
    #[must_use]
    pub const fn new(cid: ChannelId, user: UserId) -> Self {
        Self {
            cid,
            user,
            seq: 0,
            devices: Vec::new(),
            private: false,
            devices_public: false,
            ver: 0,
        }
    }

    /// Returns the last message that a device has.
    #[must_use]
    pub fn of_device(&self, device: DeviceId) -> u64 {
        let mark = self.devices.iter().find(|mark| mark.device == device);
        mark.map_or(0, |mark| mark.seq)
    }

    /// Lets the register hear that a device is at `seq`. Returns whether anything changed.
    pub fn advance(&mut self, device: DeviceId, seq: u64) -> bool {
        if seq <= self.of_device(device) {
            return false;
        }
        self.seq = self.seq.max(seq);
        match self.devices.iter_mut().find(|mark| mark.device == device) {
            Some(mark) => mark.seq = seq,
            None => {
                let place = self.devices.partition_point(|mark| mark.device < device);
                self.devices.insert(place, DeviceMark { device, seq });
                self.forget_the_furthest_behind(device);
            }
        }
        true
    }

    /// Devices come and go: of too many the one that is furthest behind is not kept.
    fn forget_the_furthest_behind(&mut self, except: DeviceId) {
        if self.devices.len() > limits::DEVICES {
            let others = self.devices.iter().filter(|mark| mark.device != except);
            if let Some(last) = others.min_by_key(|mark| mark.seq).copied() {
                self.devices.retain(|mark| mark.device != last.device);
            }
        }
    }
}
