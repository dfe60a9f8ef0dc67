//! Whatever comes in whatever order: the rules of [`World`] hold, and an honest server afterwards puts all in order.

use crate::{
    frames::{
        EPOCH, asks_heads, bye, channel, cid, create, cursor, event, failed, head, heads_page, histories,
        in_window, me, membership, message, message_id, not_now, op_ids, page, react, ready_as, ready_when,
        refusal, result, results, send, step, syncs,
    },
    world::World,
};
use proptest::prelude::*;
use whimbrel_model::{Code, Cursor, Epoch, HistoryFrom, MemberState, Op, OpId, Row, StreamId};
use whimbrel_protocol::{HistoryPage, Outcome, Page, ServerFrame, Sync, Token};
use whimbrel_sync::{Effects, Input, Status};

/// What a step does, and three numbers for its details.
type Step = (u8, u64, u64, u64);

const NAMES: [&str; 3] = ["a", "b", "c"];

/// A server that answers anything with anything, and remembers what it was asked.
struct Wild {
    world: World,
    asked: Vec<Sync>,
    ids: Vec<u64>,
    ops: Vec<OpId>,
}

fn name(number: u64) -> &'static str {
    NAMES[(number % 3) as usize]
}

fn stream(number: u64) -> StreamId {
    if number % 4 == 3 {
        me()
    } else {
        channel(name(number))
    }
}

fn pick<T: Clone>(from: &[T], number: u64) -> Option<T> {
    from.get(usize::try_from(number).expect("it fits") % from.len().max(1))
        .cloned()
}

fn row(of: &StreamId, number: u64, ver: u64) -> Row {
    match of {
        StreamId::Channel(cid) => message(cid.local_id(), number.max(1), ver),
        StreamId::User(_) if number.is_multiple_of(3) => membership(name(number), MemberState::Gone, ver),
        StreamId::User(_) => membership(name(number), MemberState::Active, ver),
    }
}

fn code(number: u64) -> Code {
    Code::ALL[usize::try_from(number).expect("it fits") % Code::ALL.len()].clone()
}

impl Wild {
    fn new(seed: u64) -> Self {
        Self {
            world: World::with_seed(seed),
            asked: Vec::new(),
            ids: Vec::new(),
            ops: Vec::new(),
        }
    }

    fn note(&mut self, effects: &Effects) {
        let asked = syncs(&effects.frames);
        self.ids.extend(asked.iter().map(|ask| ask.id));
        self.ids
            .extend(asks_heads(&effects.frames).iter().map(|ask| ask.id));
        self.ids
            .extend(histories(&effects.frames).iter().map(|ask| ask.id));
        self.asked.extend(asked);
    }

    fn input(&mut self, input: Input) {
        let effects = self.world.input(input);
        self.note(&effects);
    }

    fn frame(&mut self, frame: ServerFrame) {
        let effects = self.world.frame(frame);
        self.note(&effects);
    }

    fn act(&mut self, (what, a, b, c): Step) {
        match what {
            0..=3 => self.queue(a, b),
            4..=5 => self.input(Input::GoOnline),
            6..=8 => self.input(Input::Connected(Token::new("token"))),
            9..=12 => {
                let server_time = 1_700_000_000_000 + i64::try_from(b * c).expect("it fits") * 86_400_000;
                let user = if a == 0 { "bob" } else { "ada" };
                self.frame(ready_when(user, Epoch(7 + a / 40), server_time));
            }
            13..=16 => self.answer_op(a, b, c),
            17..=19 => {
                let id = stream(a);
                let rows = vec![row(&id, c, b + c)];
                self.frame(event(id, b, b + c, c, rows));
            }
            20..=24 => self.answer_pull(a, b, c),
            25..=26 => {
                let id = pick(&self.ids, a).unwrap_or(a);
                let heads = vec![(stream(b), head(b, c))];
                self.frame(heads_page(id, &b.to_string(), c % 4 == 0, heads));
            }
            27 => {
                let id = pick(&self.ids, a).unwrap_or(a);
                self.frame(failed(id, code(b), (c % 2 == 0).then_some(c)));
            }
            28 => self.frame(bye(code(a), (b % 2 == 0).then_some(c))),
            29 => self.input(Input::Closed { code: code(a) }),
            30 => self.later(a * a),
            31 => self.disconnect(a),
            32 => self.history(a, b, c),
            33 => self.decide(a, b),
            34 => self.world.wall += i64::try_from(a).expect("it fits") * 10_000_000_000 - 250_000_000_000,
            _ => self.restart(),
        }
    }

    fn queue(&mut self, a: u64, b: u64) {
        let (cid, id) = (cid(name(b)), message_id(a / 4 * 4));
        let op = match a % 12 {
            0 => create(name(b)),
            1 => react(name(b), a / 4 * 4),
            2 => Op::RemoveReaction {
                cid,
                message: id,
                kind: "like".try_into().expect("it is valid"),
            },
            3 => Op::EditMessage {
                cid,
                id,
                body: format!("edit {b}").into(),
                base_revision: 0,
            },
            4 => Op::DeleteMessage { cid, id },
            5 => Op::MarkRead {
                thread: None,
                cid,
                epoch: 0,
                seq: b,
            },
            6 => Op::UpdateUser {
                name: Some(format!("name {b}")),
                image: None,
                custom: None,
            },
            _ => send(name(b), a / 4 * 4),
        };
        let (id, effects) = self.world.queue(op);
        self.ops.push(id);
        self.note(&effects);
    }

