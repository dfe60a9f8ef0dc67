//! What servers say to one another, and what comes of it.

use super::live::Live;
use crate::presence::{
    Now,
    elsewhere::{Place, Touched},
    hints::{Here, Hint, Letter, Run},
};
use std::collections::BTreeSet;
use whimbrel_model::{Timestamp, UserId};

/// Users or places in one message.
const RUN: usize = 500;

impl Live {
    /// Returns everything that other servers have to know, in parts.
    pub(super) fn beat(&self) -> Vec<Vec<Hint>> {
        let users = Run::cut(self.presence.here(), RUN, |here| here.user.clone());
        let open = self.watchers.here(|user| self.presence.is_seen(user));
        let open = Run::cut(open, RUN, Clone::clone);
        let recent = self.recent.hints();
        let runs = users
            .into_iter()
            .map(Hint::Users)
            .chain(open.into_iter().map(Hint::Open));
        let runs = runs.map(|run| vec![run]);
        let recent = recent.chunks(RUN).map(<[Hint]>::to_vec);
        recent.chain(runs).collect()
    }

    pub(super) fn hear(&mut self, letter: Letter, now: Now) {
        let Letter { server, boot, hints } = letter;
        let Some(ended) = self.elsewhere.heard(&server, boot, now.mono) else {
            return;
        };
        self.touch(ended, self.grace_ms, now);
        for hint in hints {
            self.hear_hint(&server, hint, now);
        }
    }

    fn hear_hint(&mut self, server: &str, hint: Hint, now: Now) {
        match hint {
            Hint::Here(here) => {
                self.elsewhere.set_here(server, &here);
                self.hear_here(&here, now);
            }
            Hint::Left(user, at) => {
                self.elsewhere.set_gone(server, &user);
                self.touch_user(&user, (self.grace_ms, Some(at)), now);
            }
            Hint::Opened(cid, user) => {
                let place = (cid, user);
                self.elsewhere.set_open(server, &place, true);
                self.touch_place(&place, now);
            }
            Hint::Closed(cid, user) => {
                let place = (cid, user);
                self.elsewhere.set_open(server, &place, false);
                self.touch_place(&place, now);
            }
            Hint::Out(cid, user) => self.put_out(&cid, &user, false, now),
            Hint::Settings(settings) => self.settings(&settings, false, now),
            Hint::Contact(contact) => self.contact(&contact, false, now),
            Hint::Users(run) => {
                let users = self.elsewhere.put_users(server, &run);
                let places = BTreeSet::new();
                self.touch(Touched { users, places }, self.grace_ms, now);
                for here in &run.items {
                    self.hear_here(here, now);
                }
            }
            Hint::Open(run) => {
                for place in self.elsewhere.put_places(server, run) {
                    self.touch_place(&place, now);
                }
            }
            Hint::Ends => {
                let touched = self.elsewhere.end(server);
                self.touch(touched, self.grace_ms, now);
            }
        }
    }

    fn hear_here(&mut self, here: &Here, now: Now) {
        let servers = self.elsewhere.servers_of(&here.user);
        self.with_shown(&here.user, now, |live| live.presence.heard(here, servers, now));
        let known = self.presence.settings_ver(&here.user);
        if known.is_some_and(|ver| ver < here.ver) {
            self.stale.insert(here.user.clone());
        }
    }

    /// Tells what is different once other servers have said, or are believed no more, who is there.
    pub(super) fn touch(&mut self, touched: Touched, grace_ms: u64, now: Now) {
        for user in touched.users {
            self.touch_user(&user, (grace_ms, None), now);
        }
        for place in touched.places {
            self.touch_place(&place, now);
        }
    }

    fn touch_user(&mut self, user: &UserId, left: (u64, Option<Timestamp>), now: Now) {
        let servers = self.elsewhere.servers_of(user);
        self.presence.set_elsewhere(user, servers, left, now);
    }

    fn touch_place(&mut self, (cid, user): &Place, now: Now) {
        self.show(cid, user, None, now);
    }
}
