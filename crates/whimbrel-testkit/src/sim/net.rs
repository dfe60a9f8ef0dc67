//! The network: a connection is two lines of frames, each of which can lose, delay, repeat and break.

use super::{
    Fault,
    marks::is_marks,
    world::{Event, Phase, World},
};
use std::collections::{BTreeMap, BTreeSet};
use whimbrel_model::{ChannelId, Code, UserId};
use whimbrel_protocol::{ClientFrame, ServerFrame};

#[derive(Debug)]
pub(super) struct Conn {
    pub(super) device: usize,
    /// Which link of the device it is.
    pub(super) link: u64,
    /// Whether the device's end is open.
    pub(super) client_open: bool,
    /// Whether the server's end is open.
    pub(super) server_open: bool,
    /// Nothing passes any more.
    pub(super) broken: bool,
    /// Who said hello, once that was accepted.
    pub(super) user: Option<UserId>,
    pub(super) expires: u64,
    /// Channels of which the device wants no steps as they happen.
    pub(super) unwatched: BTreeSet<ChannelId>,
    pub(super) last_heard: u64,
    /// When the last frame in each direction arrives.
    up_at: u64,
    down_at: u64,
}

#[derive(Debug, Default)]
pub(super) struct Net {
    pub(super) conns: BTreeMap<u64, Conn>,
    made: u64,
    /// When each connection was made.
    pub(super) made_at: Vec<u64>,
}

impl World {
    pub(super) fn connect(&mut self, device: usize, link: u64) -> u64 {
        self.net.made += 1;
        self.net.made_at.push(self.now);
        let conn = Conn {
            device,
            link,
            client_open: true,
            server_open: true,
            broken: false,
            user: None,
            expires: u64::MAX,
            unwatched: BTreeSet::new(),
            last_heard: self.now,
            up_at: self.now,
            down_at: self.now,
        };
        self.net.conns.insert(self.net.made, conn);
        self.net.made
    }

    fn latency(&mut self) -> u64 {
        if self.goes_wrong(Fault::Slow) {
            return self.dice.between(500, 40_000);
        }
        1 + self.dice.below(self.plan.latency)
    }

    pub(super) fn send_up(&mut self, id: u64, frame: ClientFrame) {
        let open = self
            .net
            .conns
            .get(&id)
            .is_some_and(|conn| conn.client_open && !conn.broken);
        if !open || self.breaks(id) {
            return;
        }
        if self.goes_wrong(Fault::RequestLost) {
            if is_marks(&frame) {
                self.log.count("mark_lost");
            }
            self.say("net", || format!("conn {id}: a request is lost"));
            return;
        }
        let latency = self.latency();
        let now = self.now;
        let Some(conn) = self.net.conns.get_mut(&id) else {
            return;
        };
        conn.up_at = conn.up_at.max(now + latency);
        let at = conn.up_at;
        self.at(at, Event::Up(id, frame));
    }

    pub(super) fn send_down(&mut self, id: u64, frame: ServerFrame) {
        let open = self
            .net
            .conns
            .get(&id)
            .is_some_and(|conn| conn.server_open && !conn.broken);
        if !open || self.breaks(id) {
            return;
        }
        let event = matches!(frame, ServerFrame::Event(_));
        if event && self.goes_wrong(Fault::SlowReader) {
            self.end(id, Code::SlowConsumer);
            return;
        }
        if event && self.is_deaf(id) {
            self.log.count(Fault::Deaf.name());
            return;
        }
        let loss = if event { Fault::EventLost } else { Fault::ReplyLost };
        let told = matches!(&frame, ServerFrame::Presence(told) if told.id.is_none());
        if !told && self.goes_wrong(loss) {
            self.say("net", || format!("conn {id}: {} is lost", name_of(&frame)));
            return;
        }
        let latency = self.latency();
        // Those have one order, of which each takes the place of what was said before it.
        let beside = matches!(frame, ServerFrame::Presence(_) | ServerFrame::Typing(_));
        if !beside && self.goes_wrong(Fault::FrameLate) {
            let more = self.dice.between(1, 3_000);
            self.at(self.now + latency + more, Event::Down(id, frame));
            return;
        }
        let now = self.now;
        let Some(conn) = self.net.conns.get_mut(&id) else {
            return;
        };
        conn.down_at = conn.down_at.max(now + latency);
        let at = conn.down_at;
        let again = if event {
            Fault::EventDuplicated
        } else {
            Fault::ReplyDuplicated
        };
        if !beside && self.goes_wrong(again) {
            let more = self.dice.below(2_000);
            self.at(at + more, Event::Down(id, frame.clone()));
        }
        self.at(at, Event::Down(id, frame));
    }