    fn answer_op(&mut self, a: u64, b: u64, c: u64) {
        let Some(id) = pick(&self.ops, a) else { return };
        let of = stream(c);
        let outcome = match b % 6 {
            0 => refusal(code(c)),
            1 => not_now(Code::OutOfOrder, None),
            2 => not_now(code(c), Some(c * 10)),
            3 => Outcome::Accepted { steps: Vec::new() },
            _ => Outcome::Accepted {
                steps: vec![step(of.clone(), b, b + c % 3, c, vec![row(&of, c, b + 1)])],
            },
        };
        self.frame(results(vec![result(id, outcome)]));
    }

    fn answer_pull(&mut self, a: u64, b: u64, c: u64) {
        let Some(ask) = pick(&self.asked, a) else { return };
        let from = ask.cursor.map_or(0, |cursor| cursor.ver) + u64::from(b.is_multiple_of(7));
        let to = if c.is_multiple_of(5) {
            in_window(from + c, 0, 1, from + c)
        } else {
            cursor(from + c, c)
        };
        let answer = Page {
            reset: ask.cursor.is_none() || b.is_multiple_of(5),
            more: c.is_multiple_of(3),
            head: head(from + c + b % 3, c),
            ..page(&ask, from, to, vec![row(&ask.stream, c, from + c)])
        };
        self.frame(ServerFrame::Page(answer));
    }

    /// Lets time pass; a timer that fires leads to something, and not to itself for ever.
    fn later(&mut self, millis: u64) {
        self.world.now = self
            .world
            .engine
            .next_wake()
            .unwrap_or(0)
            .max(self.world.now + millis);
        for _ in 0..5 {
            self.input(Input::Timer);
            if self.world.engine.next_wake().is_none_or(|at| at > self.world.now) {
                return;
            }
        }
        panic!("the timer spins in {:?}", self.world.engine.status());
    }

    fn disconnect(&mut self, a: u64) {
        match a % 3 {
            0 => self.input(Input::GoOffline),
            1 => self.input(Input::ConnectFailed { code: code(a) }),
            _ => self.input(Input::NoToken {
                message: String::new(),
            }),
        }
    }

    fn history(&mut self, a: u64, b: u64, c: u64) {
        let cid = cid(name(a));
        let asked = self
            .world
            .with_env(|engine, env| engine.fetch_history(cid.clone(), HistoryFrom::Before(b), 5, env));
        let Ok((id, effects)) = asked else { return };
        let effects = self.world.commit(effects);
        self.note(&effects);
        let rows = vec![message(name(a), c.max(1), b)];
        let (lo, hi) = (c.max(1), b);
        self.frame(ServerFrame::History(HistoryPage {
            id,
            cid,
            lo,
            hi,
            rows,
        }));
    }

    fn decide(&mut self, a: u64, b: u64) {
        let Some(id) = pick(&self.ops, a) else { return };
        if b.is_multiple_of(2) {
            if let Ok(effects) = self.world.discard(id) {
                self.note(&effects);
            }
        } else if let Ok((id, effects)) = self.world.repeat(id) {
            self.ops.push(id);
            self.note(&effects);
        }
    }

    fn restart(&mut self) {
        let seed = self.world.now + 17;
        let world = std::mem::replace(&mut self.world, World::with_seed(seed));
        self.world = world.restarted();
        self.asked.clear();
        self.ids.clear();
    }

    /// A server that does what it should: everything is accepted, every stream is at version 1000.
    fn settle(&mut self) {
        self.input(Input::GoOffline);
        self.input(Input::GoOnline);
        self.input(Input::Connected(Token::new("token")));
        let mut frames = self.world.frame(ready_as("ada", EPOCH)).frames;
        for _ in 0..2_000 {
            let mut next = Vec::new();
            for ask in asks_heads(&frames) {
                next.extend(
                    self.world
                        .frame(heads_page(ask.id, "end", false, Vec::new()))
                        .frames,
                );
            }
            for ask in syncs(&frames) {
                let to = Cursor {
                    epoch: EPOCH,
                    ..cursor(1_000, 0)
                };
                let answer = Page {
                    reset: true,
                    ..page(&ask, 0, to, Vec::new())
                };
                next.extend(self.world.frame(ServerFrame::Page(answer)).frames);
            }
            for id in op_ids(&frames) {
                let accepted = result(id, Outcome::Accepted { steps: Vec::new() });
                next.extend(self.world.frame(results(vec![accepted])).frames);
            }
            let waits = self
                .world
                .disk
                .loaded
                .outbox
                .iter()
                .any(|item| item.rejection().is_none());
            if next.is_empty() && !waits && self.world.engine.status() == Status::Live {
                return;
            }
            frames = next;
            if frames.is_empty() {
                self.world.now = self
                    .world
                    .engine
                    .next_wake()
                    .expect("it waits for something")
                    .max(self.world.now);
                frames = self.world.input(Input::Timer).frames;
            }
        }
        panic!("it never settles: {:?}", self.world.engine.status());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_input_in_no_order_breaks_a_rule(
        seed in any::<u64>(),
        steps in proptest::collection::vec((0_u8..36, 0_u64..50, 0_u64..50, 0_u64..50), 1..80),
    ) {
        let mut wild = Wild::new(seed);
        for step in steps {
            wild.act(step);
        }
        wild.settle();
        prop_assert!(wild.world.unsettled.is_empty(), "never told of: {:?}", wild.world.unsettled);
    }
}
