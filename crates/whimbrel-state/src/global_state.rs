//! The account as one observable object.

use crate::{
    AccountFacts, Currency, Drafts, Freshness, OutboxSummary, Part, Source, SyncState, Unread, UnreadTotals,
};
use eyeball::{SharedObservable, Subscriber};
use imbl::OrdMap;
use std::{fmt, sync::Arc};
use whimbrel_model::{ChannelId, Contact, Mute, People, Settings, Timestamp, User, UserId};

/// What concerns the whole account, as one value. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GlobalFacts {
    /// Who it is.
    pub user: UserId,
    /// The own profile, a waiting change of it included. Absent: it was not read yet, or there is none.
    pub profile: Option<Arc<User>>,
    /// How the account is connected.
    pub connection: SyncState,
    /// How much of the account this device has.
    pub initialization: Initialization,
    /// What is unread in all channels together.
    pub unread: UnreadTotals,
    /// The same by the type of the channel.
    pub unread_by_type: OrdMap<String, UnreadTotals>,
    /// The channels that are muted, and how; some may not be any more by now ([`Mute::until`]).
    pub channel_mutes: OrdMap<ChannelId, Mute>,
    /// How the account wants things.
    pub settings: Arc<Settings>,
    /// What was decided of others, by user: [`AccountFacts::denied`](crate::AccountFacts::denied) and what is like it are of
    /// these.
    pub contacts: OrdMap<UserId, Arc<Contact>>,
    /// What holds of others now: who is denied (also called blocked), and who is muted.
    pub people: People,
    /// How much waits in the outbox, and how much was rejected.
    pub outbox: OutboxSummary,
    /// How it stands to what the server has.
    pub currency: Currency,
}

/// How much of an account a device has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Initialization {
    /// Not everything yet: it never caught up with the server. What is shown may lack whole channels.
    #[default]
    NeverSynced,
    /// Everything that the server had for the account at some moment: [`Freshness::as_of`] says which.
    Complete,
}

/// What concerns the whole account, kept up to date while a handle lives. Cloning it gives another handle to the same
/// object.
#[derive(Clone)]
pub struct GlobalState(pub(crate) Arc<Shared>);

pub(crate) struct Shared {
    /// Keeps the totals up to date.
    unread: Unread,
    drafts: Drafts,
    facts: SharedObservable<GlobalFacts>,
}

impl GlobalState {
    /// Returns everything, as it is now.
    #[must_use]
    pub fn facts(&self) -> GlobalFacts {
        self.0.facts.get()
    }

    /// Returns a reader of [`GlobalState::facts`]. It sees the latest, not each one on the way.
    pub fn subscribe(&self) -> Subscriber<GlobalFacts> {
        self.0.facts.subscribe()
    }

    /// Returns a reader of a part of [`GlobalState::facts`], which wakes only when that part is another one.
    pub fn part<T: Clone + PartialEq>(&self, pick: fn(&GlobalFacts) -> T) -> Part<GlobalFacts, T> {
        Part::new(self.0.facts.subscribe(), pick)
    }

    /// Returns what is being written, by channel and by thread, on all devices of the account.
    #[must_use]
    pub fn drafts(&self) -> &Drafts {
        &self.0.drafts
    }

    pub(crate) fn new(user: UserId, unread: Unread, drafts: Drafts) -> Self {
        let settings = Arc::new(Settings::new(user.clone()));
        let facts = GlobalFacts {
            user,
            profile: None,
            connection: SyncState::default(),
            initialization: Initialization::default(),
            unread: UnreadTotals::default(),
            unread_by_type: OrdMap::default(),
            channel_mutes: OrdMap::default(),
            settings,
            contacts: OrdMap::default(),
            people: People::default(),
            outbox: OutboxSummary::default(),
            currency: Currency::default(),
        };
        Self(Arc::new(Shared {
            unread,
            drafts,
            facts: SharedObservable::new(facts),
        }))
    }

    /// Computes the facts again.
    pub(crate) fn settle(
        &self,
        profile: Option<Arc<User>>,
        account: AccountFacts,
        outbox: OutboxSummary,
        (status, as_of): (&SyncState, Option<Timestamp>),
    ) {
        let live = *status == SyncState::Live;
        let initialization = match as_of {
            Some(_) => Initialization::Complete,
            None => Initialization::NeverSynced,
        };
        let user = self.0.facts.read().user.clone();
        self.0.facts.set_if_not_eq(GlobalFacts {
            user,
            profile,
            connection: status.clone(),
            initialization,
            unread: self.0.unread.totals(),
            unread_by_type: self.0.unread.by_type(),
            channel_mutes: self.0.unread.mutes(),
            settings: account.settings,
            contacts: account.contacts,
            people: account.people,
            outbox,
            currency: Currency {
                freshness: Freshness {
                    as_of,
                    source: if live { Source::Server } else { Source::Disk },
                    complete: as_of.is_some(),
                },
                recovery_needed: !live,
            },
        });
    }
}

impl fmt::Debug for GlobalState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GlobalState").field(&self.facts()).finish()
    }
}
