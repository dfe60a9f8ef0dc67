//! Who types: in memory only, and gone with the connection.

use crate::State;
use eyeball::{Observable, Subscriber};
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};
use whimbrel_model::{ChannelId, MessageId, UserId};

/// Who types in each place where somebody does, or that somebody looks at.
#[derive(Default)]
pub(crate) struct Typing(Mutex<BTreeMap<Place, Observable<Vec<UserId>>>>);

type Place = (ChannelId, Option<MessageId>);

impl Typing {
    fn change<T>(&self, change: impl FnOnce(&mut BTreeMap<Place, Observable<Vec<UserId>>>) -> T) -> T {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        places.retain(|_, users| !users.is_empty() || Observable::subscriber_count(users) > 0);
        change(&mut places)
    }
}

impl State {
    /// Puts who types in a channel, or in the thread of a message: all of them, sorted.
    pub fn put_typing(&self, cid: ChannelId, parent: Option<MessageId>, users: Vec<UserId>) {
        self.typing().change(|places| {
            Observable::set_if_not_eq(places.entry((cid, parent)).or_default(), users);
        });
    }

    /// Forgets all who type: there is nobody to hear it from.
    pub fn forget_typing(&self) {
        self.typing().change(|places| {
            for users in places.values_mut() {
                Observable::set_if_not_eq(users, Vec::new());
            }
        });
    }

    /// Returns a reader of who types in a channel, or in the thread of a message. It sees the latest, not each one on the way.
    pub fn subscribe_typing(&self, cid: ChannelId, parent: Option<MessageId>) -> Subscriber<Vec<UserId>> {
        self.typing()
            .change(|places| Observable::subscribe(places.entry((cid, parent)).or_default()))
    }
}
