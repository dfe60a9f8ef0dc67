//! The device's engine, fed with whatever a server may say and a user may do.

mod disk;
mod script;

use crate::Dice;
use disk::Disk;
pub(crate) use script::seeds;
use std::collections::{BTreeMap, BTreeSet};
use whimbrel_model::{Change, ChannelId, Code, HistoryFrom, Op, OpId, StreamId, Timestamp, UserId};
use whimbrel_protocol::{ClientFrame, Outcome, ServerFrame, Sync, Token, decode, encode};
use whimbrel_sync::{Effects, Engine, EngineConfig, Entropy, Env, Input};

/// Steps of one input at most.
const STEPS: usize = 200;

/// Runs a script: a step a line, a frame of the server or a letter for what happens on the device.
///
/// Cursors never go back but with a snapshot; nothing leaves the outbox without an answer or the user's word; what leaves
/// is marked on disk before, and never changes; what the engine says can be read by a server. Returns whether every line
/// was a step.
pub(crate) fn engine(bytes: &[u8]) -> bool {
    let mut world = World::open(Disk::default(), Dice(7));
    let steps = bytes.split(|byte| *byte == b'\n').take(STEPS);
    steps.filter(|line| !world.step(line)).count() == 0
}

impl Entropy for Dice {
    fn next_u64(&mut self) -> u64 {
        self.roll()
    }
}

struct World {
    engine: Engine,
    disk: Disk,
    now: u64,
    dice: Dice,
    asked: BTreeMap<u64, Option<Sync>>,
    /// The content of whatever left.
    left: BTreeMap<OpId, [u8; 32]>,
    /// Why something may leave the outbox in this step.
    answered: BTreeSet<OpId>,
    may_reset: bool,
}

impl World {
    fn open(mut disk: Disk, mut dice: Dice) -> Self {
        let mut env = Env {
            mono: 1_000,
            wall: Timestamp(1_700_000_000_000),
            entropy: &mut dice,
        };
        let ada = UserId::new("ada").expect("a user id");
        let loaded = Engine::load(disk.loaded(), &ada, EngineConfig::default(), &mut env);
        let (engine, effects) = loaded.expect("the disk is ada's");
        disk.apply(&effects.delta);
        Self {
            engine,
            disk,
            now: 1_000,
            dice,
            asked: BTreeMap::new(),
            left: BTreeMap::new(),
            answered: BTreeSet::new(),
            may_reset: false,
        }
    }

    /// Takes one step. Returns whether it was one.
    fn step(&mut self, line: &[u8]) -> bool {
        let Some((what, rest)) = line.split_first() else {
            return false;
        };
        let number = std::str::from_utf8(rest)
            .ok()
            .and_then(|text| text.parse::<u16>().ok());
        let number = usize::from(number.unwrap_or(0));
        match what {
            b'{' => return self.hear(line),
            b'q' => return self.queue(rest),
            b'o' => self.input(Input::GoOnline),
            b'f' => self.input(Input::GoOffline),
            b'c' => self.input(Input::Connected(Token::new("token"))),
            b'x' => self.input(Input::Closed { code: code(number) }),
            b'e' => self.input(Input::ConnectFailed { code: code(number) }),
            b'n' => self.input(Input::NoToken {
                message: String::new(),
            }),
            b't' => self.wake(),
            b'd' => self.decide(number, true),
            b'r' => self.decide(number, false),
            b'h' => self.older(number),
            b'b' => {
                let (_, effects) = self.with_env(Engine::catch_up);
                self.commit(&effects);
            }
            b'!' => {
                let left = std::mem::take(&mut self.left);
                *self = Self::open(std::mem::take(&mut self.disk), self.dice.clone());
                self.left = left;
            }
            _ => return false,
        }
        true
    }

