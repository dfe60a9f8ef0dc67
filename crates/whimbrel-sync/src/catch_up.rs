//! Learning what moved, and pulling it: the account's heads, then a page at a time of each stream that is behind.

use crate::{
    Effects, Engine, Env, HistoryError, Notice, backoff, engine::Request, session::Phase, streams::Applied,
};
use whimbrel_model::{Change, Code, Delta, Epoch, StreamId};
use whimbrel_protocol::{ClientFrame, Failed, Heads, HeadsPage, Page, Sync};

/// Writes a heads token with the history that it belongs to: another history starts from nothing.
pub(crate) fn format_token(epoch: Epoch, token: &str) -> String {
    format!("{}/{token}", epoch.0)
}

pub(crate) fn parse_token(stored: &str) -> Option<(Epoch, String)> {
    let (epoch, token) = stored.split_once('/')?;
    Some((Epoch(epoch.parse().ok()?), token.to_owned()))
}

impl Engine {
    /// Asks which streams moved. This is the heartbeat too: its answer repairs any live step that was lost.
    pub(crate) fn ask_heads(&mut self, effects: &mut Effects, env: &mut Env<'_>) {
        let Phase::Online(online) = &mut self.phase else {
            return;
        };
        // Up to a fifth earlier, so that devices that connected together do not beat together.
        online.next_heartbeat = env.mono + online.heartbeat_ms - env.jitter(online.heartbeat_ms / 5);
        if online.asking_heads.is_some() {
            return;
        }
        let id = self.requests.add(Request::Heads, env.mono);
        online.asking_heads = Some(id);
        let since = if let Some(token) = &online.heads_chain {
            Some(token.clone())
        } else {
            // Only a first page says how things are now.
            self.barriers.asked(id);
            self.scopes.asked(id);
            let current = self
                .heads_token
                .as_ref()
                .filter(|(epoch, _)| *epoch == self.epoch);
            current
                .map(|(_, token)| token.clone())
                .filter(|token| !token.is_empty())
        };
        effects.frames.push(ClientFrame::Heads(Heads { id, since }));
    }

    pub(crate) fn heads(&mut self, page: HeadsPage, effects: &mut Effects, env: &mut Env<'_>) {
        let is_heads = |request: &Request| matches!(request, Request::Heads);
        if self.requests.take_if(page.id, is_heads).is_none() {
            return;
        }
        let Phase::Online(online) = &mut self.phase else {
            return;
        };
        online.asking_heads = None;
        // A server that lost history was restarted: it shows on a new connection, before live steps are on their way.
        let is_first = !online.heads_known;
        let chain = online.heads_chain.take();
        // What moves while the pages of a chain come may be in none of them, whatever it had before: a chain is complete with an
        // answer of one page after it.
        let complete = chain.is_none() && !page.more;
        if page.more {
            online.heads_chain = Some(page.token.clone());
        } else if complete {
            online.heads_known = true;
            online.heads_time = Some(page.server_time);
        }
        for moved in page.heads {
            self.streams
                .raise_head(&moved.stream, moved.head, &mut effects.delta);
            if is_first {
                self.streams.suspect(&moved.stream, moved.head);
            }
        }
        // The token is committed with the heads that it covers, as a cursor is with its rows. That of a chain that is not
        // complete is good for this connection only: on another one nobody would know how old the chain is. And while it is not
        // known whether the server lost history, it has to tell again.
        let is_known = |(epoch, token): &(Epoch, String)| *epoch == self.epoch && *token == page.token;
        if !page.more && self.streams.is_unsuspicious() && !self.heads_token.as_ref().is_some_and(is_known) {
            self.keep_token(page.token, effects);
        }
        if complete {
            self.clock = Some((page.server_time, env.mono));
            self.barriers.answered(page.id);
            self.scopes.answered(page.id);
        }
        if !complete || self.barriers.want_heads() || self.scopes.want_heads() {
            self.ask_heads(effects, env);
        }
    }

