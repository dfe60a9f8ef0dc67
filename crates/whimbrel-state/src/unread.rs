use crate::{channel_list, outbox::Outbox, state::lock};
use eyeball::{SharedObservable, Subscriber};
use imbl::OrdMap;
use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    sync::{Arc, Mutex},
};
use whimbrel_model::{
    ChannelId, ChannelSummary, ConsentState, FollowedThread, MemberState, MessageId, Mute, Op, Timestamp,
    UserId,
};

/// How much is unread in all channels together: the sums over the whole channel list, loaded or not. Channels that are muted
/// count only as [`muted`](Self::muted), those that are denied not at all. What people wrote who are denied or muted counts
/// nowhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnreadTotals {
    /// Messages on this device that count as unread.
    pub messages: u64,
    /// Those of them that mention the user.
    pub mentions: u64,
    /// Channels with any.
    pub channels: u64,
    /// Followed threads with unread replies.
    pub threads: u64,
    /// Unread messages in channels that are muted.
    pub muted: u64,
    /// Channels that wait for a decision: the account was brought in and nothing was decided of them, or it is invited.
    pub requests: u64,
    /// Unread messages in those of them that the account is in. [`messages`](Self::messages) has them too.
    pub requested: u64,
    /// Messages past read positions that this device lacks or has only as they once were: each of them may count. 0: the
    /// other numbers are exact, as far as the server has been heard of.
    pub unknown: u64,
}

/// What is unread in the whole account, kept up to date while a handle of it lives. Cloning it gives another handle to the
/// same numbers.
#[derive(Clone)]
pub struct Unread(pub(crate) Arc<Shared>);

pub(crate) struct Shared {
    counts: Mutex<Counts>,
    totals: SharedObservable<UnreadTotals>,
}

#[derive(Debug, Default)]
struct Counts {
    channels: HashMap<ChannelId, Count>,
    /// The channels of threads with unread replies.
    threads: HashMap<MessageId, ChannelId>,
    totals: UnreadTotals,
    /// How channels are muted.
    mutes: OrdMap<ChannelId, Mute>,
    /// The sums by the type of the channel.
    types: OrdMap<String, UnreadTotals>,
    /// When mutes end.
    ends: BTreeSet<(Timestamp, ChannelId)>,
    /// Channels of which consent is another one, as it was and as it is, since it was asked last.
    moved: Vec<(ChannelId, ConsentState, ConsentState)>,
    now: Timestamp,
}

/// What is known of one channel.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    joined: bool,
    invited: bool,
    consent: ConsentState,
    /// Whether writing decides of consent.
    undecided: bool,
    messages: u64,
    mentions: u64,
    threads: u64,
    unknown: u64,
    head_seq: u64,
    muted: Option<Mute>,
}

impl Unread {
    /// Returns the totals as they are now.
    #[must_use]
    pub fn totals(&self) -> UnreadTotals {
        self.0.totals.get()
    }

    /// Returns a reader of [`Unread::totals`]. It sees the latest, not each one on the way. It does not keep them up to
    /// date: keep the handle.
    pub fn subscribe(&self) -> Subscriber<UnreadTotals> {
        self.0.totals.subscribe()
    }

    /// Returns the sums by the type of the channel, of the types that have any. Cheap, whatever there is.
    #[must_use]
    pub fn by_type(&self) -> OrdMap<String, UnreadTotals> {
        lock(&self.0.counts).types.clone()
    }

    /// Returns the channels that are muted, and how; some may not be any more by now ([`Mute::until`]). Cheap, whatever there
    /// is.
    #[must_use]
    pub fn mutes(&self) -> OrdMap<ChannelId, Mute> {
        lock(&self.0.counts).mutes.clone()
    }

    /// Returns the newest sequence of a channel that its count takes in. Absent: it was never counted.
    pub(crate) fn head_seq(&self, cid: &ChannelId) -> Option<u64> {
        let counts = lock(&self.0.counts);
        counts.channels.get(cid).map(|count| count.head_seq)
    }

    pub(crate) fn new(now: Timestamp) -> Self {
        let counts = Counts {
            now,
            ..Counts::default()
        };
        Self(Arc::new(Shared {
            counts: Mutex::new(counts),
            totals: SharedObservable::default(),
        }))
    }

    /// Returns whether writing in a channel may decide of consent.
    pub(crate) fn is_undecided(&self, cid: &ChannelId) -> bool {
        let counts = lock(&self.0.counts);
        counts.channels.get(cid).is_some_and(|count| count.undecided)
    }

