//! One connection to the server under test.

use super::{Problem, script::World};
use bytes::Bytes;
use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};
use tokio::time::{Instant, timeout_at};
use whimbrel_model::{
    Code, Cursor, DeviceId, Message, OpEnvelope, OpId, Row, RowKey, StreamEvent, StreamId, UserId, limits,
};
use whimbrel_protocol::{
    Bye, ClientFrame, Failed, Heads, HeadsPage, Hello, History, HistoryPage, Ops, Outcome, OwnPresence,
    PROTOCOL, Page, Ready, ServerFrame, Sync, Token, VersionRange, decode, encode,
};
use whimbrel_transport::Connection;

/// Pages and frames that no chain needs more of: whoever sends more turns in a circle.
const TOO_MANY: usize = 1_000;

#[derive(Debug)]
pub(super) struct Peer {
    connection: Connection,
    patience: Duration,
    pub(super) user: UserId,
    pub(super) device: DeviceId,
    pub(super) ready: Ready,
    /// Events that came while something else was waited for.
    events: VecDeque<StreamEvent>,
    asked: u64,
}

/// A connection that has not said hello.
pub(super) struct Stranger {
    connection: Connection,
    patience: Duration,
}

/// A chain of pages to its end.
#[derive(Debug)]
pub(super) struct Chain {
    pub(super) pages: Vec<Page>,
    pub(super) rows: Vec<Row>,
    pub(super) cursor: Cursor,
}

impl Stranger {
    pub(super) async fn connect(world: &World) -> Result<Self, Problem> {
        let connection = world.target.connector.connect().await;
        let connection = connection.map_err(|error| Problem::Failed(format!("no connection: {error}")))?;
        Ok(Self {
            connection,
            patience: world.target.patience,
        })
    }

    pub(super) async fn hello(&mut self, world: &World, token: &Token) -> Result<(), Problem> {
        self.hello_as(world, token, PROTOCOL).await
    }

    pub(super) async fn hello_as(
        &mut self,
        world: &World,
        token: &Token,
        protocol: VersionRange,
    ) -> Result<(), Problem> {
        let device = DeviceId(world.id());
        self.hello_on(token, protocol, device).await
    }

    pub(super) async fn hello_on(
        &mut self,
        token: &Token,
        protocol: VersionRange,
        device: DeviceId,
    ) -> Result<(), Problem> {
        let hello = Hello {
            protocol,
            token: token.clone(),
            device,
            agent: "conformance".to_owned(),
            presence: OwnPresence::default(),
            background: false,
        };
        send(&mut self.connection, &ClientFrame::Hello(hello)).await
    }

    pub(super) async fn send(&mut self, frame: &ClientFrame) -> Result<(), Problem> {
        send(&mut self.connection, frame).await
    }

    /// Reads to the end, and returns the last words.
    pub(super) async fn ended(mut self) -> Result<Option<Bye>, Problem> {
        end_of(&mut self.connection, self.patience).await
    }
}

impl Peer {
    /// Opens a connection of one of the users.
    pub(super) async fn login(world: &World, place: usize) -> Result<Self, Problem> {
        Self::login_on(world, place, DeviceId(world.id())).await
    }

    /// Opens a connection of one of the users, on a device.
    pub(super) async fn login_on(world: &World, place: usize, device: DeviceId) -> Result<Self, Problem> {
        let mut stranger = Stranger::connect(world).await?;
        stranger.hello_on(world.token(place), PROTOCOL, device).await?;
        let Stranger {
            mut connection,
            patience,
        } = stranger;
        let ready = match read(&mut connection, patience, "ready").await? {
            ServerFrame::Ready(ready) => ready,
            other => return Err(unexpected("ready", &other)),
        };
        let user = world.user(place).clone();
        ensure!(
            ready.user == user,
            "ready names {}, the token is of {user}",
            ready.user
        );
        Ok(Self {
            connection,
            patience,
            user,
            device,
            ready,
            events: VecDeque::new(),
            asked: 0,
        })
    }

    pub(super) async fn send(&mut self, frame: &ClientFrame) -> Result<(), Problem> {
        send(&mut self.connection, frame).await
    }

    pub(super) async fn send_text(&mut self, text: impl Into<Bytes>) -> Result<(), Problem> {
        let sent = self.connection.sink.send(vec![text.into()]).await;
        sent.map_err(|error| Problem::Failed(format!("a frame could not be sent: {error}")))
    }

    /// Reads to the end, and returns the last words.
    pub(super) async fn ended(mut self) -> Result<Option<Bye>, Problem> {
        end_of(&mut self.connection, self.patience).await
    }

