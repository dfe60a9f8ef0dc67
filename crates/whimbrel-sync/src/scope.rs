//! Bringing a part of the account up to date by hand, beside what is followed.

use crate::{
    Effects, Engine, Env, Notice, barrier::Asked, engine::Request, session::Phase, streams::Streams,
};
use std::collections::BTreeSet;
use whimbrel_model::{Change, ChannelId, Code, ConsentState, Delta, Row, StreamId};
use whimbrel_protocol::{Answer, Ask, ClientFrame, Failed, FindChannels, Question, Window};

/// Channels whose rows are asked for at once: as many as one answer has.
const ROWS_AT_ONCE: usize = 30;

/// What is to be brought up to date. Everything that the server had when it was asked is on the device then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyncScope {
    /// The account's own stream: what it decided and set, its drafts and devices, and which channels it is in.
    Own,
    /// The own stream, and the rows of channels that are not on the device yet, and are not denied: no messages.
    NewChannels,
    /// The own stream, and one channel, followed or not.
    Channel(ChannelId),
    /// The own stream, and one channel if it is followed: what the server told of unasked.
    Pushed(ChannelId),
    /// The own stream, and all channels whose consent is one of these, followed or not.
    Channels(BTreeSet<ConsentState>),
}

/// What a sync by hand came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SyncSummary {
    /// Channels that were to be brought up to date.
    pub eligible: usize,
    /// Those of them of which the device lacked something that it has now.
    pub synced: usize,
}

/// Why a sync by hand did not come to its end. What it had brought by then stays.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SyncError {
    /// There is no connection, none could be made, or it broke.
    #[error(
        "there is no connection to the server now ({0}): what is on this device stays, sync again once there is one"
    )]
    NotConnected(Code),
    /// The server does not give the channel to this account.
    #[error("the server refused to sync it: {message}")]
    Refused {
        /// The stable code.
        code: Code,
        /// Why, in words.
        message: String,
    },
}

impl SyncError {
    /// Returns the stable code.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::NotConnected(_) => "not_connected",
            Self::Refused { code, .. } => code.as_str(),
        }
    }

    /// Returns whether asking again may help.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::NotConnected(_) => true,
            Self::Refused { code, .. } => code.is_retryable(),
        }
    }
}

pub(crate) type Outcome = Result<SyncSummary, SyncError>;

/// Who waits, and for what.
#[derive(Debug, Default)]
pub(crate) struct Scopes {
    last: u64,
    active: Vec<Active>,
}

#[derive(Debug)]
struct Active {
    id: u64,
    scope: SyncScope,
    step: Step,
    refused: Option<SyncError>,
}

#[derive(Debug)]
enum Step {
    /// Nothing was asked on this connection.
    New,
    /// The own stream was asked for; and a channel, or how far each goes, if that is wanted.
    Own {
        heads: Option<Asked>,
        channel: Option<StreamId>,
    },
    /// Channels that lack something are on their way.
    Channels {
        eligible: usize,
        lacking: BTreeSet<StreamId>,
    },
    /// Rows of channels are on their way: these by this request, those after it.
    Rows {
        request: Option<u64>,
        left: Vec<ChannelId>,
        summary: SyncSummary,
    },
    /// All is here; operations that were sent on a connection for this only have no answer yet.
    Here(SyncSummary),
}

impl Scopes {
    /// Returns whether anybody waits for a request for heads that has not left.
    pub(crate) fn want_heads(&self) -> bool {
        let mut steps = self.active.iter().map(|active| &active.step);
        steps.any(|step| {
            matches!(
                step,
                Step::Own {
                    heads: Some(Asked::NotYet),
                    ..
                }
            )
        })
    }

    /// A request for heads leaves.
    pub(crate) fn asked(&mut self, request: u64) {
        self.each_asked(|asked| asked.leaves(request));
    }

    /// It is answered, and there is no more to ask for.
    pub(crate) fn answered(&mut self, request: u64) {
        self.each_asked(|asked| asked.is_answered(request));
    }

