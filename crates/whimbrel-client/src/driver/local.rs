//! What the device keeps for itself, and what comes from another device of the account.

use super::{Driver, Round};
use crate::{
    Error,
    command::{OfLocal, Reply},
};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;
use whimbrel_archive::{ArchivedChannel, ArchivedCover, ArchivedSetting};
use whimbrel_model::{
    Change, ChannelId, Delta, HistoryFrom, Local, LocalChange, MemberState, MessageId, MessageQuery,
    MessageScope, Op, People, Row,
};
use whimbrel_protocol::{ParcelAct, ParcelPage};
use whimbrel_sync::{AskError, Effects};

/// A part of an archive to be taken in.
#[derive(Debug)]
pub(crate) enum Import {
    Settings(Vec<ArchivedSetting>),
    /// Rows of this channel are next.
    Channel(ArchivedChannel),
    /// Some of them.
    Rows(ChannelId, Vec<Row>),
    /// That was all of them.
    Covered(ChannelId, ArchivedCover),
}

/// What became of a part of an archive.
#[derive(Debug, Default)]
pub(crate) struct Imported {
    pub(crate) added: u64,
    pub(crate) duplicates: u64,
    /// Not taken because of something here.
    pub(crate) kept: u64,
    /// Why nothing of a channel is taken.
    pub(crate) refused: Option<Refused>,
}

/// Why nothing of a channel is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// What there is of it comes from the server.
    Followed,
    /// It is of a history that the server no longer has.
    OtherHistory,
}

impl Driver {
    pub(super) async fn local(&mut self, command: OfLocal, round: &mut Round) {
        match command {
            OfLocal::Carry { request, act, reply } => self.carry_parcel(request, act, reply, round),
            OfLocal::Queue { op, changes, reply } => self.queue_with(op, changes, reply, round),
            command => {
                // What is there already is looked at: it has to include what this round writes.
                self.carry_out(std::mem::take(round)).await;
                match self.failure() {
                    Some(error) => command.fail(&error),
                    None => self.write_local(command, round).await,
                }
            }
        }
    }

    async fn write_local(&mut self, command: OfLocal, round: &mut Round) {
        match command {
            OfLocal::Set { key, value, reply } => {
                let local = Local {
                    settings: (*self.parts.state.local_settings()).clone(),
                    ..Local::default()
                };
                let checked = value
                    .as_ref()
                    .map_or(Ok(()), |value| local.check_setting(&key, value));
                match checked {
                    Ok(()) => self.write(vec![LocalChange::Setting(key, value)], reply, round),
                    Err(invalid) => drop(reply.send(Err(invalid.into()))),
                }
            }
            OfLocal::Write { changes, reply } => self.write(changes, reply, round),
            OfLocal::Import { part, reply } => match self.import(part).await {
                Ok((imported, effects)) => round.answer_after(effects, move |outcome| {
                    drop(reply.send(outcome.map(|()| imported)));
                }),
                Err(error) => drop(reply.send(Err(error))),
            },
            // Done before.
            OfLocal::Carry { .. } | OfLocal::Queue { .. } => {}
        }
    }

    fn write(&self, changes: Vec<LocalChange>, reply: Reply<()>, round: &mut Round) {
        let effects = Effects {
            delta: as_delta(changes),
            ..Effects::default()
        };
        round.answer_after(effects, move |outcome| drop(reply.send(outcome)));
    }

    /// Queues an operation, and writes what belongs to it in the same delta.
    fn queue_with(&mut self, op: Op, changes: Vec<LocalChange>, reply: Reply<()>, round: &mut Round) {
        match self.with_env(|engine, env| engine.enqueue(op, env)) {
            Ok((_, mut effects)) => {
                effects.delta.extend(as_delta(changes));
                round.answer_after(effects, move |outcome| drop(reply.send(outcome)));
            }
            Err(error) => drop(reply.send(Err(error.into()))),
        }
    }

    fn carry_parcel(&mut self, request: Uuid, act: ParcelAct, reply: Reply<ParcelPage>, round: &mut Round) {
        match self.with_env(|engine, env| engine.carry(request, act, env)) {
            Ok((number, effects)) => {
                self.parcels.insert(number, reply);
                round.effects.merge(effects);
            }
            Err(error) => drop(reply.send(Err(error.into()))),
        }
    }

    pub(super) fn carried(&mut self, number: u64, outcome: Result<ParcelPage, AskError>) {
        if let Some(reply) = self.parcels.remove(&number) {
            let _ = reply.send(outcome.map_err(Error::from));
        }
    }

    async fn import(&mut self, part: Import) -> Result<(Imported, Effects), Error> {
        match part {
            Import::Settings(settings) => Ok(self.import_settings(settings)),
            Import::Channel(channel) => self.import_channel(&channel).await,
            Import::Rows(cid, rows) => self.import_rows(&cid, rows).await,
            Import::Covered(cid, cover) => {
                let effects = match self.refusal(&cid).await? {
                    Some(_) => Effects::default(),
                    None => {
                        self.with_env(|engine, env| engine.end_import(&cid, cover.cursor, cover.ranges, env))
                    }
                };
                Ok((Imported::default(), effects))
            }
        }
    }

    /// Takes the settings that are not set here, as far as there is room.
    fn import_settings(&self, settings: Vec<ArchivedSetting>) -> (Imported, Effects) {
        let mut local = Local {
            settings: (*self.parts.state.local_settings()).clone(),
            ..Local::default()
        };
        let (mut imported, mut changes) = (Imported::default(), Vec::new());
        for ArchivedSetting { key, value } in settings {
            match local.settings.get(&key) {
                Some(here) if *here == value => imported.duplicates += 1,
                Some(_) => imported.kept += 1,
                None if local.check_setting(&key, &value).is_err() => imported.kept += 1,
                None => {
                    let change = LocalChange::Setting(key, Some(value));
                    local.change(&change);
                    changes.push(change);
                    imported.added += 1;
                }
            }
        }
        let effects = Effects {
            delta: as_delta(changes),
            ..Effects::default()
        };
        (imported, effects)
    }