    /// Sets how long to wait from now on.
    pub(super) const fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Goes away, without a word.
    pub(super) fn vanish(self) {}

    /// Reads the next frame that is not an event; those are kept.
    pub(super) async fn answer(&mut self, what: &str) -> Result<ServerFrame, Problem> {
        loop {
            match read(&mut self.connection, self.patience, what).await? {
                ServerFrame::Event(event) => self.events.push_back(event),
                frame => return Ok(frame),
            }
        }
    }

    /// Takes the next event.
    pub(super) async fn any_event(&mut self) -> Result<StreamEvent, Problem> {
        if let Some(event) = self.events.pop_front() {
            return Ok(event);
        }
        match read(&mut self.connection, self.patience, "an event").await? {
            ServerFrame::Event(event) => Ok(event),
            other => Err(unexpected("an event", &other)),
        }
    }

    /// Takes the next event of a stream; events of others are left out.
    pub(super) async fn event(&mut self, stream: &StreamId) -> Result<StreamEvent, Problem> {
        loop {
            let event = self.any_event().await?;
            if event.stream == *stream {
                return Ok(event);
            }
        }
    }

    /// Takes the events of a stream that have come and were not waited for.
    pub(super) fn events_so_far(&mut self, stream: &StreamId) -> Vec<StreamEvent> {
        let events = std::mem::take(&mut self.events).into_iter();
        events.filter(|event| event.stream == *stream).collect()
    }

    /// Sends operations in one frame, and returns the outcome of each, in their order.
    pub(super) async fn ops(&mut self, ops: Vec<OpEnvelope>) -> Result<Vec<Outcome>, Problem> {
        let ids: Vec<OpId> = ops.iter().map(|op| op.id).collect();
        self.send(&ClientFrame::Ops(Ops { ops })).await?;
        let mut outcomes: HashMap<OpId, Outcome> = HashMap::new();
        while outcomes.len() < ids.len() {
            let results = match self.answer("results").await? {
                ServerFrame::Results(results) => results.results,
                other => return Err(unexpected("results", &other)),
            };
            for result in results {
                ensure!(
                    ids.contains(&result.id),
                    "results name {}, which was not asked",
                    result.id
                );
                let again = outcomes.insert(result.id, result.outcome);
                ensure!(again.is_none(), "results name {} twice", result.id);
            }
        }
        ids.iter()
            .map(|id| {
                outcomes
                    .remove(id)
                    .ok_or_else(|| Problem::Failed(format!("no outcome of {id}")))
            })
            .collect()
    }

    pub(super) async fn outcome(&mut self, op: OpEnvelope) -> Result<Outcome, Problem> {
        Ok(self.ops(vec![op]).await?.remove(0))
    }

    /// Sends an operation that has to be accepted, and returns its steps.
    pub(super) async fn accepted(&mut self, op: OpEnvelope) -> Result<Vec<StreamEvent>, Problem> {
        let name = op.op.name();
        steps(name, self.outcome(op).await?)
    }

    /// Sends an operation that has to be rejected with one of `codes`.
    pub(super) async fn rejected(&mut self, op: OpEnvelope, codes: &[Code]) -> Result<(), Problem> {
        let name = op.op.name();
        match self.outcome(op).await? {
            Outcome::Rejected { code, .. } if codes.contains(&code) => Ok(()),
            other => {
                let codes: Vec<&str> = codes.iter().map(Code::as_str).collect();
                let expected = codes.join(" or ");
                Err(Problem::Failed(format!(
                    "{name} got {other:?} instead of a rejection with {expected}"
                )))
            }
        }
    }

    /// Sends a message, and returns its row.
    pub(super) async fn sent(&mut self, op: OpEnvelope) -> Result<Message, Problem> {
        message(&self.accepted(op).await?)
    }

    pub(super) async fn heads(&mut self, since: Option<&str>) -> Result<HeadsPage, Problem> {
        self.asked += 1;
        let (id, since) = (self.asked, since.map(str::to_owned));
        self.send(&ClientFrame::Heads(Heads { id, since })).await?;
        match self.answer("heads").await? {
            ServerFrame::Heads(page) if page.id == id => Ok(page),
            other => Err(unexpected("heads", &other)),
        }
    }

