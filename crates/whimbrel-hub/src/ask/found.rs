use whimbrel_model::{ChannelSummary, Draft, Member, Message, People, Reaction, Read, Row, User, UserId};
use whimbrel_query::{ChannelItem, Item, MemberItem, PageCursor, Place, Query, ThreadItem};

/// An item that a question is asked of, with everything that its filter and order can ask.
#[derive(Clone, Debug)]
pub enum Found {
    /// Of [`Question::Channels`](whimbrel_protocol::Question::Channels).
    Channel(Box<ChannelFound>),
    /// Of [`Question::Members`](whimbrel_protocol::Question::Members).
    Member(Box<MemberFound>),
    /// Of [`Question::Users`](whimbrel_protocol::Question::Users).
    User(Box<User>),
    /// Of [`Question::Messages`](whimbrel_protocol::Question::Messages).
    Message(Box<Message>),
    /// Of [`Question::Reactions`](whimbrel_protocol::Question::Reactions).
    Reaction(Box<Reaction>),
    /// Of [`Question::Threads`](whimbrel_protocol::Question::Threads).
    Thread(Box<ThreadFound>),
    /// Of [`Question::Drafts`](whimbrel_protocol::Question::Drafts).
    Draft(Box<Draft>),
}

/// A channel as the asker sees it.
#[derive(Clone, Debug)]
pub struct ChannelFound {
    /// What a list of channels shows of it. The channel's own row is there.
    pub summary: ChannelSummary,
    /// The active members, where the question asks for them.
    pub members: Vec<UserId>,
    /// What holds of others for the asker, where the question asks for it: [`AskPlan::asks_for_people`](crate::AskPlan::asks_for_people).
    pub people: People,
}

/// A member with the profile.
#[derive(Clone, Debug)]
pub struct MemberFound {
    /// The member.
    pub member: Member,
    /// The profile, if there is one.
    pub profile: Option<User>,
}

/// A thread that the asker follows.
#[derive(Clone, Debug)]
pub struct ThreadFound {
    /// The message that it hangs on.
    pub parent: Message,
    /// How far the asker has read it.
    pub read: Option<Read>,
}

impl Found {
    pub(super) fn matches(&self, query: &Query) -> bool {
        self.with(|item| query.filter().matches(item))
    }

    pub(super) fn place(&self, query: &Query) -> Place {
        self.with(|item| query.place(item))
    }

    pub(super) fn cursor(&self, query: &Query) -> PageCursor {
        self.with(|item| query.cursor(item))
    }

    /// Returns the row that it is in an answer, and those that go with it.
    pub(super) fn into_rows(self) -> (Option<Row>, Vec<Row>) {
        match self {
            Self::Channel(found) => (found.summary.channel.map(Row::Channel), Vec::new()),
            Self::Member(found) => {
                let profile = found.profile.into_iter().map(Row::User);
                (Some(Row::Member(found.member)), profile.collect())
            }
            Self::User(row) => (Some(Row::User(*row)), Vec::new()),
            Self::Message(row) => (Some(Row::Message(*row)), Vec::new()),
            Self::Reaction(row) => (Some(Row::Reaction(*row)), Vec::new()),
            Self::Thread(found) => {
                let read = found.read.into_iter().map(Row::Read);
                (Some(Row::Message(found.parent)), read.collect())
            }
            Self::Draft(row) => (Some(Row::Draft(*row)), Vec::new()),
        }
    }

    fn with<T>(&self, use_it: impl FnOnce(&dyn Item) -> T) -> T {
        match self {
            Self::Channel(found) => use_it(&ChannelItem {
                summary: &found.summary,
                members: &found.members,
                people: &found.people,
            }),
            Self::Member(found) => use_it(&MemberItem {
                member: &found.member,
                profile: found.profile.as_ref(),
            }),
            Self::User(row) => use_it(&**row),
            Self::Message(row) => use_it(&**row),
            Self::Reaction(row) => use_it(&**row),
            Self::Thread(found) => use_it(&ThreadItem {
                parent: &found.parent,
                read: found.read.as_ref(),
            }),
            Self::Draft(row) => use_it(&**row),
        }
    }
}
