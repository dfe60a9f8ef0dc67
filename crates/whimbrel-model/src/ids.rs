//! Identities: made on the device, final from birth, never re-keyed.

use crate::{Invalid, limits};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeSet,
    fmt::{self, Write as _},
    str::FromStr,
    sync::Arc,
};
use uuid::Uuid;

/// What the part after the colon of a distinct channel's id begins with, and that of no other.
const DISTINCT: char = '!';

/// Bytes of the hash in a distinct channel's id: too many for two sets of members ever to meet.
const DISTINCT_BYTES: usize = 24;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $field:literal) => {
        $(#[$doc])*
        ///
        /// A UUIDv7, of which only the uniqueness is used: nothing is ordered by its time bits.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// Checks that the id is a UUID of version 7.
            ///
            /// # Errors
            /// [`Invalid`] for any other version, the nil UUID included.
            pub fn validate(self) -> Result<(), Invalid> {
                if self.0.get_version_num() == 7 {
                    return Ok(());
                }
                Err(Invalid::new($field, format!("must be a UUID of version 7, got {}", self.0)))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = Invalid;
            fn from_str(text: &str) -> Result<Self, Invalid> {
                let id = Uuid::parse_str(text)
                    .map_err(|_| Invalid::new($field, format!("must be a UUID, got {text:?}")))?;
                Ok(Self(id))
            }
        }
    };
}

uuid_id! {
    /// A message, for ever.
    MessageId, "message_id"
}
uuid_id! {
    /// One operation: the key under which the server remembers its result.
    OpId, "op_id"
}
uuid_id! {
    /// One installation: one database on one device.
    DeviceId, "device_id"
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $check:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks and wraps `text`.
            ///
            /// # Errors
            /// [`Invalid`] when `text` is empty, too long or has a character that is not allowed.
            pub fn new(text: impl AsRef<str>) -> Result<Self, Invalid> {
                $check(text.as_ref())?;
                Ok(Self(Arc::from(text.as_ref())))
            }

            /// Returns the id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = Invalid;
            fn from_str(text: &str) -> Result<Self, Invalid> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = Invalid;
            fn try_from(text: String) -> Result<Self, Invalid> {
                $check(&text)?;
                Ok(Self(Arc::from(text)))
            }
        }

        impl TryFrom<&str> for $name {
            type Error = Invalid;
            fn try_from(text: &str) -> Result<Self, Invalid> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.as_ref().to_owned()
            }
        }
    };
}

text_id! {
    /// A user: 1 to [`limits::ID_BYTES`] of `A-Z a-z 0-9 _ - . @`.
    UserId, check_user
}
text_id! {
    /// A channel, written `type:id`; each part is 1 to [`limits::ID_BYTES`] of `A-Z a-z 0-9 _ - !`. An id that begins with `!`
    /// is that of a [distinct](ChannelId::distinct) channel.
    ///
    /// Known as *cid* wherever a short name is needed.
    ChannelId, check_channel
}
text_id! {
    /// The kind of a reaction: an emoji or a word, 1 to [`limits::ID_BYTES`] without spaces or control characters.
    ReactionType, check_reaction
}

impl ChannelId {
    /// Returns the channel's type, the part before the colon.
    #[must_use]
    pub fn channel_type(&self) -> &str {
        self.0.split_once(':').map_or("", |(kind, _)| kind)
    }

    /// Returns the id of the one channel of this type that exactly `members` have, in whatever order they are given: `type:!`
    /// and a hash of them. So whoever creates it, and however many do at once and offline, it is the same channel.
    ///
    /// # Errors
    /// [`Invalid`] for a type that is none, and for fewer than 2 or more than [`limits::DISTINCT_MEMBERS`] members.
    pub fn distinct<'a>(
        channel_type: &str,
        members: impl IntoIterator<Item = &'a UserId>,
    ) -> Result<Self, Invalid> {
        let members: BTreeSet<&UserId> = members.into_iter().collect();
        if members.len() < 2 {
            return Err(Invalid::new(
                "members",
                "must be at least two for a distinct channel",
            ));
        }
        if members.len() > limits::DISTINCT_MEMBERS {
            return Err(Invalid::too_large(
                "members",
                members.len(),
                limits::DISTINCT_MEMBERS,
                "users",
            ));
        }
        let mut hash = Sha256::new();
        for member in members {
            // No id holds a line feed.
            hash.update(member.as_str());
            hash.update("\n");
        }
        let mut id = format!("{channel_type}:{DISTINCT}");
        for byte in hash.finalize().iter().take(DISTINCT_BYTES) {
            let _ = write!(id, "{byte:02x}");
        }
        Self::new(id)
    }

    /// Returns whether the members are the channel's identity, see [`ChannelId::distinct`].
    #[must_use]
    pub fn is_distinct(&self) -> bool {
        self.local_id().starts_with(DISTINCT)
    }

    /// Returns the part after the colon.
    #[must_use]
    pub fn local_id(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, id)| id)
    }
}

