//! One device against the server.

use super::{
    Difference, name,
    truth::{Contents, Truth},
    waiting,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
};
use whimbrel_client::{Channel, Client, Error, LoadState, OlderEdge, Timeline, TimelineItem};
use whimbrel_model::{
    AccountKey, AccountRow, ChannelId, Gap, Message, MessageId, MessageScope, Settings, UserId,
    overlay::MessageStatus,
};

/// Channels that are loaded at once when the list has more.
const CHANNELS: usize = 100;

pub(super) struct Comparison<'a> {
    device: &'a Client,
    truth: &'a Truth,
    differences: Vec<Difference>,
}

impl<'a> Comparison<'a> {
    pub(super) const fn new(device: &'a Client, truth: &'a Truth) -> Self {
        Self {
            device,
            truth,
            differences: Vec::new(),
        }
    }

    pub(super) async fn run(mut self) -> Result<Vec<Difference>, Error> {
        self.differences.extend(waiting(self.device).await);
        self.list().await?;
        let ids: Vec<UserId> = self.truth.profiles.keys().cloned().collect();
        let users = self.device.users(&ids).await?;
        let known = users.into_iter().map(|user| (user.id.clone(), user)).collect();
        self.equal("the profiles", &known, &self.truth.profiles);
        for (cid, contents) in &self.truth.channels {
            self.channel(cid, contents).await?;
        }
        self.invites().await?;
        self.account();
        self.drafts().await?;
        self.threads().await?;
        Ok(self.differences)
    }

    /// Compares settings, contacts, devices, and what devices ask of one another.
    fn account(&mut self) {
        let facts = self.device.account();
        let settings = (*facts.settings).clone();
        let contacts = facts
            .contacts
            .values()
            .map(|row| AccountRow::Contact((**row).clone()));
        let devices = facts
            .devices
            .values()
            .map(|row| AccountRow::Device((**row).clone()));
        let syncs = facts
            .device_syncs
            .values()
            .map(|row| AccountRow::DeviceSync((**row).clone()));
        let rows = contacts
            .chain(devices)
            .chain(syncs)
            .chain([AccountRow::Settings(settings)]);
        let held: BTreeMap<AccountKey, AccountRow> = rows.map(|row| (row.key(), row)).collect();
        let mut there = self.truth.account.clone();
        // Who has set nothing has no row.
        let unset = AccountRow::Settings(Settings::new(self.device.user().clone()));
        there.entry(AccountKey::Settings).or_insert(unset);
        let keys: BTreeSet<&AccountKey> = held.keys().chain(there.keys()).collect();
        for key in keys {
            self.equal(&format!("the account, {key}"), &held.get(key), &there.get(key));
        }
    }

    /// Compares the channels that the user is asked into.
    async fn invites(&mut self) -> Result<(), Error> {
        for (cid, there) in &self.truth.invites {
            let summary = self.device.channel(cid.as_str())?.summary().await?;
            let held = summary.and_then(|summary| summary.membership);
            self.equal(&format!("{cid}, the invitation"), &held.as_ref(), &Some(there));
        }
        Ok(())
    }

    async fn list(&mut self) -> Result<(), Error> {
        let list = self.device.channels().await?;
        while list.has_more() {
            list.load_more(CHANNELS).await?;
        }
        let shown: BTreeSet<ChannelId> = list.items().iter().map(|item| item.cid.clone()).collect();
        let there = self.truth.channels.keys().cloned().collect();
        self.equal("the channel list", &shown, &there);
        Ok(())
    }

    async fn channel(&mut self, cid: &ChannelId, contents: &Contents) -> Result<(), Error> {
        let channel = self.device.channel(cid.as_str())?;
        let summary = channel.summary().await?;
        let (row, membership) = summary.map_or((None, None), |summary| (summary.channel, summary.membership));
        self.equal(cid, &row, &contents.channel);
        self.equal(
            &format!("{cid}, the membership"),
            &membership,
            &contents.membership,
        );
        let members = channel.members().await?.into_iter();
        let members = members.map(|member| (member.user.clone(), member)).collect();
        self.each(cid, "member", &members, &contents.members);
        let reads = channel.reads().await?.into_iter();
        let reads = reads.map(|read| (read.user.clone(), read)).collect();
        self.each(cid, "read position of", &reads, &contents.reads);
        self.delivered(&channel, contents).await?;
        self.thread_reads(&channel, contents).await?;
        self.held(&channel, contents).await?;
        let gaps = channel.gaps().await?;
        self.shown(&channel.timeline().await?, contents, &gaps);
        let parents: BTreeSet<MessageId> = contents
            .messages
            .values()
            .filter_map(|reply| reply.parent)
            .collect();
        for parent in parents {
            self.shown(&channel.thread(parent).await?, contents, &gaps);
        }
        Ok(())
    }

