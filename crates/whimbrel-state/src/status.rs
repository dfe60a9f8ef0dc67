/// How the account is connected, and how far it has caught up.
///
/// The driver sets it; it is the answer to "why is nothing coming in?". What is on the device can be read, and
/// operations can be queued, in every state but [`SyncState::Suspended`] and [`SyncState::Closed`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SyncState {
    /// Not connected, by choice: at start, and after a call to go offline. Goes to `Connecting` when asked to connect.
    #[default]
    Offline,
    /// The connection is being made. Goes to `Authenticating` when the transport is open, to `BackingOff` when it is
    /// not.
    Connecting,
    /// The transport is open and hello was sent. Goes to `CatchingUp` when the server is ready, to `NeedsAuth` when it
    /// refuses the token, to `Failed` when the versions do not fit, to `BackingOff` when the connection ends.
    Authenticating,
    /// Connected; streams that moved meanwhile are being read. Goes to `Live` when none is left.
    CatchingUp {
        /// Streams that are known to be behind.
        behind: usize,
    },
    /// Connected, and everything that the server has told of is on the device. Goes to `CatchingUp` when a heartbeat
    /// tells of more, to `BackingOff` when the connection ends.
    Live,
    /// The connection could not be made or has ended. Goes to `Connecting` when the time is over, or when asked to
    /// connect at once.
    BackingOff {
        /// Milliseconds from when this state was set to the next attempt.
        retry_in_ms: u64,
        /// What happened, in words.
        reason: String,
    },
    /// The server does not take the token, and no new one could be had. Nothing is lost and nothing is sent. Goes to
    /// `Connecting` when there is a new token.
    NeedsAuth {
        /// What the server or the token source said.
        reason: String,
    },
    /// Trying again would not help: the software or the set-up has to change. Goes to `Connecting` only when asked to
    /// connect again.
    Failed {
        /// What to change, in words.
        reason: String,
    },
    /// The account has revoked this device: the server does not speak to it any more. What is on it stays, and can be read, until
    /// the app logs out; what waits in the outbox waits for ever. Goes to `Connecting` only when asked to connect again, which
    /// does not help.
    Revoked {
        /// What the server said.
        reason: String,
    },
    /// The client has let go of its database for a while, by choice. Goes to `Offline` or `Connecting` when it is resumed.
    Suspended,
    /// The client was closed. Final.
    Closed,
}
