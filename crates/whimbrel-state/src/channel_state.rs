//! One channel as one observable object.

mod capability;
mod facts;
mod members;

use crate::{
    ChannelRow, Content, Currency, Diffs, Drafts, Items, Part, Pins, Reach, SyncState, Timeline,
    TimelineItem, channel_list::laid_over, loading::Loads, lookups::Lookups, outbox::Outbox, reads::Reads,
    state::lock,
};
pub use capability::Capability;
use eyeball::{SharedObservable, Subscriber};
pub use facts::{ChannelCounts, ChannelFacts, Paging, Sending};
pub use members::MemberItem;
use members::Members;
use std::{
    fmt,
    sync::{Arc, Mutex},
};
use whimbrel_model::{
    ChannelId, ChannelSummary, ConsentState, Delta, Member, MessageId, Op, OutboxItem, Read, UserId,
    overlay::MessageView, permission::Denied,
};

/// A channel: what it is, its messages, its members and how far they have read, kept up to date while a handle lives.
///
/// [`ChannelState::facts`] is everything that is not a list. Lists are snapshots with diffs; a fact's change comes after the
/// diffs of the same cause. Cloning it gives another handle to the same object.
#[derive(Clone)]
pub struct ChannelState(pub(crate) Arc<Shared>);

pub(crate) struct Shared {
    me: UserId,
    timeline: Timeline,
    drafts: Drafts,
    pins: Pins,
    known: Mutex<Known>,
    facts: SharedObservable<ChannelFacts>,
}

/// What the facts are made of.
struct Known {
    row: Option<ChannelSummary>,
    /// Whether the row is about to be read again: until then nothing is computed of it, so that what was accepted does not
    /// vanish in between.
    awaits_row: bool,
    members: Members,
    reads: Reads,
    quoted: Lookups,
    /// The rows of the timeline, and the draft's quote, that the quoted messages were taken from.
    looked_at: (Items<TimelineItem>, Option<MessageId>),
    loads: Loads,
    reach: Reach,
}

impl ChannelState {
    /// Returns the channel.
    #[must_use]
    pub fn cid(&self) -> &ChannelId {
        self.0.timeline.cid()
    }

    /// Returns everything that is not a list, as it is now.
    #[must_use]
    pub fn facts(&self) -> ChannelFacts {
        self.0.facts.get()
    }

    /// Returns a reader of [`ChannelState::facts`]. It sees the latest, not each one on the way.
    pub fn subscribe(&self) -> Subscriber<ChannelFacts> {
        self.0.facts.subscribe()
    }

    /// Returns a reader of a part of [`ChannelState::facts`], which wakes only when that part is another one.
    pub fn part<T: Clone + PartialEq>(&self, pick: fn(&ChannelFacts) -> T) -> Part<ChannelFacts, T> {
        Part::new(self.0.facts.subscribe(), pick)
    }

    /// Returns the messages.
    #[must_use]
    pub fn timeline(&self) -> &Timeline {
        &self.0.timeline
    }

    /// Returns the members, by user, and what changes from now on.
    #[must_use]
    pub fn subscribe_members(&self) -> (Items<MemberItem>, Diffs<MemberItem>) {
        let keep = Arc::clone(&self.0);
        lock(&self.0.known).members.list.subscribe(Some(keep))
    }

    /// Returns the members, by user.
    #[must_use]
    pub fn members(&self) -> Items<MemberItem> {
        lock(&self.0.known).members.list.items()
    }

    /// Returns how far everyone has read, by user, and what changes from now on.
    #[must_use]
    pub fn subscribe_reads(&self) -> (Items<Read>, Diffs<Read>) {
        let keep = Arc::clone(&self.0);
        lock(&self.0.known).reads.list.subscribe(Some(keep))
    }

    /// Returns how far everyone has read, by user.
    #[must_use]
    pub fn reads(&self) -> Items<Read> {
        lock(&self.0.known).reads.list.items()
    }

