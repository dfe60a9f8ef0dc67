use crate::{ConsentState, Contact, Membership, Timestamp, UserId};
use std::{collections::BTreeMap, sync::Arc};

/// What an account holds of others at one moment. Cheap to clone.
///
/// It is made of [`Contact`]s, by whoever knows the time and what waits in the outbox. So what is read with it depends on neither.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct People(Arc<BTreeMap<UserId, Person>>);

/// What an account holds of one of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// Whether they may reach it.
    pub consent: ConsentState,
    /// Whether what they write disturbs nobody.
    pub muted: bool,
}

impl Person {
    /// Returns whether nothing that they write counts as unread.
    #[must_use]
    pub const fn is_silent(self) -> bool {
        self.muted || matches!(self.consent, ConsentState::Denied)
    }
}

impl People {
    /// Returns what holds at `now`.
    #[must_use]
    pub fn at<'a>(contacts: impl IntoIterator<Item = &'a Contact>, now: Timestamp) -> Self {
        let people = contacts.into_iter().map(|contact| {
            let person = Person {
                consent: contact.consent_at(now),
                muted: contact.is_muted(now),
            };
            (contact.of.clone(), person)
        });
        let known = people.filter(|(_, person)| *person != Person::default());
        Self(Arc::new(known.collect()))
    }

    /// Returns what holds of a user. Of most, nothing was decided.
    #[must_use]
    pub fn of(&self, user: &UserId) -> Person {
        self.0.get(user).copied().unwrap_or_default()
    }

    /// Returns whether a user is denied: what is also called blocked.
    #[must_use]
    pub fn is_denied(&self, user: &UserId) -> bool {
        self.of(user).consent == ConsentState::Denied
    }

    /// Returns whether nothing that a user writes counts as unread: denied or muted.
    #[must_use]
    pub fn is_silent(&self, user: &UserId) -> bool {
        self.of(user).is_silent()
    }

    /// Returns whether a channel may reach the account: what was decided of the channel, else what holds of whoever added the
    /// account to it. See [`consent::of`](crate::consent::of).
    #[must_use]
    pub fn consent(&self, membership: &Membership) -> ConsentState {
        match membership.consent {
            ConsentState::Unknown => {
                let adder = membership.added_by.as_ref();
                adder.map_or(ConsentState::Unknown, |adder| self.of(adder).consent)
            }
            decided => decided,
        }
    }

    /// Iterates over those of whom something was decided, by id.
    pub fn iter(&self) -> impl Iterator<Item = (&UserId, Person)> {
        self.0.iter().map(|(user, person)| (user, *person))
    }

    /// Iterates over those who may reach the account, or may not.
    pub fn with(&self, consent: ConsentState) -> impl Iterator<Item = &UserId> {
        let those = self.0.iter().filter(move |(_, person)| person.consent == consent);
        those.map(|(user, _)| user)
    }

    /// Iterates over those of whom nothing counts as unread.
    pub fn silent(&self) -> impl Iterator<Item = &UserId> {
        let silent = self.0.iter().filter(|(_, person)| person.is_silent());
        silent.map(|(user, _)| user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ChannelId, MemberState, Mute, Role, consent};

    fn user(name: &str) -> UserId {
        UserId::new(name).unwrap()
    }

    #[test]
    fn what_has_ended_holds_no_more() {
        let mut bob = Contact::new(user("ada"), user("bob"));
        bob.consent = ConsentState::Denied;
        bob.denied_until = Some(Timestamp(5));
        bob.muted = Some(Mute {
            until: Some(Timestamp(7)),
        });
        let at = |now| People::at([&bob], Timestamp(now)).of(&user("bob"));
        assert_eq!((at(4).consent, at(4).muted), (ConsentState::Denied, true));
        assert_eq!((at(5).consent, at(5).muted), (ConsentState::Unknown, true));
        assert!(at(6).is_silent());
        assert_eq!(People::at([&bob], Timestamp(7)), People::default());
    }

    #[test]
    fn a_channel_is_what_was_decided_of_it_else_what_holds_of_who_added_the_account() {
        let cid = ChannelId::new("messaging:x").unwrap();
        let mut membership = Membership::new(cid, user("ada"), Role::Member, MemberState::Active, 1);
        let mut bob = Contact::new(user("ada"), user("bob"));
        for of_bob in [ConsentState::Unknown, ConsentState::Allowed, ConsentState::Denied] {
            bob.consent = of_bob;
            let people = People::at([&bob], Timestamp(0));
            for added_by in [None, Some(user("bob")), Some(user("eve"))] {
                membership.added_by = added_by;
                for own in [ConsentState::Unknown, ConsentState::Allowed, ConsentState::Denied] {
                    membership.consent = own;
                    let adder = Some(&bob).filter(|_| membership.added_by == Some(user("bob")));
                    let expected = consent::of(&membership, adder, Timestamp(0));
                    assert_eq!(people.consent(&membership), expected);
                }
            }
        }
    }
}
