//! Questions on the tables in memory: everything that the user may see is evaluated.

use super::tables::Tables;
use crate::{
    AskPlan, ChannelBeside, ChannelFound, Found, MemberFound, MessageWalk, StorageError, ThreadFound,
    ask::{AnswerPage, too_many},
};
use std::collections::BTreeSet;
use whimbrel_model::{
    AccountRow, ChannelId, ChannelSummary, Member, MemberState, Membership, Message, People, Read, Row,
    RowKey, StreamId, Timestamp, User, UserId,
};
use whimbrel_protocol::{Answer, FindChannels, Question};
use whimbrel_query::limits;

impl Tables {
    pub(super) fn ask(
        &self,
        user: &UserId,
        question: &Question,
        now: Timestamp,
    ) -> Result<Answer, StorageError> {
        if let Question::Search(search) = question {
            return self.search(user, search, now);
        }
        let plan = AskPlan::new(question)?;
        let found = match question {
            Question::Channels(find) => {
                let people = self.people_of(user, &plan, now);
                let channels = self
                    .channels_of(user)
                    .filter_map(|cid| self.found(cid, user, &plan, &people));
                let page = plan.page(plan.pick(channels)?);
                let beside = if find.state {
                    self.beside(find, &page)
                } else {
                    Vec::new()
                };
                return Ok(page.answer(beside));
            }
            Question::Users(_) => {
                let users = self.rows_of_kind(|row| match row {
                    Row::User(row) => Some(Found::User(Box::new(row.clone()))),
                    _ => None,
                });
                // Users are found by an index: it does not matter how many there are.
                plan.pick_all(users)?
            }
            Question::Members(find) => {
                self.check_may_see(user, &StreamId::Channel(find.cid.clone()))?;
                plan.pick_all(self.members_of(&find.cid).into_iter().map(|member| {
                    let profile = self.profile(&member.user).cloned();
                    Found::Member(Box::new(MemberFound { member, profile }))
                }))?
            }
            Question::Messages(find) => return self.messages_found(user, find.cid.as_ref(), &plan, question),
            Question::Reactions(find) => {
                let message = self.message(find.message);
                let may = |message: &&Message| self.is_in(&message.cid, user);
                let message = message
                    .filter(may)
                    .ok_or_else(|| StorageError::no_such_message(find.message))?;
                let reactions = self.reactions(std::slice::from_ref(message)).into_iter();
                let there = reactions.filter(|reaction| !reaction.removed);
                plan.pick(there.map(|row| Found::Reaction(Box::new(row))))?
            }
            Question::Threads(_) => {
                let page = plan.page(plan.pick(self.threads(user))?);
                let newest = page.found().iter().filter_map(|found| match found {
                    Found::Thread(found) => {
                        let seq = found.parent.thread.map(|thread| thread.last_seq)?;
                        self.messages(&found.parent.cid, seq, seq).pop().map(Row::Message)
                    }
                    _ => None,
                });
                let newest: Vec<Row> = newest.collect();
                return Ok(page.answer(newest));
            }
            Question::Drafts(_) => {
                let drafts = self.rows_of_kind(|row| match row {
                    Row::Draft(row) if row.user == *user && row.content.is_some() => {
                        Some(Found::Draft(Box::new(row.clone())))
                    }
                    _ => None,
                });
                plan.pick(drafts)?
            }
            // It has no plan of this kind.
            Question::Search(_) | Question::Devices(_) => Vec::new(),
        };
        Ok(plan.page(found).answer(Vec::new()))
    }

    /// Returns what holds of others for a user, if it is asked for.
    pub(super) fn people_of(&self, user: &UserId, plan: &AskPlan, now: Timestamp) -> People {
        if !plan.asks_for_people() {
            return People::default();
        }
        let contacts = self.rows_of_kind(|row| match row {
            Row::Account(AccountRow::Contact(contact)) if contact.user == *user => Some(contact),
            _ => None,
        });
        People::at(contacts, now)
    }

    pub(super) fn found(
        &self,
        cid: &ChannelId,
        user: &UserId,
        plan: &AskPlan,
        people: &People,
    ) -> Option<Found> {
        let Some(Row::Channel(channel)) = self.row(&RowKey::Channel(cid.clone())) else {
            return None;
        };
        let members = self.active_members(cid);
        let read = self.read_of(cid, user);
        let query = plan.query();
        let unread = if query.uses("unread_count") || query.uses("has_unread") {
            let lo = read.as_ref().map_or(0, |read| read.seq) + 1;
            let past = self.messages(cid, lo, u64::MAX);
            past.iter()
                .filter(|message| message.counts_as_unread_for(user) && !people.is_silent(&message.author))
                .count()
        } else {
            0
        };
        let summary = ChannelSummary {
            cid: cid.clone(),
            channel: Some(channel.clone()),
            membership: self.membership_of(cid, user),
            last_message: self.last_message(cid),
            read,
            waiting_read: None,
            unread: unread as u64,
            mentions: 0,
            unread_unknown: 0,
            members: members.len() as u64,
            head_seq: self.head(&StreamId::Channel(cid.clone())).seq,
        };
        Some(Found::Channel(Box::new(ChannelFound {
            summary,
            members,
            people: people.clone(),
        })))
    }

