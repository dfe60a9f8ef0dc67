//! Who has the channels open that are on the screen, for whoever wants to know.

use super::{Driver, Round};
use crate::{Watchers, WatchersOf};
use eyeball::SharedObservable;
use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
};
use whimbrel_model::{ChannelId, UserId};

type Shown = SharedObservable<Option<WatchersOf>>;

#[derive(Debug, Default)]
pub(super) struct OpenWatchers {
    open: BTreeMap<ChannelId, Weak<Shown>>,
    /// What the server said last, of every channel that is on the screen.
    known: BTreeMap<ChannelId, WatchersOf>,
}

impl OpenWatchers {
    /// Takes what the server said; nothing: it is not known any more.
    pub(super) fn told(&mut self, cid: &ChannelId, watchers: Option<(u64, Option<Vec<UserId>>)>) {
        let of = watchers.map(|(count, users)| WatchersOf { count, users });
        match &of {
            Some(of) => drop(self.known.insert(cid.clone(), of.clone())),
            None => drop(self.known.remove(cid)),
        }
        if let Some(shown) = self.open.get(cid).and_then(Weak::upgrade) {
            drop(shown.set_if_not_eq(of));
        }
    }

    /// Nothing is known any more.
    pub(super) fn lost(&mut self) {
        self.known.clear();
        for shown in self.open.values().filter_map(Weak::upgrade) {
            drop(shown.set_if_not_eq(None));
        }
    }

    /// Returns whether somebody wants to know of a channel.
    pub(super) fn is_open(&self, cid: &ChannelId) -> bool {
        self.open.get(cid).is_some_and(|shown| shown.strong_count() > 0)
    }

    /// Forgets what nobody looks at any more.
    pub(super) fn forget(&mut self) {
        self.open.retain(|_, shown| shown.strong_count() > 0);
    }
}

impl Driver {
    /// Opens who has a channel open. As long as somebody looks at it, the channel counts as open here too.
    pub(super) fn open_watchers(&mut self, cid: ChannelId) -> Watchers {
        self.watch(&cid);
        let shown = match self.watchers.open.get(&cid).and_then(Weak::upgrade) {
            Some(shown) => shown,
            None => {
                let known = self.watchers.known.get(&cid).cloned();
                let shown = Arc::new(SharedObservable::new(known));
                self.watchers.open.insert(cid, Arc::downgrade(&shown));
                shown
            }
        };
        Watchers::new(shown)
    }

    /// Tells the server what is on the screen, and whether anybody is there: who only syncs in the background is not.
    pub(super) fn tell_visible(&mut self, round: &mut Round) {
        if self.broken.is_some() {
            return;
        }
        let background = !self.wants_online;
        let effects = self.with_env(|engine, env| engine.set_background(background, env));
        round.effects.merge(effects);
        let effects = self.with_env(|engine, env| engine.tell_visible(env));
        round.effects.merge(effects);
    }
}
