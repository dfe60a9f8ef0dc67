//! The link to the server: one state, explicit transitions.

use crate::{AskError, Effects, Engine, Env, HistoryError, LinkAction, Notice, backoff, engine::Request};
use whimbrel_model::{ChannelId, Code, Gap, Timestamp};
use whimbrel_protocol::{Bye, ClientFrame, Hello, PROTOCOL, Ready, Token};

/// Where the engine is on its way to being up to date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// Not connecting, by choice.
    Offline,
    /// Waiting to connect again.
    BackingOff {
        /// When, on the monotonic clock, in milliseconds.
        until: u64,
        /// What ended the last connection or attempt.
        reason: Code,
    },
    /// Getting a token and a connection.
    Connecting,
    /// Said hello, waiting for the answer.
    Authenticating,
    /// Connected; this many streams are not up to date yet, or it is not known which are.
    CatchingUp {
        /// Streams to pull.
        behind: usize,
    },
    /// Connected, and up to date with what is known.
    Live,
    /// The server does not accept the token, not even a new one. Nothing is lost; the outbox waits.
    NeedsAuth {
        /// What the server said.
        message: String,
    },
    /// The server and this version cannot work together. Nothing is lost; the outbox waits.
    Failed {
        /// What the server said.
        message: String,
    },
    /// The server does not speak to this device any more, for good. What is on it stays; the outbox waits for ever.
    Revoked {
        /// What the server said.
        message: String,
    },
}

#[derive(Debug)]
pub(crate) enum Phase {
    Offline,
    Waiting { until: u64, reason: Code },
    Connecting { since: u64 },
    Greeting { since: u64 },
    Online(Online),
    NeedsAuth { message: String },
    Failed { message: String },
    Revoked { message: String },
}

/// A connection that answered hello.
#[derive(Debug)]
pub(crate) struct Online {
    pub(crate) heartbeat_ms: u64,
    pub(crate) last_heard: u64,
    pub(crate) next_heartbeat: u64,
    /// The heads request that has no answer yet.
    pub(crate) asking_heads: Option<u64>,
    /// Where the pages of heads go on that have not all come.
    pub(crate) heads_chain: Option<String>,
    /// Whether the account's heads are known to their end at least once on this connection.
    pub(crate) heads_known: bool,
    /// The server's clock at the last answer that had all of them.
    pub(crate) heads_time: Option<Timestamp>,
    /// Whether that was written down on this connection.
    pub(crate) noted_synced: bool,
    /// Since when it is doubted that there still is a connection.
    pub(crate) probed: Option<u64>,
    /// The gap that is being filled, and the request for it.
    pub(crate) filling: Option<(u64, ChannelId, Gap)>,
}

impl Online {
    /// Returns when it is given up if nothing comes.
    pub(crate) fn probe_ends(&self, probe_ms: u64) -> Option<u64> {
        let since = self.probed.filter(|since| self.last_heard <= *since)?;
        Some(since + probe_ms)
    }
}

impl Engine {
    pub(crate) fn network_changed(&mut self, is_there: bool, effects: &mut Effects, env: &mut Env<'_>) {
        match &mut self.phase {
            Phase::Waiting { .. } if is_there => self.connect(effects, env),
            Phase::Online(online) => {
                online.probed = Some(env.mono);
                self.ask_heads(effects, env);
            }
            _ => {}
        }
    }

    pub(crate) fn go_online(&mut self, effects: &mut Effects, env: &Env<'_>) {
        match self.phase {
            Phase::Offline | Phase::Waiting { .. } | Phase::Failed { .. } | Phase::Revoked { .. } => {
                self.connect(effects, env);
            }
            Phase::NeedsAuth { .. } => {
                self.refresh_token = true;
                self.connect(effects, env);
            }
            Phase::Connecting { .. } | Phase::Greeting { .. } | Phase::Online(_) => {}
        }
    }

    pub(crate) fn connect(&mut self, effects: &mut Effects, env: &Env<'_>) {
        self.phase = Phase::Connecting { since: env.mono };
        effects.link = Some(LinkAction::Connect {
            refresh_token: self.refresh_token,
        });
    }

    pub(crate) fn greet(&mut self, token: Token, effects: &mut Effects, env: &Env<'_>) {
        if !matches!(self.phase, Phase::Connecting { .. }) {
            return;
        }
        self.phase = Phase::Greeting { since: env.mono };
        effects.frames.push(ClientFrame::Hello(Hello {
            protocol: PROTOCOL,
            token,
            device: self.account.device,
            agent: self.config.agent.clone(),
            presence: self.own_presence(),
            background: self.presence.background,
        }));
        // Right behind, so that the server sends nothing that is not wanted.
        self.told_unwatched.clear();
        self.tell_watched(effects);
    }

    pub(crate) fn bye(&mut self, bye: Bye, effects: &mut Effects, env: &mut Env<'_>) {
        if !matches!(self.phase, Phase::Greeting { .. } | Phase::Online(_)) {
            return;
        }
        let next = match bye.code {
            Code::ProtocolUnsupported => Some(Phase::Failed { message: bye.message }),
            Code::DeviceRevoked => Some(Phase::Revoked { message: bye.message }),
            // A token that was fetched anew and is refused again will be refused for ever.
            Code::TokenInvalid | Code::TokenMissing if self.refresh_token => {
                Some(Phase::NeedsAuth { message: bye.message })
            }
            _ => None,
        };
        if let Some(phase) = next {
            self.give_up(bye.code, phase, effects);
            return;
        }
        if matches!(
            bye.code,
            Code::TokenInvalid | Code::TokenMissing | Code::TokenExpired
        ) {
            self.refresh_token = true;
        }
        self.lose_connection(&bye.code, effects);
        effects.link = Some(LinkAction::Close {
            code: bye.code.clone(),
        });
        self.back_off(bye.code, bye.retry_after_ms, env);
    }

