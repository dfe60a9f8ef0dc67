//! What people do.

use super::{
    Fault, Mutant, Violation, fold,
    ghost::{Allowed, Fate},
    world::World,
};
use std::collections::BTreeMap;
use whimbrel_model::{ChannelId, HistoryFrom, Op, OpId, OutboxItem};
use whimbrel_sync::Input;

/// The kinds of action, in the order of the plan's weights.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Send,
    Edit,
    Delete,
    React,
    Unreact,
    Reply,
    MarkRead,
    Create,
    Add,
    Remove,
    Leave,
    UpdateChannel,
    UpdateUser,
    Discard,
    Repeat,
    History,
    GoOffline,
    GoOnline,
    MarkUnread,
    ReadThread,
    UnreadThread,
    Pin,
    Unpin,
    Keep,
    SaveDraft,
    Distinct,
    Type,
    Settings,
    Contact,
    Consent,
    Invite,
    Answer,
    Register,
    Rename,
    Revoke,
    AskSync,
    OfferSync,
    EndSync,
}

const KINDS: [Kind; 38] = [
    Kind::Send,
    Kind::Edit,
    Kind::Delete,
    Kind::React,
    Kind::Unreact,
    Kind::Reply,
    Kind::MarkRead,
    Kind::Create,
    Kind::Add,
    Kind::Remove,
    Kind::Leave,
    Kind::UpdateChannel,
    Kind::UpdateUser,
    Kind::Discard,
    Kind::Repeat,
    Kind::History,
    Kind::GoOffline,
    Kind::GoOnline,
    Kind::MarkUnread,
    Kind::ReadThread,
    Kind::UnreadThread,
    Kind::Pin,
    Kind::Unpin,
    Kind::Keep,
    Kind::SaveDraft,
    Kind::Distinct,
    Kind::Type,
    Kind::Settings,
    Kind::Contact,
    Kind::Consent,
    Kind::Invite,
    Kind::Answer,
    Kind::Register,
    Kind::Rename,
    Kind::Revoke,
    Kind::AskSync,
    Kind::OfferSync,
    Kind::EndSync,
];

impl Kind {
    /// Whether it is about no channel, or finds its channel by itself.
    const fn is_social(self) -> bool {
        matches!(
            self,
            Self::Settings
                | Self::Contact
                | Self::Consent
                | Self::Answer
                | Self::Register
                | Self::Rename
                | Self::Revoke
                | Self::AskSync
                | Self::OfferSync
                | Self::EndSync
        )
    }
}

impl World {
    /// One person does one thing, or something from outside goes wrong.
    pub(super) fn action(&mut self) -> Result<(), Violation> {
        let index = self.dice.index(self.devices.len());
        if self.disturb(index)? {
            return Ok(());
        }
        if self.plan.flood && self.dice.per_mille(60) {
            return self.flood();
        }
        if self.devices[index].run.is_none() {
            return Ok(());
        }
        let kind = self.draw_kind();
        match kind {
            Kind::GoOffline => return self.go_offline(index),
            Kind::GoOnline => {
                self.go_online(index)?;
                return Ok(());
            }
            Kind::Discard | Kind::Repeat => return self.settle(index, matches!(kind, Kind::Discard)),
            _ => {}
        }
        let channels = self.channels_of(index)?;
        if kind.is_social() {
            let op = self.social(index, kind, &channels)?;
            return op.map_or(Ok(()), |op| self.does(index, &op));
        }
        let Some(cid) = self.dice.pick(&channels).cloned() else {
            let distinct = matches!(kind, Kind::Distinct);
            return self.enqueue(index, if distinct { kind } else { Kind::Create }, None);
        };
        match kind {
            Kind::History => self.history(index, cid),
            Kind::Type => self.type_in(index, &cid),
            kind => self.enqueue(index, kind, Some(cid)),
        }
    }

    /// Somebody wants the device to be offline.
    pub(super) fn go_offline(&mut self, index: usize) -> Result<(), Violation> {
        self.devices[index].wants_online = false;
        self.command(index, &mut |engine, env| {
            Some(engine.handle(Input::GoOffline, env))
        })?;
        Ok(())
    }

    fn draw_kind(&mut self) -> Kind {
        let total = self.plan.weights.iter().sum();
        let mut drawn = self.dice.below(total);
        for (kind, weight) in KINDS.iter().zip(&self.plan.weights) {
            if drawn < *weight {
                return *kind;
            }
            drawn -= weight;
        }
        Kind::Send
    }

    /// Returns whether something from outside happened.
    pub(super) fn disturb(&mut self, index: usize) -> Result<bool, Violation> {
        if self.goes_wrong(Fault::ClockJump) {
            let years = i64::try_from(self.dice.below(20)).unwrap_or(0) - 10;
            self.devices[index].wall_offset = years * 31_557_600_000;
        }
        if self.goes_wrong(Fault::ClientKilled) {
            self.kill(index, "at some moment");
            return Ok(true);
        }
        if self.devices[index].run.is_some() && self.goes_wrong(Fault::Vanished) {
            self.vanish(index);
            return Ok(true);
        }
        if self.server.up && self.goes_wrong(Fault::ServerStopped) {
            self.server_stops();
            return Ok(true);
        }
        if self.plan.travels && self.dice.per_mille(50) {
            self.travel(index)?;
            return Ok(true);
        }
        if self.plan.restores && self.dice.per_mille(60) {
            if self.server.backup.is_none() {
                self.back_up();
            } else {
                self.restore();
            }
            return Ok(true);
        }
        Ok(false)
    }

