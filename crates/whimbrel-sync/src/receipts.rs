//! Telling the server what is here: delivered marks, which the engine sends of its own accord.
//!
//! A mark is an operation without memory: nothing of it is in the outbox, and a lost one is made anew from what the registers
//! say. So all of this is forgotten with the connection, but for what is owed, which a store finds out again at start.

use crate::{Effects, Engine, Env, backoff, session::Phase};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use whimbrel_model::{
    Account, ChannelId, Delivered, Delta, DeviceId, Op, OpEnvelope, OpId, Read, Row, UserId, limits,
};
use whimbrel_protocol::{ClientFrame, Ops, Outcome};

/// What is owed, and what is on its way.
#[derive(Debug)]
pub(crate) struct Receipts {
    me: UserId,
    device: DeviceId,
    /// What the own registers said in this run.
    known: BTreeMap<ChannelId, Known>,
    /// The newest message of others that is here, of each channel in which the server does not know that it is.
    owed: BTreeMap<ChannelId, u64>,
    /// Channels of this round that have no mark yet.
    round: VecDeque<ChannelId>,
    sent: BTreeMap<OpId, Mark>,
    /// When the next round may begin.
    rests_until: Option<u64>,
    /// Channels in which the server takes none on this connection.
    refused: BTreeSet<ChannelId>,
}

/// How far the server knows messages of one channel to have reached the account.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    /// Any of its devices.
    delivered: u64,
    /// This device.
    here: u64,
    /// Whether others are shown each device.
    devices_public: bool,
    /// Its user, as far as others are shown that.
    read: u64,
}

impl Known {
    /// What reached others' eyes as read or as delivered needs no mark of one more device, unless they are shown each.
    fn seq(self) -> u64 {
        if self.devices_public {
            self.here
        } else {
            self.delivered.max(self.read)
        }
    }
}

/// A mark that is on its way.
#[derive(Debug)]
pub(crate) struct Mark {
    cid: ChannelId,
    seq: u64,
    at: u64,
}

impl Receipts {
    pub(crate) fn new(account: &Account, owed: BTreeMap<ChannelId, u64>) -> Self {
        Self {
            me: account.user.clone(),
            device: account.device,
            known: BTreeMap::new(),
            owed,
            round: VecDeque::new(),
            sent: BTreeMap::new(),
            rests_until: None,
            refused: BTreeSet::new(),
        }
    }

    /// Takes note of a row that is put; `covered` is up to which message its channel was followed before.
    pub(crate) fn put(&mut self, row: &Row, covered: impl FnOnce(&ChannelId) -> u64) {
        match row {
            // What was covered before was told of then, or was read.
            Row::Message(row) if row.author != self.me && row.seq > covered(&row.cid) => {
                let owed = self.owed.entry(row.cid.clone()).or_default();
                *owed = row.seq.max(*owed);
                self.settle(&row.cid);
            }
            Row::Delivered(row) if row.user == self.me => self.put_delivered(row),
            Row::Read(row) if row.user == self.me => self.put_read(row),
            _ => {}
        }
    }

    fn put_delivered(&mut self, row: &Delivered) {
        let known = self.known.entry(row.cid.clone()).or_default();
        let here = row.of_device(self.device);
        if here > known.here {
            // It was taken after all.
            self.refused.remove(&row.cid);
        }
        known.here = here.max(known.here);
        known.delivered = row.seq.max(known.delivered);
        known.devices_public = row.devices_public;
        self.settle(&row.cid);
    }

    fn put_read(&mut self, row: &Read) {
        if row.thread.is_none() && !row.private {
            let known = self.known.entry(row.cid.clone()).or_default();
            known.read = row.receipt().max(known.read);
            self.settle(&row.cid);
        }
    }

    /// Owes no more than is not known.
    fn settle(&mut self, cid: &ChannelId) {
        let known = self.known(cid);
        if self.owed.get(cid).is_some_and(|owed| *owed <= known) {
            self.owed.remove(cid);
        }
    }

    fn known(&self, cid: &ChannelId) -> u64 {
        self.known.get(cid).map_or(0, |known| known.seq())
    }

    /// The account is in a channel again: what was refused may have been so because it was not.
    pub(crate) fn is_back(&mut self, cid: &ChannelId) {
        self.refused.remove(cid);
    }

    /// Forgets a channel that has another history.
    pub(crate) fn forget(&mut self, cid: &ChannelId) {
        self.owed.remove(cid);
        self.known.remove(cid);
        self.refused.remove(cid);
    }

    /// Forgets what belongs to a connection that is gone.
    pub(crate) fn disconnected(&mut self) {
        self.sent.clear();
        self.round.clear();
        self.refused.clear();
        self.rests_until = None;
    }

