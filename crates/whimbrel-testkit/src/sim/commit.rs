//! What the server does with operations: it commits them in groups, tells everyone, then answers.

use super::{
    Fault, Mutant, Violation,
    log::violated,
    net::Conn,
    privacy::{check_frame, screened, seen},
    storage::{Weak, now_or},
    world::{Event, World},
};
use std::collections::{BTreeMap, BTreeSet};
use whimbrel_hub::{Request, Rules, apply_group};
use whimbrel_model::{
    Code, Epoch, MemberState, Op, OpEnvelope, Row, StreamEvent, StreamId, Timestamp, UserId,
};
use whimbrel_protocol::{OpResult, Outcome, Results, ServerFrame};

impl World {
    pub(super) fn ops(&mut self, id: u64, ops: Vec<OpEnvelope>) {
        if self.goes_wrong(Fault::ServerBusy) {
            let slow = self.dice.per_mille(500);
            let (code, wait) = if slow {
                (Code::RateLimited, 3_000)
            } else {
                (Code::Unavailable, 1_000)
            };
            let from = self.dice.index(ops.len());
            if from > 0 {
                self.log.count("half_refused");
            }
            let results = refuse(&ops[from..], &code, wait);
            self.server.queue.push((id, ops[..from].to_vec()));
            self.send_down(id, ServerFrame::Results(Results { results }));
        } else {
            self.server.queue.push((id, ops));
        }
        if self.server.queue.len() > 1 {
            self.log.count("group_commit");
            return;
        }
        let wait = self.dice.below(20);
        self.later(wait, Event::Commit(self.server.boot));
    }

    /// Commits what is queued, then tells everyone, then answers: or dies at one of these.
    pub(super) fn commit(&mut self) -> Result<(), Violation> {
        if self.goes_wrong(Fault::ServerKilledBefore) {
            self.server_dies("before a commit");
            return Ok(());
        }
        let queue = std::mem::take(&mut self.server.queue);
        let mut requests = Vec::new();
        for (id, ops) in &queue {
            let Some(user) = self.net.conns.get(id).and_then(|conn| conn.user.clone()) else {
                continue;
            };
            requests.extend(ops.iter().map(|op| {
                (
                    Some(*id),
                    Request {
                        user: user.clone(),
                        op: op.clone(),
                    },
                )
            }));
        }
        if requests.is_empty() {
            return Ok(());
        }
        if self.goes_wrong(Fault::TransactFailed) {
            if self.dice.per_mille(500) {
                self.apply(&requests)?;
            }
            self.server.members.clear();
            for (id, ops) in queue {
                let results = refuse(&ops, &Code::Unavailable, 1_000);
                self.send_down(id, ServerFrame::Results(Results { results }));
            }
            return Ok(());
        }
        self.ghost.begins_to_tell();
        let applied = self.apply(&requests)?;
        if self.goes_wrong(Fault::ServerKilledAfter) {
            self.server_dies("after a commit");
            return Ok(());
        }
        self.answer(queue, &requests, applied)?;
        if self.mutant == Some(Mutant::ShortRetention) {
            now_or(whimbrel_hub::Storage::prune_results(
                &self.server.storage,
                Timestamp(i64::MAX),
            ))?
            .ok();
        }
        Ok(())
    }

    /// Tells everyone of what was committed, then answers.
    fn answer(
        &mut self,
        queue: Vec<(u64, Vec<OpEnvelope>)>,
        requests: &[(Option<u64>, Request)],
        applied: Vec<whimbrel_hub::Applied>,
    ) -> Result<(), Violation> {
        let mut results: BTreeMap<u64, Vec<OpResult>> = BTreeMap::new();
        for ((conn, request), applied) in requests.iter().zip(applied) {
            let applied_moves = !applied.events.is_empty();
            for event in applied.events {
                self.fan_out(event, *conn)?;
            }
            if let Outcome::Accepted { steps } = &applied.outcome {
                self.ghost.acks(steps);
                if !applied_moves {
                    // A repeat: nobody was told the first time, perhaps.
                    let rows = steps.iter().flat_map(|step| step.rows.clone());
                    for row in rows.collect::<Vec<_>>() {
                        if let Row::Account(row) = row {
                            self.account_moves(&row, true)?;
                        }
                    }
                }
                self.shuts_out(&request.user, &request.op.op, applied_moves);
            }
            let mut outcome = applied.outcome;
            // Only what brings rows of many people can be too large.
            if let (Outcome::Accepted { steps }, Op::CreateChannel { .. } | Op::AddMembers { .. }) =
                (&mut outcome, &request.op.op)
                && self.goes_wrong(Fault::ResultTooLarge)
            {
                steps.clear();
            }
            let result = OpResult {
                id: request.op.id,
                outcome,
            };
            results.entry(conn.unwrap_or_default()).or_default().push(result);
        }
        for (id, _) in queue {
            let user = self.net.conns.get(&id).and_then(|conn| conn.user.clone());
            if let (Some(results), Some(user)) = (results.remove(&id), user) {
                let frame = ServerFrame::Results(Results { results });
                self.answer_with(id, &user, frame)?;
            }
        }
        Ok(())
    }