    /// Returns the messages that loaded messages quote, by id, and what changes from now on.
    #[must_use]
    pub fn subscribe_quoted(&self) -> (Items<MessageView>, Diffs<MessageView>) {
        let keep = Arc::clone(&self.0);
        lock(&self.0.known).quoted.list.subscribe(Some(keep))
    }

    /// Returns a message that a loaded message quotes. Absent: it is not on this device, or none quotes it.
    #[must_use]
    pub fn quoted(&self, id: MessageId) -> Option<Arc<MessageView>> {
        lock(&self.0.known).quoted.list.get(&id).cloned()
    }

    /// Returns the pinned messages that are on this device, wherever they stand.
    #[must_use]
    pub fn pins(&self) -> &Pins {
        &self.0.pins
    }

    /// Predicts what the server will say to an operation in this channel. A change of a message needs the message to be
    /// loaded.
    ///
    /// # Errors
    /// [`Denied`], with the server's code and why.
    pub fn predict(&self, op: &Op) -> Result<(), Denied> {
        let items = self.0.timeline.items();
        let message = op
            .message()
            .and_then(|id| items.iter().rev().find(|item| item.id() == id));
        let membership = self.facts().membership;
        let message = message.map(|item| &item.view.message);
        capability::predict(op, membership.as_deref(), &self.0.me, message)
    }

    pub(crate) fn new(me: UserId, timeline: Timeline, drafts: Drafts, pins: Pins) -> Self {
        let known = Known {
            row: None,
            awaits_row: true,
            members: Members::new(timeline.cid().clone(), me.clone()),
            reads: Reads::new(timeline.cid().clone(), None, me.clone()),
            quoted: Lookups::default(),
            looked_at: (Items::default(), None),
            loads: Loads::default(),
            reach: Reach::default(),
        };
        Self(Arc::new(Shared {
            me,
            timeline,
            drafts,
            pins,
            known: Mutex::new(known),
            facts: SharedObservable::default(),
        }))
    }

    /// Takes in a delta, but for what its row says.
    pub(crate) fn reduce(&self, delta: &Delta, ops: &[Arc<OutboxItem>], outbox: &Outbox) {
        let mut known = lock(&self.0.known);
        known.members.reduce(delta, ops, outbox);
        known.reads.reduce(delta, ops, outbox);
        known.quoted.reduce(delta, ops, outbox);
    }

    /// Puts what the store has.
    pub(crate) fn put_row(&self, row: Option<ChannelSummary>) {
        let mut known = lock(&self.0.known);
        known.row = row;
        known.awaits_row = false;
    }

    /// Takes in what holds of others by now, but for what the row says.
    pub(crate) fn settle_people(&self, outbox: &Outbox) {
        lock(&self.0.known).members.settle_people(outbox);
    }

    /// Takes note that the row is about to be put.
    pub(crate) fn wait_for_row(&self) {
        lock(&self.0.known).awaits_row = true;
    }

    /// Puts everyone that the store has.
    pub(crate) fn put_people(&self, members: &[Member], reads: &[Read], outbox: &Outbox) {
        let mut known = lock(&self.0.known);
        known.members.replace(members, outbox);
        known.reads.replace(reads, outbox);
    }

    pub(crate) fn put_reach(&self, reach: Reach) {
        lock(&self.0.known).reach = reach;
    }

    pub(crate) fn lookups(&self, act: impl FnOnce(&mut Lookups)) {
        act(&mut lock(&self.0.known).quoted);
    }

    pub(crate) fn loads(&self, act: impl FnOnce(&mut Loads)) {
        act(&mut lock(&self.0.known).loads);
    }

    /// Returns whether it is the object of this very timeline.
    pub(crate) fn is_over(&self, timeline: &Timeline) -> bool {
        Arc::ptr_eq(&self.0.timeline.0, &timeline.0)
    }

