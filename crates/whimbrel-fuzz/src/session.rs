//! A live connection of the hub, fed with frames.

use crate::seeds;
use async_trait::async_trait;
use serde_json::{Value, json};
use std::{collections::BTreeMap, pin::pin, sync::Arc, time::Duration};
use tokio::time::timeout;
use uuid::Uuid;
use whimbrel_hub::{
    AuthError, Authenticate, Clock, Hub, HubConfig, Identity, MemoryStorage, Outbound, Session,
};
use whimbrel_model::{DeviceId, Epoch, HistoryFrom, OpId, Row, StreamId, Timestamp, UserId, limits};
use whimbrel_protocol::{Bye, ClientFrame, Hello, OwnPresence, PROTOCOL, ServerFrame, Token, decode};

/// Frames of one input at most.
const FRAMES: usize = 60;

/// How long an answer may take that does not depend on anything but this process.
const PATIENCE: Duration = Duration::from_secs(20);

/// Frames a line; a line that begins with `b` is bob's, else it is ada's.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let ops = seeds::golden(&["op-create_channel.json", "op-send_message.json", "op-"]);
    let frame = |(at, op): (usize, &Vec<u8>)| {
        let op: Value = serde_json::from_slice(op).expect("a golden operation");
        let id = format!("01900000-0000-7000-8000-00000000{at:04}");
        json!({"ops": {"ops": [{"id": id, "op": op, "composed_at": 1}]}}).to_string()
    };
    let mut lines = vec![
        frame((1, &seeds::golden(&["op-create_channel-full"])[0])),
        frame((2, &seeds::golden(&["op-send_message.json"])[0])),
        format!("b{}", frame((3, &seeds::golden(&["op-mark_read"])[0]))),
        format!("b{}", frame((4, &seeds::golden(&["op-add_reaction"])[0]))),
    ];
    lines.extend(ops.iter().enumerate().map(|(at, op)| frame((at + 10, op))));
    let asked = [
        r#"{"heads":{"id":1}}"#,
        r#"{"heads":{"id":2,"since":"7.1"}}"#,
        r#"b{"sync":{"id":3,"stream":"C:messaging:reef"}}"#,
        r#"{"sync":{"id":4,"stream":"U:ada","cursor":{"epoch":7,"ver":1,"seq":0}}}"#,
        r#"b{"sync":{"id":5,"stream":"C:messaging:reef","cursor":{"epoch":7,"ver":9,"window":{"lo":1,"ver":3}}}}"#,
        r#"{"history":{"id":6,"cid":"messaging:reef","from":{"around":3},"limit":4294967295}}"#,
    ];
    let asked = asked.map(str::to_owned).into_iter();
    let questions = seeds::golden(&["question-"])
        .into_iter()
        .zip(7..)
        .map(|(question, id)| {
            let question: Value = serde_json::from_slice(&question).expect("a golden question");
            json!({"ask": {"id": id, "question": question}}).to_string()
        });
    let asked: Vec<String> = asked.chain(questions).collect();
    let some = [&lines[..4], &asked[..]].concat();
    let all = [lines, asked].concat();
    [some, all].map(|lines| lines.join("\n").into_bytes()).to_vec()
}

/// Feeds two connections. Each request has one answer, or the connection ends with a `bye`; and what is stored is whole.
pub(crate) fn session(bytes: &[u8]) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    runtime.expect("a runtime").block_on(feed(bytes))
}

async fn feed(bytes: &[u8]) -> bool {
    let storage = Arc::new(MemoryStorage::new(Epoch(7)));
    let hub = Hub::start(storage, Arc::new(Still), HubConfig::default());
    let (mut ada, mut bob) = (Peer::connect(&hub, "ada").await, Peer::connect(&hub, "bob").await);
    let mut taken = false;
    for line in bytes.split(|byte| *byte == b'\n').take(FRAMES) {
        let (peer, line) = line
            .strip_prefix(b"b")
            .map_or((&mut ada, line), |line| (&mut bob, line));
        if let Ok(frame) = decode::<ClientFrame>(line) {
            taken = true;
            peer.say(frame).await;
        }
    }
    ada.finish().await;
    bob.finish().await;
    for name in ["ada", "bob"] {
        assert_whole(&hub, &user(name)).await;
    }
    hub.close().await;
    taken
}

/// One connection, and what has no answer yet.
struct Peer {
    session: Session,
    outbound: Outbound,
    ops: BTreeMap<OpId, usize>,
    requests: BTreeMap<u64, usize>,
    /// What the session said that it ended with, and whether that came.
    ended: Option<Bye>,
    said_bye: bool,
}

impl Peer {
    async fn connect(hub: &Hub, name: &str) -> Self {
        let hello = Hello {
            protocol: PROTOCOL,
            token: Token::new(name),
            device: DeviceId(Uuid::nil()),
            agent: String::new(),
            presence: OwnPresence::default(),
            background: false,
        };
        let (session, outbound) = hub.hello(hello, &Names).await.expect("the hub is open");
        Self {
            session,
            outbound,
            ops: BTreeMap::new(),
            requests: BTreeMap::new(),
            ended: None,
            said_bye: false,
        }
    }

