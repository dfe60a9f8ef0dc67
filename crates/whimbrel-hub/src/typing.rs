//! Who types where: passed on to who is there, never stored.

use crate::hub::Hub;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;
use tracing::debug;
use whimbrel_model::{ChannelId, MessageId, UserId, limits};
use whimbrel_protocol::{Typing, UserTyping};

const EVERY: Duration = Duration::from_millis(limits::TYPING_EVERY_MS);
const HEARD: Duration = Duration::from_millis(limits::TYPING_HEARD_MS);

/// A channel, or the thread of a message in it.
type Place = (ChannelId, Option<MessageId>);

/// What one connection said of its user's typing.
///
/// The members are read when a start is passed on, which is at most once in [`limits::TYPING_EVERY_MS`] for a place: so the
/// check is as fresh as that of an operation, and no keystroke costs a read. An end goes to those who were told of the start.
#[derive(Debug, Default)]
pub(crate) struct Typist(Mutex<HashMap<Place, Said>>);

#[derive(Debug)]
struct Said {
    /// When the last start was looked at.
    at: Instant,
    /// Who was told of it. Absent: nobody, or it has ended.
    told: Option<Arc<[UserId]>>,
}

impl Typist {
    /// Passes on what may be passed on, and drops the rest without a word: it is worth nothing later.
    pub(crate) async fn take(&self, hub: &Hub, user: &UserId, Typing { cid, parent, on }: Typing) {
        let place = (cid, parent);
        if !on {
            let told = self.lock().get_mut(&place).and_then(|said| said.told.take());
            if let Some(told) = told {
                tell(hub, &told, user, place, false);
            }
            return;
        }
        if !hub.features(&place.0).typing || !self.may_start(&place, Instant::now()) {
            return;
        }
        let told = match hub.members(&place.0).await {
            Ok(members) => others(members, user),
            Err(error) => {
                debug!(%error, "who types is not passed on");
                return;
            }
        };
        if let Some(said) = self.lock().get_mut(&place) {
            said.told.clone_from(&told);
        }
        if let Some(told) = told {
            tell(hub, &told, user, place, true);
        }
    }

    /// Ends what was started: the connection is over.
    pub(crate) fn end(&self, hub: &Hub, user: &UserId) {
        let places = std::mem::take(&mut *self.lock());
        let now = Instant::now();
        for (place, said) in places {
            if let Some(told) = said.told.filter(|_| now < said.at + HEARD) {
                tell(hub, &told, user, place, false);
            }
        }
    }

    /// Returns whether a start at `now` is to be looked at, and takes note of it.
    fn may_start(&self, place: &Place, now: Instant) -> bool {
        let mut places = self.lock();
        // Who was told of a start has dropped it by itself after that time.
        places.retain(|_, said| now < said.at + if said.told.is_some() { HEARD } else { EVERY });
        let full = places.len() >= limits::TYPING_PLACES;
        match places.get_mut(place) {
            Some(said) if now < said.at + EVERY => return false,
            Some(said) => said.at = now,
            None if full => return false,
            None => {
                let said = Said { at: now, told: None };
                places.insert(place.clone(), said);
            }
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Place, Said>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns who is to be told. Absent: nobody, for the user is not among the members, or they are too many.
fn others(mut members: Vec<UserId>, user: &UserId) -> Option<Arc<[UserId]>> {
    let all = members.len();
    members.retain(|member| member != user);
    (members.len() < all && all <= limits::TYPING_MEMBERS).then(|| members.into())
}

fn tell(hub: &Hub, told: &[UserId], user: &UserId, (cid, parent): Place, on: bool) {
    let user = user.clone();
    let typing = UserTyping {
        cid,
        parent,
        user,
        on,
    };
    hub.tell_typing(told, typing);
}
