//! A device's end of its connection: dialling, what arrives, and what it is counted as.

use super::{
    Fault, Violation,
    device::Link,
    net::name_of,
    server::token,
    world::{Event, Phase, World},
};
use whimbrel_model::{Code, StreamEvent};
use whimbrel_protocol::{OpResult, Outcome, ServerFrame, Token};
use whimbrel_sync::Input;

impl World {
    /// A frame arrives at a device.
    pub(super) fn device_frame(&mut self, conn: u64, frame: ServerFrame) -> Result<(), Violation> {
        let Some(at) = self.net.conns.get(&conn).filter(|conn| conn.client_open) else {
            return Ok(());
        };
        let (index, link) = (at.device, at.link);
        let name = self.devices[index].name.clone();
        self.say(&name, || format!("gets {}", name_of(&frame)));
        if let Some(run) = self.devices[index].run.as_mut() {
            let ops = &self.ghost.ops;
            let lane = |id| ops.get(&id).map(|made| (made.op.lane(), made.order));
            run.watch.arrives(&frame, self.now, lane);
        }
        let frame = self.weaken_frame(index, frame);
        self.count_frame(index, &frame);
        self.put_inbox(index, link, Input::Frame(frame));
        Ok(())
    }

    pub(super) fn put_inbox(&mut self, index: usize, link: u64, input: Input) {
        let Some(run) = self.devices[index].run.as_mut() else {
            return;
        };
        run.inbox.push_back((link, input));
        if run.inbox.len() == 1 {
            let wait = self.dice.below(15);
            self.later(wait, Event::Round(index));
        }
    }

    pub(super) fn device_closed(&mut self, id: u64) {
        let Some(conn) = self.net.conns.get_mut(&id) else {
            return;
        };
        if !std::mem::take(&mut conn.client_open) {
            return;
        }
        let (index, link) = (conn.device, conn.link);
        if !conn.server_open {
            self.net.conns.remove(&id);
        }
        let code = Code::Other("closed".to_owned());
        self.put_inbox(index, link, Input::Closed { code });
    }

    pub(super) fn dial(&mut self, index: usize, refresh: bool) -> Result<(), Violation> {
        self.close_link(index);
        let refused = self.goes_wrong(Fault::TokenRefused);
        let short = self.dice.per_mille(self.plan.rate(Fault::TokenExpired)) && self.phase == Phase::Faults;
        let life = if short {
            self.dice.between(1_000, 40_000)
        } else {
            1_000_000_000
        };
        let now = self.now;
        let user = if self.goes_wrong(Fault::WrongAccount) {
            let other = self.dice.index(self.devices.len());
            self.devices[other].user.clone()
        } else {
            self.devices[index].user.clone()
        };
        let device = &mut self.devices[index];
        if refresh || device.token.is_none() {
            let expires = now + life;
            device.token = Some((token(&user, expires, !refused), expires));
        }
        device.links += 1;
        let number = device.links;
        if let Some(run) = device.run.as_mut() {
            run.link = Some(Link { number, conn: None });
            run.watch.dials(now)?;
        }
        let wait = 1 + self.dice.below(self.plan.latency * 2);
        self.later(wait, Event::Dial(index, number));
        Ok(())
    }

    /// A connection is made or not.
    pub(super) fn dialled(&mut self, index: usize, number: u64) {
        let current = self.devices[index].run.as_ref().and_then(|run| run.link);
        if current.is_none_or(|link| link.number != number) {
            return;
        }
        if self.goes_wrong(Fault::TokenUnavailable) {
            let input = if self.dice.per_mille(300) {
                self.log.count("needs_auth");
                Input::NoToken {
                    message: "signed out".to_owned(),
                }
            } else {
                Input::ConnectFailed {
                    code: Code::Other("token_unavailable".to_owned()),
                }
            };
            return self.put_inbox(index, number, input);
        }
        if !self.server.up || self.goes_wrong(Fault::ConnectFailed) {
            let code = Code::Other("unreachable".to_owned());
            return self.put_inbox(index, number, Input::ConnectFailed { code });
        }
        let conn = self.connect(index, number);
        if let Some(link) = self.devices[index].run.as_mut().and_then(|run| run.link.as_mut()) {
            link.conn = Some(conn);
        }
        let token = self.devices[index].token.as_ref().map(|(text, _)| text.clone());
        let name = self.devices[index].name.clone();
        self.say(&name, || format!("is connected, conn {conn}"));
        self.put_inbox(
            index,
            number,
            Input::Connected(Token::new(token.unwrap_or_default())),
        );
    }

    pub(super) fn close_link(&mut self, index: usize) {
        let link = self.devices[index].run.as_mut().and_then(|run| run.link.take());
        if let Some(conn) = link.and_then(|link| link.conn) {
            self.device_closes(conn);
        }
    }

    pub(super) fn count_frame(&mut self, index: usize, frame: &ServerFrame) {
        let path = match frame {
            ServerFrame::Event(event) => self.event_path(index, event),
            ServerFrame::Page(page) => {
                if page.reset {
                    self.log.count("reset");
                }
                if page.reset && page.to.window.is_some_and(|window| window.lo > 1) {
                    self.log.count("reset_window");
                }
                let known = self.ghost.cursors[index].get(&page.stream);
                if known.is_some_and(|cursor| cursor.epoch != page.to.epoch) {
                    self.log.count("reset_epoch");
                }
                if page.more { "page_more" } else { "page" }
            }
            ServerFrame::Heads(page) if !page.heads.is_empty() => "heads_moved",
            ServerFrame::Results(results) => {
                let retried = |result: &OpResult| matches!(result.outcome, Outcome::Retry { .. });
                if !results.results.iter().any(retried) {
                    return;
                }
                "op_retried"
            }
            _ => return,
        };
        self.log.count(path);
    }

    pub(super) fn event_path(&self, index: usize, event: &StreamEvent) -> &'static str {
        let cursor = self.ghost.cursors[index].get(&event.stream);
        match cursor.map_or(0, |cursor| cursor.ver) {
            ver if event.to <= ver => "event_old",
            ver if event.from == ver => "event_applied",
            _ if cursor.is_some_and(|cursor| cursor.window.is_some()) => "event_early",
            _ => "event_gap",
        }
    }
}
