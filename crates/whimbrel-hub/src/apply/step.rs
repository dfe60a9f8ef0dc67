use crate::{WorkingSet, working_set::PlainRow};
use whimbrel_model::{Member, MemberState, Membership, Row, StreamEvent, StreamId, UserId};

/// The steps of one operation while it is carried out: one event a stream, users' own streams first, else in the order in which
/// they are first moved.
#[derive(Debug, Default)]
pub(super) struct Steps(Vec<StreamEvent>);

impl Steps {
    /// Returns whether nothing has moved.
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Gives out the next version of a stream for a row that [`push`](Self::push) will add.
    pub(super) fn next_ver(&mut self, set: &mut WorkingSet, stream: &StreamId) -> u64 {
        let from = set.head(stream).ver;
        if !self.0.iter().any(|event| event.stream == *stream) {
            self.0.push(StreamEvent {
                stream: stream.clone(),
                from,
                to: from,
                seq: 0,
                rows: Vec::new(),
            });
        }
        set.next_ver(stream)
    }

    /// Adds a row to the step of its stream.
    pub(super) fn push(&mut self, row: Row) {
        let stream = row.stream();
        if let Some(event) = self.0.iter_mut().find(|event| event.stream == stream) {
            event.rows.push(row);
        }
    }

    /// Adds a row to the step of its stream, and puts it into the set.
    pub(super) fn put(&mut self, set: &mut WorkingSet, row: PlainRow) {
        set.put_plain(row.clone());
        self.push(row.into());
    }

    /// Returns the events, with where each stream is now and the profiles that their rows need.
    pub(super) fn finish(self, set: &WorkingSet) -> Vec<StreamEvent> {
        let finish = |mut event: StreamEvent| {
            let head = set.head(&event.stream);
            event.to = head.ver;
            event.seq = head.seq;
            add_profiles(set, &mut event.rows);
            event
        };
        let mut events: Vec<StreamEvent> = self.0.into_iter().map(finish).collect();
        // Whoever is told of a channel knows first that it is theirs, and whether it may reach them.
        events.sort_by_key(|event| matches!(event.stream, StreamId::Channel(_)));
        events
    }
}

/// Appends the profiles of the members among `rows` who have a name.
pub(super) fn add_profiles(set: &WorkingSet, rows: &mut Vec<Row>) {
    let profile = |row: &Row| match row {
        Row::Member(member) => set
            .user(&member.user)
            .filter(|user| !user.name.is_empty())
            .cloned(),
        _ => None,
    };
    let profiles: Vec<_> = rows.iter().filter_map(profile).map(Row::User).collect();
    rows.extend(profiles);
}

/// Stamps one fact on both streams that carry it: the channel's member row and the user's membership row, which keeps how the
/// user keeps the channel.
///
/// `more` is what else changes of the membership.
pub(super) fn put_member(
    set: &mut WorkingSet,
    steps: &mut Steps,
    mut member: Member,
    more: impl FnOnce(&mut Membership),
) {
    let user: UserId = member.user.clone();
    member.ver = steps.next_ver(set, &StreamId::Channel(member.cid.clone()));
    let mut membership = match set.membership(&member.cid, &user) {
        Some(row) => row.clone(),
        None => Membership::new(member.cid.clone(), user.clone(), member.role, member.state, 0),
    };
    membership.role = member.role;
    membership.state = member.state;
    more(&mut membership);
    membership.ver = steps.next_ver(set, &StreamId::User(user));
    steps.put(set, PlainRow::Member(member));
    steps.put(set, PlainRow::Membership(membership));
}

/// Returns whether the user has left, or was never there, nor is asked to come in.
pub(super) fn is_out(member: Option<&Member>) -> bool {
    member.is_none_or(|member| member.state == MemberState::Gone)
}