    fn enqueue(&mut self, index: usize, kind: Kind, cid: Option<ChannelId>) -> Result<(), Violation> {
        let op = match cid {
            _ if matches!(kind, Kind::Distinct) => self.create_distinct(index),
            Some(cid) if !matches!(kind, Kind::Create) => self.op_in(index, kind, cid)?,
            _ => self.create(index),
        };
        op.map_or(Ok(()), |op| self.does(index, &op))
    }

    /// Somebody does something on a device.
    pub(super) fn does(&mut self, index: usize, op: &Op) -> Result<(), Violation> {
        let mut op = op.clone();
        self.touches_by(index, &op);
        self.weaken_op(index, &mut op);
        let op = &op;
        if self.cheat(index, op)? {
            return Ok(());
        }
        let name = self.devices[index].name.clone();
        let (effects, allowed) = self.take_inbox(index);
        self.carry_out(index, effects, &allowed)?;
        let before = self.outbox(index);
        let mut made = None;
        let done = self.command(index, &mut |engine, env| {
            let (id, effects) = engine.enqueue(op.clone(), env).ok()?;
            made = Some(id);
            Some(effects)
        })?;
        if let Some(id) = made.filter(|_| done && self.devices[index].run.is_some()) {
            fold::check(&before, &self.outbox(index), id, op)?;
        }
        let outcome = if done { "" } else { ", which fails" };
        self.say(&name, || {
            let id = made.map(|id| id.to_string()).unwrap_or_default();
            let at = op
                .message()
                .map(|id| format!(" of message {id}"))
                .unwrap_or_default();
            format!("wants to {} {id}{at}{outcome}", op.name())
        });
        Ok(())
    }

    /// Returns what a device shows of its outbox.
    fn outbox(&self, index: usize) -> Vec<OutboxItem> {
        let run = self.devices[index].run.as_ref();
        let items = run.map(|run| run.state.outbox()).unwrap_or_default();
        items.iter().map(|item| OutboxItem::clone(item)).collect()
    }

    /// Discards or repeats something in the outbox.
    fn settle(&mut self, index: usize, discard: bool) -> Result<(), Violation> {
        let Some(run) = &self.devices[index].run else {
            return Ok(());
        };
        let items = run.state.outbox();
        let can = items
            .iter()
            .filter(|item| item.rejection().is_some() || (discard && !item.attempted));
        let can: Vec<(OpId, bool)> = can.map(|item| (item.id, item.rejection().is_none())).collect();
        let Some((id, unsent)) = self.dice.pick(&can).copied() else {
            return Ok(());
        };
        if let Some(made) = self.ghost.ops.get_mut(&id) {
            made.discard_asked = true;
        }
        let done = self.command(index, &mut |engine, env| {
            if discard {
                engine.discard(id, env).ok()
            } else {
                engine.repeat(id, env).ok().map(|(_, effects)| effects)
            }
        })?;
        let left = self
            .ghost
            .ops
            .get(&id)
            .is_some_and(|made| made.fate == Fate::Discarded);
        if let Some(made) = self.ghost.ops.get_mut(&id) {
            made.discard_asked = false;
        }
        if done && left {
            self.log.count(if !discard {
                "repeated"
            } else if unsent {
                "discarded_unsent"
            } else {
                "discarded"
            });
        }
        let name = self.devices[index].name.clone();
        self.say(&name, || {
            format!("{} {id}", if discard { "discards" } else { "repeats" })
        });
        Ok(())
    }

    fn history(&mut self, index: usize, cid: ChannelId) -> Result<(), Violation> {
        self.touches(index, &cid);
        if self.dice.per_mille(500) {
            return self.scroll(index, &cid);
        }
        if self.dice.per_mille(300) {
            return self.catch_up(index);
        }
        let limit = u32::try_from(self.dice.between(1, 30)).unwrap_or(1);
        let place = self.dice.between(1, 80);
        let anywhere = self.dice.per_mille(500);
        self.command(index, &mut |engine, env| {
            let from = match (anywhere, place % 3) {
                (true, 0) => HistoryFrom::After(place),
                (true, 1) => HistoryFrom::Around(place),
                (true, _) => HistoryFrom::Before(place),
                (false, _) => HistoryFrom::Before(engine.fresh_start(&cid, place)),
            };
            let asked = engine.fetch_history(cid.clone(), from, limit, env);
            asked.ok().map(|(_, effects)| effects)
        })?;
        Ok(())
    }

    /// Somebody wants to know when everything that is there now has come.
    fn catch_up(&mut self, index: usize) -> Result<(), Violation> {
        let user = self.devices[index].user.clone();
        let server = &self.ghost.server;
        let seen = server
            .heads
            .iter()
            .filter(|(stream, _)| server.may_see(&user, stream) && self.follows_stream(index, stream));
        let heads = seen
            .map(|(stream, head)| (stream.clone(), head.ver))
            .collect::<BTreeMap<_, _>>();
        let (effects, allowed) = self.take_inbox(index);
        self.carry_out(index, effects, &allowed)?;
        let Some((ticket, effects)) = self.with_env(index, |engine, env| engine.catch_up(env)) else {
            return Ok(());
        };
        if let Some(run) = self.devices[index].run.as_mut() {
            run.watch.waits(ticket, heads);
        }
        if self.mutant == Some(Mutant::BarrierAtOnce) {
            return self.check_caught_up(index, ticket);
        }
        self.carry_out(index, effects, &Allowed::default())?;
        Ok(())
    }
}