    /// Compares what has reached whom. Devices say so by themselves and at any time, so only what is of one version has to be the
    /// same.
    async fn delivered(&mut self, channel: &Channel, contents: &Contents) -> Result<(), Error> {
        for held in channel.delivered().await? {
            let there = contents
                .delivered
                .get(&held.user)
                .filter(|row| row.ver == held.ver);
            if let Some(there) = there {
                let place = format!("{}, what has reached {}", channel.cid(), held.user);
                self.equal(&place, &held, there);
            }
        }
        Ok(())
    }

    /// Compares the read positions in the threads whose first message the device does not call missing.
    async fn thread_reads(&mut self, channel: &Channel, contents: &Contents) -> Result<(), Error> {
        let gaps = channel.gaps().await?;
        for (parent, there) in &contents.thread_reads {
            if contents.is_beyond(&gaps, *parent) {
                continue;
            }
            let reads = channel.thread_reads(*parent).await?.into_iter();
            let reads = reads.map(|read| (read.user.clone(), read)).collect();
            let what = format!("read position in the thread of {parent} of");
            self.each(channel.cid(), &what, &reads, there);
        }
        Ok(())
    }

    /// Compares what was written and not sent, on whichever device.
    async fn drafts(&mut self) -> Result<(), Error> {
        let drafts = self.device.drafts().await?;
        let mut shown = BTreeMap::new();
        for view in &drafts.items() {
            let first = (view.device, view.content.clone());
            let beside = view.beside.iter();
            let beside = beside.filter_map(|draft| Some((draft.device, draft.content.clone()?)));
            let written: Vec<_> = std::iter::once(first).chain(beside).collect();
            shown.insert((view.cid.clone(), view.parent), written);
        }
        let mut there: BTreeMap<_, Vec<_>> = BTreeMap::new();
        // The one that was written last is shown, the others stand beside it.
        for draft in self.truth.drafts.values().rev() {
            let written = draft.content.clone().map(|content| (draft.device, content));
            let place = (draft.cid.clone(), draft.parent);
            there.entry(place).or_default().extend(written);
        }
        self.equal("the drafts", &shown, &there);
        Ok(())
    }

    /// Compares the list of threads: those that the user follows, as far as the device has the messages that began them.
    async fn threads(&mut self) -> Result<(), Error> {
        let list = self.device.threads().await?;
        while list.load_state() == LoadState::More {
            list.load_more(CHANNELS).await?;
        }
        let mut shown = BTreeMap::new();
        for item in &list.items() {
            let unread = (item.unread_unknown == 0).then_some(item.unread);
            shown.insert(item.parent.message.id, (item.replies, unread));
        }
        let (me, mut there) = (self.device.user(), BTreeMap::new());
        for (cid, contents) in &self.truth.channels {
            let gaps = self.device.channel(cid.as_str())?.gaps().await?;
            for (parent, replies) in contents.followed(me) {
                if !contents.is_beyond(&gaps, parent) {
                    // Where the device says that it does not know, nothing is compared.
                    let known = shown.get(&parent).is_none_or(|(_, unread)| unread.is_some());
                    let unread = known.then(|| contents.unread_replies(me, parent));
                    there.insert(parent, (replies, unread));
                }
            }
        }
        self.equal("the threads", &shown, &there);
        Ok(())
    }

    /// Compares the rows on disk: every message that the device does not call missing.
    async fn held(&mut self, channel: &Channel, contents: &Contents) -> Result<(), Error> {
        let gaps = channel.gaps().await?;
        let in_gap = |seq: u64| gaps.iter().any(|gap: &Gap| gap.lo <= seq && seq <= gap.hi);
        for (seq, message) in contents.messages.iter().filter(|(seq, _)| !in_gap(**seq)) {
            let held = self.device.message(message.id).await?;
            if held.as_ref() == Some(message) {
                continue;
            }
            let held = held.map_or_else(|| "nothing on disk".to_owned(), |held| describe(&held));
            self.differ(
                &format!("{}, message {seq}", channel.cid()),
                held,
                describe(message),
            );
        }
        Ok(())
    }