    async fn import_channel(&mut self, channel: &ArchivedChannel) -> Result<(Imported, Effects), Error> {
        let mut imported = Imported {
            refused: self.refusal(&channel.cid).await?,
            ..Imported::default()
        };
        let known = self.engine.known_epoch();
        if known.is_some_and(|known| known != channel.epoch) {
            imported.refused.get_or_insert(Refused::OtherHistory);
        }
        if imported.refused.is_some() {
            return Ok((imported, Effects::default()));
        }
        let effects = self.with_env(|engine, env| engine.begin_import(&channel.cid, channel.epoch, env));
        Ok((imported, effects))
    }

    /// Returns why nothing of a channel is taken that the account is in, or may be in.
    async fn refusal(&self, cid: &ChannelId) -> Result<Option<Refused>, Error> {
        let summary = self.parts.store.channel(cid, &People::default()).await?;
        let membership = summary.and_then(|summary| summary.membership);
        let is_out = membership.is_none_or(|own| own.state == MemberState::Gone);
        Ok((!is_out).then_some(Refused::Followed))
    }

    /// Puts the rows that are not here, or older. None replaces one of another channel.
    async fn import_rows(&mut self, cid: &ChannelId, rows: Vec<Row>) -> Result<(Imported, Effects), Error> {
        let mut imported = Imported {
            refused: self.refusal(cid).await?,
            ..Imported::default()
        };
        if imported.refused.is_some() {
            return Ok((imported, Effects::default()));
        }
        let here = Here::read(self, cid, &rows).await?;
        let mut effects = Effects::default();
        for row in rows {
            match here.verdict(&row, cid) {
                Verdict::New => {
                    imported.added += 1;
                    effects.delta.push(Change::Row(row));
                }
                Verdict::Known => imported.duplicates += 1,
                Verdict::Elsewhere => imported.kept += 1,
            }
        }
        Ok((imported, effects))
    }

    pub(super) fn fail_parcels(&mut self, error: &Error) {
        for (_, reply) in self.parcels.drain() {
            let _ = reply.send(Err(error.clone()));
        }
    }
}

enum Verdict {
    New,
    Known,
    Elsewhere,
}

/// What there is here of the objects of some rows.
struct Here {
    versions: BTreeMap<whimbrel_model::RowKey, u64>,
    /// Messages that are in other channels here.
    elsewhere: BTreeSet<MessageId>,
}

impl Here {
    async fn read(driver: &Driver, cid: &ChannelId, rows: &[Row]) -> Result<Self, Error> {
        let store = &driver.parts.store;
        let mut here = Self {
            versions: BTreeMap::new(),
            elsewhere: BTreeSet::new(),
        };
        let mut threads = BTreeSet::new();
        let mut reacted = BTreeSet::new();
        let mut users = Vec::new();
        for row in rows {
            match row {
                Row::Message(row) => here.add_message(driver, row.id, cid).await?,
                Row::Reaction(row) => drop(reacted.insert(row.message)),
                Row::Read(row) => drop(threads.insert(row.thread)),
                Row::User(row) => users.push(row.id.clone()),
                _ => {}
            }
        }
        for id in reacted {
            here.add_message(driver, id, cid).await?;
            let query = MessageQuery {
                cid: cid.clone(),
                scope: MessageScope::Channel,
                from: HistoryFrom::AroundMessage(id),
                limit: 2,
            };
            let page = store.messages(&query).await?;
            here.add(page.reactions.into_iter().map(Row::Reaction));
        }
        for thread in threads {
            here.add(store.reads(cid, thread).await?.into_iter().map(Row::Read));
        }
        here.add(store.members(cid).await?.into_iter().map(Row::Member));
        here.add(store.users(&users).await?.into_iter().map(Row::User));
        let summary = store.channel(cid, &People::default()).await?;
        here.add(summary.and_then(|summary| summary.channel).map(Row::Channel));
        Ok(here)
    }

    async fn add_message(&mut self, driver: &Driver, id: MessageId, cid: &ChannelId) -> Result<(), Error> {
        if let Some(message) = driver.parts.store.message(id).await? {
            if message.cid != *cid {
                self.elsewhere.insert(id);
            }
            self.add([Row::Message(message)]);
        }
        Ok(())
    }

    fn add(&mut self, rows: impl IntoIterator<Item = Row>) {
        self.versions
            .extend(rows.into_iter().map(|row| (row.key(), row.ver())));
    }

    fn verdict(&self, row: &Row, cid: &ChannelId) -> Verdict {
        let is_elsewhere = match row {
            Row::Message(row) => self.elsewhere.contains(&row.id),
            Row::Reaction(row) => self.elsewhere.contains(&row.message),
            _ => false,
        };
        let is_of_another = !matches!(row, Row::User(_)) && row.cid() != Some(cid);
        if is_elsewhere || is_of_another {
            return Verdict::Elsewhere;
        }
        match self.versions.get(&row.key()) {
            Some(known) if row.ver() <= *known => Verdict::Known,
            _ => Verdict::New,
        }
    }
}

fn as_delta(changes: Vec<LocalChange>) -> Delta {
    Delta {
        changes: changes.into_iter().map(Change::Local).collect(),
    }
}