    /// Carries out a group as one transaction, and tells the oracle.
    pub(super) fn apply(
        &mut self,
        requests: &[(Option<u64>, Request)],
    ) -> Result<Vec<whimbrel_hub::Applied>, Violation> {
        for cid in requests.iter().filter_map(|(_, request)| request.op.op.cid()) {
            if !self.server.members.contains_key(cid) {
                let read = now_or(whimbrel_hub::Storage::members(&self.server.storage, cid))?;
                let members: BTreeSet<_> = read.unwrap_or_default().into_iter().collect();
                if !members.is_empty() {
                    self.server.members.insert(cid.clone(), members);
                }
            }
        }
        if self.mutant == Some(Mutant::AckBeforeDurable)
            && (self.server.synced.is_none() || self.dice.per_mille(300))
        {
            self.server.synced = Some(self.server.storage.fork(Epoch(self.server.epoch)));
        }
        let mut group: Vec<Request> = requests.iter().map(|(_, request)| request.clone()).collect();
        self.weaken_group(&mut group);
        let storage = Weak {
            inner: self.server.storage.clone(),
            mutant: self.mutant,
        };
        self.server.last_commit = self.now;
        let applied = match now_or(apply_group(
            &storage,
            &Rules::default(),
            self.server_time(),
            &group,
        ))? {
            Ok(applied) => applied,
            Err(error) => return violated("S7", error.to_string()),
        };
        for ((request, (_, asked)), applied) in group.iter().zip(requests).zip(&applied) {
            let rows = applied.events.iter().flat_map(|event| &event.rows);
            for row in rows {
                if let Row::Member(row) = row
                    && row.state == MemberState::Active
                    && self.ghost.server.is_gone(&row.cid, &row.user)
                {
                    self.log.count("rejoin");
                }
            }
            let epoch = Epoch(self.server.epoch);
            let path = self.ghost.decided(&request.user, &asked.op, applied, epoch)?;
            self.log.count(path);
            self.note(applied);
            if path == "accepted" {
                self.count_deed(request, applied);
            }
            self.say("server", || {
                let what = match &applied.outcome {
                    Outcome::Accepted { .. } => format!("{path}, {} steps", applied.events.len()),
                    Outcome::Rejected { code, .. } | Outcome::Retry { code, .. } => code.to_string(),
                };
                format!(
                    "{} {} of {}: {what}",
                    request.op.op.name(),
                    request.op.id,
                    request.user
                )
            });
        }
        Ok(applied)
    }

    /// Notes what the oracle needs of a step besides its rows.
    fn note(&mut self, applied: &whimbrel_hub::Applied) {
        let private = |row: &Row| matches!(row, Row::Delivered(row) if row.private);
        if applied.events.iter().any(|event| event.rows.iter().any(private)) {
            self.log.count("private_delivered");
        }
        let users = applied.events.iter().filter_map(|event| match &event.stream {
            StreamId::User(user) => Some(user.clone()),
            StreamId::Channel(_) => None,
        });
        for user in users.collect::<BTreeSet<_>>() {
            let now = self.server_time();
            self.ghost.server.note_consents(&user, now);
        }
    }