    async fn say(&mut self, frame: ClientFrame) {
        if self.ended.is_some() {
            return;
        }
        match &frame {
            ClientFrame::Ops(ops) => {
                for op in &ops.ops {
                    *self.ops.entry(op.id).or_default() += 1;
                }
            }
            ClientFrame::Heads(ask) => *self.requests.entry(ask.id).or_default() += 1,
            ClientFrame::Sync(ask) => *self.requests.entry(ask.id).or_default() += 1,
            ClientFrame::History(ask) => *self.requests.entry(ask.id).or_default() += 1,
            ClientFrame::Ask(ask) => *self.requests.entry(ask.id).or_default() += 1,
            ClientFrame::Presence(ask) => *self.requests.entry(ask.id).or_default() += 1,
            ClientFrame::Parcel(ask) => *self.requests.entry(ask.id).or_default() += 1,
            ClientFrame::Hello(_)
            | ClientFrame::Watch(_)
            | ClientFrame::Typing(_)
            | ClientFrame::Watching(_) => {}
        }
        let mut batches = Vec::new();
        let handled = {
            let mut handled = pin!(timeout(PATIENCE, self.session.handle(frame)));
            loop {
                tokio::select! {
                    biased;
                    handled = &mut handled => break handled,
                    Some(batch) = self.outbound.next_batch() => batches.push(batch),
                }
            }
        };
        self.ended = handled.expect("a frame is taken in time").err();
        batches.into_iter().flatten().for_each(|frame| self.hear(&frame));
    }

    /// Waits until everything is answered, or the connection is over.
    async fn finish(&mut self) {
        let is_open =
            |peer: &Self| peer.ended.is_none() && !(peer.ops.is_empty() && peer.requests.is_empty());
        while is_open(self) {
            let batch = timeout(PATIENCE, self.outbound.next_batch()).await;
            let batch = batch.unwrap_or_else(|_| panic!("no answer to {:?} {:?}", self.ops, self.requests));
            let Some(batch) = batch else { break };
            batch.iter().for_each(|frame| self.hear(frame));
        }
        if let Some(bye) = self.ended.clone() {
            while let Some(batch) = timeout(PATIENCE, self.outbound.next_batch())
                .await
                .expect("an end in time")
            {
                batch.iter().for_each(|frame| self.hear(frame));
            }
            assert!(self.said_bye, "it ended without {bye:?}");
        }
    }

    fn hear(&mut self, bytes: &[u8]) {
        assert!(!self.said_bye, "a frame after the last");
        assert!(bytes.len() <= limits::FRAME_BYTES);
        let frame = decode::<ServerFrame>(bytes).expect("what the server says can be read");
        let answered = match frame {
            ServerFrame::Results(results) => {
                for result in results.results {
                    take(&mut self.ops, &result.id);
                }
                return;
            }
            ServerFrame::Bye(bye) => {
                self.said_bye = true;
                self.ended.get_or_insert(bye);
                return;
            }
            ServerFrame::Ready(_)
            | ServerFrame::Event(_)
            | ServerFrame::Typing(_)
            | ServerFrame::Watchers(_) => return,
            ServerFrame::Heads(page) => page.id,
            ServerFrame::Page(page) => page.id,
            ServerFrame::History(page) => page.id,
            ServerFrame::Answer(answer) => answer.id,
            ServerFrame::Parcel(page) => page.id,
            ServerFrame::Presence(presence) => match presence.id {
                Some(id) => id,
                None => return,
            },
            ServerFrame::Failed(failed) => failed.id,
        };
        take(&mut self.requests, &answered);
    }
}

/// Takes an answer off what was asked.
fn take<K: Ord + std::fmt::Debug>(asked: &mut BTreeMap<K, usize>, id: &K) {
    let left = asked.get_mut(id);
    let left = left.unwrap_or_else(|| panic!("an answer to {id:?}, which nobody asked"));
    *left -= 1;
    if *left == 0 {
        asked.remove(id);
    }
}

/// Asserts that all that a user may see is there: every stream to its head, every message of it once.
async fn assert_whole(hub: &Hub, user: &UserId) {
    let heads = hub.heads(user, None).await.expect("heads");
    for named in heads.heads {
        let (mut cursor, mut seqs) = (None, Vec::new());
        loop {
            let page = hub
                .page(user, &named.stream, cursor)
                .await
                .expect("a stream that was named");
            seqs.extend(page.rows.iter().filter_map(|row| match row {
                Row::Message(row) => Some(row.seq),
                _ => None,
            }));
            assert!(
                page.rows
                    .iter()
                    .all(|row| matches!(row, Row::User(_)) || row.ver() <= page.head.ver)
            );
            cursor = Some(page.to);
            if !page.more {
                assert_eq!((page.to.ver, page.head), (named.head.ver, named.head));
                break;
            }
        }
        seqs.sort_unstable();
        assert!(
            seqs.into_iter().eq(1..=named.head.seq),
            "S1: a message of {} is missing",
            named.stream
        );
        if let StreamId::Channel(cid) = &named.stream {
            let page = hub
                .history(user, cid, HistoryFrom::Newest, usize::MAX)
                .await
                .expect("history");
            assert!(page.hi <= named.head.seq && page.lo >= 1);
        }
    }
}

fn user(name: &str) -> UserId {
    UserId::new(name).expect("a user id")
}

/// A clock that stands still.
#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp(1_700_000_000_000)
    }
}

/// Takes a token for the name of its user.
#[derive(Debug)]
struct Names;

#[async_trait]
impl Authenticate for Names {
    async fn authenticate(&self, token: &Token) -> Result<Identity, AuthError> {
        let user = UserId::new(token.expose()).map_err(|error| AuthError::Invalid(error.to_string()))?;
        Ok(Identity {
            user,
            expires_at: None,
        })
    }
}