    fn is_deaf(&self, id: u64) -> bool {
        let device = self.net.conns.get(&id).map(|conn| conn.device);
        self.plan.deaf.is_some() && device == self.plan.deaf && self.phase == Phase::Faults
    }

    /// Draws whether the connection breaks here.
    fn breaks(&mut self, id: u64) -> bool {
        if !self.goes_wrong(Fault::Cut) {
            return false;
        }
        self.say("net", || format!("conn {id} is cut"));
        self.break_conn(id);
        true
    }

    pub(super) fn break_conn(&mut self, id: u64) {
        if let Some(conn) = self.net.conns.get_mut(&id) {
            conn.broken = true;
        }
        self.tell_device(id);
        self.tell_server(id);
    }

    /// Lets the device notice that the connection is over, unless it is not told.
    pub(super) fn tell_device(&mut self, id: u64) {
        if self.goes_wrong(Fault::HalfOpen) {
            return;
        }
        let wait = self.dice.below(2_000);
        let at = self.net.conns.get(&id).map_or(0, |conn| conn.down_at);
        self.at(at.max(self.now) + wait, Event::DownClosed(id));
    }

    /// Lets the server notice that the connection is over, unless it is not told.
    pub(super) fn tell_server(&mut self, id: u64) {
        if self.goes_wrong(Fault::HalfOpen) {
            return;
        }
        let wait = self.dice.below(2_000);
        let at = self.net.conns.get(&id).map_or(0, |conn| conn.up_at);
        self.at(at.max(self.now) + wait, Event::UpClosed(id));
    }

    /// The device closes its end.
    pub(super) fn device_closes(&mut self, id: u64) {
        let Some(conn) = self.net.conns.get_mut(&id) else {
            return;
        };
        conn.client_open = false;
        if conn.server_open {
            self.tell_server(id);
        } else {
            self.net.conns.remove(&id);
        }
    }

    /// The device is gone, and its end of the connection with it. Nobody tells the server.
    pub(super) fn device_vanishes(&mut self, id: u64) {
        if let Some(conn) = self.net.conns.get_mut(&id) {
            conn.client_open = false;
            conn.broken = true;
            if !conn.server_open {
                self.net.conns.remove(&id);
            }
        }
    }

    /// The server closes its end.
    pub(super) fn server_closes(&mut self, id: u64) {
        let Some(conn) = self.net.conns.get_mut(&id) else {
            return;
        };
        conn.server_open = false;
        let is_told = conn.client_open;
        self.parts(id);
        if is_told {
            self.tell_device(id);
        }
    }

    /// The server has noticed that the connection is over.
    pub(super) fn server_forgets(&mut self, id: u64) {
        let Some(conn) = self.net.conns.get_mut(&id) else {
            return;
        };
        conn.server_open = false;
        self.parts(id);
        if self.net.conns.get(&id).is_some_and(|conn| !conn.client_open) {
            self.net.conns.remove(&id);
        }
    }
}

pub(super) fn name_of(frame: &ServerFrame) -> String {
    match frame {
        ServerFrame::Ready(_) => "ready".to_owned(),
        ServerFrame::Bye(bye) => format!("bye {}", bye.code),
        ServerFrame::Results(results) => format!("results of {}", results.results.len()),
        ServerFrame::Heads(page) => format!("heads {} of {} streams", page.id, page.heads.len()),
        ServerFrame::Page(page) => format!(
            "page {} of {} from {} to {}{}",
            page.id,
            page.stream,
            page.from,
            page.to.ver,
            if page.reset { ", reset" } else { "" }
        ),
        ServerFrame::History(page) => format!("history {} from {} to {}", page.id, page.lo, page.hi),
        ServerFrame::Answer(answer) => format!("answer {} of {} rows", answer.id, answer.rows.len()),
        ServerFrame::Parcel(page) => format!("parcel {} up to {}", page.id, page.next),
        ServerFrame::Presence(presence) => format!("presence of {} users", presence.users.len()),
        ServerFrame::Event(event) => format!("event {} from {} to {}", event.stream, event.from, event.to),
        ServerFrame::Watchers(watchers) => format!("{} watch {}", watchers.count, watchers.cid),
        ServerFrame::Typing(typing) => format!("{} types in {}: {}", typing.user, typing.cid, typing.on),
        ServerFrame::Failed(failed) => format!("failed {} {}", failed.id, failed.code),
    }
}
