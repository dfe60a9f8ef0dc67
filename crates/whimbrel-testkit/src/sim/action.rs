//! What people do.

use super::{
    Fault, Mutant, Violation,
    device::or_broken,
    fold,
    ghost::{Allowed, Fate},
    storage::now_or,
    world::World,
};
use std::collections::{BTreeMap, BTreeSet};
use whimbrel_hub::Request;
use whimbrel_model::{
    ChannelId, Custom, MessageId, Op, OpEnvelope, OpId, OutboxItem, ReactionType, Timestamp, UserId,
};
use whimbrel_state::TimelineItem;
use whimbrel_store::Store as _;
use whimbrel_sync::{Env, IdSource, Input};

/// The kinds of action, in the order of the plan's weights.
#[derive(Clone, Copy, Debug)]
enum Kind {
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
}

const KINDS: [Kind; 19] = [
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
];

/// Messages and changes of a flood: more than the server pages through.
const FLOOD: (usize, usize) = (60, 2_000);

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
            Kind::GoOffline => {
                self.devices[index].wants_online = false;
                self.command(index, &mut |engine, env| {
                    Some(engine.handle(Input::GoOffline, env))
                })?;
                return Ok(());
            }
            Kind::GoOnline => {
                self.go_online(index)?;
                return Ok(());
            }
            Kind::Discard | Kind::Repeat => return self.settle(index, matches!(kind, Kind::Discard)),
            _ => {}
        }
        let channels = self.channels_of(index)?;
        let Some(cid) = self.dice.pick(&channels).cloned() else {
            return self.enqueue(index, Kind::Create, None);
        };
        match kind {
            Kind::History => self.history(index, cid),
            kind => self.enqueue(index, kind, Some(cid)),
        }
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
    fn disturb(&mut self, index: usize) -> Result<bool, Violation> {
        if self.goes_wrong(Fault::ClockJump) {
            let years = i64::try_from(self.dice.below(20)).unwrap_or(0) - 10;
            self.devices[index].wall_offset = years * 31_557_600_000;
        }
        if self.goes_wrong(Fault::ClientKilled) {
            self.kill(index, "at some moment");
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

    /// Returns the channels that a device shows.
    fn channels_of(&self, index: usize) -> Result<Vec<ChannelId>, Violation> {
        let mut found = BTreeSet::new();
        for made in self.ghost.ops.values() {
            let Op::CreateChannel { cid, .. } = &made.op else {
                continue;
            };
            let own = made.device == index && matches!(made.fate, Fate::Queued | Fate::Accepted);
            let known = or_broken(now_or(self.devices[index].store.channel(cid))?)?;
            if own || known.is_some_and(|known| known.membership.is_some()) {
                found.insert(cid.clone());
            }
        }
        Ok(found.into_iter().collect())
    }

    fn enqueue(&mut self, index: usize, kind: Kind, cid: Option<ChannelId>) -> Result<(), Violation> {
        let op = match cid {
            Some(cid) if !matches!(kind, Kind::Create) => self.op_in(index, kind, cid)?,
            _ => self.create(index),
        };
        let Some(op) = op else { return Ok(()) };
        if self.cheat(index, &op)? {
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
            fold::check(&before, &self.outbox(index), id, &op)?;
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

    pub(super) fn create(&mut self, index: usize) -> Option<Op> {
        let number = self.dice.next();
        let me = self.devices[index].user.clone();
        let others: BTreeSet<UserId> = self.devices.iter().map(|device| device.user.clone()).collect();
        let members = others
            .into_iter()
            .filter(|user| *user != me && self.dice.per_mille(800))
            .collect();
        Some(Op::CreateChannel {
            cid: ChannelId::new(format!("sim:{:08x}", number >> 32)).ok()?,
            name: "somewhere".to_owned(),
            image: String::new(),
            custom: Custom::default(),
            members,
        })
    }

    fn op_in(&mut self, index: usize, kind: Kind, cid: ChannelId) -> Result<Option<Op>, Violation> {
        let text = format!("words {}", self.dice.below(1_000_000));
        let other = {
            let device = self.dice.index(self.devices.len());
            self.devices[device].user.clone()
        };
        let own = matches!(kind, Kind::Edit | Kind::Delete) && self.dice.per_mille(850);
        let target = self.target(index, &cid, own)?;
        let emoji = ["like", "heart"][self.dice.index(2)];
        let reaction = ReactionType::new(emoji).ok();
        let op = match (kind, target, reaction) {
            (Kind::Send, ..) => self.message(index, cid, text, None),
            (Kind::Reply, Some(item), _) => {
                let parent = item.view.message.parent.unwrap_or_else(|| item.id());
                self.message(index, cid, text, Some(parent))
            }
            (Kind::Edit, Some(item), _) => Some(Op::EditMessage {
                cid,
                id: item.id(),
                body: text.into(),
                base_revision: item.view.message.revision,
            }),
            (Kind::Delete, Some(item), _) => Some(Op::DeleteMessage { cid, id: item.id() }),
            (Kind::React, Some(item), Some(kind)) => Some(Op::AddReaction {
                cid,
                message: item.id(),
                kind,
            }),
            (Kind::Unreact, Some(item), Some(kind)) => Some(Op::RemoveReaction {
                cid,
                message: item.id(),
                kind,
            }),
            (Kind::MarkRead | Kind::MarkUnread, Some(item), _) => {
                let (back, seq) = (matches!(kind, Kind::MarkUnread), item.view.message.seq);
                let me = self.devices[index].user.clone();
                let reads = or_broken(now_or(self.devices[index].store.reads(&cid))?)?;
                let own = reads.iter().find(|read| read.user == me);
                let epoch = own.map_or(0, |read| read.epoch) + u32::from(back);
                let seq = seq.saturating_sub(u64::from(back));
                (item.view.message.seq > 0).then_some(Op::MarkRead { cid, epoch, seq })
            }
            (Kind::Add, ..) => Some(Op::AddMembers {
                cid,
                users: vec![other],
            }),
            (Kind::Remove, ..) => Some(Op::RemoveMembers {
                cid,
                users: vec![other],
            }),
            (Kind::Leave, ..) => {
                let me = self.devices[index].user.clone();
                Some(Op::RemoveMembers { cid, users: vec![me] })
            }
            (Kind::UpdateChannel, ..) => Some(Op::UpdateChannel {
                cid,
                name: Some(text),
                image: None,
                custom: None,
            }),
            (Kind::UpdateUser, ..) => Some(Op::UpdateUser {
                name: Some(text),
                image: None,
                custom: None,
            }),
            _ => None,
        };
        Ok(op)
    }

    fn message(
        &mut self,
        index: usize,
        cid: ChannelId,
        text: String,
        parent: Option<MessageId>,
    ) -> Option<Op> {
        let id = self.with_env(index, |engine, env| engine.new_id(env))?;
        Some(Op::SendMessage {
            cid,
            id: MessageId(id),
            body: text.into(),
            parent,
            show_in_channel: parent.is_some() && self.dice.per_mille(300),
            quoted: None,
        })
    }

    /// Picks a message that the device shows.
    fn target(
        &mut self,
        index: usize,
        cid: &ChannelId,
        own: bool,
    ) -> Result<Option<TimelineItem>, Violation> {
        let Some(timeline) = self.timeline(index, &(cid.clone(), None))? else {
            return Ok(None);
        };
        let me = self.devices[index].user.clone();
        if let Some(run) = self.devices[index].run.as_mut() {
            run.engine.set_visible(cid, true);
        }
        let items = timeline.items();
        let fit: Vec<_> = items
            .iter()
            .filter(|item| !own || item.view.message.author == me)
            .collect();
        // Mostly what was said last.
        let recent = &fit[fit.len().saturating_sub(6)..];
        let drawn = if self.dice.per_mille(700) {
            self.dice.pick(recent)
        } else {
            self.dice.pick(&fit)
        };
        Ok(drawn.map(|item| (***item).clone()))
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
            let before = if anywhere {
                place
            } else {
                engine.fresh_start(&cid, place)
            };
            let asked = engine.fetch_history(cid.clone(), before, limit, env);
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
            .filter(|(stream, _)| server.may_see(&user, stream));
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

    /// A thousand changes that nobody is told of: whoever is there jumps over them.
    fn flood(&mut self) -> Result<(), Violation> {
        let members = self.ghost.server.members.iter();
        let active: Vec<_> = members
            .filter(|(_, active)| **active)
            .map(|(place, _)| place.clone())
            .collect();
        let Some((cid, user)) = self.dice.pick(&active).cloned() else {
            return Ok(());
        };
        let said = self.ghost.server.logs.get(&cid).cloned().unwrap_or_default();
        let Ok(kind) = ReactionType::new("flood") else {
            return Ok(());
        };
        let mut ids = IdSource::default();
        let wall = self.server_time();
        let mut made = Vec::new();
        let mut ops = Vec::new();
        for round in 0..FLOOD.0 + FLOOD.1 {
            let mut env = Env {
                mono: 0,
                wall,
                entropy: &mut self.dice,
            };
            let (op, new) = (OpId(ids.next(&mut env)), MessageId(ids.next(&mut env)));
            let body = format!("flood {round}").into();
            let old = self.dice.index(20.min(said.len()));
            let op_body = if round < FLOOD.0 {
                made.push(new);
                Op::SendMessage {
                    cid: cid.clone(),
                    id: new,
                    body,
                    parent: None,
                    show_in_channel: false,
                    quoted: None,
                }
            } else if let Some(old) = said.get(old).filter(|_| round % 2 == 0) {
                Op::AddReaction {
                    cid: cid.clone(),
                    message: *old,
                    kind: kind.clone(),
                }
            } else {
                Op::EditMessage {
                    cid: cid.clone(),
                    id: made[round % 7],
                    body,
                    base_revision: 0,
                }
            };
            let op = OpEnvelope {
                id: op,
                op: op_body,
                composed_at: Timestamp(1),
                after: None,
            };
            ops.push((
                None,
                Request {
                    user: user.clone(),
                    op,
                },
            ));
        }
        self.say("server", || {
            format!("is flooded with {} changes of {cid}", ops.len())
        });
        self.apply(&ops)?;
        Ok(())
    }
}
