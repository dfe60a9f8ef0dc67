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
    /// Pages leave out that somebody left.
    FeedWithoutRemovals = "feed-without-removals";
    /// Pages begin with the return of whoever asks.
    PageFromRejoin = "page-from-rejoin";
    /// Pages go to whoever was in the channel.
    PagesToGone = "pages-to-gone";
    /// A cursor of another history is followed.
    NoReset = "no-reset";
    /// Pages tell a deleted message as it was.
    DeletedTextServed = "deleted-text-served";
    /// Whoever asks to be caught up is told at once.
    BarrierAtOnce = "barrier-at-once";
    /// What the server rejected is dropped.
    RefusalDropped = "refusal-dropped";
    /// A rejection counts as an acceptance.
    RejectionAsSuccess = "rejection-as-success";
    /// What needs a rejected operation stays in its lane, and nobody sends it.
    ParentNotParked = "parent-not-parked";
    /// A wait that the server asks for is ignored.
    RetryAfterIgnored = "retry-after-ignored";
    /// An edit goes up in an operation from before a change of access.
    FoldAcrossAccess = "fold-across-access";
    /// A message that was never sent goes with its deletion, although another one needs it.
    AnnihilateNeeded = "annihilate-needed";
    /// Of two read positions the smaller one stays.
    ReadFoldSmaller = "read-fold-smaller";
    /// A read position of a later epoch is one like any other.
    ReadEpochIgnored = "read-epoch-ignored";
    /// A snapshot leaves older messages counting as up to date.
    SnapshotNotStale = "snapshot-not-stale";
    /// In the middle of a snapshot its window is forgotten.
    WindowForgotten = "window-forgotten";
    /// Rows of a history that is gone keep their versions.
    RebaseForgotten = "rebase-forgotten";
    /// Whoever leaves a channel loses its messages.
    UnfollowForgets = "unfollow-forgets";
    /// A run of messages covers some that are not there.
    RangeTooWide = "range-too-wide";
    /// Lists show no gap.
    GapUnmarked = "gap-unmarked";
    /// Whose token it is does not matter.
    AccountUnchecked = "account-unchecked";
    /// A screen misses one change.
    DiffDropped = "diff-dropped";
    /// Saving a draft empties those of other devices that were not seen.
    DraftUnseenDropped = "draft-unseen-dropped";
    /// A device says that it has seen what others wrote, whether it has or not.
    DraftSeenUnseen = "draft-seen-unseen";
    /// A deleted reply still counts.
    ReplyCountStays = "reply-count-stays";
    /// The read position of a thread is that of the last write.
    ThreadReadBack = "thread-read-back";
    /// A hidden channel is hidden for good.
    HiddenForGood = "hidden-for-good";
    /// A snapshot of the own stream does not say what is muted.
    MuteLost = "mute-lost";
    /// Who makes a distinct channel that is there gets another one.
    DistinctTwice = "distinct-twice";
    /// A silent message is as loud as any.
    SilentLoud = "silent-loud";
    /// Anyone speaks as the channel.
    SystemByAnyone = "system-by-anyone";
    /// Of two changes of how a channel is kept, the earlier one is forgotten.
    SettingsFoldForgets = "settings-fold-forgets";
    /// An edit takes the pin away on the device.
    PinForgotten = "pin-forgotten";
    /// What is for one user only goes to everybody who is in the channel.
    PrivateRowsLeak = "private-rows-leak";
    /// A device that was shut out goes on.
    RevokedGoesOn = "revoked-goes-on";
    /// What has reached a device is said before it is on its disk.
    MarkBeforeCommit = "mark-before-commit";
    /// What was said to have reached a device and got lost is not said again.
    MarkNotRepeated = "mark-not-repeated";
    /// What has reached somebody is what was said last.
    DeliveredLastWrite = "delivered-last-write";
    /// Of the settings only what is changed holds.
    SettingsForgotten = "settings-forgotten";
    /// Who rejects an invitation is in all the same.
    InviteForced = "invite-forced";
    /// A device does not hear of who is denied.
    ContactLost = "contact-lost";
    /// What was decided of a channel is lost in a snapshot of the own stream.
    ConsentLost = "consent-lost";
    /// What is known of a device is forgotten when it says something of itself.
    DeviceForgotten = "device-forgotten";
    /// A device follows every channel, whatever was decided of it.
    DeniedFollowed = "denied-followed";
    /// The connection that is over, and nobody said so, keeps its user online.
    LeaseForEver = "lease-for-ever";
    /// Who connects is seen, whatever they want.
    InvisibleSeen = "invisible-seen";
    /// Who was online is so after a restart of the server.
    OnlineAfterCrash = "online-after-crash";
}