    /// Counts what was accepted that a schedule may well go without.
    fn count_deed(&mut self, request: &Request, applied: &whimbrel_hub::Applied) {
        let server = &self.ghost.server;
        let user = &request.user;
        let moved = !applied.events.is_empty();
        let has = |is: &dyn Fn(&Row) -> bool| applied.events.iter().any(|event| event.rows.iter().any(is));
        let path = match &request.op.op {
            Op::CreateChannel { cid, .. } if cid.is_distinct() && applied.events.is_empty() => {
                "distinct_known"
            }
            Op::MarkRead { thread: Some(_), .. } => "thread_read",
            Op::InviteMembers { .. } if moved => "invited",
            Op::AnswerInvite { accept: true, .. } if moved => "invite_accepted",
            Op::AnswerInvite { accept: false, .. } if moved => "invite_rejected",
            Op::MarkRead { .. } if has(&|row| matches!(row, Row::Read(row) if row.private)) => "private_read",
            Op::SendMessage { .. } if has(&|row| matches!(row, Row::Membership(_))) => "consent_by_writing",
            Op::SaveDraft { cid, parent, .. } => {
                let slots = server.slots(user, cid, *parent);
                if slots.filter(|slot| slot.content.is_some()).count() < 2 {
                    return;
                }
                "draft_beside"
            }
            Op::SendMessage { cid, .. } => {
                let now = server.head(&StreamId::Channel(cid.clone())).seq;
                if !server.is_hidden_until(cid, now.saturating_sub(1)) {
                    return;
                }
                "hidden_shown"
            }
            _ => return,
        };
        self.log.count(path);
    }

    /// Sends an event to everyone who may see it, after the step that it tells of, but not where it came from.
    fn fan_out(&mut self, event: StreamEvent, except: Option<u64>) -> Result<(), Violation> {
        self.ghost.tells(&event);
        for row in &event.rows {
            if let Row::Account(row) = row {
                self.account_moves(row, false)?;
            }
        }
        let users: BTreeSet<UserId> = match &event.stream {
            StreamId::User(user) => BTreeSet::from([user.clone()]),
            StreamId::Channel(cid) => {
                let members = self.server.members.entry(cid.clone()).or_default();
                let ever = self.server.ever.entry(cid.clone()).or_default();
                for row in &event.rows {
                    if let Row::Member(row) = row {
                        if row.state == MemberState::Active {
                            members.insert(row.user.clone());
                            ever.insert(row.user.clone());
                        } else {
                            members.remove(&row.user);
                        }
                    }
                }
                let gone_too = self.mutant == Some(Mutant::FanOutToGone);
                if gone_too { ever.clone() } else { members.clone() }
            }
        };
        let unwanted = |conn: &Conn| match &event.stream {
            StreamId::Channel(cid) => conn.unwatched.contains(cid),
            StreamId::User(_) => false,
        };
        let targets = self.net.conns.iter().filter(|(id, conn)| {
            conn.server_open
                && !unwanted(conn)
                && Some(**id) != except
                && conn.user.as_ref().is_some_and(|user| users.contains(user))
        });
        let targets: Vec<u64> = targets.map(|(id, _)| *id).collect();
        for id in &targets {
            let user = self.net.conns.get(id).and_then(|conn| conn.user.clone());
            self.ghost.may_hear(&event, user.as_ref())?;
        }
        let event = if self.goes_wrong(Fault::EventTooLarge) {
            StreamEvent {
                from: event.to,
                rows: Vec::new(),
                ..event
            }
        } else {
            event
        };
        for id in targets {
            let Some(user) = self.net.conns.get(&id).and_then(|conn| conn.user.clone()) else {
                continue;
            };
            let told = match self.mutant {
                Some(Mutant::PrivateRowsLeak) => event.clone(),
                _ => seen(&event, &user),
            };
            let frame = ServerFrame::Event(told);
            check_frame(&frame, &user)?;
            self.send_down(id, frame);
        }
        Ok(())
    }

    /// Sends an answer, as its reader may see it.
    pub(super) fn answer_with(
        &mut self,
        id: u64,
        user: &UserId,
        frame: ServerFrame,
    ) -> Result<(), Violation> {
        let frame = screened(frame, user);
        check_frame(&frame, user)?;
        self.send_down(id, frame);
        Ok(())
    }
}

fn refuse(ops: &[OpEnvelope], code: &Code, wait: u64) -> Vec<OpResult> {
    let result = |op: &OpEnvelope| OpResult {
        id: op.id,
        outcome: Outcome::Retry {
            code: code.clone(),
            message: "not now".to_owned(),
            retry_after_ms: Some(wait),
        },
    };
    ops.iter().map(result).collect()
}
