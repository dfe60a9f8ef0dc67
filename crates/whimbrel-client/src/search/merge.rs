use super::{Found, SearchHit};
use crate::Error;
use whimbrel_model::{Message, MessageId, Row, Timestamp};
use whimbrel_protocol::{Answer, Unsearched};
use whimbrel_query::SearchPage;

/// Where the next page of a search starts. It holds what was found and not shown yet.
#[derive(Clone, Debug, Default)]
pub struct SearchPlace {
    pub(super) local: Side,
    pub(super) server: Side,
    held: Vec<SearchHit>,
    pub(super) said: Said,
}

/// How far one of the two was searched.
#[derive(Clone, Debug, Default)]
pub(super) enum Side {
    /// Not at all.
    #[default]
    Start,
    /// It goes on after its place. All that it has of later than `reached` was found; absent: nothing is known.
    After {
        place: String,
        reached: Option<Timestamp>,
    },
    /// To the end, or as far as it could be.
    End,
}

/// What they said of what they have not searched.
#[derive(Clone, Debug, Default)]
pub(super) struct Said {
    pub(super) unindexed_here: u64,
    pub(super) there: Unsearched,
    /// Why the server was not asked to the end, if it was not. Without an error: it was not to be asked.
    pub(super) without_server: Option<Option<Error>>,
}

impl Side {
    pub(super) fn after(&self) -> Option<String> {
        match self {
            Self::After { place, .. } => Some(place.clone()),
            Self::Start | Self::End => None,
        }
    }

    pub(super) const fn is_end(&self) -> bool {
        matches!(self, Self::End)
    }

    /// Returns the time until which more of it may come.
    const fn bar(&self) -> Option<Timestamp> {
        match self {
            Self::Start | Self::After { reached: None, .. } => Some(Timestamp(i64::MAX)),
            Self::After {
                reached: Some(reached),
                ..
            } => Some(*reached),
            Self::End => None,
        }
    }

    fn go_on(&mut self, next: Option<String>, last: Option<Timestamp>) {
        let before = match self {
            Self::After { reached, .. } => *reached,
            Self::Start | Self::End => None,
        };
        *self = next.map_or(Self::End, |place| Self::After {
            place,
            reached: last.or(before),
        });
    }
}

impl SearchPlace {
    /// Returns which sides to ask next: those of which the newest may come. None: both are at their end.
    pub(super) fn wanted(&self) -> (Option<&Side>, Option<&Side>) {
        let bar = self.bar();
        let of = |side: &'_ Side| side.bar().is_some() && side.bar() == bar;
        (
            Some(&self.local).filter(|side| of(side)),
            Some(&self.server).filter(|side| of(side)),
        )
    }

    pub(super) fn take_local(&mut self, page: SearchPage) {
        self.said.unindexed_here = page.unindexed;
        self.local.go_on(page.next, page.messages.last().map(time));
        for message in page.messages {
            self.hold(message, Found::Local);
        }
    }

    pub(super) fn take_server(&mut self, answer: Answer) {
        self.said.there = answer.unsearched.unwrap_or_default();
        let messages = answer.rows.into_iter().filter_map(|row| match row {
            Row::Message(message) => Some(message),
            _ => None,
        });
        let messages: Vec<Message> = messages.collect();
        self.server.go_on(answer.next, messages.last().map(time));
        for message in messages {
            self.hold(message, Found::Server);
        }
    }

    /// Takes out the newest hits before which nothing can come any more.
    pub(super) fn ready(&mut self, limit: usize) -> Vec<SearchHit> {
        let order = |hit: &SearchHit| std::cmp::Reverse((time(&hit.message), hit.message.id));
        self.held.sort_by_key(order);
        let bar = self.bar();
        let is_ready = |hit: &&SearchHit| bar.is_none_or(|bar| time(&hit.message) > bar);
        let ready = self.held.iter().take_while(is_ready).take(limit).count();
        self.held.drain(..ready).collect()
    }