    /// It was refused for now.
    pub(crate) fn ask_again(&mut self) {
        self.each_asked(|_| Asked::NotYet);
    }

    /// Whatever was asked has no answer.
    pub(crate) fn start_over(&mut self) {
        for active in &mut self.active {
            active.step = Step::New;
            active.refused = None;
        }
    }

    /// The server does not give a stream to the account.
    pub(crate) fn refused(&mut self, stream: &StreamId, failed: &Failed) {
        for active in &mut self.active {
            if matches!(&active.step, Step::Own { channel: Some(wanted), .. } if wanted == stream) {
                active.refused = Some(refusal(failed));
            }
        }
    }

    fn each_asked(&mut self, change: impl Fn(Asked) -> Asked) {
        for active in &mut self.active {
            if let Step::Own {
                heads: Some(asked), ..
            } = &mut active.step
            {
                *asked = change(*asked);
            }
        }
    }

    /// Returns the streams that are wanted now.
    fn wanted(&self) -> BTreeSet<StreamId> {
        let mut wanted = BTreeSet::new();
        for active in &self.active {
            match &active.step {
                Step::Own { channel, .. } => wanted.extend(channel.clone()),
                Step::Channels { lacking, .. } => wanted.extend(lacking.iter().cloned()),
                Step::New | Step::Rows { .. } | Step::Here(_) => {}
            }
        }
        wanted
    }
}

fn refusal(failed: &Failed) -> SyncError {
    SyncError::Refused {
        code: failed.code.clone(),
        message: failed.message.clone(),
    }
}

impl Engine {
    /// Brings something up to date, followed or not. Returns the number that names the outcome in [`Notice::Synced`]: exactly one
    /// comes, when it is done, or when there is no connection and none is being made. The engine does not connect by itself.
    pub fn sync(&mut self, scope: SyncScope, env: &mut Env<'_>) -> (u64, Effects) {
        self.scopes.last += 1;
        let id = self.scopes.last;
        self.scopes.active.push(Active {
            id,
            scope,
            step: Step::New,
            refused: None,
        });
        self.streams.set_wanted(self.scopes.wanted());
        (id, self.finish(Effects::default(), env))
    }

    /// Gives a sync by hand up: nobody waits for it any more, and no notice comes of it.
    pub fn end_sync(&mut self, id: u64) {
        self.scopes.active.retain(|active| active.id != id);
        self.streams.set_wanted(self.scopes.wanted());
    }

    /// Says whether the account's streams are followed by themselves while there is a connection: they are, unless it was said
    /// otherwise. If not, only what is synced by hand is brought, and the own stream; the outbox is sent all the same.
    pub fn set_following(&mut self, following: bool, env: &mut Env<'_>) -> Effects {
        let mut effects = Effects::default();
        self.streams.set_following(following);
        let unknown = matches!(&self.phase, Phase::Online(online) if !online.heads_known);
        if following && unknown {
            self.ask_heads(&mut effects, env);
        }
        self.finish(effects, env)
    }

    /// Takes what is synced by hand as far as it can be taken now.
    pub(crate) fn advance_scopes(&mut self, effects: &mut Effects, env: &mut Env<'_>) {
        if self.scopes.active.is_empty() {
            return;
        }
        match self.phase {
            Phase::Connecting { .. } | Phase::Greeting { .. } => return,
            Phase::Online(_) => {}
            _ => return self.fail_scopes(effects),
        }
        while self.advance_each(effects, env) {}
        if self.scopes.want_heads() {
            self.ask_heads(effects, env);
        }
    }

    fn fail_scopes(&mut self, effects: &mut Effects) {
        let why = match &self.phase {
            Phase::Waiting { reason, .. } => reason.clone(),
            Phase::NeedsAuth { .. } => Code::TokenInvalid,
            Phase::Failed { .. } => Code::ProtocolUnsupported,
            _ => Code::Other("offline".to_owned()),
        };
        for active in std::mem::take(&mut self.scopes.active) {
            let error = SyncError::NotConnected(why.clone());
            effects.notices.push(Notice::Synced(active.id, Err(error)));
        }
        self.streams.set_wanted(BTreeSet::new());
    }