    fn beside(&self, find: &FindChannels, page: &AnswerPage) -> Vec<Row> {
        let (messages, members) = ChannelBeside::limits(find);
        let channels = page.found().iter().filter_map(|found| match found {
            Found::Channel(found) => Some(&found.summary),
            _ => None,
        });
        let beside = channels.map(|summary| {
            let cid = &summary.cid;
            let newest: Vec<Message> = self.messages_beyond(cid, false, None, messages);
            let mut of_channel = self.members_of(cid);
            of_channel.sort_by(|a, b| (a.joined_at, &a.user).cmp(&(b.joined_at, &b.user)));
            of_channel.truncate(members);
            let profiles = of_channel.iter().filter_map(|member| self.profile(&member.user));
            ChannelBeside {
                membership: summary.membership.clone(),
                read: summary.read.clone(),
                last_message: summary.last_message.clone(),
                reactions: self.reactions(&newest),
                messages: newest,
                profiles: profiles.cloned().collect(),
                members: of_channel,
            }
        });
        ChannelBeside::rows(beside.collect())
    }

    fn messages_found(
        &self,
        user: &UserId,
        cid: Option<&ChannelId>,
        plan: &AskPlan,
        question: &Question,
    ) -> Result<Answer, StorageError> {
        if let Some(cid) = cid {
            self.check_may_see(user, &StreamId::Channel(cid.clone()))?;
        }
        if let (Some(mut walk), Some(cid)) = (MessageWalk::new(plan, question)?, cid) {
            loop {
                let chunk = walk.chunk();
                let seen = self.messages_beyond(cid, walk.is_up(), walk.beyond(), chunk);
                let ended = seen.len() < chunk || chunk == 0;
                seen.into_iter().for_each(|message| walk.look(message));
                if ended {
                    return Ok(walk.page()?.answer(Vec::new()));
                }
            }
        }
        let of_pins = plan.wants_pinned();
        let mut all = Vec::new();
        let cids: Vec<&ChannelId> = cid.map_or_else(|| self.channels_of(user).collect(), |cid| vec![cid]);
        for cid in cids {
            let messages = self.messages(cid, 1, u64::MAX).into_iter();
            let seen = messages.filter(|message| !of_pins || message.pinned.is_some());
            all.extend(seen.map(|row| Found::Message(Box::new(row))));
            if all.len() > limits::LOOKED_AT {
                return Err(too_many());
            }
        }
        Ok(plan.page(plan.pick(all)?).answer(Vec::new()))
    }

    fn threads(&self, user: &UserId) -> Vec<Found> {
        let mut threads = Vec::new();
        let followed: BTreeSet<_> = self
            .rows_of_kind(|row| match row {
                Row::Read(row) if row.user == *user => row.thread,
                _ => None,
            })
            .collect();
        let parents = self.rows_of_kind(|row| match row {
            Row::Message(row) if row.thread.is_some() => Some(row.clone()),
            _ => None,
        });
        for parent in parents {
            if (parent.author == *user || followed.contains(&parent.id)) && self.is_in(&parent.cid, user) {
                let key = RowKey::Read(parent.cid.clone(), user.clone(), Some(parent.id));
                let read = match self.row(&key) {
                    Some(Row::Read(row)) => Some(row.clone()),
                    _ => None,
                };
                threads.push(Found::Thread(Box::new(ThreadFound { parent, read })));
            }
        }
        threads
    }

    fn is_in(&self, cid: &ChannelId, user: &UserId) -> bool {
        self.check_may_see(user, &StreamId::Channel(cid.clone())).is_ok()
    }

    fn members_of(&self, cid: &ChannelId) -> Vec<Member> {
        let users = self.active_members(cid).into_iter();
        users
            .filter_map(|user| match self.row(&RowKey::Member(cid.clone(), user)) {
                Some(Row::Member(row)) if row.state == MemberState::Active => Some(row.clone()),
                _ => None,
            })
            .collect()
    }

    fn profile(&self, user: &UserId) -> Option<&User> {
        match self.row(&RowKey::User(user.clone())) {
            Some(Row::User(row)) => Some(row),
            _ => None,
        }
    }

    fn read_of(&self, cid: &ChannelId, user: &UserId) -> Option<Read> {
        match self.row(&RowKey::Read(cid.clone(), user.clone(), None)) {
            Some(Row::Read(row)) => Some(row.clone()),
            _ => None,
        }
    }

    fn membership_of(&self, cid: &ChannelId, user: &UserId) -> Option<Membership> {
        match self.row(&RowKey::Membership(cid.clone(), user.clone())) {
            Some(Row::Membership(row)) => Some(row.clone()),
            _ => None,
        }
    }
}
