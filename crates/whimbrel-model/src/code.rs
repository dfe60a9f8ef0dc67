use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal, $retryable:literal;)*) => {
        /// A stable error code, the same on the wire, in the outbox and in every error type.
        ///
        /// Match on the variant, show [`Code::as_str`]. A code of a newer peer arrives as [`Code::Other`].
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(from = "String", into = "String")]
        #[non_exhaustive]
        pub enum Code {
            $($(#[$doc])* $variant,)*
            /// A code that this version does not know. It is treated as not retryable.
            Other(String),
        }

        impl Code {
            /// Every code that this version knows, in the order of the protocol document.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Returns the code as it stands on the wire.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Other(text) => text,
                }
            }

            /// Returns whether the same request may succeed later without a change.
            #[must_use]
            pub fn is_retryable(&self) -> bool {
                match self {
                    $(Self::$variant => $retryable,)*
                    Self::Other(_) => false,
                }
            }
        }

        impl From<String> for Code {
            fn from(text: String) -> Self {
                match text.as_str() {
                    $($text => Self::$variant,)*
                    _ => Self::Other(text),
                }
            }
        }
    };
}

codes! {
    /// A field breaks a rule of the model.
    Invalid = "invalid", false;
    /// A text, list, frame or body is over its limit.
    TooLarge = "too_large", false;
    /// The channel does not exist, or the asker may not know of it.
    ChannelNotFound = "channel_not_found", false;
    /// The message does not exist in that channel.
    MessageNotFound = "message_not_found", false;
    /// The asker is not an active member of the channel.
    NotMember = "not_member", false;
    /// The asker's role does not allow the operation.
    Forbidden = "forbidden", false;
    /// The device was revoked by its owner: it is not spoken to any more.
    DeviceRevoked = "device_revoked", false;
    /// Nobody asks for the parcel any more, another device's was faster, or it is not there.
    ParcelGone = "parcel_gone", false;
    /// The op id was used before with another content.
    OpConflict = "op_conflict", false;
    /// The channel or message id belongs to something else already.
    IdConflict = "id_conflict", false;
    /// An operation that this one needs was rejected. Made on the device, never by the server.
    ParentRejected = "parent_rejected", false;
    /// Whether the operation acted is not known, and the server may have forgotten: the user decides whether to repeat it.
    /// Made on the device, never by the server.
    Expired = "expired", false;
    /// The operation that came before in its lane has not been seen: send again from there.
    OutOfOrder = "out_of_order", true;
    /// The server cannot take the request now.
    Unavailable = "unavailable", true;
    /// Too many requests: wait for `retry_after_ms`.
    RateLimited = "rate_limited", true;
    /// No token was given.
    TokenMissing = "token_missing", false;
    /// The token is not one that this server accepts.
    TokenInvalid = "token_invalid", false;
    /// The token was good and has expired: get a new one.
    TokenExpired = "token_expired", true;
    /// No protocol version is known to both sides.
    ProtocolUnsupported = "protocol_unsupported", false;
    /// A frame could not be understood.
    FrameInvalid = "frame_invalid", false;
    /// The reader fell too far behind: reconnect and catch up from the cursor.
    SlowConsumer = "slow_consumer", true;
    /// The server is stopping: reconnect after `retry_after_ms`.
    ServerStopping = "server_stopping", true;
    /// The other side went silent.
    HeartbeatLost = "heartbeat_lost", true;
}

impl From<Code> for String {
    fn from(code: Code) -> Self {
        match code {
            Code::Other(text) => text,
            known => known.as_str().to_owned(),
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