    /// Returns whether any came further, so that others may too.
    fn advance_each(&mut self, effects: &mut Effects, env: &Env<'_>) -> bool {
        let mut moved = false;
        let mut all = std::mem::take(&mut self.scopes.active);
        all.retain_mut(|active| match self.advance(active, effects, env) {
            Advance::Waits => true,
            Advance::Moved => {
                moved = true;
                true
            }
            Advance::Done(Ok(summary)) if self.waits_for_answers() => {
                active.step = Step::Here(summary);
                true
            }
            Advance::Done(outcome) => {
                effects.notices.push(Notice::Synced(active.id, outcome));
                false
            }
        });
        self.scopes.active = all;
        self.streams.set_wanted(self.scopes.wanted());
        moved
    }

    /// Returns whether a connection that is there for syncs by hand only has operations on their way: they would be sent again.
    fn waits_for_answers(&self) -> bool {
        !self.streams.following && self.outbox.oldest_sent().is_some()
    }

    fn advance(&mut self, active: &mut Active, effects: &mut Effects, env: &Env<'_>) -> Advance {
        let own = StreamId::User(self.account.user.clone());
        match &mut active.step {
            Step::New => {
                let from = self.requests.next_id();
                self.streams.force(&own, from);
                let channel = match &active.scope {
                    SyncScope::Channel(cid) => Some(cid),
                    SyncScope::Pushed(cid) => Some(cid).filter(|cid| self.streams.is_followed(cid)),
                    _ => None,
                };
                let channel = channel.map(|cid| self.force_channel(cid));
                let heads = matches!(active.scope, SyncScope::Channels(_)).then_some(Asked::NotYet);
                active.step = Step::Own { heads, channel };
                Advance::Moved
            }
            Step::Own { heads, .. } => {
                let known = heads.is_none_or(|asked| asked == Asked::Answered);
                if !known || self.streams.is_on_its_way(&own) {
                    return Advance::Waits;
                }
                self.own_is_here(active)
            }
            Step::Channels { eligible, lacking } => {
                if lacking.iter().any(|id| self.streams.is_on_its_way(id)) {
                    return Advance::Waits;
                }
                let here = |id: &&StreamId| !self.streams.is_left(id) && !self.streams.is_moved(id);
                Advance::Done(Ok(SyncSummary {
                    eligible: *eligible,
                    synced: lacking.iter().filter(here).count(),
                }))
            }
            Step::Here(summary) => Advance::Done(Ok(*summary)),
            Step::Rows { request: Some(_), .. } => Advance::Waits,
            Step::Rows {
                request: None,
                left,
                summary,
            } => {
                if let Some(error) = active.refused.take() {
                    return Advance::Done(Err(error));
                }
                if left.is_empty() {
                    return Advance::Done(Ok(*summary));
                }
                let some = left.split_off(left.len().saturating_sub(ROWS_AT_ONCE));
                let id = self.requests.add(Request::Rows(active.id), env.mono);
                if let Step::Rows { request, .. } = &mut active.step {
                    *request = Some(id);
                }
                effects.frames.push(ask_for_rows(id, &some));
                Advance::Waits
            }
        }
    }