    /// Returns the channels of which consent is another one since it was asked last, as it was and as it is.
    pub(crate) fn take_moved(&self) -> Vec<(ChannelId, ConsentState, ConsentState)> {
        std::mem::take(&mut lock(&self.0.counts).moved)
    }

    /// Forgets what is known of channels, and counts `rows`, which are all there are.
    pub(crate) fn replace(&self, rows: &[ChannelSummary], outbox: &Outbox, me: &UserId) {
        let mut counts = lock(&self.0.counts);
        let known: Vec<_> = counts.channels.keys().cloned().collect();
        for cid in known {
            counts.change(&cid, |count| {
                *count = Count {
                    threads: count.threads,
                    // What is not there any more was neither allowed nor denied by that.
                    consent: count.consent,
                    ..Count::default()
                };
            });
        }
        self.put_all(&mut counts, rows, outbox, me);
    }

    /// Replaces what is known of some channels. Costs as much as there are of them, not as there are in the account.
    pub(crate) fn put(&self, rows: &[ChannelSummary], outbox: &Outbox, me: &UserId) {
        self.put_all(&mut lock(&self.0.counts), rows, outbox, me);
    }

    /// Forgets what is known of threads, and counts `threads`, which are all that are followed.
    pub(crate) fn replace_threads(&self, threads: &[FollowedThread]) {
        let mut counts = lock(&self.0.counts);
        let known: Vec<_> = counts.threads.keys().copied().collect();
        known.into_iter().for_each(|id| counts.put_thread(id, None));
        for thread in threads {
            counts.put_thread(thread.parent.id, Some(thread));
        }
        self.0.totals.set_if_not_eq(counts.totals);
    }

    /// Replaces what is known of one thread. Nothing: it is not there any more.
    pub(crate) fn put_thread(&self, id: MessageId, thread: Option<&FollowedThread>) {
        let mut counts = lock(&self.0.counts);
        counts.put_thread(id, thread);
        self.0.totals.set_if_not_eq(counts.totals);
    }

    /// Counts what was muted until `now` or earlier. Returns when the next mute ends.
    pub(crate) fn set_now(&self, now: Timestamp) -> Option<Timestamp> {
        let mut counts = lock(&self.0.counts);
        let before = std::mem::replace(&mut counts.now, now);
        if now < before {
            // A clock that was put back: whatever it passed may have to be muted again.
            counts.recount_muted(before);
        }
        while let Some((_, cid)) = counts.ends.first().filter(|(until, _)| *until <= now).cloned() {
            counts.recount(&cid, before);
        }
        self.0.totals.set_if_not_eq(counts.totals);
        counts.ends.first().map(|(until, _)| *until)
    }

    fn put_all(&self, counts: &mut Counts, rows: &[ChannelSummary], outbox: &Outbox, me: &UserId) {
        for row in rows {
            let own = channel_list::own(&row.cid, row.membership.as_ref(), outbox, me);
            let state = own.as_ref().map(|own| own.state);
            counts.change(&row.cid, |count| {
                *count = Count {
                    joined: state == Some(MemberState::Active),
                    invited: state == Some(MemberState::Invited),
                    consent: own
                        .as_ref()
                        .map_or(ConsentState::Unknown, |own| outbox.people().consent(own)),
                    undecided: may_be_undecided(row, outbox),
                    messages: row.unread,
                    mentions: row.mentions,
                    threads: count.threads,
                    unknown: row.unread_unknown,
                    head_seq: row.head_seq,
                    muted: own.and_then(|own| own.muted),
                };
            });
        }
        self.0.totals.set_if_not_eq(counts.totals);
    }
}

impl Counts {
    /// Changes what is known of a channel, and the sums with it.
    fn change(&mut self, cid: &ChannelId, change: impl FnOnce(&mut Count)) {
        let count = self.channels.entry(cid.clone()).or_default();
        let before = count.shown(self.now);
        let consent = count.consent;
        if let Some(end) = count.end(cid) {
            self.ends.remove(&end);
        }
        change(count);
        if count.consent != consent {
            self.moved.push((cid.clone(), consent, count.consent));
        }
        let (now, end) = (count.shown(self.now), count.end(cid));
        match count.muted.filter(|_| count.joined) {
            Some(mute) => drop(self.mutes.insert(cid.clone(), mute)),
            None => drop(self.mutes.remove(cid)),
        }
        self.ends.extend(end.filter(|(until, _)| *until > self.now));
        self.sum(cid, before, now);
    }

