use std::borrow::Cow;
use whimbrel_model::{
    ChannelSummary, ConsentState, Custom, Draft, Member, MemberState, Message, MessageId, MessageKind, Mute,
    People, Reaction, Read, Timestamp, User, UserId, limits,
};

/// Something that a filter is evaluated on: it yields the values of its fields.
pub trait Item {
    /// Returns the value of a built-in field of the endpoint. A name that is none is missing.
    fn built_in(&self, field: &str) -> FieldValue<'_>;

    /// Returns the custom data, if the item has any.
    fn custom(&self) -> Option<&Custom>;
}

/// The value of a field of an [`Item`].
#[derive(Clone, Debug, PartialEq)]
pub enum FieldValue<'a> {
    /// Absent, or null: the two are one.
    Missing,
    /// True or false.
    Bool(bool),
    /// A number, as the nearest double.
    Number(f64),
    /// Text.
    Text(Cow<'a, str>),
    /// A list. A built-in list without an entry is to be [`FieldValue::Missing`].
    List(Vec<Self>),
    /// An object: it is there, and equals nothing.
    Object,
}

impl<'a> FieldValue<'a> {
    /// Returns the value of custom data.
    #[must_use]
    pub fn of_json(json: &'a serde_json::Value) -> Self {
        match json {
            serde_json::Value::Null => Self::Missing,
            serde_json::Value::Bool(flag) => Self::Bool(*flag),
            serde_json::Value::Number(number) => number.as_f64().map_or(Self::Missing, Self::Number),
            serde_json::Value::String(text) => Self::Text(Cow::Borrowed(text)),
            serde_json::Value::Array(list) => Self::List(list.iter().map(Self::of_json).collect()),
            serde_json::Value::Object(_) => Self::Object,
        }
    }

    /// Returns text that is there, as a field that is left out when it is empty.
    fn text(text: &'a str) -> Self {
        if text.is_empty() {
            Self::Missing
        } else {
            Self::Text(Cow::Borrowed(text))
        }
    }

    fn id(id: Option<MessageId>) -> Self {
        id.map_or(Self::Missing, |id| Self::Text(Cow::Owned(id.to_string())))
    }

    fn time(time: Option<Timestamp>) -> Self {
        time.map_or(Self::Missing, |time| count(time.as_millis()))
    }

    fn texts(texts: impl Iterator<Item = &'a str>) -> Self {
        let list: Vec<Self> = texts.map(|text| Self::Text(Cow::Borrowed(text))).collect();
        if list.is_empty() {
            Self::Missing
        } else {
            Self::List(list)
        }
    }
}

/// Returns a number that the model counts in whole ones. None is anywhere near 53 bits.
fn count<'a>(number: i64) -> FieldValue<'a> {
    FieldValue::Number(number as f64)
}

/// A channel as one user sees it: an item of [`Endpoint::CHANNELS`](crate::Endpoint::CHANNELS).
#[derive(Clone, Copy, Debug)]
pub struct ChannelItem<'a> {
    /// Its row of the channel list.
    pub summary: &'a ChannelSummary,
    /// Its active members.
    pub members: &'a [UserId],
    /// What holds of others for the user.
    pub people: &'a People,
}

