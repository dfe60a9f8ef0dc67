//! What can go wrong, by name.

macro_rules! faults {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $most:literal;)*) => {
        /// A class of faults.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Fault {
            $($(#[$doc])* $variant,)*
        }

        impl Fault {
            /// Every class.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Returns the name, as in traces and reports.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// The highest rate at which a schedule may draw it, in thousandths of its occasions.
            pub(super) const fn most(self) -> u64 {
                match self {
                    $(Self::$variant => $most,)*
                }
            }
        }
    };
}

faults! {
    /// A client's frame vanishes, the connection stays.
    RequestLost = "request_lost", 60;
    /// An answer vanishes, the connection stays.
    ReplyLost = "reply_lost", 60;
    /// A live event vanishes, the connection stays.
    EventLost = "event_lost", 300;
    /// A live event comes twice.
    EventDuplicated = "event_duplicated", 200;
    /// A server's frame is overtaken by later ones.
    FrameLate = "frame_late", 150;
    /// A frame takes seconds, and everything behind it too.
    Slow = "slow", 60;
    /// The connection breaks at a frame.
    Cut = "cut", 40;
    /// The connection breaks, and one side or both are not told.
    HalfOpen = "half_open", 400;
    /// No connection can be made.
    ConnectFailed = "connect_failed", 400;
    /// The server dies before a commit.
    ServerKilledBefore = "server_killed_before_commit", 30;
    /// The server dies after a commit, before anyone hears of it.
    ServerKilledAfter = "server_killed_after_commit", 30;
    /// The server says goodbye and restarts.
    ServerStopped = "server_stopped", 60;
    /// The server answers operations with `unavailable` or `rate_limited`.
    ServerBusy = "server_busy", 150;
    /// The transaction fails, and was carried out or not.
    TransactFailed = "transact_failed", 100;
    /// A request for heads, a page or history is refused for now.
    Refused = "request_refused", 100;
    /// An answer comes twice.
    ReplyDuplicated = "reply_duplicated", 150;
    /// A client's bytes are not a frame.
    FrameGarbled = "frame_garbled", 20;
    /// A device reads so slowly that the server ends its connection.
    SlowReader = "slow_reader", 15;
    /// An event does not fit a frame: a hint to pull comes instead.
    EventTooLarge = "event_too_large", 60;
    /// The rows of an answer do not fit a frame: it comes without them.
    ResultTooLarge = "result_too_large", 100;
    /// The server does not speak to this version any more, until the app is updated.
    Outdated = "outdated", 60;
    /// The token is somebody else's.
    WrongAccount = "wrong_account", 100;
    /// A device wakes up as it was before.
    DeviceRestored = "device_restored", 60;
    /// A device hears of nothing by itself.
    Deaf = "deaf", 1_000;
    /// The server's data is replaced by an older backup under a new epoch.
    Restored = "server_restored", 60;
    /// The app dies between two steps.
    ClientKilled = "client_killed", 15;
    /// The app dies between a commit and what it would have sent.
    KilledBeforeSend = "client_killed_before_send", 30;
    /// The app dies after a frame left.
    KilledAfterSend = "client_killed_after_send", 30;
    /// The device cannot commit.
    DiskFull = "disk_full", 30;
    /// A commit fails, and was carried out or not.
    StoreBusy = "store_busy", 20;
    /// A device is gone at once, and the server is not told.
    Vanished = "device_vanished", 20;
    /// A frame that tells how somebody is is lost, and the connection with it.
    PresenceLost = "presence_lost", 100;
    /// The wall clock of a device jumps by years.
    ClockJump = "clock_jump", 150;
    /// The token runs out while connected.
    TokenExpired = "token_expired", 500;
    /// The server refuses the token.
    TokenRefused = "token_refused", 250;
    /// No token can be had for now.
    TokenUnavailable = "token_unavailable", 200;
}

/// The classes that a schedule has switched off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultSet(u64);

impl FaultSet {
    /// Returns the set with one class more.
    #[must_use]
    pub const fn with(self, fault: Fault) -> Self {
        Self(self.0 | 1 << fault as u64)
    }

    /// Returns whether the class is in the set.
    #[must_use]
    pub const fn has(self, fault: Fault) -> bool {
        self.0 & (1 << fault as u64) != 0
    }
}
