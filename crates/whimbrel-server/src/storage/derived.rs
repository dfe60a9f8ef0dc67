//! What the tables for questions hold of the rows that a group of operations writes.

use super::stored::signed;
use std::collections::{BTreeMap, BTreeSet};
use whimbrel_hub::{Records, StorageError};
use whimbrel_model::{AccountRow, Channel, MemberState, MessageId, Role, StreamId, UserId, limits};
use whimbrel_query::fold;

/// How lines are put into a table: a statement around the lines that are given as `column1` and so on.
#[derive(Debug)]
pub(super) struct Put {
    pub(super) head: &'static str,
    pub(super) columns: usize,
    pub(super) tail: &'static str,
}

/// A value of such a line.
#[derive(Debug)]
pub(super) enum Value {
    Number(i64),
    OptNumber(Option<i64>),
    Text(String),
    OptText(Option<String>),
}

const CHANNELS: Put = Put {
    head: "INSERT INTO channels (stream, cid, name, folded, created_by, created_at, updated_at, custom)",
    columns: 8,
    tail: "ON CONFLICT (stream) DO UPDATE SET name = excluded.name, folded = excluded.folded, \
           updated_at = excluded.updated_at, custom = excluded.custom;",
};

const NEWEST: Put = Put {
    head: "UPDATE channels SET last_seq = n.column2, last_at = n.column3 FROM (",
    columns: 3,
    tail: ") n WHERE channels.stream = n.column1;",
};

const SEATS: Put = Put {
    head: "INSERT INTO seats (user, channel, role, pinned_at, archived_at, hidden_seq, muted_until)",
    columns: 7,
    tail: "ON CONFLICT (user, channel) DO UPDATE SET role = excluded.role, pinned_at = excluded.pinned_at, \
           archived_at = excluded.archived_at, hidden_seq = excluded.hidden_seq, muted_until = excluded.muted_until;",
};

const NO_SEATS: Put = Put {
    head: "DELETE FROM seats WHERE (user, channel) IN (",
    columns: 2,
    tail: ");",
};

const MEMBERS: Put = Put {
    head: "INSERT INTO members (channel, user, role, joined_at)",
    columns: 4,
    tail: "ON CONFLICT (channel, user) DO UPDATE SET role = excluded.role, joined_at = excluded.joined_at;",
};

const NO_MEMBERS: Put = Put {
    head: "DELETE FROM members WHERE (channel, user) IN (",
    columns: 2,
    tail: ");",
};

const USERS: Put = Put {
    head: "INSERT INTO users (id, name, folded)",
    columns: 3,
    tail: "ON CONFLICT (id) DO UPDATE SET name = excluded.name, folded = excluded.folded;",
};

const FOLLOWED: Put = Put {
    head: "INSERT INTO followed (user, parent, channel)",
    columns: 3,
    tail: "ON CONFLICT DO NOTHING;",
};

const PINS: Put = Put {
    head: "INSERT INTO pins (channel, seq)",
    columns: 2,
    tail: "ON CONFLICT DO NOTHING;",
};

const NO_PINS: Put = Put {
    head: "DELETE FROM pins WHERE (channel, seq) IN (",
    columns: 2,
    tail: ");",
};

const WAKES: Put = Put {
    head: "INSERT INTO wakes (user, device)",
    columns: 2,
    tail: "ON CONFLICT DO NOTHING;",
};

const NO_WAKES: Put = Put {
    head: "DELETE FROM wakes WHERE (user, device) IN (",
    columns: 2,
    tail: ");",
};

const REVOKED: Put = Put {
    head: "INSERT INTO revoked (at, user, device)",
    columns: 3,
    tail: "ON CONFLICT DO NOTHING;",
};

/// The lines of one table.
#[derive(Debug)]
pub(super) struct Lines {
    pub(super) put: &'static Put,
    pub(super) lines: std::iter::Peekable<std::vec::IntoIter<Vec<Value>>>,
}

/// Returns the lines of every table. `is_new` says which messages are not stored yet, `id` which number a stream has.
pub(super) fn derive(
    writes: &Records,
    is_new: impl Fn(MessageId) -> bool,
    id: impl Fn(&StreamId) -> Result<i64, StorageError>,
) -> Result<Vec<Lines>, StorageError> {
    let mut tables = Tables::default();
    for record in &writes.channels {
        let row = &record.channel;
        tables.channels.push(vec![
            Value::Number(id(&StreamId::Channel(row.cid.clone()))?),
            Value::Text(row.cid.to_string()),
            Value::OptText((!row.name.is_empty()).then(|| row.name.clone())),
            Value::Text(fold(&row.name)),
            Value::Text(row.created_by.to_string()),
            Value::Number(row.created_at.as_millis()),
            Value::Number(row.updated_at.as_millis()),
            Value::OptText(custom(row)?),
        ]);
    }
    tables.messages(writes, is_new, &id)?;
    tables.members(writes, &id)?;
    for row in &writes.users {
        tables.users.push(vec![
            Value::Text(row.id.to_string()),
            Value::OptText((!row.name.is_empty()).then(|| row.name.clone())),
            Value::Text(fold(&row.name)),
        ]);
    }
    for row in &writes.reads {
        if let Some(thread) = row.thread {
            let stream = id(&StreamId::Channel(row.cid.clone()))?;
            tables.followed.insert((row.user.clone(), thread, stream));
        }
    }
    tables.devices(writes);
    Ok(tables.into_lines())
}