    /// Compares what is on the screen with the newest messages of the channel or thread. What lies in a gap may be as it was.
    fn shown(&mut self, timeline: &Timeline, contents: &Contents, gaps: &[Gap]) {
        let place = match timeline.scope() {
            MessageScope::Channel => format!("{}, the timeline", timeline.cid()),
            MessageScope::Thread(parent) => format!("{}, the thread of {parent}", timeline.cid()),
        };
        let belongs = |message: &&Message| match timeline.scope() {
            MessageScope::Channel => message.parent.is_none() || message.show_in_channel,
            MessageScope::Thread(parent) => message.parent == Some(parent),
        };
        let items = timeline.items();
        let expected: Vec<&Message> = contents.messages.values().filter(belongs).collect();
        let skipped = expected.len().saturating_sub(items.len());
        // A list that says that there is more before it, or in between, is not wrong.
        let is_whole = timeline.edge() == OlderEdge::Start && !items.iter().any(|item| item.gap_before);
        if skipped > 0 && is_whole {
            let (shown, there) = (items.len(), expected.len());
            self.differ(&place, format!("{shown} rows"), format!("{there} messages"));
        }
        let by_id: BTreeMap<MessageId, &Message> =
            expected.iter().map(|message| (message.id, *message)).collect();
        let mut last = 0;
        for item in &items {
            let Some(message) = by_id.get(&item.id()) else {
                self.differ(&place, line(item), "no such message".to_owned());
                continue;
            };
            if message.seq <= last {
                let there = format!("it before message {last}");
                self.differ(&place, format!("message {} after it", message.seq), there);
            }
            last = message.seq;
            let there = show(message, contents);
            let may_be_old = gaps
                .iter()
                .any(|gap| gap.lo <= message.seq && message.seq <= gap.hi);
            if line(item) != there && !may_be_old {
                self.differ(&format!("{place}, message {}", message.seq), line(item), there);
            }
        }
    }

    fn each<T: Debug + PartialEq>(
        &mut self,
        cid: &ChannelId,
        what: &str,
        held: &BTreeMap<UserId, T>,
        there: &BTreeMap<UserId, T>,
    ) {
        let users: BTreeSet<&UserId> = held.keys().chain(there.keys()).collect();
        for user in users {
            self.equal(
                &format!("{cid}, {what} {user}"),
                &held.get(user),
                &there.get(user),
            );
        }
    }

    fn equal<T: Debug + PartialEq>(&mut self, place: &(impl ToString + ?Sized), held: &T, there: &T) {
        if held != there {
            self.differ(&place.to_string(), format!("{held:?}"), format!("{there:?}"));
        }
    }

    fn differ(&mut self, place: &str, device_has: String, server_has: String) {
        self.differences.push(Difference {
            device: name(self.device),
            place: place.to_owned(),
            device_has,
            server_has,
        });
    }
}

/// Writes a row of the screen as a person would read it.
fn line(item: &TimelineItem) -> String {
    let waits = match &item.view.status {
        MessageStatus::Sent if item.view.change_pending => ", a change of it waits".to_owned(),
        MessageStatus::Sent => String::new(),
        MessageStatus::Pending => ", not sent yet".to_owned(),
        MessageStatus::Failed(why) => format!(", rejected ({}): {}", why.code, why.message),
    };
    let reactions = item.reactions.iter();
    let reactions = reactions
        .map(|group| (group.kind.to_string(), group.count))
        .collect();
    words(&item.view.message, &reactions, &waits)
}

/// Writes how a message has to be shown.
fn show(message: &Message, contents: &Contents) -> String {
    let mut reactions: BTreeMap<String, u32> = BTreeMap::new();
    for (_, _, kind) in contents.reactions.keys().filter(|(id, _, _)| *id == message.id) {
        *reactions.entry(kind.to_string()).or_default() += 1;
    }
    words(message, &reactions, "")
}

fn words(message: &Message, reactions: &BTreeMap<String, u32>, more: &str) -> String {
    let mut words = describe(message);
    for (kind, count) in reactions {
        words += &format!(", {count} {kind}");
    }
    words + more
}

fn describe(message: &Message) -> String {
    let Message { author, seq, ver, .. } = message;
    let what = match message.is_deleted() {
        true => "a deleted message".to_owned(),
        false => format!("{:?}", message.body.text),
    };
    let edits = match message.revision {
        0 => String::new(),
        edits => format!(", edited {edits} times"),
    };
    format!("{what} by {author}{edits} (seq {seq}, ver {ver})")
}
