use crate::dice::Dice;
use std::collections::VecDeque;
use uuid::Uuid;
use whimbrel_hub::Request;
use whimbrel_model::{
    ChannelId, ConsentState, ContactChange, Custom, DeviceId, DraftContent, Hide, MembershipChange,
    MessageBody, MessageId, Mute, Op, OpEnvelope, OpId, ReactionType, SetConsent, SetMute, Timestamp, UserId,
};

/// Requests that a repeat is chosen from.
const REMEMBERED: usize = 64;

/// A seeded source of requests: every kind of operation, by few users in few channels, so that they meet; repeats,
/// reused ids and wrong orders among them.
#[derive(Debug)]
pub struct Script {
    dice: Dice,
    made: u64,
    messages: Vec<MessageId>,
    recent: VecDeque<Request>,
}

impl Script {
    /// Creates the source; equal seeds give equal requests.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            dice: Dice::from_state(seed),
            made: 0,
            messages: Vec::new(),
            recent: VecDeque::new(),
        }
    }

    /// Returns the users that act.
    #[must_use]
    pub fn users() -> Vec<UserId> {
        ["ada", "bob", "cyd", "dan"].into_iter().map(user).collect()
    }

    /// Returns the channels that they act in.
    #[must_use]
    pub fn channels() -> Vec<ChannelId> {
        ["messaging:one", "messaging:two", "team:three"]
            .into_iter()
            .map(channel)
            .collect()
    }

    /// Draws a number below `bound`; 0 if there is none.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.dice.below(bound)
    }

    /// Draws one of `choices`.
    ///
    /// # Panics
    /// When there are none.
    pub fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.dice.index(choices.len())].clone()
    }

    /// Makes a request of this user, with an operation id of its own.
    pub fn request(&mut self, user: &UserId, op: Op) -> Request {
        let id = OpId(self.id());
        let composed_at = Timestamp(self.made as i64);
        Request {
            user: user.clone(),
            op: OpEnvelope {
                id,
                op,
                composed_at,
                after: None,
            },
        }
    }

    /// Makes a message of this text.
    pub fn send(&mut self, user: &UserId, cid: &ChannelId, text: &str) -> Request {
        let id = MessageId(self.id());
        self.messages.push(id);
        let op = Op::SendMessage {
            kind: whimbrel_model::MessageKind::Regular,
            silent: false,
            cid: cid.clone(),
            id,
            body: text.into(),
            parent: None,
            show_in_channel: false,
            quoted: None,
        };
        self.request(user, op)
    }

    /// Makes a channel with all users in it.
    pub fn create(&mut self, cid: &ChannelId) -> Request {
        let op = Op::CreateChannel {
            cid: cid.clone(),
            name: format!("name of {cid}"),
            image: String::new(),
            custom: Custom::default(),
            members: Self::users(),
        };
        self.request(&Self::users()[0], op)
    }

    /// Draws a group of up to `most` requests.
    pub fn group(&mut self, most: u64) -> Vec<Request> {
        let count = 1 + self.below(most);
        (0..count).map(|_| self.any()).collect()
    }

    fn any(&mut self) -> Request {
        let recent: Vec<Request> = self.recent.iter().cloned().collect();
        let request = match self.below(20) {
            0 | 1 if !recent.is_empty() => self.pick(&recent),
            2 if !recent.is_empty() => {
                // The id of another operation.
                let mut request = self.fresh();
                request.op.id = self.pick(&recent).op.id;
                request
            }
            3 if !recent.is_empty() => {
                // Often of another user, so without an answer.
                let mut request = self.fresh();
                request.op.after = Some(self.pick(&recent).op.id);
                request
            }
            4 => {
                // After one that never arrived.
                let mut request = self.fresh();
                request.op.after = Some(OpId(self.id()));
                request
            }
            5 if !recent.is_empty() => {
                // The same content under another operation id.
                let mut request = self.pick(&recent);
                request.op.id = OpId(self.id());
                request
            }
            _ => self.fresh(),
        };
        self.recent.push_back(request.clone());
        if self.recent.len() > REMEMBERED {
            self.recent.pop_front();
        }
        request
    }

    fn fresh(&mut self) -> Request {
        let user = self.pick(&Self::users());
        let op = self.op();
        self.request(&user, op)
    }

    fn op(&mut self) -> Op {
        let cid = self.pick(&Self::channels());
        match self.below(32) {
            0 => Op::CreateChannel {
                cid,
                name: format!("channel {}", self.made),
                image: String::new(),
                custom: Custom::default().with("made", self.made),
                members: self.some_users(),
            },
            1 => Op::UpdateChannel {
                cid,
                name: Some(format!("renamed {}", self.below(3))),
                image: None,
                custom: None,
            },
            2 | 3 => Op::AddMembers {
                cid,
                users: self.some_users(),
            },
            4 => Op::RemoveMembers {
                cid,
                users: self.some_users(),
            },
            5..=7 => {
                let (id, body) = (self.message(), self.body());
                Op::EditMessage {
                    cid,
                    id,
                    body,
                    base_revision: 0,
                }
            }
            8 => Op::DeleteMessage {
                cid,
                id: self.message(),
            },
            9 | 10 => Op::AddReaction {
                cid,
                message: self.message(),
                kind: self.kind(),
            },
            11 => Op::RemoveReaction {
                cid,
                message: self.message(),
                kind: self.kind(),
            },
            12 | 13 => Op::MarkRead {
                thread: None,
                cid,
                epoch: self.below(2) as u32,
                seq: self.below(60),
            },
            14 => Op::UpdateUser {
                name: Some(["", "Name", "Other name"][self.below(3) as usize].to_owned()),
                image: None,
                custom: None,
            },
            15..=20 => self.own(cid),
            21 | 22 => self.decision(cid),
            _ => self.new_message(cid),
        }
    }

    /// Pins, drafts, threads, and how a user keeps a channel.
    fn own(&mut self, cid: ChannelId) -> Op {
        match self.below(6) {
            0 => Op::PinMessage {
                cid,
                id: self.message(),
                until: (self.below(2) == 0).then_some(Timestamp(1_010)),
            },
            1 => Op::UnpinMessage {
                cid,
                id: self.message(),
            },
            2 | 3 => Op::UpdateMembership {
                cid,
                change: self.change(),
            },
            4 => Op::SaveDraft {
                cid,
                parent: (self.below(2) == 0).then(|| self.message()),
                device: DeviceId(Uuid::from_u128(u128::from(self.below(2)))),
                content: (self.below(4) > 0).then(|| DraftContent {
                    body: self.body(),
                    ..DraftContent::default()
                }),
                replaces: Vec::new(),
            },
            _ => Op::MarkRead {
                thread: Some(self.message()),
                cid,
                epoch: 0,
                seq: self.below(60),
            },
        }
    }

    /// Who may reach a user, and invitations.
    fn decision(&mut self, cid: ChannelId) -> Op {
        match self.below(5) {
            0 => Op::InviteMembers {
                cid,
                users: self.some_users(),
            },
            1 => Op::AnswerInvite {
                cid,
                accept: self.below(2) == 0,
            },
            2 => Op::UpdateContact {
                user: self.pick(&Self::users()),
                change: ContactChange {
                    muted: Some(SetMute::On(Mute { until: None })),
                    ..ContactChange::default()
                },
            },
            _ => {
                let state = self.consent();
                let until = (state == ConsentState::Denied && self.below(2) == 0).then_some(Timestamp(1_010));
                Op::UpdateContact {
                    user: self.pick(&Self::users()),
                    change: ContactChange {
                        consent: Some(SetConsent { state, until }),
                        ..ContactChange::default()
                    },
                }
            }
        }
    }

    fn consent(&mut self) -> ConsentState {
        self.pick(&[ConsentState::Unknown, ConsentState::Allowed, ConsentState::Denied])
    }

    fn change(&mut self) -> MembershipChange {
        let yes = self.below(3) > 0;
        let mut change = MembershipChange::default();
        match self.below(5) {
            4 => change.consent = Some(self.consent()),
            0 => change.pinned = Some(yes),
            1 => change.archived = Some(yes),
            2 if yes => change.hidden = Some(Hide::Until { seq: self.below(40) }),
            2 => change.hidden = Some(Hide::Show),
            _ if yes => {
                let until = (self.below(2) == 0).then_some(Timestamp(1_010));
                change.muted = Some(SetMute::On(Mute { until }));
            }
            _ => change.muted = Some(SetMute::Off),
        }
        change
    }

    /// Draws a message that may be there.
    pub(crate) fn known_message(&mut self) -> MessageId {
        self.message()
    }

    fn new_message(&mut self, cid: ChannelId) -> Op {
        let parent = (self.below(4) == 0).then(|| self.message());
        let quoted = (self.below(6) == 0).then(|| self.message());
        let id = if self.below(15) == 0 {
            self.message()
        } else {
            MessageId(self.id())
        };
        self.messages.push(id);
        Op::SendMessage {
            kind: whimbrel_model::MessageKind::Regular,
            silent: self.below(8) == 0,
            cid,
            id,
            body: self.body(),
            parent,
            show_in_channel: parent.is_some() && self.below(2) == 0,
            quoted,
        }
    }

    fn body(&mut self) -> MessageBody {
        match self.below(8) {
            0 => MessageBody::default(),
            1 => MessageBody {
                mentions: Self::users(),
                custom: Custom::default().with("kind", "dice"),
                ..MessageBody::text("rich ✓ 'quoted' \"twice\" \\")
            },
            _ => MessageBody::text(format!("text {}", self.made)),
        }
    }

    fn message(&mut self) -> MessageId {
        if self.messages.is_empty() || self.below(20) == 0 {
            return MessageId(self.id());
        }
        let newest = self.messages.len().saturating_sub(20);
        let choices = self.messages[newest..].to_vec();
        self.pick(&choices)
    }

    fn kind(&mut self) -> ReactionType {
        let kind = self.pick(&["👍", "like"]);
        ReactionType::new(kind).expect("a valid reaction")
    }

    fn some_users(&mut self) -> Vec<UserId> {
        let users = Self::users();
        let count = 1 + self.below(3);
        (0..count).map(|_| self.pick(&users)).collect()
    }

    fn id(&mut self) -> Uuid {
        self.made += 1;
        Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 | u128::from(self.made))
    }
}

fn user(text: &str) -> UserId {
    UserId::new(text).expect("a valid user id")
}

fn channel(text: &str) -> ChannelId {
    ChannelId::new(text).expect("a valid cid")
}
