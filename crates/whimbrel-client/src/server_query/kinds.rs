use std::collections::{BTreeSet, HashMap};
use whimbrel_model::{
    Channel, ChannelId, Draft, Member, Membership, Message, MessageId, Reaction, Read, Row, User, UserId,
};
use whimbrel_protocol::{Find, FindChannels, FindMembers, FindMessages, FindReactions, Question};
use whimbrel_query::Endpoint;

/// What is asked for, and where.
#[derive(Clone, Debug)]
pub(super) enum Scope {
    Channels {
        state: bool,
        messages: Option<u32>,
        members: Option<u32>,
    },
    Users,
    Members(ChannelId),
    Messages(Option<ChannelId>),
    Reactions(MessageId),
    Threads,
    Drafts,
}

impl Scope {
    pub(super) const fn endpoint(&self) -> &'static Endpoint {
        match self {
            Self::Channels { .. } => &Endpoint::CHANNELS,
            Self::Users => &Endpoint::USERS,
            Self::Members(_) => &Endpoint::MEMBERS,
            Self::Messages(_) => &Endpoint::MESSAGES,
            Self::Reactions(_) => &Endpoint::REACTIONS,
            Self::Threads => &Endpoint::THREADS,
            Self::Drafts => &Endpoint::DRAFTS,
        }
    }

    pub(super) fn question(&self, find: Find) -> Question {
        let Find { filter, sort, window } = find;
        match self.clone() {
            Self::Channels {
                state,
                messages,
                members,
            } => Question::Channels(FindChannels {
                filter,
                sort,
                window,
                state,
                message_limit: messages,
                member_limit: members,
            }),
            Self::Users => Question::Users(Find { filter, sort, window }),
            Self::Members(cid) => Question::Members(FindMembers {
                cid,
                filter,
                sort,
                window,
            }),
            Self::Messages(cid) => Question::Messages(FindMessages {
                cid,
                filter,
                sort,
                window,
            }),
            Self::Reactions(message) => Question::Reactions(FindReactions {
                message,
                filter,
                sort,
                window,
            }),
            Self::Threads => Question::Threads(Find { filter, sort, window }),
            Self::Drafts => Question::Drafts(Find { filter, sort, window }),
        }
    }
}

/// A channel as the server has it, with what a screen shows of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundChannel {
    /// The channel.
    pub channel: Channel,
    /// The account's membership. Absent without state.
    pub membership: Option<Membership>,
    /// How far the account has read it. Absent: nothing, or without state.
    pub read: Option<Read>,
    /// The newest message of the timeline. Absent: there is none, or without state.
    pub last_message: Option<Message>,
    /// The newest messages, those of threads included, in the order in which they were accepted.
    pub messages: Vec<Message>,
    /// Reactions to them.
    pub reactions: Vec<Reaction>,
    /// Members, those first who came first.
    pub members: Vec<FoundMember>,
}

/// A member with the profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundMember {
    /// The member.
    pub member: Member,
    /// The profile. Absent: there is none.
    pub profile: Option<User>,
}

/// A thread as the server has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundThread {
    /// The message that it hangs on.
    pub parent: Message,
    /// The newest reply.
    pub last_reply: Option<Message>,
    /// How far the account has read it. Absent: nothing.
    pub read: Option<Read>,
}

/// Something that can be asked for.
pub trait Kind: Sized + Send + 'static {
    /// Puts the rows of an answer together.
    fn collect(rows: Vec<Row>) -> Vec<Self>;

    /// Returns the users of some, each once. Nothing has any, unless it is [`OfUsers`].
    fn users(items: &[Self]) -> BTreeSet<UserId> {
        let _ = items;
        BTreeSet::new()
    }
}

/// Something that has users, whose presence may be wanted.
pub trait OfUsers {}

impl OfUsers for User {}
impl OfUsers for FoundMember {}
impl OfUsers for FoundChannel {}

macro_rules! one_row {
    ($($kind:ident),*) => {$(
        impl Kind for $kind {
            fn collect(rows: Vec<Row>) -> Vec<Self> {
                let of_kind = |row| match row {
                    Row::$kind(row) => Some(row),
                    _ => None,
                };
                rows.into_iter().filter_map(of_kind).collect()
            }
        }
    )*};
}

one_row!(Message, Reaction, Draft);

