//! One connection through the network.

use super::script::{Once, Script};
use bytes::Bytes;
use std::{collections::VecDeque, future::pending, sync::OnceLock};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use whimbrel_model::DeviceId;
use whimbrel_protocol::{ClientFrame, ServerFrame, decode};
use whimbrel_transport::{Connection, FrameSink, FrameStream};

/// Frames that may be on their way in one direction: enough for any delay that a test wants, and an end to memory.
const UNDER_WAY: usize = 1024;

#[derive(Debug)]
pub(super) struct Line {
    script: watch::Sender<Script>,
    /// How often all had been cut when this connection was made.
    cuts: u64,
    /// Whose it is, and how often that device had been cut when it said so.
    device: OnceLock<(Option<DeviceId>, u64)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

/// What becomes of a frame.
enum Fate {
    Arrives,
    ArrivesTwice,
    Lost,
    /// It is lost, and with it the connection.
    Breaks,
}

impl Line {
    pub(super) fn new(script: watch::Sender<Script>) -> Self {
        let (cuts, _) = script.borrow().cuts(None);
        Self {
            script,
            cuts,
            device: OnceLock::new(),
        }
    }

    /// Carries frames between both ends until one of them goes, or the script breaks it. Then both ends are dropped.
    pub(super) async fn carry(self, near: Connection, far: Connection) {
        tokio::select! {
            biased;
            () = self.broken() => {}
            () = self.pump(near.stream, far.sink, Way::Up) => {}
            () = self.pump(far.stream, near.sink, Way::Down) => {}
        }
    }

    fn device(&self) -> Option<DeviceId> {
        self.device.get().and_then(|(device, _)| *device)
    }

    fn is_broken(&self, script: &Script) -> bool {
        let device = self.device();
        let (all, own) = script.cuts(device);
        let known = self.device.get().is_some_and(|(_, cuts)| *cuts != own);
        script.is_offline(device) || all != self.cuts || known
    }

    async fn broken(&self) {
        self.until(|script| self.is_broken(script)).await;
    }

    async fn until(&self, wanted: impl FnMut(&Script) -> bool) {
        // It holds a sender itself, so there is always one.
        let _ = self.script.subscribe().wait_for(wanted).await;
    }

    /// Carries one direction to its end, which is passed on.
    async fn pump(&self, mut from: Box<dyn FrameStream>, mut to: Box<dyn FrameSink>, way: Way) {
        let mut waiting: VecDeque<(Instant, Bytes)> = VecDeque::new();
        let (mut reading, mut broken) = (true, false);
        while reading || !waiting.is_empty() {
            let due = waiting.front().map(|(at, _)| *at);
            if due.is_some_and(|at| at <= Instant::now()) {
                self.until(|script| !script.is_stalled(self.device())).await;
                let Some((_, frame)) = waiting.pop_front() else {
                    continue;
                };
                if to.send(vec![frame]).await.is_err() {
                    // Whoever has gone is heard of in the other direction, where frames may still be on their way.
                    return pending().await;
                }
                continue;
            }
            tokio::select! {
                biased;
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
                frame = from.next(), if reading && waiting.len() < UNDER_WAY => match frame {
                    Ok(frame) => broken = self.take(way, frame, &mut waiting),
                    Err(_) => reading = false,
                },
            }
            reading &= !broken;
        }
        self.until(|script| !script.is_stalled(self.device())).await;
        if !broken {
            to.close().await;
        }
    }

    /// Puts a frame on its way. Returns whether the connection breaks after what is on its way already.
    fn take(&self, way: Way, frame: Bytes, waiting: &mut VecDeque<(Instant, Bytes)>) -> bool {
        let fate = match way {
            Way::Up => self.fate_up(&frame),
            Way::Down => self.fate_down(&frame),
        };
        let at = Instant::now() + self.script.borrow().delay(self.device());
        // A delay that became shorter overtakes nothing.
        let at = waiting.back().map_or(at, |(last, _)| at.max(*last));
        match fate {
            Fate::Arrives => waiting.push_back((at, frame)),
            Fate::ArrivesTwice => waiting.extend([(at, frame.clone()), (at, frame)]),
            Fate::Lost => {}
            Fate::Breaks => return true,
        }
        false
    }

    fn fate_up(&self, frame: &Bytes) -> Fate {
        if self.device.get().is_none() {
            let device = match decode(frame) {
                Ok(ClientFrame::Hello(hello)) => Some(hello.device),
                _ => None,
            };
            let script = self.script.borrow();
            let (_, cuts) = script.cuts(device);
            // Nothing else sets it.
            let _ = self.device.set((device, cuts));
            if script.is_offline(device) {
                return Fate::Breaks;
            }
        }
        if self.wants(Once::DropRequest)
            && matches!(decode(frame), Ok(ClientFrame::Ops(_)))
            && self.happens(Once::DropRequest)
        {
            return Fate::Breaks;
        }
        Fate::Arrives
    }

    fn fate_down(&self, frame: &Bytes) -> Fate {
        let wanted = [Once::DropReply, Once::DropEvent, Once::DuplicateEvent];
        if !wanted.into_iter().any(|once| self.wants(once)) {
            return Fate::Arrives;
        }
        match decode(frame) {
            Ok(ServerFrame::Results(_)) if self.happens(Once::DropReply) => Fate::Breaks,
            Ok(ServerFrame::Event(_)) if self.happens(Once::DropEvent) => Fate::Lost,
            Ok(ServerFrame::Event(_)) if self.happens(Once::DuplicateEvent) => Fate::ArrivesTwice,
            _ => Fate::Arrives,
        }
    }

    fn wants(&self, once: Once) -> bool {
        self.script.borrow().wants(self.device(), once)
    }

    /// Takes what is asked for once, unless another connection was first.
    fn happens(&self, once: Once) -> bool {
        let mut happens = false;
        self.script.send_if_modified(|script| {
            happens = script.take(self.device(), once);
            false
        });
        happens
    }
}
