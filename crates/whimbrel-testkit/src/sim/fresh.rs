//! A device that has seen nothing: it has to come to the same as those that have seen everything.

use super::{
    Violation,
    device::{Device, everything, or_broken},
    dice::Dice,
    log::violated,
    storage::now_or,
    world::World,
};
use std::collections::BTreeMap;
use whimbrel_model::{ChannelId, ChannelSummary, MessageScope, People, limits};
use whimbrel_state::{State, TimelineItem};
use whimbrel_store::{Query, Store as _, StoreReader as _};

/// Rows of a timeline that are compared.
const SCREEN: usize = 20;

/// What a row of the list says that does not depend on which messages are here. `few`: only the newest may be.
fn told(row: &ChannelSummary, few: bool) -> impl PartialEq {
    let objects = (
        row.channel.clone(),
        row.membership.clone(),
        row.last_message.clone().filter(|_| !few),
    );
    (
        row.cid.clone(),
        objects,
        row.read.clone(),
        row.members,
        row.head_seq,
    )
}

impl World {
    /// Lets somebody sign in on a new device. Returns the device that it has to be equal to, and the new one.
    pub(super) fn sign_in(&mut self) -> Result<(usize, usize), Violation> {
        let settled: Vec<usize> = self.settled().into_iter().collect();
        let old = self.dice.pick(&settled).copied().unwrap_or_default();
        let user = self.devices[old].user.clone();
        let dice = Dice::new(self.dice.next());
        let query = self.devices[old].query.clone();
        let config = self.devices[old].config.clone();
        let new = self.add_device(Device::new(format!("{user}/new"), user, query, config, dice))?;
        Ok((old, new))
    }

    /// Lets somebody sign in on a device that has seen nothing.
    pub(super) fn add_device(&mut self, device: Device) -> Result<usize, Violation> {
        let new = self.devices.len();
        self.devices.push(device);
        self.ghost.cursors.push(BTreeMap::new());
        self.log.count("fresh_device");
        self.start(new)?;
        Ok(new)
    }

    /// E3, S14: state that was built by events is what a first load gives, row by row.
    pub(super) fn check_fresh(&mut self, old: usize, new: usize) -> Result<(), Violation> {
        let few = self.brings(old).is_some();
        let rows = |index: usize| -> Result<Vec<ChannelSummary>, Violation> {
            let mut rows = or_broken(now_or(self.devices[index].store.channels(
                &Query::channel_list(),
                None,
                1_000,
                &People::default(),
            ))?)?;
            // What is of a history that the server lost stays in the list: nobody says that it is gone.
            rows.retain(|row| row.membership.as_ref().is_some_and(|row| row.ver > 0));
            rows.retain(|row| self.follows(old, &row.cid) && self.follows(new, &row.cid));
            // The last message may be one that was left out.
            if few {
                rows.sort_by(|one, other| one.cid.cmp(&other.cid));
            }
            Ok(rows)
        };
        let (had, has) = (rows(old)?, rows(new)?);
        if had.len() != has.len() {
            return violated(
                "E3",
                format!(
                    "{} has {} channels, a new device {}",
                    self.devices[old].name,
                    had.len(),
                    has.len()
                ),
            );
        }
        for (one, other) in had.iter().zip(&has) {
            // How much is unread is known as far as the messages are here.
            let read = one.read.as_ref().map_or(0, |read| read.seq);
            let counts = self.reaches(old, read, one)? && self.reaches(new, read, other)?;
            if told(one, few) != told(other, few) || (counts && one.unread != other.unread) {
                return violated(
                    "E3",
                    format!("{} lists {one:?}, a new device {other:?}", self.devices[old].name),
                );
            }
            let most = self
                .brings(old)
                .unwrap_or(u64::MAX)
                .min(limits::SNAPSHOT_MESSAGES as u64);
            let newest = (one.head_seq + 1).saturating_sub(most);
            let shown = self.screen(old, &one.cid, newest)?;
            let again = self.screen(new, &one.cid, newest)?;
            if shown != again {
                return violated(
                    "E3",
                    format!(
                        "{} shows another end of {} than a new device: {shown:?}, not {again:?}",
                        self.devices[old].name, one.cid
                    ),
                );
            }
        }
        Ok(())
    }

    /// Returns whether a device has every message of a channel after a sequence.
    fn reaches(&self, index: usize, seq: u64, row: &ChannelSummary) -> Result<bool, Violation> {
        let loaded = or_broken(now_or(self.devices[index].store.load())?)?;
        let ranges = loaded.ranges.get(&row.cid).cloned().unwrap_or_default();
        Ok(ranges.is_fresh(seq + 1, row.head_seq))
    }

    /// Returns the newest rows of a channel as a state of their own shows them, without what waits.
    fn screen(&self, index: usize, cid: &ChannelId, from: u64) -> Result<Vec<TimelineItem>, Violation> {
        let device = &self.devices[index];
        let mut query = everything(cid, MessageScope::Channel);
        query.limit = SCREEN;
        let page = or_broken(now_or(device.store.messages(&query))?)?;
        let state = State::new(device.user.clone(), Vec::new());
        let timeline = state.open_timeline(cid.clone(), MessageScope::Channel, page);
        // How many replies there are is known as far as they are here; what is above the first row is not told by it.
        let items = timeline.items();
        let near = items.iter().filter(|item| item.view.message.seq >= from);
        let mut near: Vec<TimelineItem> = near
            .map(|item| TimelineItem {
                replies: 0,
                ..TimelineItem::clone(item)
            })
            .collect();
        if let Some(first) = near.first_mut() {
            first.gap_before = false;
        }
        Ok(near)
    }
}