    fn put_thread(&mut self, id: MessageId, thread: Option<&FollowedThread>) {
        if let Some(cid) = self.threads.remove(&id) {
            self.change(&cid, |count| count.threads -= 1);
        }
        // A reply may be here before the message that began the thread says that there is one: the next page says it.
        let counts =
            |thread: &&FollowedThread| thread.followed && thread.parent.thread.is_some() && thread.unread > 0;
        if let Some(thread) = thread.filter(counts) {
            self.threads.insert(id, thread.parent.cid.clone());
            self.change(&thread.parent.cid, |count| count.threads += 1);
        }
    }

    /// Counts a channel as it is now, which was counted as it was at `before`.
    fn recount(&mut self, cid: &ChannelId, before: Timestamp) {
        let Some(count) = self.channels.get(cid).copied() else {
            return;
        };
        if let Some(end) = count.end(cid) {
            self.ends.remove(&end);
            self.ends.extend((end.0 > self.now).then_some(end));
        }
        self.sum(cid, count.shown(before), count.shown(self.now));
    }

    fn recount_muted(&mut self, before: Timestamp) {
        let muted = self.channels.iter().filter(|(_, count)| count.muted.is_some());
        let muted: Vec<_> = muted.map(|(cid, _)| cid.clone()).collect();
        for cid in muted {
            self.recount(&cid, before);
        }
    }

    fn sum(&mut self, cid: &ChannelId, before: UnreadTotals, now: UnreadTotals) {
        if before != now {
            self.totals.replace(before, now);
            let kind = cid.channel_type();
            let mut of_type = self.types.get(kind).copied().unwrap_or_default();
            of_type.replace(before, now);
            match of_type == UnreadTotals::default() {
                true => drop(self.types.remove(kind)),
                false => drop(self.types.insert(kind.to_owned(), of_type)),
            }
        }
    }
}

impl Count {
    /// Returns what the channel adds to the sums.
    fn shown(&self, now: Timestamp) -> UnreadTotals {
        let is_request = match self.consent {
            ConsentState::Unknown => self.joined || self.invited,
            ConsentState::Allowed => self.invited,
            ConsentState::Denied => false,
        };
        let requests = UnreadTotals {
            requests: u64::from(is_request),
            ..UnreadTotals::default()
        };
        if !self.joined || self.consent == ConsentState::Denied {
            return requests;
        }
        if self
            .muted
            .is_some_and(|mute| mute.until.is_none_or(|until| until > now))
        {
            return UnreadTotals {
                muted: self.messages,
                ..requests
            };
        }
        UnreadTotals {
            messages: self.messages,
            mentions: self.mentions,
            channels: u64::from(self.messages > 0),
            threads: self.threads,
            muted: 0,
            requested: if is_request { self.messages } else { 0 },
            unknown: self.unknown,
            ..requests
        }
    }

    fn end(&self, cid: &ChannelId) -> Option<(Timestamp, ChannelId)> {
        let until = self.muted.and_then(|mute| mute.until)?;
        Some((until, cid.clone()))
    }
}

/// Returns whether nothing was decided of a channel, on the server or by what waits: then writing decides it.
fn may_be_undecided(row: &ChannelSummary, outbox: &Outbox) -> bool {
    let takes_back = |op: &Op| match op {
        Op::UpdateMembership { change, .. } => change.consent == Some(ConsentState::Unknown),
        _ => false,
    };
    let stored = row.membership.as_ref();
    stored.is_some_and(|own| own.consent == ConsentState::Unknown)
        || outbox.queued(Some(&row.cid)).any(|item| takes_back(&item.op))
}

impl UnreadTotals {
    /// Takes what a channel added out of the sums, and what it adds now in.
    fn replace(&mut self, before: Self, now: Self) {
        self.messages = self.messages + now.messages - before.messages;
        self.mentions = self.mentions + now.mentions - before.mentions;
        self.channels = self.channels + now.channels - before.channels;
        self.threads = self.threads + now.threads - before.threads;
        self.muted = self.muted + now.muted - before.muted;
        self.requests = self.requests + now.requests - before.requests;
        self.requested = self.requested + now.requested - before.requested;
        self.unknown = self.unknown + now.unknown - before.unknown;
    }
}

impl fmt::Debug for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Unread").field(&self.totals()).finish()
    }
}