    /// Asks for all heads since a token. Returns them, each stream's newest, with the next token.
    pub(super) async fn all_heads(
        &mut self,
        since: Option<&str>,
    ) -> Result<(HashMap<StreamId, whimbrel_model::Head>, String), Problem> {
        let (mut heads, mut token) = (HashMap::new(), since.map(str::to_owned));
        for _ in 0..TOO_MANY {
            let page = self.heads(token.as_deref()).await?;
            for named in page.heads {
                let known: &mut whimbrel_model::Head = heads.entry(named.stream).or_default();
                *known = known.max(named.head);
            }
            if !page.more {
                return Ok((heads, page.token));
            }
            token = Some(page.token);
        }
        Err(Problem::Failed(format!(
            "after {TOO_MANY} pages of heads there are still more"
        )))
    }

    pub(super) async fn try_page(
        &mut self,
        stream: &StreamId,
        cursor: Option<Cursor>,
    ) -> Result<Result<Page, Failed>, Problem> {
        self.asked += 1;
        let (id, stream) = (self.asked, stream.clone());
        let ask = Sync {
            id,
            stream: stream.clone(),
            cursor,
            newest: None,
        };
        self.send(&ClientFrame::Sync(ask)).await?;
        match self.answer("a page").await? {
            ServerFrame::Page(page) if page.id == id && page.stream == stream => Ok(Ok(page)),
            ServerFrame::Failed(failed) if failed.id == id => Ok(Err(failed)),
            other => Err(unexpected(&format!("page {id} of {stream}"), &other)),
        }
    }

    pub(super) async fn page(&mut self, stream: &StreamId, cursor: Option<Cursor>) -> Result<Page, Problem> {
        let page = self.try_page(stream, cursor).await?;
        let page =
            page.map_err(|failed| Problem::Failed(format!("a page of {stream} failed: {failed:?}")))?;
        self.check_page(&page, cursor)?;
        Ok(page)
    }

    /// Checks what holds for every page.
    fn check_page(&self, page: &Page, asked: Option<Cursor>) -> Result<(), Problem> {
        let Page {
            stream,
            reset,
            from,
            to,
            head,
            rows,
            more,
            ..
        } = page;
        let begin = if *reset { 0 } else { asked.unwrap_or_default().ver };
        ensure!(
            *from == begin,
            "a page of {stream} begins after {from} instead of {begin}"
        );
        ensure!(
            asked.is_some() || *reset,
            "a page of {stream} without a cursor is no reset"
        );
        let epoch = self.ready.epoch;
        ensure!(
            to.epoch == epoch,
            "a page of {stream} is of {:?}, ready said {epoch:?}",
            to.epoch
        );
        let vers: Vec<u64> = own_rows(stream, rows).map(Row::ver).collect();
        ensure!(
            vers.len() <= limits::PAGE_ROWS,
            "a page of {stream} has {} rows",
            vers.len()
        );
        let rising = vers.windows(2).all(|pair| pair[0] < pair[1]);
        ensure!(
            rising,
            "the rows of a page of {stream} are not in the order of their ver: {vers:?}"
        );
        let within = vers.iter().all(|ver| *from < *ver && *ver <= to.ver);
        ensure!(
            within,
            "rows {vers:?} of a page of {stream} are not within {from} and {}",
            to.ver
        );
        ensure!(
            to.ver <= head.ver,
            "a page of {stream} leads to {}, beyond its head {}",
            to.ver,
            head.ver
        );
        ensure!(
            to.seq <= head.seq,
            "a page of {stream} leads to seq {}, beyond {}",
            to.seq,
            head.seq
        );
        if *more {
            ensure!(
                to.ver > *from,
                "a page of {stream} leads nowhere and says that there is more"
            );
        } else {
            let last = (to.ver, to.seq) == (head.ver, head.seq);
            ensure!(
                last,
                "the last page of {stream} leads to {to:?}, its head is {head:?}"
            );
            ensure!(to.window.is_none(), "the last page of {stream} leaves a window");
        }
        Ok(())
    }

    /// Follows a stream to its end.
    pub(super) async fn follow(
        &mut self,
        stream: &StreamId,
        cursor: Option<Cursor>,
    ) -> Result<Chain, Problem> {
        let mut asked = cursor;
        let (mut pages, mut rows): (Vec<Page>, Vec<Row>) = (Vec::new(), Vec::new());
        for _ in 0..TOO_MANY {
            let page = self.page(stream, asked).await?;
            ensure!(
                pages.is_empty() || !page.reset,
                "a chain of {stream} begins anew in its middle"
            );
            rows.extend(page.rows.iter().cloned());
            let (cursor, more) = (page.to, page.more);
            asked = Some(cursor);
            pages.push(page);
            if !more {
                return Ok(Chain { pages, rows, cursor });
            }
        }
        Err(Problem::Failed(format!(
            "after {TOO_MANY} pages of {stream} there are still more"
        )))
    }

