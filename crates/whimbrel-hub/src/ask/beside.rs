use whimbrel_model::{Member, Membership, Message, Reaction, Read, Row, User};
use whimbrel_protocol::FindChannels;
use whimbrel_query::limits;

/// What an answer with the state of a channel has of it, beside the channel itself.
#[derive(Clone, Debug, Default)]
pub struct ChannelBeside {
    /// The asker's membership.
    pub membership: Option<Membership>,
    /// The asker's read position.
    pub read: Option<Read>,
    /// The newest message of the timeline.
    pub last_message: Option<Message>,
    /// The newest messages, those of threads included, as many as [`ChannelBeside::limits`] says.
    pub messages: Vec<Message>,
    /// Reactions to them.
    pub reactions: Vec<Reaction>,
    /// Members, those first who came first, as many as [`ChannelBeside::limits`] says.
    pub members: Vec<Member>,
    /// Their profiles.
    pub profiles: Vec<User>,
}

impl ChannelBeside {
    /// Returns how many messages and how many members are wanted of each channel.
    #[must_use]
    pub fn limits(find: &FindChannels) -> (usize, usize) {
        let limit = |asked: Option<u32>| {
            asked
                .unwrap_or(limits::USUAL_STATE_ITEMS)
                .min(limits::STATE_ITEMS) as usize
        };
        (limit(find.message_limit), limit(find.member_limit))
    }

    /// Returns the rows beside several channels: first what a list shows of each, then the rest, channel by channel.
    #[must_use]
    pub fn rows(channels: Vec<Self>) -> Vec<Row> {
        let mut first = Vec::new();
        let mut rest = Vec::new();
        for mut channel in channels {
            let shown = channel.last_message.as_ref().map(|message| message.id);
            first.extend(channel.membership.map(Row::Membership));
            first.extend(channel.read.map(Row::Read));
            first.extend(channel.last_message.map(Row::Message));
            channel.messages.retain(|message| Some(message.id) != shown);
            channel
                .messages
                .sort_by_key(|message| std::cmp::Reverse(message.seq));
            rest.extend(channel.messages.into_iter().map(Row::Message));
            channel.reactions.retain(|reaction| !reaction.removed);
            channel.reactions.sort_by_key(|reaction| reaction.ver);
            rest.extend(channel.reactions.into_iter().map(Row::Reaction));
            let by_join = |member: &Member| (member.joined_at, member.user.clone());
            channel.members.sort_by_key(by_join);
            for member in channel.members {
                let of_member = |profile: &&User| profile.id == member.user;
                let profile = channel.profiles.iter().find(of_member).cloned();
                rest.push(Row::Member(member));
                rest.extend(profile.map(Row::User));
            }
        }
        first.extend(rest);
        first
    }
}
