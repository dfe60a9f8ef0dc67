//! News from the client.

use super::{Action, App, Dialog, Pane, Results, ShownDraft, known};
use std::collections::BTreeMap;
use whimbrel::{
    AccountFacts, ChannelItem, DeviceItem, DeviceSyncState, Items, MemberReceipt, NewerEdge, OlderEdge,
    OutboxSummary, PresenceOf, SyncState, ThreadItem, TimelineItem, UnreadTotals, WatchersOf,
    model::{
        ChannelId, Member, MemberState, Message, MessageId, MessageScope, OutboxItem, User, UserId,
        overlay::{MessageStatus, MessageView},
    },
};

/// Which timeline: of a channel, or of a thread in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    /// The channel.
    pub cid: ChannelId,
    /// The whole channel, or one thread.
    pub messages: MessageScope,
}

impl Scope {
    /// Returns the timeline of a channel.
    #[must_use]
    pub const fn channel(cid: ChannelId) -> Self {
        Self {
            cid,
            messages: MessageScope::Channel,
        }
    }

    /// Returns the thread of a message.
    #[must_use]
    pub const fn thread(cid: ChannelId, parent: MessageId) -> Self {
        Self {
            cid,
            messages: MessageScope::Thread(parent),
        }
    }
}

/// A timeline as it is now.
#[derive(Clone, Debug)]
pub struct TimelineFeed {
    /// Which.
    pub scope: Scope,
    /// Its rows, oldest first.
    pub items: Items<TimelineItem>,
    /// What lies before the first row.
    pub edge: OlderEdge,
    /// What lies after the last row.
    pub newer: NewerEdge,
}

/// What the client has to tell. Lists come whole: a copy of one is cheap.
#[derive(Clone, Debug)]
pub enum Feed {
    /// The channel list changed.
    Channels {
        /// Its rows.
        items: Items<ChannelItem>,
        /// Whether more are on this device.
        has_more: bool,
    },
    /// What is unread in all channels changed.
    Unread(UnreadTotals),
    /// A timeline changed.
    Timeline(TimelineFeed),
    /// Loading older or newer messages is over. With a problem: why there are none.
    Loaded(Scope, Option<String>),
    /// The list of followed threads changed.
    Threads {
        /// Its rows.
        items: Items<ThreadItem>,
        /// Whether more are on this device.
        has_more: bool,
    },
    /// The pinned messages of a channel changed.
    Pins(ChannelId, Items<MessageView>),
    /// The drafts of the account changed.
    Drafts(Vec<ShownDraft>),
    /// A search found something, or nothing.
    Found(Results),
    /// The connection changed.
    Sync(SyncState),
    /// The outbox changed.
    Outbox {
        /// How much is in it.
        summary: OutboxSummary,
        /// What is in it.
        items: Items<OutboxItem>,
    },
    /// Who types somewhere.
    Typing(Scope, Vec<UserId>),
    /// How the people are that were asked about.
    Presence(BTreeMap<UserId, PresenceOf>),
    /// Who has the open channel open. Absent: it is not known now.
    Watchers(ChannelId, Option<WatchersOf>),
    /// Who has a message that was asked about.
    Receipts(MessageId, Items<MemberReceipt>),
    /// What waits for a decision changed.
    Requests {
        /// The channels.
        items: Items<ChannelItem>,
        /// Whether more are on this device.
        has_more: bool,
    },
    /// Settings, contacts or devices changed.
    Account(AccountFacts),
    /// The account's devices.
    Devices(Vec<DeviceItem>),
    /// How far this device is with what only other devices have.
    DeviceSync(DeviceSyncState),
    /// Profiles that were asked for.
    Users(Vec<User>),
    /// The name of a channel.
    Name(ChannelId, String),
    /// The members of a channel.
    Members(ChannelId, Vec<Member>),
    /// A message that was asked for. Absent: it is not on this device.
    Message(MessageId, Option<Box<Message>>),
    /// Why a message is as it is shown, in words.
    Explained(String),
    /// Something could not be done, in words.
    Problem(String),
}

