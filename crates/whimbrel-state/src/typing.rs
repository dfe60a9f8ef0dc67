//! Who types: in memory only, and gone with the connection.

use crate::{State, state::lock};
use eyeball::{Observable, Subscriber};
use std::{collections::BTreeMap, sync::Mutex};
use whimbrel_model::{ChannelId, MessageId, People, UserId};

/// Who types in each place where somebody does, or that somebody looks at.
#[derive(Default)]
pub(crate) struct Typing(Mutex<BTreeMap<Place, Typists>>);

type Place = (ChannelId, Option<MessageId>);

/// Who types in one place.
#[derive(Default)]
struct Typists {
    users: Vec<UserId>,
    /// Those of them who are not denied.
    shown: Observable<Vec<UserId>>,
}

impl Typists {
    fn show(&mut self, people: &People) {
        let shown = self.users.iter().filter(|user| !people.is_denied(user));
        Observable::set_if_not_eq(&mut self.shown, shown.cloned().collect());
    }
}

impl Typing {
    fn change<T>(&self, change: impl FnOnce(&mut BTreeMap<Place, Typists>) -> T) -> T {
        let mut places = lock(&self.0);
        places
            .retain(|_, place| !place.users.is_empty() || Observable::subscriber_count(&place.shown) > 0);
        change(&mut places)
    }

    /// Takes in what holds of others by now.
    pub(crate) fn settle_people(&self, people: &People) {
        self.change(|places| places.values_mut().for_each(|place| place.show(people)));
    }
}

impl State {
    /// Puts who types in a channel, or in the thread of a message: all of them, sorted. Those who are denied are not shown.
    pub fn put_typing(&self, cid: ChannelId, parent: Option<MessageId>, users: Vec<UserId>) {
        let people = self.people();
        self.typing().change(|places| {
            let place = places.entry((cid, parent)).or_default();
            place.users = users;
            place.show(&people);
        });
    }

    /// Forgets all who type: there is nobody to hear it from.
    pub fn forget_typing(&self) {
        self.typing().change(|places| {
            for place in places.values_mut() {
                place.users.clear();
                Observable::set_if_not_eq(&mut place.shown, Vec::new());
            }
        });
    }

    /// Returns a reader of who types in a channel, or in the thread of a message. It sees the latest, not each one on the way.
    pub fn subscribe_typing(&self, cid: ChannelId, parent: Option<MessageId>) -> Subscriber<Vec<UserId>> {
        self.typing()
            .change(|places| Observable::subscribe(&places.entry((cid, parent)).or_default().shown))
    }
}