fn check_user(text: &str) -> Result<(), Invalid> {
    check_part(
        "user_id",
        text,
        |c| c.is_ascii_alphanumeric() || "_-.@".contains(c),
        "A-Z a-z 0-9 _ - . @",
    )
}

fn check_channel(text: &str) -> Result<(), Invalid> {
    let Some((kind, id)) = text.split_once(':') else {
        return Err(Invalid::new(
            "cid",
            format!("must look like type:id, got {text:?}"),
        ));
    };
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_-!".contains(c);
    check_part("cid", kind, allowed, "A-Z a-z 0-9 _ - !")?;
    check_part("cid", id, allowed, "A-Z a-z 0-9 _ - !")
}

/// Checks a word of an app's own.
pub(crate) fn check_word(field: &'static str, text: &str) -> Result<(), Invalid> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_-!".contains(c);
    check_part(field, text, allowed, "A-Z a-z 0-9 _ - !")
}

fn check_reaction(text: &str) -> Result<(), Invalid> {
    check_part(
        "reaction",
        text,
        |c| !c.is_control() && !c.is_whitespace(),
        "anything but spaces and controls",
    )
}

fn check_part(
    field: &'static str,
    text: &str,
    allowed: impl Fn(char) -> bool,
    alphabet: &str,
) -> Result<(), Invalid> {
    if text.is_empty() {
        return Err(Invalid::new(field, "must not be empty"));
    }
    if text.len() > limits::ID_BYTES {
        return Err(Invalid::too_large(field, text.len(), limits::ID_BYTES, "bytes"));
    }
    if let Some(bad) = text.chars().find(|&c| !allowed(c)) {
        return Err(Invalid::new(
            field,
            format!("must not contain {bad:?}; allowed: {alphabet}"),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channel_ids_have_two_parts() {
        let cid = ChannelId::new("messaging:general").unwrap();
        assert_eq!((cid.channel_type(), cid.local_id()), ("messaging", "general"));
        for bad in ["", "messaging", ":x", "x:", "a:b:c", "a b:c", "messaging:ü"] {
            assert!(ChannelId::new(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn a_distinct_channel_is_named_by_its_members_in_any_order() {
        let [ada, bob, eve] = ["ada", "bob", "eve"].map(|id| UserId::new(id).unwrap());
        let of = |members: &[&UserId]| ChannelId::distinct("messaging", members.iter().copied()).unwrap();
        assert_eq!(of(&[&ada, &bob]), of(&[&bob, &ada, &bob]));
        assert_ne!(of(&[&ada, &bob]), of(&[&ada, &bob, &eve]));
        assert!(of(&[&ada, &bob]).is_distinct());
        assert!(!ChannelId::new("messaging:general").unwrap().is_distinct());
        assert!(ChannelId::distinct("messaging", [&ada, &ada]).is_err());
        assert!(ChannelId::distinct("no type", [&ada, &bob]).is_err());
    }

    #[test]
    fn only_version_seven_is_an_id() {
        assert!(MessageId(Uuid::nil()).validate().is_err());
        assert!(
            MessageId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001))
                .validate()
                .is_ok()
        );
    }

    #[test]
    fn reactions_are_emoji_or_words() {
        assert!(ReactionType::new("👍").is_ok());
        assert!(ReactionType::new("like").is_ok());
        assert!(ReactionType::new("two words").is_err());
    }
}