impl App {
    pub(super) fn feed(&mut self, feed: Feed) -> Vec<Action> {
        match feed {
            Feed::Channels { items, has_more } => return self.channels_changed(items, has_more),
            Feed::Unread(totals) => self.channels.unread = totals,
            Feed::Timeline(feed) => return self.timeline_changed(feed),
            Feed::Loaded(scope, problem) => self.loaded(&scope, problem),
            Feed::Threads { items, has_more } => return self.threads_changed(items, has_more),
            Feed::Pins(cid, items) => return self.pins_changed(cid, items),
            Feed::Drafts(drafts) => self.drafts_changed(drafts),
            Feed::Found(results) => return self.found(results),
            Feed::Sync(state) => self.sync = state,
            Feed::Outbox { summary, items } => {
                if summary.rejected > self.outbox.summary.rejected {
                    self.notify("The server did not accept a change. See the outbox: x in the lists");
                }
                self.outbox.summary = summary;
                self.outbox.items = items;
            }
            Feed::Typing(scope, users) => return self.typing_changed(&scope, users),
            Feed::Presence(presence) => self.people.presence = presence,
            Feed::Watchers(cid, watchers) => {
                if self.open.as_ref().is_some_and(|open| open.scope.cid == cid) {
                    self.people.watchers = watchers;
                }
            }
            Feed::Receipts(id, items) => self.receipts_changed(id, items),
            Feed::Requests { items, has_more } => return self.requests_changed(items, has_more),
            Feed::Account(account) => self.account = account,
            Feed::DeviceSync(state) => self.device_sync_changed(state),
            Feed::Devices(devices) => self.devices = devices,
            Feed::Name(cid, name) => self.channels.put_name(cid, name),
            Feed::Users(users) => self.known.put_users(users),
            Feed::Members(cid, members) => {
                let of = |state| {
                    let those = members.iter().filter(move |member| member.state == state);
                    those.map(|member| member.user.clone()).collect::<Vec<_>>()
                };
                let (users, invited) = (of(MemberState::Active), of(MemberState::Invited));
                let unknown = self.known.ask_for_users(users.iter().chain(&invited));
                self.known.members.insert(cid.clone(), users);
                self.known.invited.insert(cid, invited);
                let mut actions = known::read_users(unknown);
                actions.extend(self.ask_for_presence());
                return actions;
            }
            Feed::Message(id, message) => {
                if let (Some(thread), Some(message)) = (&mut self.thread, &message)
                    && thread.id == id
                    && thread.parent.is_none()
                {
                    thread.parent = Some(super::threads::alone(MessageView {
                        message: (**message).clone(),
                        status: MessageStatus::Sent,
                        change_pending: false,
                    }));
                }
                let author = message.as_ref().map(|message| message.author.clone());
                self.known.messages.insert(id, message);
                return known::read_users(self.known.ask_for_users(author.iter()));
            }
            Feed::Explained(words) => self.dialog = Some(Dialog::Explanation(words)),
            Feed::Problem(text) => self.notify(text),
        }
        Vec::new()
    }

    fn channels_changed(&mut self, items: Items<ChannelItem>, has_more: bool) -> Vec<Action> {
        let open = self.open.as_ref().map(|pane| pane.scope.cid.clone());
        let members = |items: &Items<ChannelItem>| {
            let item = items.iter().find(|item| Some(&item.cid) == open.as_ref())?;
            Some((item.members, item.created_locally))
        };
        let moved = members(&items) != members(&self.channels.items);
        let authors = items.iter().filter_map(|item| item.last_message.as_ref());
        let unknown = self.known.ask_for_users(authors.map(|view| &view.message.author));
        self.channels.put(items, has_more);
        let mut actions = known::read_users(unknown);
        actions.extend(open.filter(|_| moved).map(Action::ReadMembers));
        actions
    }

    fn timeline_changed(&mut self, feed: TimelineFeed) -> Vec<Action> {
        let authors = feed.items.iter().map(|item| &item.view.message.author);
        let mut actions = known::read_users(self.known.ask_for_users(authors));
        let quoted = feed.items.iter().filter_map(|item| item.view.message.quoted);
        let here = |id: &MessageId| feed.items.iter().any(|item| item.id() == *id);
        let missing: Vec<_> = quoted.filter(|id| !here(id)).collect();
        actions.extend(self.known.ask_for_messages(missing).map(Action::ReadMessage));
        if let Some(thread) = &mut self.thread
            && let Some(parent) = feed.items.iter().find(|item| item.id() == thread.id)
        {
            thread.parent = Some(parent.clone());
        }
        if let Some(pane) = self.pane_of(&feed.scope) {
            pane.put(feed.items, feed.edge, feed.newer);
        }
        actions
    }

    fn typing_changed(&mut self, scope: &Scope, users: Vec<UserId>) -> Vec<Action> {
        let unknown = self.known.ask_for_users(users.iter());
        if let Some(pane) = self.pane_of(scope) {
            pane.typing = users;
        }
        known::read_users(unknown)
    }

    /// Returns the pane that shows a timeline, if one does.
    fn pane_of(&mut self, scope: &Scope) -> Option<&mut Pane> {
        let thread = self.thread.as_mut().map(|thread| &mut thread.replies);
        self.open
            .iter_mut()
            .chain(thread)
            .find(|pane| pane.scope == *scope)
    }

    fn loaded(&mut self, scope: &Scope, problem: Option<String>) {
        if let Some(pane) = self.pane_of(scope) {
            (pane.loading, pane.loading_newer) = (false, false);
        }
        if let Some(problem) = problem {
            self.notify(problem);
        }
    }
}
