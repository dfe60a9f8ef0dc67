//! What an operation says that somebody makes.

use super::{
    Violation, action::Kind, device::or_broken, ghost::Fate, observe::Place, storage::now_or, world::World,
};
use std::collections::BTreeSet;
use whimbrel_model::{
    ChannelId, Custom, MessageBody, MessageId, MessageKind, Op, People, ReactionType, UserId,
};
use whimbrel_state::TimelineItem;
use whimbrel_store::StoreReader as _;

impl World {
    /// Returns the channels that a device shows.
    pub(super) fn channels_of(&self, index: usize) -> Result<Vec<ChannelId>, Violation> {
        let mut found = BTreeSet::new();
        for made in self.ghost.ops.values() {
            let Op::CreateChannel { cid, .. } = &made.op else {
                continue;
            };
            let own = made.device == index && matches!(made.fate, Fate::Queued | Fate::Accepted);
            let known = or_broken(now_or(
                self.devices[index].store.channel(cid, &People::default()),
            )?)?;
            if own || known.is_some_and(|known| known.membership.is_some()) {
                found.insert(cid.clone());
            }
        }
        Ok(found.into_iter().collect())
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

    pub(super) fn op_in(
        &mut self,
        index: usize,
        kind: Kind,
        cid: ChannelId,
    ) -> Result<Option<Op>, Violation> {
        let text = format!("words {}", self.dice.below(1_000_000));
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
                let back = matches!(kind, Kind::MarkUnread);
                self.mark_read(index, cid, None, item.view.message.seq, back)?
            }
            (Kind::ReadThread | Kind::UnreadThread, Some(item), _) => {
                let back = matches!(kind, Kind::UnreadThread);
                self.read_thread(index, cid, &item, back)?
            }
            (Kind::Pin, Some(item), _) => Some(Op::PinMessage {
                cid,
                id: item.id(),
                until: self.some_time(),
            }),
            (Kind::Unpin, Some(item), _) => Some(Op::UnpinMessage { cid, id: item.id() }),
            (Kind::Keep, ..) => Some(self.keep(index, cid)?),
            (Kind::SaveDraft, item, _) => {
                let parent = item.filter(|_| self.dice.per_mille(300));
                let parent = parent.map(|item| item.view.message.parent.unwrap_or_else(|| item.id()));
                self.save_draft(index, cid, parent)?
            }
            (kind, ..) => self.op_of_channel(index, kind, cid, text),
        };
        Ok(op)
    }

    /// Something about a channel, or oneself.
    fn op_of_channel(&mut self, index: usize, kind: Kind, cid: ChannelId, text: String) -> Option<Op> {
        let other = {
            let device = self.dice.index(self.devices.len());
            self.devices[device].user.clone()
        };
        match kind {
            Kind::Add => Some(Op::AddMembers {
                cid,
                users: vec![other],
            }),
            Kind::Invite => Some(Op::InviteMembers {
                cid,
                users: vec![other],
            }),
            Kind::Remove => Some(Op::RemoveMembers {
                cid,
                users: vec![other],
            }),
            Kind::Leave => {
                let me = self.devices[index].user.clone();
                Some(Op::RemoveMembers { cid, users: vec![me] })
            }
            Kind::UpdateChannel => Some(Op::UpdateChannel {
                cid,
                name: Some(text),
                image: None,
                custom: None,
            }),
            Kind::UpdateUser => Some(Op::UpdateUser {
                name: Some(text),
                image: None,
                custom: None,
            }),
            _ => None,
        }
    }

    fn message(
        &mut self,
        index: usize,
        cid: ChannelId,
        text: String,
        parent: Option<MessageId>,
    ) -> Option<Op> {
        let id = self.with_env(index, |engine, env| engine.new_id(env))?;
        let mut body = MessageBody::text(text);
        if self.dice.per_mille(200) {
            let device = self.dice.index(self.devices.len());
            body.mentions.push(self.devices[device].user.clone());
        }
        body.mention_channel = self.dice.per_mille(40);
        body.mention_here = self.dice.per_mille(40);
        let system = self.dice.per_mille(40);
        Some(Op::SendMessage {
            cid,
            id: MessageId(id),
            body,
            parent,
            show_in_channel: parent.is_some() && self.dice.per_mille(300),
            quoted: None,
            kind: if system {
                MessageKind::System
            } else {
                MessageKind::Regular
            },
            silent: self.dice.per_mille(120),
        })
    }

    /// Picks a message that the device shows.
    fn target(
        &mut self,
        index: usize,
        cid: &ChannelId,
        own: bool,
    ) -> Result<Option<TimelineItem>, Violation> {
        self.touches(index, cid);
        if let Some(run) = self.devices[index].run.as_mut() {
            run.engine.set_visible(cid, true);
        }
        let item = self.target_in(index, &(cid.clone(), None), own)?;
        let begun = item.as_ref().and_then(|item| {
            let message = &item.view.message;
            message.thread.map(|_| message.id)
        });
        match begun.filter(|_| self.dice.per_mille(400)) {
            None => Ok(item),
            Some(parent) => {
                let reply = self.target_in(index, &(cid.clone(), Some(parent)), own)?;
                Ok(reply.or(item))
            }
        }
    }

    fn target_in(
        &mut self,
        index: usize,
        place: &Place,
        own: bool,
    ) -> Result<Option<TimelineItem>, Violation> {
        let Some(timeline) = self.timeline(index, place)? else {
            return Ok(None);
        };
        let me = self.devices[index].user.clone();
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
}