    /// Returns the next marks to send: those of one frame, and none while another is without an answer. `covered` says up to which
    /// message a channel is followed: what stands further, as older messages that were read may, waits until that is there too.
    pub(crate) fn next(&mut self, now: u64, covered: impl Fn(&ChannelId) -> u64) -> Vec<(ChannelId, u64)> {
        if !self.sent.is_empty() || self.rests_until.is_some_and(|at| now < at) {
            return Vec::new();
        }
        self.rests_until = None;
        if self.round.is_empty() {
            let sendable = self.owed.keys().filter(|cid| self.may_send(cid, &covered));
            self.round = sendable.cloned().collect();
        }
        let mut marks = Vec::new();
        while marks.len() < limits::OPS_PER_BATCH
            && let Some(cid) = self.round.pop_front()
        {
            if let Some(seq) = self.owed.get(&cid).filter(|_| self.may_send(&cid, &covered)) {
                marks.push((cid, *seq));
            }
        }
        if self.round.is_empty() && !marks.is_empty() {
            self.rests_until = Some(now + limits::DELIVERED_EVERY_MS);
        }
        marks
    }

    /// Takes the mark that is answered, if it is one.
    pub(crate) fn take(&mut self, id: OpId) -> Option<Mark> {
        self.sent.remove(&id)
    }

    /// Takes note that a mark was accepted; the rows of the answer are put. One that moved nothing is not wanted there.
    pub(crate) fn accepted(&mut self, mark: Mark) {
        if self.known(&mark.cid) < mark.seq {
            self.refused.insert(mark.cid);
        }
    }

    pub(crate) fn rejected(&mut self, mark: Mark) {
        self.refused.insert(mark.cid);
    }

    /// Sends nothing before a moment.
    fn wait(&mut self, until: u64) {
        self.round.clear();
        self.rests_until = Some(until);
    }

    fn may_send(&self, cid: &ChannelId, covered: impl Fn(&ChannelId) -> u64) -> bool {
        !self.refused.contains(cid) && self.owed.get(cid).is_some_and(|owed| *owed <= covered(cid))
    }

    /// Returns whether something is still to be said that can be: see [`Receipts::next`].
    pub(crate) fn is_owing(&self, covered: impl Fn(&ChannelId) -> u64) -> bool {
        !self.sent.is_empty() || self.owed.keys().any(|cid| self.may_send(cid, &covered))
    }

    /// Returns when the next round may begin, if there is anything for it.
    pub(crate) fn next_round(&self) -> Option<u64> {
        let is_any = self.owed.keys().any(|cid| !self.refused.contains(cid));
        self.rests_until.filter(|_| self.sent.is_empty() && is_any)
    }

    pub(crate) fn oldest_sent(&self) -> Option<u64> {
        self.sent.values().map(|mark| mark.at).min()
    }
}

impl Engine {
    /// Returns whether the server is still to be told of messages that are here. While offline that can take until the next
    /// connection.
    #[must_use]
    pub fn owes_delivered(&self) -> bool {
        self.streams.owes_marks()
    }

    /// Tells the server now of all messages that are here, sooner than it would by itself.
    pub fn tell_delivered(&mut self, env: &mut Env<'_>) -> Effects {
        self.streams.receipts.rests_until = None;
        self.finish(Effects::default(), env)
    }

    /// Sends the marks that may leave now. The rows that they tell of are on disk, or in the delta that comes before.
    pub(crate) fn mark_delivered(&mut self, effects: &mut Effects, env: &mut Env<'_>) {
        // A connection for something only does not ask for the heads.
        let by_hand = !self.streams.following;
        if !matches!(&self.phase, Phase::Online(online) if online.heads_known || by_hand) {
            return;
        }
        let marks = self.streams.next_marks(env.mono);
        if marks.is_empty() {
            return;
        }
        let mut ops = Vec::with_capacity(marks.len());
        for (cid, seq) in marks {
            let id = OpId(self.new_id(env));
            ops.push(OpEnvelope {
                id,
                op: Op::MarkDelivered {
                    cid: cid.clone(),
                    device: self.account.device,
                    seq,
                },
                composed_at: env.wall,
                after: None,
            });
            let at = env.mono;
            self.streams.receipts.sent.insert(id, Mark { cid, seq, at });
        }
        effects.frames.push(ClientFrame::Ops(Ops { ops }));
    }

    /// Takes the answer to a mark.
    pub(crate) fn marked(&mut self, mark: Mark, outcome: Outcome, delta: &mut Delta, env: &mut Env<'_>) {
        match outcome {
            Outcome::Accepted { steps } => {
                for step in steps {
                    self.streams.answer(step, delta);
                }
                self.streams.receipts.accepted(mark);
            }
            Outcome::Rejected { .. } => self.streams.receipts.rejected(mark),
            Outcome::Retry { retry_after_ms, .. } => {
                let wait = match retry_after_ms {
                    Some(asked) => backoff::spread(asked, env),
                    None => backoff::draw(&self.config, 5, env),
                };
                let wait = wait.max(limits::DELIVERED_EVERY_MS);
                self.streams.receipts.wait(env.mono + wait);
            }
        }
    }
}
