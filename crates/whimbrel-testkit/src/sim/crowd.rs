//! What a crowd does on an ordinary day.

use super::{
    Violation,
    action::Kind,
    device::or_broken,
    query::{COLORS, WORDS},
    storage::now_or,
    world::World,
};
use std::collections::BTreeSet;
use whimbrel_model::{ChannelId, ChannelSummary, Custom, Op, People, Role, UserId};
use whimbrel_query::Query;
use whimbrel_store::StoreReader as _;

/// What people do in channels, each with its weight.
const DEEDS: [(Kind, u64); 20] = [
    (Kind::Send, 38),
    (Kind::Reply, 6),
    (Kind::Edit, 4),
    (Kind::Delete, 3),
    (Kind::React, 4),
    (Kind::Unreact, 1),
    (Kind::MarkRead, 16),
    (Kind::MarkUnread, 3),
    (Kind::UpdateChannel, 10),
    (Kind::Add, 7),
    (Kind::Remove, 5),
    (Kind::Leave, 2),
    (Kind::Create, 1),
    (Kind::ReadThread, 3),
    (Kind::UnreadThread, 1),
    (Kind::Pin, 2),
    (Kind::Unpin, 1),
    (Kind::Keep, 12),
    (Kind::SaveDraft, 5),
    (Kind::Distinct, 1),
];

impl World {
    /// One person does one thing, or goes, or comes back.
    pub(super) fn live(&mut self) -> Result<(), Violation> {
        let index = self.dice.index(self.devices.len());
        if self.disturb(index)? {
            return Ok(());
        }
        match self.dice.below(100) {
            0..=9 => self.go_offline(index),
            10..=27 => self.go_online(index),
            28..=29 => {
                self.kill(index, "as its user ends it");
                Ok(())
            }
            _ => self.takes_part(index),
        }
    }

    fn takes_part(&mut self, index: usize) -> Result<(), Violation> {
        let Some(run) = self.devices[index].run.as_mut() else {
            return Ok(());
        };
        if self.dice.per_mille(200) {
            run.views.timelines.clear();
            run.views.shelf.close_pins();
        }
        let mut kind = self.draw_deed();
        let all = Query::channel_list();
        let rows = or_broken(now_or(self.devices[index].store.channels(
            &all,
            None,
            1_000,
            &People::default(),
        ))?)?;
        let fits = |row: &&ChannelSummary| {
            let own = row.membership.as_ref().map(|own| own.role);
            !matches!(kind, Kind::UpdateChannel | Kind::Add | Kind::Remove) || own == Some(Role::Owner)
        };
        let fit: Vec<ChannelId> = rows.iter().filter(fits).map(|row| row.cid.clone()).collect();
        let cid = if fit.is_empty() {
            // Who owns nothing says something instead.
            kind = Kind::Send;
            self.dice.pick(&rows).map(|row| row.cid.clone())
        } else {
            self.dice.pick(&fit).cloned()
        };
        let Some(cid) = cid else { return Ok(()) };
        let op = match kind {
            Kind::Create => self.found(index),
            Kind::Distinct => self.meet(index),
            Kind::UpdateChannel => Some(self.redecorate(cid)),
            kind => self.op_in(index, kind, cid)?,
        };
        op.map_or(Ok(()), |op| self.does(index, &op))
    }

    fn draw_deed(&mut self) -> Kind {
        let total = DEEDS.iter().map(|(_, weight)| weight).sum();
        let mut drawn = self.dice.below(total);
        for (kind, weight) in DEEDS {
            if drawn < weight {
                return kind;
            }
            drawn -= weight;
        }
        Kind::Send
    }

    /// Somebody makes a channel with some of the others.
    pub(super) fn found(&mut self, index: usize) -> Option<Op> {
        let number = self.dice.next() >> 32;
        let me = self.devices[index].user.clone();
        let count = self.dice.between(3, 36);
        let mut members = BTreeSet::new();
        for _ in 0..count {
            let other = self.dice.index(self.devices.len());
            members.insert(self.devices[other].user.clone());
        }
        members.remove(&me);
        let members: Vec<UserId> = members.into_iter().collect();
        Some(Op::CreateChannel {
            cid: ChannelId::new(format!("day:{number:08x}")).ok()?,
            name: self.some_name(),
            image: String::new(),
            custom: self.finery(),
            members,
        })
    }

    /// Somebody makes the channel of two people.
    fn meet(&mut self, index: usize) -> Option<Op> {
        let other = self.dice.index(self.devices.len());
        let [me, other] = [index, other].map(|index| self.devices[index].user.clone());
        let cid = ChannelId::distinct("day", [&me, &other]).ok()?;
        Some(Op::CreateChannel {
            cid,
            name: String::new(),
            image: String::new(),
            custom: self.finery(),
            members: vec![other],
        })
    }

    fn redecorate(&mut self, cid: ChannelId) -> Op {
        let named = self.dice.per_mille(500);
        let name = named.then(|| self.some_name());
        let custom = (!named || self.dice.per_mille(200)).then(|| self.finery());
        Op::UpdateChannel {
            cid,
            name,
            image: None,
            custom,
        }
    }

    fn some_name(&mut self) -> String {
        if self.dice.per_mille(80) {
            return String::new();
        }
        let [one, other] = [0, 1].map(|_| WORDS[self.dice.index(WORDS.len())]);
        format!("{one} {other}")
    }

    fn finery(&mut self) -> Custom {
        let mut worn = Custom::default();
        if self.dice.per_mille(850) {
            worn = worn.with("color", COLORS[self.dice.index(COLORS.len())]);
        }
        // Levels are numbers mostly; some say it in words.
        match self.dice.below(10) {
            0 => worn,
            1 => worn.with("level", "high"),
            _ => worn.with("level", self.dice.below(25)),
        }
    }
}