#[derive(Default)]
struct Tables {
    channels: Vec<Vec<Value>>,
    /// The newest message of the timeline, by channel.
    newest: BTreeMap<i64, (u64, i64)>,
    seats: Vec<Vec<Value>>,
    no_seats: Vec<Vec<Value>>,
    members: Vec<Vec<Value>>,
    no_members: Vec<Vec<Value>>,
    users: Vec<Vec<Value>>,
    followed: BTreeSet<(UserId, MessageId, i64)>,
    pins: Vec<Vec<Value>>,
    no_pins: Vec<Vec<Value>>,
    wakes: Vec<Vec<Value>>,
    no_wakes: Vec<Vec<Value>>,
    revoked: Vec<Vec<Value>>,
}

impl Tables {
    fn messages(
        &mut self,
        writes: &Records,
        is_new: impl Fn(MessageId) -> bool,
        id: &impl Fn(&StreamId) -> Result<i64, StorageError>,
    ) -> Result<(), StorageError> {
        for record in &writes.messages {
            let row = &record.message;
            let stream = id(&StreamId::Channel(row.cid.clone()))?;
            if is_new(row.id) && row.is_in_channel() {
                let at = row.accepted_at.unwrap_or_default().as_millis();
                let newest = self.newest.entry(stream).or_default();
                *newest = (*newest).max((row.seq, at));
            }
            let place = || vec![Value::Number(stream), Value::Number(signed(row.seq))];
            if row.pinned.is_some() {
                self.pins.push(place());
            } else if !is_new(row.id) {
                self.no_pins.push(place());
            }
            if row.thread.is_some() {
                self.followed.insert((row.author.clone(), row.id, stream));
            }
        }
        Ok(())
    }

    fn members(
        &mut self,
        writes: &Records,
        id: &impl Fn(&StreamId) -> Result<i64, StorageError>,
    ) -> Result<(), StorageError> {
        for row in &writes.memberships {
            let mut line = vec![
                Value::Text(row.user.to_string()),
                Value::Number(id(&StreamId::Channel(row.cid.clone()))?),
            ];
            if row.state != MemberState::Active {
                self.no_seats.push(line);
                continue;
            }
            let for_ever = signed(limits::NUMBER);
            let until = row
                .muted
                .map(|mute| mute.until.map_or(for_ever, |until| until.as_millis()));
            line.extend([
                role(row.role),
                Value::OptNumber(row.pinned_at.map(|at| at.as_millis())),
                Value::OptNumber(row.archived_at.map(|at| at.as_millis())),
                Value::OptNumber(row.hidden_seq.map(signed)),
                Value::OptNumber(until),
            ]);
            self.seats.push(line);
        }
        for row in &writes.members {
            let mut line = vec![
                Value::Number(id(&StreamId::Channel(row.cid.clone()))?),
                Value::Text(row.user.to_string()),
            ];
            if row.state != MemberState::Active {
                self.no_members.push(line);
                continue;
            }
            line.extend([role(row.role), Value::Number(row.joined_at.as_millis())]);
            self.members.push(line);
        }
        Ok(())
    }

    fn devices(&mut self, writes: &Records) {
        for row in &writes.account {
            let AccountRow::Device(row) = row else { continue };
            let line = || vec![Value::Text(row.user.to_string()), Value::Text(row.id.to_string())];
            match (&row.push, row.revoked_at) {
                (Some(_), None) => self.wakes.push(line()),
                _ => self.no_wakes.push(line()),
            }
            if let Some(at) = row.revoked_at {
                let mut line = line();
                line.insert(0, Value::Number(at.as_millis()));
                self.revoked.push(line);
            }
        }
    }

    fn into_lines(self) -> Vec<Lines> {
        let newest = self.newest.into_iter().map(|(stream, (seq, at))| {
            vec![
                Value::Number(stream),
                Value::Number(signed(seq)),
                Value::Number(at),
            ]
        });
        let followed = self.followed.into_iter().map(|(user, parent, stream)| {
            vec![
                Value::Text(user.to_string()),
                Value::Text(parent.to_string()),
                Value::Number(stream),
            ]
        });
        let tables: [(&'static Put, Vec<Vec<Value>>); 13] = [
            (&CHANNELS, self.channels),
            (&NEWEST, newest.collect()),
            (&SEATS, self.seats),
            (&NO_SEATS, self.no_seats),
            (&MEMBERS, self.members),
            (&NO_MEMBERS, self.no_members),
            (&USERS, self.users),
            (&FOLLOWED, followed.collect()),
            (&PINS, self.pins),
            (&NO_PINS, self.no_pins),
            (&WAKES, self.wakes),
            (&NO_WAKES, self.no_wakes),
            (&REVOKED, self.revoked),
        ];
        let filled = tables.into_iter().filter(|(_, lines)| !lines.is_empty());
        let lines = |(put, lines): (_, Vec<_>)| Lines {
            put,
            lines: lines.into_iter().peekable(),
        };
        filled.map(lines).collect()
    }
}

/// Returns the app's data of a channel as JSON. Absent: there is none.
fn custom(channel: &Channel) -> Result<Option<String>, StorageError> {
    if channel.custom.is_empty() {
        return Ok(None);
    }
    let json = serde_json::to_string(&channel.custom);
    json.map(Some)
        .map_err(|error| StorageError::Corrupt(format!("the data of {}: {error}", channel.cid)))
}

fn role(role: Role) -> Value {
    // The words are those of the rows.
    Value::Text(
        match role {
            Role::Member => "member",
            Role::Owner => "owner",
        }
        .to_owned(),
    )
}
