//! The world around one engine. It commits every delta, and checks after each input what always has to hold.

use crate::{
    disk::Disk,
    frames::{EPOCH, accepted_all, asks_heads, cursor, head, heads_page, me, ops, page, ready, syncs, user},
};
use std::collections::{BTreeSet, HashMap};
use whimbrel_model::{
    Change, ConsentState, Cursor, Head, Op, OpEnvelope, OpId, OutboxItem, RangeSet, StreamId, Timestamp,
    UserId,
};
use whimbrel_protocol::{ClientFrame, Ops, ServerFrame, Token};
use whimbrel_sync::{CommandError, Effects, Engine, EngineConfig, Entropy, Env, Input, Notice, Status};

/// SplitMix64.
pub(crate) struct Dice(pub(crate) u64);

impl Entropy for Dice {
    fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) disk: Disk,
    pub(crate) now: u64,
    pub(crate) wall: i64,
    dice: Dice,
    /// The content of every operation that ever left, by its id.
    left: HashMap<OpId, [u8; 32]>,
    /// What was queued since the start and was not said to be settled.
    pub(crate) unsettled: BTreeSet<OpId>,
    /// The page that was taken last may set a cursor back: it began a snapshot.
    pub(crate) may_reset: bool,
    /// The delivered marks that left.
    pub(crate) marks: Vec<OpEnvelope>,
    /// Whether the test answers them.
    pub(crate) answers_marks: bool,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with_seed(1)
    }

    pub(crate) fn with_seed(seed: u64) -> Self {
        Self::on(Disk::default(), seed)
    }

    /// Opens a disk, as after a restart.
    pub(crate) fn on(disk: Disk, seed: u64) -> Self {
        Self::configured(disk, seed, undecided())
    }

    pub(crate) fn configured(mut disk: Disk, seed: u64, config: EngineConfig) -> Self {
        let mut dice = Dice(seed);
        let mut env = Env {
            mono: 1_000,
            wall: Timestamp(1_700_000_000_000),
            entropy: &mut dice,
        };
        let loaded = disk.loaded.clone();
        let (engine, effects) =
            Engine::load(loaded, &user("ada"), config, &mut env).expect("the disk is ada's");
        disk.apply(&effects.delta);
        assert!(effects.frames.is_empty() && effects.link.is_none());
        Self {
            engine,
            disk,
            now: 1_000,
            wall: 1_700_000_000_000,
            dice,
            left: HashMap::new(),
            unsettled: BTreeSet::new(),
            may_reset: false,
            marks: Vec::new(),
            answers_marks: false,
        }
    }

    /// Online, with the heads known and the own stream pulled.
    pub(crate) fn live() -> Self {
        Self::new().online()
    }

    /// Restarts on the same disk.
    pub(crate) fn restarted(self) -> Self {
        let seed = self.dice.0 + 1;
        let left = self.left;
        Self {
            left,
            ..Self::on(self.disk, seed)
        }
    }

    pub(crate) fn online(mut self) -> Self {
        let effects = self.hello();
        self.answer_all(&effects);
        assert_eq!(self.engine.status(), Status::Live);
        self
    }

    /// Connects and gets ready. Returns what was sent then.
    pub(crate) fn hello(&mut self) -> Effects {
        drop(self.greet());
        self.frame(ready())
    }

    pub(crate) fn greet(&mut self) -> Effects {
        drop(self.input(Input::GoOnline));
        self.input(Input::Connected(Token::new("a token")))
    }

    /// Answers every request with "nothing new".
    pub(crate) fn answer_all(&mut self, effects: &Effects) {
        for ask in asks_heads(&effects.frames) {
            let effects = self.frame(heads_page(ask.id, "1", false, Vec::new()));
            self.answer_all(&effects);
        }
        for ask in syncs(&effects.frames) {
            let here = ask.cursor.unwrap_or(cursor(0, 0));
            let to = Cursor { epoch: EPOCH, ..here };
            let effects = self.frame(ServerFrame::Page(page(&ask, here.ver, to, Vec::new())));
            self.answer_all(&effects);
        }
    }

    pub(crate) fn input(&mut self, input: Input) -> Effects {
        let effects = self.with_env(|engine, env| engine.handle(input, env));
        self.commit(effects)
    }

    pub(crate) fn frame(&mut self, frame: ServerFrame) -> Effects {
        self.may_reset |= matches!(&frame, ServerFrame::Page(page) if page.reset);
        self.input(Input::Frame(frame))
    }

    pub(crate) fn queue(&mut self, op: Op) -> (OpId, Effects) {
        let (id, effects) = self
            .with_env(|engine, env| engine.enqueue(op, env))
            .expect("there is room");
        self.unsettled.insert(id);
        (id, self.commit(effects))
    }

    pub(crate) fn repeat(&mut self, id: OpId) -> Result<(OpId, Effects), CommandError> {
        let (id, effects) = self.with_env(|engine, env| engine.repeat(id, env))?;
        self.unsettled.insert(id);
        Ok((id, self.commit(effects)))
    }

    pub(crate) fn discard(&mut self, id: OpId) -> Result<Effects, CommandError> {
        let effects = self.with_env(|engine, env| engine.discard(id, env))?;
        Ok(self.commit(effects))
    }

    /// Lets the clock run to the moment that the engine asked for.
    pub(crate) fn wake(&mut self) -> Effects {
        let at = self.engine.next_wake().expect("the engine waits for something");
        assert!(
            at > self.now,
            "a wake-up in the past would spin: {at} at {}",
            self.now
        );
        self.now = at;
        self.input(Input::Timer)
    }

    pub(crate) fn with_env<T>(&mut self, act: impl FnOnce(&mut Engine, &mut Env<'_>) -> T) -> T {
        let mut env = Env {
            mono: self.now,
            wall: Timestamp(self.wall),
            entropy: &mut self.dice,
        };
        act(&mut self.engine, &mut env)
    }

    pub(crate) fn commit(&mut self, effects: Effects) -> Effects {
        let before = self.disk.loaded.cursors.clone();
        self.disk.apply(&effects.delta);
        let effects = self.take_marks(effects);
        for op in ops(&effects.frames) {
            let item = self.item(op.id);
            assert!(item.attempted, "C3: {} left before it was marked on disk", op.id);
            assert_eq!(item.op, op.op);
            let digest = *self.left.entry(op.id).or_insert_with(|| op.digest());
            assert_eq!(digest, op.digest(), "{} left with two contents", op.id);
        }
        for (id, old) in before {
            let Some(new) = self.disk.cursor(&id) else {
                continue;
            };
            let unfollowed = effects.delta.changes.contains(&Change::Unfollow(id.clone()));
            let back = new.epoch == old.epoch && new.ver < old.ver && !unfollowed;
            assert!(
                !back || self.may_reset,
                "the cursor of {id} went back: {old:?} to {new:?}"
            );
        }
        self.may_reset = false;
        for notice in &effects.notices {
            if let Notice::Settled(id, _) = notice {
                self.unsettled.remove(id);
            }
        }
        effects
    }

    /// Takes the delivered marks out of what is sent. Unless a test wants to answer them, the server takes none, and says so.
    fn take_marks(&mut self, mut effects: Effects) -> Effects {
        let mut marks = Vec::new();
        effects.frames.retain_mut(|frame| {
            let ClientFrame::Ops(Ops { ops }) = frame else {
                return true;
            };
            marks.extend(ops.extract_if(.., |op| op.op.leaves_no_result()));
            !ops.is_empty()
        });
        if !marks.is_empty() && !self.answers_marks {
            let ids: Vec<_> = marks.iter().map(|mark| mark.id).collect();
            let refused = accepted_all(&ids);
            let answered = self.with_env(|engine, env| engine.handle(Input::Frame(refused), env));
            self.disk.apply(&answered.delta);
            effects.merge(self.take_marks(answered));
        }
        self.marks.extend(marks);
        effects
    }

    /// What is on disk about an operation.
    pub(crate) fn item(&self, id: OpId) -> &OutboxItem {
        let items = &self.disk.loaded.outbox;
        items
            .iter()
            .find(|item| item.id == id)
            .expect("it is in the outbox")
    }

    pub(crate) fn outbox(&self) -> Vec<OpId> {
        self.disk.loaded.outbox.iter().map(|item| item.id).collect()
    }

    pub(crate) fn cursor(&self, id: &StreamId) -> Option<(u64, u64)> {
        self.disk.cursor(id).map(|cursor| (cursor.ver, cursor.seq))
    }

    pub(crate) fn head(&self, id: &StreamId) -> Head {
        self.disk.loaded.heads.get(id).copied().unwrap_or(head(0, 0))
    }

    pub(crate) fn ranges(&self, channel: &str) -> RangeSet {
        let ranges = self.disk.loaded.ranges.get(&crate::frames::cid(channel));
        ranges.cloned().unwrap_or_default()
    }
}

/// Follows everything, whatever was decided.
pub(crate) fn undecided() -> EngineConfig {
    EngineConfig {
        follow_consent: [ConsentState::Unknown, ConsentState::Allowed, ConsentState::Denied].into(),
        unknown_messages: None,
        ..EngineConfig::default()
    }
}

/// Opens an empty disk as somebody, after it was ada's.
pub(crate) fn open_as(disk: &Disk, user: &UserId) -> Result<(), CommandError> {
    let mut dice = Dice(9);
    let mut env = Env {
        mono: 0,
        wall: Timestamp(0),
        entropy: &mut dice,
    };
    Engine::load(disk.loaded.clone(), user, EngineConfig::default(), &mut env).map(drop)
}

/// The own stream, pulled to here.
pub(crate) fn own_cursor(world: &World) -> Option<(u64, u64)> {
    world.cursor(&me())
}