    /// Keeps how far the heads of this history are known; an empty token: not at all.
    pub(crate) fn keep_token(&mut self, token: String, effects: &mut Effects) {
        effects
            .delta
            .push(Change::HeadsToken(format_token(self.epoch, &token)));
        self.heads_token = Some((self.epoch, token));
    }

    /// Asks for pages of what is behind, a few streams at a time.
    pub(crate) fn pull(&mut self, effects: &mut Effects, env: &Env<'_>) {
        self.streams.cool_down(env.mono);
        while self.streams.pulling() < self.config.pulls {
            let Some((stream, cursor)) = self.streams.next_pull() else {
                break;
            };
            let id = self.requests.add(Request::Page(stream.clone()), env.mono);
            self.streams.pull_sent(stream.clone(), id);
            let newest = match &stream {
                StreamId::Channel(cid) => self.streams.consents.cap(cid),
                StreamId::User(_) => None,
            };
            effects.frames.push(ClientFrame::Sync(Sync {
                id,
                stream,
                cursor,
                newest,
            }));
        }
    }

    pub(crate) fn page(&mut self, page: Page, effects: &mut Effects, env: &mut Env<'_>) {
        let is_page = |request: &Request| matches!(request, Request::Page(_));
        if self.requests.take_if(page.id, is_page).is_none() {
            return;
        }
        let stream = page.stream.clone();
        let (before, more) = (self.streams.cursor(&stream), page.more);
        let applied = self.streams.page(page, &mut effects.delta);
        // A server that tells of more and does not send it would be asked without end.
        if more || self.streams.cursor(&stream) != before {
            self.fruitless_pulls = 0;
        } else if self.streams.wants_pull(&stream) {
            if self.fruitless_pulls > 0 {
                let wait = backoff::draw(&self.config, self.fruitless_pulls, env);
                self.streams.cool(stream.clone(), env.mono + wait);
            }
            self.fruitless_pulls = self.fruitless_pulls.saturating_add(1);
        }
        if let (Applied::Jumped, StreamId::Channel(cid)) = (applied, stream) {
            effects.notices.push(Notice::Discontinuity(cid));
        }
    }

    pub(crate) fn failed(&mut self, failed: Failed, effects: &mut Effects, env: &mut Env<'_>) {
        match self.requests.take(failed.id) {
            Some(Request::Page(stream)) => self.page_failed(&stream, &failed, &mut effects.delta, env),
            Some(Request::History { .. }) => {
                let wait = self.refused_wait(&failed, env);
                if self.fill_refused(failed.id, wait, env) {
                    return;
                }
                let error = HistoryError::Refused {
                    code: failed.code,
                    message: failed.message,
                };
                effects.notices.push(Notice::History(failed.id, Err(error)));
            }
            Some(Request::Heads) => {
                let wait = self.refused_wait(&failed, env);
                self.barriers.start_over();
                self.scopes.ask_again();
                if let Phase::Online(online) = &mut self.phase {
                    online.asking_heads = None;
                    online.next_heartbeat = online.next_heartbeat.min(env.mono + wait);
                }
            }
            Some(Request::Question) => effects.notices.push(crate::ask::refused(failed)),
            Some(Request::Rows(scope)) => self.rows_refused(scope, &failed),
            Some(Request::Parcel) => effects.notices.push(crate::parcel::refused(failed)),
            Some(Request::Presence(users)) => self.presence_failed(users, &failed, effects),
            None => {}
        }
    }

    fn page_failed(&mut self, stream: &StreamId, failed: &Failed, delta: &mut Delta, env: &mut Env<'_>) {
        if !self.streams.pull_failed(stream, failed.id) {
            return;
        }
        if matches!(failed.code, Code::ChannelNotFound | Code::NotMember) {
            self.scopes.refused(stream, failed);
            self.streams.refused(stream, delta);
            return;
        }
        let wait = self.refused_wait(failed, env);
        self.streams.cool(stream.clone(), env.mono + wait);
    }

    fn refused_wait(&self, failed: &Failed, env: &mut Env<'_>) -> u64 {
        match failed.retry_after_ms {
            Some(asked) => backoff::spread(asked, env),
            None => backoff::draw(&self.config, 5, env),
        }
    }
}
