//! What may reach an account, and what may not.

use crate::{Contact, Membership, Timestamp};
use serde::{Deserialize, Serialize};

/// Whether something may reach the account: a channel, or a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsentState {
    /// Nothing was decided: a request.
    #[default]
    Unknown,
    /// It may.
    Allowed,
    /// It may not: what is also called blocked.
    Denied,
}

impl ConsentState {
    /// Returns whether nothing was decided.
    #[must_use]
    pub const fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown)
    }

    /// Returns the state's name, as on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Allowed => "allowed",
            Self::Denied => "denied",
        }
    }
}

/// Returns whether a channel may reach the account at `now`: what was decided of the channel, else what holds of whoever added
/// the account to it.
///
/// `adder` is the contact of [`Membership::added_by`], if there is one.
#[must_use]
pub fn of(membership: &Membership, adder: Option<&Contact>, now: Timestamp) -> ConsentState {
    decided(membership.consent, adder, now)
}

/// Returns the same as [`of`], from what was decided of the channel.
#[must_use]
pub fn decided(channel: ConsentState, adder: Option<&Contact>, now: Timestamp) -> ConsentState {
    match channel {
        ConsentState::Unknown => adder.map_or(ConsentState::Unknown, |contact| contact.consent_at(now)),
        decided => decided,
    }
}