impl Item for ChannelItem<'_> {
    fn built_in(&self, field: &str) -> FieldValue<'_> {
        let summary = self.summary;
        let channel = summary.channel.as_ref();
        let joined = summary
            .membership
            .as_ref()
            .filter(|membership| membership.state == MemberState::Active);
        let present = summary
            .membership
            .as_ref()
            .filter(|membership| membership.state != MemberState::Gone);
        let last_message_at = summary
            .last_message
            .as_ref()
            .map(|message| message.accepted_at.unwrap_or(message.composed_at));
        let created_at = channel.map(|channel| channel.created_at);
        match field {
            "cid" => FieldValue::text(summary.cid.as_str()),
            "type" => FieldValue::text(summary.cid.channel_type()),
            "name" => channel.map_or(FieldValue::Missing, |channel| FieldValue::text(&channel.name)),
            "created_by" => channel.map_or(FieldValue::Missing, |channel| {
                FieldValue::text(channel.created_by.as_str())
            }),
            "created_at" => FieldValue::time(created_at),
            "updated_at" => FieldValue::time(channel.map(|channel| channel.updated_at)),
            "last_message_at" => FieldValue::time(last_message_at),
            "last_updated" => FieldValue::time(last_message_at.max(created_at)),
            "members" => FieldValue::texts(self.members.iter().map(UserId::as_str)),
            "member_count" => FieldValue::Number(summary.members as f64),
            "joined" => FieldValue::Bool(joined.is_some()),
            "role" => joined.map_or(FieldValue::Missing, |membership| role(membership.role)),
            "unread_count" => FieldValue::Number(summary.unread as f64),
            "has_unread" => FieldValue::Bool(summary.unread > 0),
            "pinned" => FieldValue::Bool(joined.is_some_and(|membership| membership.pinned_at.is_some())),
            "pinned_at" => FieldValue::time(joined.and_then(|membership| membership.pinned_at)),
            "archived" => FieldValue::Bool(joined.is_some_and(|membership| membership.archived_at.is_some())),
            "hidden" => {
                FieldValue::Bool(joined.is_some_and(|membership| membership.is_hidden(summary.head_seq)))
            }
            "muted_until" => FieldValue::time(joined.and_then(|membership| membership.muted).map(until)),
            "consent" => {
                let consent = present.map_or(ConsentState::Unknown, |own| self.people.consent(own));
                FieldValue::Text(Cow::Borrowed(consent.as_str()))
            }
            "invited" => FieldValue::Bool(present.is_some() && joined.is_none()),
            _ => FieldValue::Missing,
        }
    }

    fn custom(&self) -> Option<&Custom> {
        self.summary.channel.as_ref().map(|channel| &channel.custom)
    }
}

/// The end of what has none: later than every time.
const FOR_EVER: Timestamp = Timestamp(limits::NUMBER as i64);

fn until(mute: Mute) -> Timestamp {
    mute.until.unwrap_or(FOR_EVER)
}

const fn role<'a>(role: whimbrel_model::Role) -> FieldValue<'a> {
    // The words are those of the row's JSON, which a database compares.
    FieldValue::Text(Cow::Borrowed(match role {
        whimbrel_model::Role::Member => "member",
        whimbrel_model::Role::Owner => "owner",
    }))
}

/// A member with the profile: an item of [`Endpoint::MEMBERS`](crate::Endpoint::MEMBERS).
#[derive(Clone, Copy, Debug)]
pub struct MemberItem<'a> {
    /// The member.
    pub member: &'a Member,
    /// The member's profile, if it is known.
    pub profile: Option<&'a User>,
}

impl Item for MemberItem<'_> {
    fn built_in(&self, field: &str) -> FieldValue<'_> {
        match field {
            "user" => FieldValue::text(self.member.user.as_str()),
            "name" => self
                .profile
                .map_or(FieldValue::Missing, |profile| FieldValue::text(&profile.name)),
            "role" => role(self.member.role),
            "joined_at" => FieldValue::time(Some(self.member.joined_at)),
            _ => FieldValue::Missing,
        }
    }

    fn custom(&self) -> Option<&Custom> {
        None
    }
}

/// An item of [`Endpoint::USERS`](crate::Endpoint::USERS).
impl Item for User {
    fn built_in(&self, field: &str) -> FieldValue<'_> {
        match field {
            "id" => FieldValue::text(self.id.as_str()),
            "name" => FieldValue::text(&self.name),
            _ => FieldValue::Missing,
        }
    }

    fn custom(&self) -> Option<&Custom> {
        Some(&self.custom)
    }
}