    pub(super) fn into_next(self) -> Option<Self> {
        let is_over = self.bar().is_none() && self.held.is_empty();
        (!is_over).then_some(self)
    }

    fn bar(&self) -> Option<Timestamp> {
        self.local.bar().max(self.server.bar())
    }

    fn hold(&mut self, message: Message, found: Found) {
        let known = |id: MessageId| move |hit: &&mut SearchHit| hit.message.id == id;
        match self.held.iter_mut().find(known(message.id)) {
            Some(hit) => {
                if hit.found != found {
                    hit.found = Found::Both;
                }
                if message.ver > hit.message.ver {
                    hit.message = message;
                }
            }
            None => self.held.push(SearchHit { message, found }),
        }
    }
}

fn time(message: &Message) -> Timestamp {
    message.accepted_at.unwrap_or(message.composed_at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use whimbrel_model::{ChannelId, MessageBody, MessageKind, UserId};

    fn message(n: i64, ver: u64) -> Message {
        let id = format!("01900000-0000-7000-8000-{n:012}");
        Message {
            id: id.parse().unwrap(),
            cid: ChannelId::new("messaging:reef").unwrap(),
            author: UserId::new("ada").unwrap(),
            seq: 1,
            ver,
            body: MessageBody::text(format!("version {ver}")),
            parent: None,
            show_in_channel: false,
            quoted: None,
            composed_at: Timestamp(1),
            accepted_at: Some(Timestamp(n)),
            edited_at: None,
            revision: 0,
            deleted_at: None,
            kind: MessageKind::Regular,
            silent: false,
            pinned: None,
            thread: None,
        }
    }

    fn page(times: &[i64], next: Option<&str>) -> SearchPage {
        SearchPage {
            messages: times.iter().map(|n| message(*n, 1)).collect(),
            next: next.map(str::to_owned),
            unindexed: 0,
        }
    }

    fn answer(times: &[i64], ver: u64, next: Option<&str>) -> Answer {
        Answer {
            rows: times.iter().map(|n| Row::Message(message(*n, ver))).collect(),
            next: next.map(str::to_owned),
            ..Answer::default()
        }
    }

    fn times(hits: &[SearchHit]) -> Vec<(i64, Found)> {
        let of = |hit: &SearchHit| (hit.message.accepted_at.unwrap().0, hit.found);
        hits.iter().map(of).collect()
    }

    #[test]
    fn a_hit_is_shown_once_nothing_newer_can_come() {
        use Found::{Both, Local, Server};
        let mut place = SearchPlace::default();
        assert!(matches!(place.wanted(), (Some(_), Some(_))));
        place.take_local(page(&[90, 50, 40], Some("40")));
        place.take_server(answer(&[95, 90, 80], 2, Some("80")));
        assert_eq!(times(&place.ready(9)), [(95, Server), (90, Both)]);
        // Only the server can have something newer than 50.
        assert!(matches!(place.wanted(), (None, Some(_))));
        place.take_server(answer(&[], 2, Some("60")));
        assert_eq!(times(&place.ready(9)), []);
        place.take_server(answer(&[50, 30], 1, None));
        assert_eq!(times(&place.ready(1)), [(80, Server)]);
        assert_eq!(times(&place.ready(9)), [(50, Both)]);
        assert!(matches!(place.wanted(), (Some(_), None)));
        place.take_local(page(&[30, 20], None));
        assert_eq!(times(&place.ready(9)), [(40, Local), (30, Both), (20, Local)]);
        assert!(place.into_next().is_none());
    }

    #[test]
    fn the_newer_row_wins_whoever_has_it() {
        let mut place = SearchPlace::default();
        place.take_server(answer(&[1], 2, None));
        place.take_local(page(&[1], None));
        let hits = place.ready(9);
        assert_eq!(
            (hits.len(), hits[0].message.ver, hits[0].found),
            (1, 2, Found::Both)
        );
    }
}