    pub(super) async fn try_history(&mut self, ask: History) -> Result<Result<HistoryPage, Failed>, Problem> {
        self.asked += 1;
        let (id, cid) = (self.asked, ask.cid.clone());
        self.send(&ClientFrame::History(History { id, ..ask })).await?;
        match self.answer("history").await? {
            ServerFrame::History(page) if page.id == id && page.cid == cid => Ok(Ok(page)),
            ServerFrame::Failed(failed) if failed.id == id => Ok(Err(failed)),
            other => Err(unexpected(&format!("history {id} of {cid}"), &other)),
        }
    }
}

/// Returns the rows that count for a stream's cursor: all but the profiles beside members.
pub(super) fn own_rows<'a>(stream: &'a StreamId, rows: &'a [Row]) -> impl Iterator<Item = &'a Row> {
    rows.iter().filter(move |row| row.stream() == *stream)
}

/// Returns each object once, in its newest version.
pub(super) fn newest<'a>(rows: impl IntoIterator<Item = &'a Row>) -> HashMap<RowKey, Row> {
    let mut newest: HashMap<RowKey, Row> = HashMap::new();
    for row in rows {
        let known = newest.get(&row.key()).map_or(0, Row::ver);
        if row.ver() > known {
            newest.insert(row.key(), row.clone());
        }
    }
    newest
}

pub(super) fn messages<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Vec<&'a Message> {
    let message = |row: &'a Row| match row {
        Row::Message(message) => Some(message),
        _ => None,
    };
    rows.into_iter().filter_map(message).collect()
}

/// Returns the steps of an outcome that has to be an acceptance.
pub(super) fn steps(what: &str, outcome: Outcome) -> Result<Vec<StreamEvent>, Problem> {
    match outcome {
        Outcome::Accepted { steps } => Ok(steps),
        other => Err(Problem::Failed(format!("{what} was not accepted: {other:?}"))),
    }
}

/// Returns the one message that steps carry.
pub(super) fn message(steps: &[StreamEvent]) -> Result<Message, Problem> {
    let found = messages(steps.iter().flat_map(|step| &step.rows));
    match found.as_slice() {
        [message] => Ok((*message).clone()),
        _ => Err(Problem::Failed(format!(
            "there is not exactly one message in {steps:?}"
        ))),
    }
}

async fn send(connection: &mut Connection, frame: &ClientFrame) -> Result<(), Problem> {
    let bytes = encode(frame).map_err(|error| Problem::Failed(error.to_string()))?;
    let sent = connection.sink.send(vec![bytes.into()]).await;
    sent.map_err(|error| Problem::Failed(format!("a frame could not be sent: {error}")))
}

async fn read(connection: &mut Connection, patience: Duration, what: &str) -> Result<ServerFrame, Problem> {
    let bytes = match timeout_at(Instant::now() + patience, connection.stream.next()).await {
        Err(_) => {
            return Err(Problem::Failed(format!(
                "{what} did not come within {patience:?}"
            )));
        }
        Ok(Err(error)) => {
            let words = format!("the connection ended while {what} was waited for: {error}");
            return Err(Problem::Failed(words));
        }
        Ok(Ok(bytes)) => bytes,
    };
    decode(&bytes).map_err(|error| {
        let shown: String = String::from_utf8_lossy(&bytes).chars().take(200).collect();
        Problem::Failed(format!("while {what} was waited for came {shown:?}: {error}"))
    })
}

/// Reads to the end, and returns the last words, after which nothing may come.
async fn end_of(connection: &mut Connection, patience: Duration) -> Result<Option<Bye>, Problem> {
    let deadline = Instant::now() + patience;
    let mut last = None;
    loop {
        match timeout_at(deadline, connection.stream.next()).await {
            Err(_) => {
                return Err(Problem::Failed(format!(
                    "the connection is still open after {patience:?}"
                )));
            }
            Ok(Err(_)) => return Ok(last),
            Ok(Ok(bytes)) => {
                let frame = decode(&bytes).map_err(|error| Problem::Failed(error.to_string()))?;
                ensure!(last.is_none(), "{frame:?} came after bye");
                if let ServerFrame::Bye(bye) = frame {
                    last = Some(bye);
                }
            }
        }
    }
}

pub(super) fn unexpected(wanted: &str, got: &ServerFrame) -> Problem {
    Problem::Failed(format!("{wanted} was waited for, and {got:?} came"))
}
