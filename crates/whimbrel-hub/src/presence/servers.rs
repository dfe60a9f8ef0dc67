//! What other servers say of users, and are told.

use super::{
    Now, Presence, Told,
    hints::{Here, Hint},
};
use whimbrel_model::{Timestamp, UserId};

impl Presence {
    /// Somebody has a connection on so many other servers only. With none left they count as online for `grace_ms` longer, and were
    /// seen last at `left`.
    pub(crate) fn set_elsewhere(
        &mut self,
        user: &UserId,
        servers: usize,
        (grace_ms, left): (u64, Option<Timestamp>),
        now: Now,
    ) {
        match servers {
            0 => self.elsewhere.remove(user),
            _ => self.elsewhere.insert(user.clone(), servers),
        };
        let Some(known) = self.users.get_mut(user) else {
            return;
        };
        let (before, here) = (known.elsewhere, known.connections > 0);
        known.elsewhere = servers;
        if !here && servers == 0 && before > 0 {
            known.left = left;
            let at = self.offline_at(user, now.mono + grace_ms);
            self.schedule(user, Some(at));
        }
    }

    /// Another server says how somebody is who has a connection there, and on so many servers in all.
    pub(crate) fn heard(&mut self, here: &Here, servers: usize, now: Now) -> Vec<Told> {
        let user = &here.user;
        self.elsewhere.insert(user.clone(), servers);
        let Some(known) = self.users.get_mut(user) else {
            return Vec::new();
        };
        known.elsewhere = servers;
        if known.connections == 0 {
            self.schedule(user, None);
        }
        // In one: nobody is seen to come who is invisible.
        self.change(user, now, |known| {
            known.hear(here);
            known.online = true;
        })
    }

    /// Returns the settings' version of somebody that this server knows.
    pub(crate) fn settings_ver(&self, user: &UserId) -> Option<u64> {
        self.users.get(user).map(|known| known.shown.ver)
    }

    /// Iterates over who has a connection here.
    pub(crate) fn here(&self) -> Vec<Here> {
        let here = self.users.iter().filter(|(_, known)| known.connections > 0);
        let mut here: Vec<Here> = here.map(|(user, known)| known.here(user, false)).collect();
        here.sort_by(|a, b| a.user.cmp(&b.user));
        here
    }

    /// Keeps what other servers are to be told from now on.
    pub(crate) fn keep_hints(&mut self) {
        self.hints.get_or_insert_default();
    }

    /// Takes what other servers are to be told.
    pub(crate) fn take_hints(&mut self) -> Vec<Hint> {
        self.hints.as_mut().map(std::mem::take).unwrap_or_default()
    }

    pub(super) fn hint(&mut self, hint: impl FnOnce() -> Hint) {
        if let Some(hints) = &mut self.hints {
            hints.push(hint());
        }
    }

    pub(super) fn hint_here(&mut self, user: &UserId) {
        if let Some(known) = self.users.get(user) {
            let here = known.here(user, true);
            self.hint(|| Hint::Here(here));
        }
    }
}