/// An item of [`Endpoint::MESSAGES`](crate::Endpoint::MESSAGES).
impl Item for Message {
    fn built_in(&self, field: &str) -> FieldValue<'_> {
        match field {
            "id" => FieldValue::id(Some(self.id)),
            "cid" => FieldValue::text(self.cid.as_str()),
            "author" => FieldValue::text(self.author.as_str()),
            "seq" => FieldValue::Number(self.seq as f64),
            "text" => FieldValue::text(&self.body.text),
            "mentions" => FieldValue::texts(self.body.mentions.iter().map(UserId::as_str)),
            "attachments" => FieldValue::texts(
                self.body
                    .attachments
                    .iter()
                    .map(|attachment| attachment.kind.as_str()),
            ),
            "parent" => FieldValue::id(self.parent),
            "quoted" => FieldValue::id(self.quoted),
            "accepted_at" => FieldValue::time(self.accepted_at),
            "edited_at" => FieldValue::time(self.edited_at),
            "deleted_at" => FieldValue::time(self.deleted_at),
            "kind" => FieldValue::Text(Cow::Borrowed(match self.kind {
                MessageKind::Regular => "regular",
                MessageKind::System => "system",
            })),
            "silent" => FieldValue::Bool(self.silent),
            "pinned" => FieldValue::Bool(self.pinned.is_some()),
            "pinned_at" => FieldValue::time(self.pinned.as_ref().map(|pin| pin.at)),
            "pinned_until" => FieldValue::time(self.pinned.as_ref().map(|pin| pin.until.unwrap_or(FOR_EVER))),
            "replies" => FieldValue::Number(self.thread.map_or(0.0, |thread| thread.replies.into())),
            "last_reply_at" => FieldValue::time(self.thread.map(|thread| thread.last_at)),
            _ => FieldValue::Missing,
        }
    }

    fn custom(&self) -> Option<&Custom> {
        Some(&self.body.custom)
    }
}

/// An item of [`Endpoint::REACTIONS`](crate::Endpoint::REACTIONS).
impl Item for Reaction {
    fn built_in(&self, field: &str) -> FieldValue<'_> {
        match field {
            "key" => FieldValue::Text(Cow::Owned(format!("{} {}", self.user, self.kind))),
            "user" => FieldValue::text(self.user.as_str()),
            "type" => FieldValue::text(self.kind.as_str()),
            "at" => FieldValue::time(Some(self.at)),
            _ => FieldValue::Missing,
        }
    }

    fn custom(&self) -> Option<&Custom> {
        None
    }
}

/// A thread as one user sees it: an item of [`Endpoint::THREADS`](crate::Endpoint::THREADS).
#[derive(Clone, Copy, Debug)]
pub struct ThreadItem<'a> {
    /// The message that it hangs on.
    pub parent: &'a Message,
    /// How far the user has read it.
    pub read: Option<&'a Read>,
}

impl Item for ThreadItem<'_> {
    fn built_in(&self, field: &str) -> FieldValue<'_> {
        let thread = self.parent.thread;
        match field {
            "parent" => FieldValue::id(Some(self.parent.id)),
            "cid" | "author" | "replies" | "last_reply_at" => self.parent.built_in(field),
            "created_at" => FieldValue::time(self.parent.accepted_at),
            "has_unread" => {
                let read = self.read.map_or(0, |read| read.seq);
                FieldValue::Bool(thread.is_some_and(|thread| thread.replies > 0 && thread.last_seq > read))
            }
            _ => FieldValue::Missing,
        }
    }

    fn custom(&self) -> Option<&Custom> {
        None
    }
}

/// An item of [`Endpoint::DRAFTS`](crate::Endpoint::DRAFTS).
impl Item for Draft {
    fn built_in(&self, field: &str) -> FieldValue<'_> {
        match field {
            "key" => {
                let parent = self.parent.map(|id| format!(" {id}")).unwrap_or_default();
                FieldValue::Text(Cow::Owned(format!("{}{parent} {}", self.cid, self.device)))
            }
            "cid" => FieldValue::text(self.cid.as_str()),
            "parent" => FieldValue::id(self.parent),
            "text" => {
                let content = self.content.as_ref();
                content.map_or(FieldValue::Missing, |content| {
                    FieldValue::text(&content.body.text)
                })
            }
            "updated_at" => FieldValue::time(Some(self.updated_at)),
            _ => FieldValue::Missing,
        }
    }

    fn custom(&self) -> Option<&Custom> {
        None
    }
}