    /// Computes the facts again.
    pub(crate) fn settle(&self, outbox: &Outbox, status: &SyncState) {
        let mut known = lock(&self.0.known);
        if known.awaits_row {
            return;
        }
        let items = self.0.timeline.items();
        let draft = self.0.drafts.get(self.cid(), None);
        let replied = draft.as_ref().and_then(|draft| draft.content.quoted);
        if !items.ptr_eq(&known.looked_at.0) || replied != known.looked_at.1 {
            let quoted = items.iter().filter_map(|item| item.view.message.quoted);
            known.quoted.want(&quoted.chain(replied).collect());
            known.looked_at = (items.clone(), replied);
        }
        let replied = replied.and_then(|id| known.quoted.list.get(&id).cloned());
        let facts = ChannelFacts {
            draft,
            replied,
            ..known.facts(&self.0, &items, outbox, status)
        };
        self.0.facts.set_if_not_eq(facts);
    }
}

impl Known {
    fn facts(
        &self,
        shared: &Shared,
        items: &Items<TimelineItem>,
        outbox: &Outbox,
        status: &SyncState,
    ) -> ChannelFacts {
        let (before, cid) = (shared.facts.get(), shared.timeline.cid());
        let stored = self.row.clone().map(ChannelRow::from);
        let laid = laid_over(cid, stored.as_ref(), outbox, &shared.me);
        let row = laid.as_ref().map(|laid| &laid.row.summary);
        let created_locally = laid.as_ref().is_some_and(|laid| laid.created.is_some());
        let stored = row.and_then(|row| row.membership.as_ref());
        let membership = kept(&before.membership, stored);
        let is_here = !items.is_empty()
            || created_locally
            || self.reach.followed
            || (self.reach.up_to_date && *status == SyncState::Live);
        let mut own = items.iter().rev().map(|item| &item.view.message);
        let freshness = shared.timeline.freshness();
        ChannelFacts {
            channel: kept(&before.channel, row.and_then(|row| row.channel.as_ref())),
            capabilities: match &membership {
                own if *own == before.membership => before.capabilities,
                Some(own) => Arc::new(capability::capabilities(own)),
                None => Arc::default(),
            },
            consent: stored.map_or(ConsentState::Unknown, |own| outbox.people().consent(own)),
            hidden: membership
                .as_ref()
                .zip(row)
                .is_some_and(|(own, row)| own.is_hidden(row.head_seq)),
            counts: ChannelCounts {
                unread: row.map_or(0, |row| row.unread),
                mentions: row.map_or(0, |row| row.mentions),
                unread_unknown: row.map_or(0, |row| row.unread_unknown),
                members: self.members.active,
                messages: row.map(|row| row.head_seq).filter(|_| self.reach.followed),
            },
            read: row.map(ChannelSummary::position).unwrap_or_default(),
            sending: Sending {
                last_sent_at: own
                    .find(|message| message.author == shared.me)
                    .map(|message| message.composed_at),
                pending: laid.map_or(0, |laid| u32::try_from(laid.pending).unwrap_or(u32::MAX)),
                created_locally,
            },
            content: Content::of(is_here, status),
            paging: self.loads.paging(&shared.timeline, is_here),
            currency: Currency {
                freshness,
                recovery_needed: !self.reach.up_to_date || !shared.timeline.is_without_gap(),
            },
            membership,
            draft: None,
            replied: None,
        }
    }
}

/// Returns what is shared already, if it is still the same.
fn kept<T: Clone + Eq>(before: &Option<Arc<T>>, now: Option<&T>) -> Option<Arc<T>> {
    let now = now?;
    let same = before.as_ref().filter(|before| ***before == *now);
    Some(same.map_or_else(|| Arc::new(now.clone()), Arc::clone))
}

impl fmt::Debug for ChannelState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelState")
            .field("cid", self.cid())
            .finish_non_exhaustive()
    }
}
