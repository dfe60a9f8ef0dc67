use crate::{ConsentState, Invalid, Mute, SetMute, Timestamp, UserId};
use serde::{Deserialize, Serialize};

/// What an account holds of somebody else: whether they may reach it, and whether they disturb it.
///
/// Rows do not change when a time comes: ask with the time of now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// Whose: always the owner of the stream.
    pub user: UserId,
    /// About whom.
    pub of: UserId,
    /// What was decided of them. See [`Contact::consent_at`].
    #[serde(default, skip_serializing_if = "ConsentState::is_unknown")]
    pub consent: ConsentState,
    /// Until when they are denied; then they are unknown. Absent: until it is decided otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denied_until: Option<Timestamp>,
    /// That they are muted: what they write disturbs nobody and counts in no total.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub muted: Option<Mute>,
    /// When the server accepted the last change.
    pub changed_at: Timestamp,
    /// Version of the last change, in the user's stream.
    #[serde(deserialize_with = "crate::number::exact")]
    pub ver: u64,
}

/// What is to change of a contact. What is absent stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactChange {
    /// Allow them, deny them, or decide nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<SetConsent>,
    /// Mute them, or do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub muted: Option<SetMute>,
}

/// Deciding of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetConsent {
    /// What.
    pub state: ConsentState,
    /// Until when they are denied. Absent: until it is decided otherwise. Of no other state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl Contact {
    /// Creates what an account holds of somebody of whom it has decided nothing.
    #[must_use]
    pub fn new(user: UserId, of: UserId) -> Self {
        Self {
            user,
            of,
            consent: ConsentState::Unknown,
            denied_until: None,
            muted: None,
            changed_at: Timestamp::default(),
            ver: 0,
        }
    }

    /// Returns what holds of them at `now`.
    #[must_use]
    pub fn consent_at(&self, now: Timestamp) -> ConsentState {
        let over = self.denied_until.is_some_and(|until| until <= now);
        match self.consent {
            ConsentState::Denied if over => ConsentState::Unknown,
            consent => consent,
        }
    }

    /// Returns whether they are denied at `now`: what is also called blocked.
    #[must_use]
    pub fn is_denied(&self, now: Timestamp) -> bool {
        self.consent_at(now) == ConsentState::Denied
    }

    /// Returns whether they are muted at `now`.
    #[must_use]
    pub fn is_muted(&self, now: Timestamp) -> bool {
        self.muted
            .is_some_and(|mute| mute.until.is_none_or(|until| until > now))
    }

    /// Makes a change. Returns whether anything is different.
    pub fn change(&mut self, change: &ContactChange) -> bool {
        let before = (self.consent, self.denied_until, self.muted);
        if let Some(SetConsent { state, until }) = change.consent {
            self.consent = state;
            self.denied_until = until;
        }
        match change.muted {
            Some(SetMute::Off) => self.muted = None,
            Some(SetMute::On(mute)) => self.muted = Some(mute),
            None => {}
        }
        before != (self.consent, self.denied_until, self.muted)
    }
}

impl ContactChange {
    /// Returns the one change that does what this one and then `later` do.
    #[must_use]
    pub fn then(self, later: Self) -> Self {
        Self {
            consent: later.consent.or(self.consent),
            muted: later.muted.or(self.muted),
        }
    }

    pub(crate) fn validate(&self) -> Result<(), Invalid> {
        if *self == Self::default() {
            return Err(Invalid::new("change", "must name consent or muted"));
        }
        match self.consent {
            Some(SetConsent {
                state: ConsentState::Unknown | ConsentState::Allowed,
                until: Some(_),
            }) => Err(Invalid::new("until", "is only for the state denied")),
            _ => Ok(()),
        }
    }
}