    pub(crate) fn give_up(&mut self, code: Code, phase: Phase, effects: &mut Effects) {
        self.lose_connection(&code, effects);
        effects.link = Some(LinkAction::Close { code });
        self.phase = phase;
    }

    pub(crate) fn timer(&mut self, effects: &mut Effects, env: &mut Env<'_>) {
        let now = env.mono;
        match &self.phase {
            Phase::Waiting { until, .. } if now >= *until => self.connect(effects, env),
            Phase::Connecting { since } if now >= since + self.config.connect_ms => {
                self.abandon(Code::Other("connect_timeout".to_owned()), effects, env);
            }
            Phase::Greeting { since } if now >= since + self.config.answer_ms => {
                self.abandon(Code::HeartbeatLost, effects, env);
            }
            Phase::Online(online) => {
                let doubted = online.probe_ends(self.config.probe_ms);
                let silent = now >= online.last_heard + online.heartbeat_ms * 5 / 2
                    || doubted.is_some_and(|ends| now >= ends);
                let stuck = self
                    .oldest_unanswered()
                    .is_some_and(|at| now >= at + self.config.answer_ms);
                if silent || stuck {
                    self.abandon(Code::HeartbeatLost, effects, env);
                } else {
                    if now >= online.next_heartbeat {
                        self.ask_heads(effects, env);
                        self.ask_presence_again(effects, env);
                        self.tell_watching_again(effects);
                    }
                    self.typing_timer(effects, now);
                }
            }
            _ => {}
        }
    }

    pub(crate) fn oldest_unanswered(&self) -> Option<u64> {
        let marks = self.streams.receipts.oldest_sent();
        [self.requests.oldest(), self.outbox.oldest_sent(), marks]
            .into_iter()
            .flatten()
            .min()
    }

    pub(crate) fn abandon(&mut self, code: Code, effects: &mut Effects, env: &mut Env<'_>) {
        self.lose_connection(&code, effects);
        effects.link = Some(LinkAction::Close { code: code.clone() });
        self.back_off(code, None, env);
    }

    pub(crate) fn lose_connection(&mut self, code: &Code, effects: &mut Effects) {
        if !matches!(self.phase, Phase::Online(_)) {
            return;
        }
        self.outbox.connection_lost(code);
        self.streams.disconnected();
        self.barriers.start_over();
        self.scopes.start_over();
        self.lose_presence(effects);
        self.forget_typing(effects);
        self.forget_watchers(effects);
        self.synced.write(&mut effects.delta);
        for (id, (_, request)) in std::mem::take(&mut self.requests.sent) {
            match request {
                Request::History { .. } => effects
                    .notices
                    .push(Notice::History(id, Err(HistoryError::NotConnected))),
                Request::Question => effects
                    .notices
                    .push(Notice::Answered(id, Err(AskError::NotConnected))),
                Request::Parcel => effects
                    .notices
                    .push(Notice::Parcel(id, Err(AskError::NotConnected))),
                Request::Heads | Request::Page(_) | Request::Presence(_) | Request::Rows(_) => {}
            }
        }
    }

    pub(crate) fn back_off(&mut self, reason: Code, retry_after_ms: Option<u64>, env: &mut Env<'_>) {
        self.failures += 1;
        let drawn = backoff::draw(&self.config, self.failures, env);
        let asked = retry_after_ms.map_or(0, |asked| backoff::spread(asked, env));
        self.phase = Phase::Waiting {
            until: env.mono + drawn.max(asked),
            reason,
        };
    }

    pub(crate) fn ready(&mut self, ready: &Ready, effects: &mut Effects, env: &mut Env<'_>) {
        if ready.user != self.account.user {
            let message = format!(
                "the token is for {}, this database belongs to {}",
                ready.user, self.account.user
            );
            self.give_up(Code::TokenInvalid, Phase::NeedsAuth { message }, effects);
            return;
        }
        self.refresh_token = false;
        self.epoch = ready.epoch;
        self.outbox
            .expire(ready.server_time, ready.retention_days, env, &mut effects.notices);
        let known = self.heads_token.as_ref().map(|(epoch, _)| *epoch);
        self.streams.connected(ready.epoch, known, &mut effects.delta);
        if known != Some(ready.epoch) {
            // From here on what is on the device belongs to this history, even if no heads come.
            self.keep_token(String::new(), effects);
        }
        self.phase = Phase::Online(Online {
            heartbeat_ms: ready.heartbeat_ms.max(1),
            last_heard: env.mono,
            next_heartbeat: env.mono + ready.heartbeat_ms.max(1),
            asking_heads: None,
            heads_chain: None,
            heads_known: false,
            heads_time: None,
            noted_synced: false,
            probed: None,
            filling: None,
        });
        self.clock = Some((ready.server_time, env.mono));
        self.tell_presence(effects, env);
        self.tell_watching(effects);
        if self.streams.following || self.barriers.want_heads() {
            self.ask_heads(effects, env);
        }
    }
}
