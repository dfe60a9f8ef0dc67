//! Who types: in memory only, and gone with the connection.

use crate::{State, state::lock};
use eyeball::{Observable, Subscriber};
use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};
use whimbrel_model::{ChannelId, MessageId, People, UserId};

/// Who types in each place where somebody does, or that somebody looks at.
#[derive(Default)]
pub(crate) struct Typing {
    places: Mutex<BTreeMap<Place, Typists>>,
    /// The account wants to see nobody type.
    unwanted: AtomicBool,
}

type Place = (ChannelId, Option<MessageId>);

/// Who types in one place.
#[derive(Default)]
struct Typists {
    users: Vec<UserId>,
    /// Those of them who are not denied, if the account wants to see any.
    shown: Observable<Vec<UserId>>,
}

impl Typists {
    fn show(&mut self, people: &People, unwanted: bool) {
        let shown = self
            .users
            .iter()
            .filter(|user| !unwanted && !people.is_denied(user));
        Observable::set_if_not_eq(&mut self.shown, shown.cloned().collect());
    }
}

impl Typing {
    fn change<T>(&self, change: impl FnOnce(&mut BTreeMap<Place, Typists>) -> T) -> T {
        let mut places = lock(&self.places);
        places.retain(|_, place| !place.users.is_empty() || Observable::subscriber_count(&place.shown) > 0);
        change(&mut places)
    }

    /// Takes in what holds of others by now.
    pub(crate) fn settle_people(&self, people: &People) {
        let unwanted = self.unwanted.load(Ordering::Relaxed);
        self.change(|places| places.values_mut().for_each(|place| place.show(people, unwanted)));
    }

    /// Takes in whether the account wants to see who types.
    pub(crate) fn set_wanted(&self, wanted: bool, people: &People) {
        if self.unwanted.swap(!wanted, Ordering::Relaxed) == wanted {
            self.settle_people(people);
        }
    }
}

impl State {
    /// Puts who types in a channel, or in the thread of a message: all of them, sorted. Those who are denied are not shown.
    pub fn put_typing(&self, cid: ChannelId, parent: Option<MessageId>, users: Vec<UserId>) {
        let people = self.people();
        let unwanted = self.typing().unwanted.load(Ordering::Relaxed);
        self.typing().change(|places| {
            let place = places.entry((cid, parent)).or_default();
            place.users = users;
            place.show(&people, unwanted);
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