    fn with_env<T>(&mut self, act: impl FnOnce(&mut Engine, &mut Env<'_>) -> T) -> T {
        let mut env = Env {
            mono: self.now,
            wall: Timestamp(1_700_000_000_000),
            entropy: &mut self.dice,
        };
        act(&mut self.engine, &mut env)
    }

    fn input(&mut self, input: Input) {
        let effects = self.with_env(|engine, env| engine.handle(input, env));
        self.commit(&effects);
    }

    /// A timer that fires leads to something, and not to itself for ever.
    fn wake(&mut self) {
        self.now = self.engine.next_wake().unwrap_or(0).max(self.now);
        for _ in 0..5 {
            self.input(Input::Timer);
            if self.engine.next_wake().is_none_or(|at| at > self.now) {
                return;
            }
        }
        panic!("the timer spins in {:?}", self.engine.status());
    }

    fn queue(&mut self, op: &[u8]) -> bool {
        let Ok(op) = serde_json::from_slice::<Op>(op) else {
            return false;
        };
        let valid = op.validate().is_ok();
        let queued = self.with_env(|engine, env| engine.enqueue(op, env));
        assert_eq!(queued.is_ok(), valid);
        if let Ok((_, effects)) = queued {
            let unsent = self.disk.outbox.values().filter(|item| !item.attempted);
            self.answered = unsent.map(|item| item.id).collect();
            self.commit(&effects);
        }
        true
    }

    fn decide(&mut self, number: usize, discard: bool) {
        let Some(id) = self.disk.nth(number) else { return };
        let decided = self.with_env(|engine, env| {
            if discard {
                return engine.discard(id, env);
            }
            engine.repeat(id, env).map(|(_, effects)| effects)
        });
        if let Ok(effects) = decided {
            self.answered.insert(id);
            self.commit(&effects);
        }
    }

    fn older(&mut self, number: usize) {
        let cid = ChannelId::new(["messaging:reef", "messaging:b"][number % 2]).expect("a channel id");
        self.engine.set_visible(&cid, number.is_multiple_of(3));
        let place = u64::try_from(number).unwrap_or(0);
        let from = match number % 4 {
            0 => HistoryFrom::After(place),
            1 => HistoryFrom::Around(place),
            _ => HistoryFrom::Before(place),
        };
        let asked = self.with_env(|engine, env| engine.fetch_history(cid, from, 50, env));
        if let Ok((_, effects)) = asked {
            self.commit(&effects);
        }
    }

    /// Takes a frame. One that answers nothing that was asked is made to answer something, most of the time.
    fn hear(&mut self, line: &[u8]) -> bool {
        let Ok(mut frame) = decode::<ServerFrame>(line) else {
            return false;
        };
        match &mut frame {
            ServerFrame::Page(page) => {
                if let Some(ask) = self.redirect(&mut page.id) {
                    page.from = if page.reset {
                        0
                    } else {
                        ask.cursor.map_or(0, |cursor| cursor.ver)
                    };
                    page.stream = ask.stream;
                }
                self.may_reset = page.reset;
            }
            ServerFrame::Heads(page) => drop(self.redirect(&mut page.id)),
            ServerFrame::History(page) => drop(self.redirect(&mut page.id)),
            ServerFrame::Answer(answer) => drop(self.redirect(&mut answer.id)),
            ServerFrame::Parcel(page) => drop(self.redirect(&mut page.id)),
            ServerFrame::Presence(presence) => {
                if let Some(id) = &mut presence.id {
                    self.redirect(id);
                }
            }
            ServerFrame::Failed(failed) => drop(self.redirect(&mut failed.id)),
            ServerFrame::Results(results) => {
                for (at, result) in results.results.iter_mut().enumerate() {
                    if !self.disk.outbox.contains_key(&result.id) {
                        result.id = self.disk.nth(at).unwrap_or(result.id);
                    }
                    if matches!(result.outcome, Outcome::Accepted { .. }) {
                        self.answered.insert(result.id);
                    }
                }
            }
            ServerFrame::Ready(_)
            | ServerFrame::Bye(_)
            | ServerFrame::Event(_)
            | ServerFrame::Typing(_)
            | ServerFrame::Watchers(_) => {}
        }
        self.input(Input::Frame(frame));
        true
    }

    /// Makes an answer to nothing one to something, and returns what is asked for if that is a page.
    fn redirect(&mut self, id: &mut u64) -> Option<Sync> {
        if !self.asked.contains_key(id) && !id.is_multiple_of(5) {
            let place = usize::try_from(*id).unwrap_or(0) % self.asked.len().max(1);
            let (other, ask) = self.asked.iter().nth(place)?;
            *id = *other;
            return ask.clone();
        }
        None
    }

    fn commit(&mut self, effects: &Effects) {
        for change in &effects.delta.changes {
            match change {
                Change::OutboxRemoved(id) => {
                    assert!(
                        self.answered.contains(id),
                        "C4: {id} left the outbox without an answer"
                    );
                }
                Change::Outbox(new) => {
                    let old = self.disk.outbox.get(&new.id).filter(|old| old.attempted);
                    assert!(
                        old.is_none_or(|old| old.op == new.op && new.attempted),
                        "C3: {} changed",
                        new.id
                    );
                }
                _ => {}
            }
        }
        let before = self.disk.cursors.clone();
        self.disk.apply(&effects.delta);
        for (stream, old) in before {
            let Some(new) = self.disk.cursors.get(&stream) else {
                continue;
            };
            let followed = !effects.delta.changes.contains(&Change::Unfollow(stream.clone()));
            let back = new.epoch == old.epoch && new.ver < old.ver && followed;
            assert!(
                !back || self.may_reset,
                "C6: the cursor of {stream} went back: {old:?} to {new:?}"
            );
        }
        effects.frames.iter().for_each(|frame| self.send(frame));
        self.answered.clear();
        self.may_reset = false;
    }

    fn send(&mut self, frame: &ClientFrame) {
        let bytes = encode(frame).expect("it fits");
        assert_eq!(decode::<ClientFrame>(&bytes).as_ref(), Ok(frame));
        match frame {
            ClientFrame::Hello(_) => self.asked.clear(),
            ClientFrame::Watch(_) | ClientFrame::Typing(_) | ClientFrame::Watching(_) => {}
            ClientFrame::Heads(ask) => drop(self.asked.insert(ask.id, None)),
            ClientFrame::History(ask) => drop(self.asked.insert(ask.id, None)),
            ClientFrame::Ask(ask) => drop(self.asked.insert(ask.id, None)),
            ClientFrame::Presence(ask) => drop(self.asked.insert(ask.id, None)),
            ClientFrame::Parcel(ask) => drop(self.asked.insert(ask.id, None)),
            ClientFrame::Sync(ask) => {
                assert!(
                    !matches!(&ask.stream, StreamId::User(user) if user.as_str() != "ada"),
                    "not ada's: {ask:?}"
                );
                self.asked.insert(ask.id, Some(ask.clone()));
            }
            ClientFrame::Ops(ops) => {
                for op in &ops.ops {
                    let item = self.disk.outbox.get(&op.id).expect("C2: what leaves is on disk");
                    assert!(
                        item.attempted && item.op == op.op,
                        "C3: {} left before it was marked",
                        op.id
                    );
                    let digest = *self.left.entry(op.id).or_insert_with(|| op.digest());
                    assert_eq!(digest, op.digest(), "C3: {} left with two contents", op.id);
                }
            }
        }
    }
}

fn code(number: usize) -> Code {
    Code::ALL[number % Code::ALL.len()].clone()
}
