use crate::outbox::{Outbox, replace};
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};
use whimbrel_model::{Change, Custom, Delta, Op, Row, StreamId, User, UserId};

/// Profiles kept in memory: every member of the largest channels a screen shows, at about 200 bytes each. What falls
/// out is on disk, and comes back when it is asked for.
const PROFILES: usize = 10_000;

/// Profiles by user, as the server has them.
#[derive(Debug, Default)]
pub(crate) struct Users {
    profiles: HashMap<UserId, Arc<User>>,
    /// In the order in which they came: the oldest goes first.
    order: VecDeque<UserId>,
}

impl Users {
    /// Takes in the profiles of a delta, and returns whether anything changed.
    pub(crate) fn reduce(&mut self, delta: &Delta) -> bool {
        let mut changed = false;
        for change in &delta.changes {
            match change {
                Change::Row(Row::User(user)) => changed |= self.put(user.clone()),
                Change::Rebase(StreamId::User(id)) => {
                    if let Some(user) = self.profiles.get_mut(id) {
                        Arc::make_mut(user).ver = 0;
                    }
                }
                _ => {}
            }
        }
        changed
    }

    /// Puts a profile, if it supersedes the known one, and returns whether it did.
    pub(crate) fn put(&mut self, user: User) -> bool {
        match self.profiles.get_mut(&user.id) {
            Some(known) if user.ver <= known.ver => return false,
            Some(known) => *known = Arc::new(user),
            None => {
                if self.order.len() == PROFILES
                    && let Some(oldest) = self.order.pop_front()
                {
                    self.profiles.remove(&oldest);
                }
                self.order.push_back(user.id.clone());
                self.profiles.insert(user.id.clone(), Arc::new(user));
            }
        }
        true
    }

    /// Returns a profile, with what waits in the outbox laid over it.
    pub(crate) fn get(&self, id: &UserId, outbox: &Outbox) -> Option<Arc<User>> {
        let mut shown = self.profiles.get(id).cloned();
        for item in outbox.queued(None).filter(|item| item.user == *id) {
            let Op::UpdateUser { name, image, custom } = &item.op else {
                continue;
            };
            let user = Arc::make_mut(shown.get_or_insert_with(|| Arc::new(nameless(id))));
            replace(&mut user.name, name.as_ref());
            replace(&mut user.image, image.as_ref());
            replace(&mut user.custom, custom.as_ref());
        }
        shown
    }
}

fn nameless(id: &UserId) -> User {
    User {
        id: id.clone(),
        name: String::new(),
        image: String::new(),
        custom: Custom::default(),
        ver: 0,
    }
}