    /// Goes on once the own stream says which channels there are.
    fn own_is_here(&mut self, active: &mut Active) -> Advance {
        match &active.scope {
            SyncScope::Own => Advance::Done(Ok(SyncSummary::default())),
            SyncScope::Pushed(cid) if !self.streams.is_followed(cid) => {
                Advance::Done(Ok(SyncSummary::default()))
            }
            SyncScope::Channel(cid) | SyncScope::Pushed(cid) => {
                let id = StreamId::Channel(cid.clone());
                if let Step::Own { channel, .. } = &mut active.step
                    && channel.is_none()
                {
                    *channel = Some(self.force_channel(cid));
                    return Advance::Moved;
                }
                if let Some(error) = active.refused.take() {
                    return Advance::Done(Err(error));
                }
                if self.streams.is_left(&id) {
                    return Advance::Done(Err(SyncError::Refused {
                        code: Code::NotMember,
                        message: format!("the account is not in {cid}"),
                    }));
                }
                if self.streams.is_on_its_way(&id) {
                    return Advance::Waits;
                }
                Advance::Done(Ok(SyncSummary {
                    eligible: 1,
                    synced: 1,
                }))
            }
            SyncScope::NewChannels => {
                let left = new_channels(&self.streams);
                let summary = SyncSummary {
                    eligible: left.len(),
                    synced: 0,
                };
                active.step = Step::Rows {
                    request: None,
                    left,
                    summary,
                };
                Advance::Moved
            }
            SyncScope::Channels(consents) => {
                let wanted = self.streams.consents.channels();
                let ids: Vec<StreamId> = wanted
                    .filter(|(_, consent)| consents.contains(consent))
                    .map(|(cid, _)| StreamId::Channel(cid.clone()))
                    .collect();
                let lacking = ids
                    .iter()
                    .filter(|id| self.streams.is_moved(id))
                    .cloned()
                    .collect();
                active.step = Step::Channels {
                    eligible: ids.len(),
                    lacking,
                };
                Advance::Moved
            }
        }
    }

    fn force_channel(&mut self, cid: &ChannelId) -> StreamId {
        let id = StreamId::Channel(cid.clone());
        self.streams.force(&id, self.requests.next_id());
        id
    }

    /// Takes rows of channels that are not on the device.
    pub(crate) fn rows_came(&mut self, scope: u64, answer: &Answer, delta: &mut Delta) {
        let put = self.streams.put_channels(&answer.rows, delta);
        self.rows_answered(scope, put, None);
    }

    pub(crate) fn rows_refused(&mut self, scope: u64, failed: &Failed) {
        self.rows_answered(scope, 0, Some(refusal(failed)));
    }

    fn rows_answered(&mut self, scope: u64, put: usize, error: Option<SyncError>) {
        let active = self.scopes.active.iter_mut().find(|active| active.id == scope);
        let Some(active) = active else { return };
        active.refused = error;
        if let Step::Rows { request, summary, .. } = &mut active.step {
            *request = None;
            summary.synced += put;
        }
    }
}

enum Advance {
    Waits,
    Moved,
    Done(Outcome),
}

/// Returns the account's channels that were never pulled and are not denied.
fn new_channels(streams: &Streams) -> Vec<ChannelId> {
    let all = streams.consents.channels();
    let new = all.filter(|(cid, consent)| {
        let id = StreamId::Channel((*cid).clone());
        *consent != ConsentState::Denied && streams.cursor(&id).is_none()
    });
    new.map(|(cid, _)| cid.clone()).collect()
}

fn ask_for_rows(id: u64, cids: &[ChannelId]) -> ClientFrame {
    let cids: Vec<&str> = cids.iter().map(ChannelId::as_str).collect();
    let filter = serde_json::json!({ "cid": { "$in": cids } });
    let window = Window {
        limit: u32::try_from(ROWS_AT_ONCE).ok(),
        ..Window::default()
    };
    let question = Question::Channels(FindChannels {
        filter: filter.into(),
        window,
        ..FindChannels::default()
    });
    ClientFrame::Ask(Ask { id, question })
}

impl Streams {
    /// Puts the rows of channels that came beside their streams. Returns how many.
    fn put_channels(&mut self, rows: &[Row], delta: &mut Delta) -> usize {
        let channels = rows.iter().filter(|row| matches!(row, Row::Channel(_)));
        let channels: Vec<&Row> = channels.collect();
        for row in &channels {
            self.begin_anew(&row.stream(), delta);
            delta.push(Change::Row((*row).clone()));
        }
        channels.len()
    }
}
