use crate::{ChannelId, ConsentState, Invalid, Timestamp, UserId, op::check_number};
use serde::{Deserialize, Serialize};

/// What a member may do, beyond writing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads, writes, reacts, leaves.
    #[default]
    Member,
    /// Also changes the channel, its members, and removes others' messages.
    Owner,
}

/// Whether a member is in the channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberState {
    /// In the channel.
    #[default]
    Active,
    /// Left, was removed, or has rejected an invitation.
    Gone,
    /// Is asked to come in. Knows of the channel what the own membership says of it, and may answer.
    Invited,
}

/// One user in one channel, as the channel's stream carries it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Where.
    pub cid: ChannelId,
    /// Who.
    pub user: UserId,
    /// May do what.
    pub role: Role,
    /// In or out.
    pub state: MemberState,
    /// When the server accepted the last join.
    pub joined_at: Timestamp,
    /// Version of the last change, in the channel's stream.
    #[serde(deserialize_with = "crate::number::exact")]
    pub ver: u64,
}

/// That a channel is muted: what is new in it disturbs nobody and counts in no total.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mute {
    /// Until when. Absent: until it is unmuted. The row does not change when that time comes: see [`Membership::is_muted`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// That a user is asked into a channel, and what they may know of it before they are in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invite {
    /// By whom.
    pub by: UserId,
    /// When the server accepted it.
    pub at: Timestamp,
    /// What the channel was called then. Empty: it had no name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
}

/// One of my channels, as the user's own stream carries it: the same fact as [`Member`], and how I keep the channel, which
/// nobody else sees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// Where.
    pub cid: ChannelId,
    /// Who: always the owner of the stream.
    pub user: UserId,
    /// May do what.
    pub role: Role,
    /// In or out.
    pub state: MemberState,
    /// When it was pinned in the list. Absent: it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned_at: Option<Timestamp>,
    /// When it was put into the archive. Absent: it is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archived_at: Option<Timestamp>,
    /// Up to which message it is hidden: it shows again by itself when a newer one comes. Absent: it is not hidden.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::number::exact_or_none"
    )]
    pub hidden_seq: Option<u64>,
    /// That it is muted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub muted: Option<Mute>,
    /// What was decided of it. While that is nothing, it is as whoever added the user: see [`consent::of`](crate::consent::of).
    #[serde(default, skip_serializing_if = "ConsentState::is_unknown")]
    pub consent: ConsentState,
    /// Who brought the user in, or invites them. Absent: the user made the channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub added_by: Option<UserId>,
    /// That the user is asked in. Absent in any other state than [`MemberState::Invited`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invite: Option<Invite>,
    /// Version of the last change, in the user's stream.
    #[serde(deserialize_with = "crate::number::exact")]
    pub ver: u64,
}

/// What is to change of how a user keeps a channel. What is absent stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MembershipChange {
    /// Pin it in the list, or do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<bool>,
    /// Put it into the archive, or take it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archived: Option<bool>,
    /// Hide it, or show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hidden: Option<Hide>,
    /// Mute it, or do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub muted: Option<SetMute>,
    /// Allow it, deny it, or decide nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<ConsentState>,
}

/// Hiding a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hide {
    /// Show it.
    Show,
    /// Hide it as long as it has no message after this sequence: the newest that the user knew of. So what comes meanwhile is
    /// never hidden unseen.
    Until {
        /// The newest message that the user knew of.
        #[serde(deserialize_with = "crate::number::exact")]
        seq: u64,
    },
}

/// Muting a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SetMute {
    /// Unmute it.
    Off,
    /// Mute it.
    On(Mute),
}

impl Membership {
    /// Creates the row of a user in a channel that is kept like any other.
    #[must_use]
    pub const fn new(cid: ChannelId, user: UserId, role: Role, state: MemberState, ver: u64) -> Self {
        Self {
            cid,
            user,
            role,
            state,
            pinned_at: None,
            archived_at: None,
            hidden_seq: None,
            muted: None,
            consent: ConsentState::Unknown,
            added_by: None,
            invite: None,
            ver,
        }
    }

    /// Returns whether the channel is hidden while `head_seq` is its newest message.
    #[must_use]
    pub fn is_hidden(&self, head_seq: u64) -> bool {
        self.hidden_seq.is_some_and(|seq| head_seq <= seq)
    }

    /// Returns whether the channel is muted at `now`.
    #[must_use]
    pub fn is_muted(&self, now: Timestamp) -> bool {
        self.muted
            .is_some_and(|mute| mute.until.is_none_or(|until| until > now))
    }

    /// Makes a change that is decided at `now`. Returns whether anything is different.
    pub fn change(&mut self, change: &MembershipChange, now: Timestamp) -> bool {
        let kept = |row: &Self| {
            (
                row.pinned_at,
                row.archived_at,
                row.hidden_seq,
                row.muted,
                row.consent,
            )
        };
        let before = kept(self);
        // What is pinned stays where it is when it is pinned again.
        if let Some(pinned) = change.pinned {
            self.pinned_at = pinned.then(|| self.pinned_at.unwrap_or(now));
        }
        if let Some(archived) = change.archived {
            self.archived_at = archived.then(|| self.archived_at.unwrap_or(now));
        }
        match change.hidden {
            Some(Hide::Show) => self.hidden_seq = None,
            Some(Hide::Until { seq }) => self.hidden_seq = Some(seq),
            None => {}
        }
        match change.muted {
            Some(SetMute::Off) => self.muted = None,
            Some(SetMute::On(mute)) => self.muted = Some(mute),
            None => {}
        }
        self.consent = change.consent.unwrap_or(self.consent);
        before != kept(self)
    }
}

impl MembershipChange {
    /// Returns the one change that does what this one and then `later` do.
    #[must_use]
    pub fn then(self, later: Self) -> Self {
        Self {
            pinned: later.pinned.or(self.pinned),
            archived: later.archived.or(self.archived),
            hidden: later.hidden.or(self.hidden),
            muted: later.muted.or(self.muted),
            consent: later.consent.or(self.consent),
        }
    }

    /// Checks that it changes something, and its numbers.
    pub(crate) fn validate(&self) -> Result<(), Invalid> {
        if *self == Self::default() {
            return Err(Invalid::new(
                "change",
                "must name pinned, archived, hidden, muted or consent",
            ));
        }
        match self.hidden {
            Some(Hide::Until { seq }) => check_number("seq", seq),
            _ => Ok(()),
        }
    }
}
