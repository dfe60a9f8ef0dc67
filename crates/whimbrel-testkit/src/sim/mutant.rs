//! Protections that can be taken away, each from outside of the engine and the hub.

macro_rules! mutants {
    ($($(#[$doc:meta])* $variant:ident = $name:literal;)*) => {
        /// One protection switched off.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Mutant {
            $($(#[$doc])* $variant,)*
        }

        impl Mutant {
            /// Every mutant.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Returns the name, as in reports.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// Finds a mutant by its name.
            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|mutant| mutant.name() == name)
            }
        }
    };
}

mutants! {
    /// The server does not look up whether it knows an operation.
    NoDedup = "no-dedup";
    /// The server forgets the results of operations at once.
    ShortRetention = "short-retention";
    /// A repeat gets a new operation id on the wire.
    RetryNewId = "retry-new-id";
    /// An edit rewrites the body of a send that has left already.
    CoalesceAttempted = "coalesce-attempted";
    /// Deleting a message whose send has left already only takes the send out of the outbox.
    CancelAttempted = "cancel-attempted";
    /// *Attempted* is not written to disk.
    AttemptNotPersisted = "attempt-not-persisted";
    /// A crash loses the newest commits of the device.
    ClientLazySync = "client-lazy-sync";
    /// Ids come from a counter that begins again with each start.
    CounterIds = "counter-ids";
    /// A crash can leave a cursor on disk without its rows.
    CursorFirst = "cursor-first";
    /// A live event is applied wherever the cursor is.
    NoGapCheck = "no-gap-check";
    /// A page leaves out what was committed in the last moments.
    VersionOutOfOrder = "version-out-of-order";
    /// An older row overwrites a newer one on the device.
    NoVersionGuard = "no-version-guard";
    /// The outbox row goes when the operation is sent.
    DropOnSend = "drop-on-send";
    /// The answer to an operation brings no rows.
    AckDropsEcho = "ack-drops-echo";
    /// What is shown leaves out the outbox.
    NoOverlay = "no-overlay";
    /// The server answers before its commit is durable.
    AckBeforeDurable = "ack-before-durable";
    /// The server does not look at `after`.
    UnorderedPipeline = "unordered-pipeline";
    /// The read position is that of the last write.
    ReadLastWrite = "read-last-write";
    /// Heartbeats do not carry the heads.
    NoHeartbeatHeads = "no-heartbeat-heads";
    /// A restored server keeps its epoch.
    RestoreKeepsEpoch = "restore-keeps-epoch";
    /// Events go to everyone who was ever in the channel.
    FanOutToGone = "fan-out-to-gone";
    /// Pages leave out deleted messages.
    FeedWithoutTombstones = "feed-without-tombstones";
}