impl Kind for User {
    fn collect(rows: Vec<Row>) -> Vec<Self> {
        let users = rows.into_iter().filter_map(|row| match row {
            Row::User(row) => Some(row),
            _ => None,
        });
        users.collect()
    }

    fn users(items: &[Self]) -> BTreeSet<UserId> {
        items.iter().map(|user| user.id.clone()).collect()
    }
}

impl Kind for FoundMember {
    fn collect(rows: Vec<Row>) -> Vec<Self> {
        let mut members = Vec::new();
        let mut profiles = HashMap::new();
        for row in rows {
            match row {
                Row::Member(member) => members.push(member),
                Row::User(user) => drop(profiles.insert(user.id.clone(), user)),
                _ => {}
            }
        }
        with_profiles(members, &profiles)
    }

    fn users(items: &[Self]) -> BTreeSet<UserId> {
        items.iter().map(|found| found.member.user.clone()).collect()
    }
}

fn with_profiles(members: Vec<Member>, profiles: &HashMap<UserId, User>) -> Vec<FoundMember> {
    let found = |member: Member| FoundMember {
        profile: profiles.get(&member.user).cloned(),
        member,
    };
    members.into_iter().map(found).collect()
}

impl Kind for FoundThread {
    fn collect(rows: Vec<Row>) -> Vec<Self> {
        let mut threads: Vec<Self> = Vec::new();
        let mut beside = Vec::new();
        for row in rows {
            match row {
                Row::Message(parent) if parent.parent.is_none() => threads.push(Self {
                    parent,
                    last_reply: None,
                    read: None,
                }),
                row => beside.push(row),
            }
        }
        let places: HashMap<MessageId, usize> = threads
            .iter()
            .enumerate()
            .map(|(at, thread)| (thread.parent.id, at))
            .collect();
        for row in beside {
            let (parent, row) = match row {
                Row::Message(reply) => (reply.parent, Row::Message(reply)),
                Row::Read(read) => (read.thread, Row::Read(read)),
                _ => continue,
            };
            let Some(thread) = parent.and_then(|id| threads.get_mut(*places.get(&id)?)) else {
                continue;
            };
            match row {
                Row::Message(reply) => thread.last_reply = Some(reply),
                Row::Read(read) => thread.read = Some(read),
                _ => {}
            }
        }
        threads
    }
}

impl Kind for FoundChannel {
    fn collect(rows: Vec<Row>) -> Vec<Self> {
        let mut channels: Vec<Self> = Vec::new();
        let mut places: HashMap<ChannelId, usize> = HashMap::new();
        let mut members: Vec<Vec<Member>> = Vec::new();
        let mut profiles = HashMap::new();
        for row in rows {
            let row = match row {
                Row::Channel(channel) => {
                    places.insert(channel.cid.clone(), channels.len());
                    members.push(Vec::new());
                    channels.push(Self::of(channel));
                    continue;
                }
                Row::User(user) => {
                    profiles.insert(user.id.clone(), user);
                    continue;
                }
                row => row,
            };
            let Some(at) = row.cid().and_then(|cid| places.get(cid)).copied() else {
                continue;
            };
            let channel = &mut channels[at];
            match row {
                Row::Membership(row) => channel.membership = Some(row),
                Row::Read(row) => channel.read = Some(row),
                Row::Message(row) => channel.messages.push(row),
                Row::Reaction(row) => channel.reactions.push(row),
                Row::Member(row) => members[at].push(row),
                _ => {}
            }
        }
        for (channel, members) in channels.iter_mut().zip(members) {
            channel.messages.sort_by_key(|message| message.seq);
            let newest = channel
                .messages
                .iter()
                .rev()
                .find(|message| message.is_in_channel());
            channel.last_message = newest.cloned();
            channel.members = with_profiles(members, &profiles);
        }
        channels
    }

    fn users(items: &[Self]) -> BTreeSet<UserId> {
        items
            .iter()
            .flat_map(|found| FoundMember::users(&found.members))
            .collect()
    }
}

impl FoundChannel {
    const fn of(channel: Channel) -> Self {
        Self {
            channel,
            membership: None,
            read: None,
            last_message: None,
            messages: Vec::new(),
            reactions: Vec::new(),
            members: Vec::new(),
        }
    }
}
