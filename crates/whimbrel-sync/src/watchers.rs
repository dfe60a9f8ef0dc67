//! Who has the channels open that are on the screen: said and heard beside the streams, never stored.

use crate::{Effects, Engine, Env, Notice, session::Phase};
use std::collections::{BTreeMap, BTreeSet};
use whimbrel_model::{ChannelId, StreamId, UserId, limits};
use whimbrel_protocol::{ClientFrame, Watchers, Watching};

/// What is known on this connection.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    /// What the server was told to be open, and who it said has it open. Absent: it has not said.
    open: BTreeMap<ChannelId, Option<Who>>,
}

#[derive(Debug, Default)]
struct Who {
    count: u64,
    /// Absent: they are not all named.
    users: Option<BTreeSet<UserId>>,
}

impl Who {
    fn take(&mut self, news: Watchers) {
        self.count = news.count;
        let is_all = |users: usize| u64::try_from(users) == Ok(news.count);
        if is_all(news.started.len()) {
            self.users = Some(news.started.into_iter().collect());
            return;
        }
        if let Some(users) = &mut self.users {
            users.extend(news.started);
            for user in &news.stopped {
                users.remove(user);
            }
            if !is_all(users.len()) {
                self.users = None;
            }
        }
    }
}

impl Engine {
    /// Tells the server which channels are on the screen, if it does not know: call it after [`Engine::set_visible`].
    pub fn tell_visible(&mut self, env: &mut Env<'_>) -> Effects {
        let mut effects = Effects::default();
        self.tell_watching(&mut effects);
        match effects.frames.is_empty() {
            true => effects,
            false => self.finish(effects, env),
        }
    }

    pub(crate) fn tell_watching(&mut self, effects: &mut Effects) {
        if !matches!(self.phase, Phase::Online(_)) {
            return;
        }
        // Nobody looks at what is open in the background.
        let visible = self.streams.visible.iter().filter(|_| !self.presence.background);
        let visible: BTreeSet<&ChannelId> = visible.filter_map(channel).collect();
        let open = &mut self.watched.open;
        let closed: Vec<ChannelId> = open
            .keys()
            .filter(|cid| !visible.contains(cid))
            .cloned()
            .collect();
        for cid in closed {
            open.remove(&cid);
            effects.notices.push(lost(cid.clone()));
            effects.frames.push(frame(cid, false));
        }
        for cid in visible {
            if open.len() < limits::WATCHING && !open.contains_key(cid) {
                open.insert(cid.clone(), None);
                effects.frames.push(frame(cid.clone(), true));
            }
        }
    }

    /// Says again what the server has not answered: it may not have been able to, or the user was no member then.
    pub(crate) fn tell_watching_again(&self, effects: &mut Effects) {
        let unanswered = self.watched.open.iter().filter(|(_, who)| who.is_none());
        let again = unanswered.map(|(cid, _)| frame(cid.clone(), true));
        effects.frames.extend(again);
    }

    pub(crate) fn heard_watchers(&mut self, news: Watchers, effects: &mut Effects) {
        let cid = news.cid.clone();
        // What is open no longer may still be told of.
        let Some(who) = self.watched.open.get_mut(&cid) else {
            return;
        };
        let who = who.get_or_insert_default();
        who.take(news);
        let users = who.users.as_ref().map(|users| users.iter().cloned().collect());
        effects.notices.push(Notice::Watchers {
            cid,
            watchers: Some((who.count, users)),
        });
    }

    /// Forgets everything: the connection is lost.
    pub(crate) fn forget_watchers(&mut self, effects: &mut Effects) {
        let open = std::mem::take(&mut self.watched.open);
        effects.notices.extend(open.into_keys().map(lost));
    }
}

const fn channel(stream: &StreamId) -> Option<&ChannelId> {
    match stream {
        StreamId::Channel(cid) => Some(cid),
        StreamId::User(_) => None,
    }
}

fn frame(cid: ChannelId, on: bool) -> ClientFrame {
    ClientFrame::Watching(Watching { cid, on })
}

const fn lost(cid: ChannelId) -> Notice {
    let watchers = None;
    Notice::Watchers { cid, watchers }
}
