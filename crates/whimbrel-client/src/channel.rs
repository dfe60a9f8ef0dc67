mod consent;
mod keep;
mod pins;
mod receipts;
mod sync;
mod threads;
mod typing;
mod watch;

use crate::{Client, Error, NewMessage, Queued, Sent, Timeline, UnreadExplanation, command::Command, unread};
use whimbrel_model::{
    ChannelId, ChannelSummary, Custom, Gap, HistoryFrom, Member, MessageBody, MessageId, MessageQuery,
    MessageScope, Op, ReactionType, Read, ReadPosition, Timestamp, UserId, limits,
};

/// A handle on one channel. Cheap to clone; the channel need not exist, not on this device nor on the server.
///
/// Every method that changes something returns when the change is durable on this device, with no network too. The
/// changes of one channel reach the server in the order in which the calls returned.
#[derive(Clone, Debug)]
pub struct Channel {
    client: Client,
    cid: ChannelId,
}

/// What a new channel looks like. See [`Channel::create`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewChannel {
    /// Display name.
    pub name: String,
    /// Address of a picture.
    pub image: String,
    /// App-defined data.
    pub custom: Custom,
    /// Members besides the maker.
    pub members: Vec<UserId>,
    /// Users who are asked to come in, once it is there: see [`Channel::invite`].
    pub invites: Vec<UserId>,
}

/// What to change of a channel; what is absent stays. See [`Channel::update`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChannelUpdate {
    /// New display name.
    pub name: Option<String>,
    /// New picture.
    pub image: Option<String>,
    /// New app-defined data, as a whole.
    pub custom: Option<Custom>,
}

impl Channel {
    pub(crate) const fn new(client: Client, cid: ChannelId) -> Self {
        Self { client, cid }
    }

    /// Returns the channel's id.
    #[must_use]
    pub const fn cid(&self) -> &ChannelId {
        &self.cid
    }

    /// Creates the channel with a name and members; this account becomes its owner.
    ///
    /// # Errors
    /// [`Error`] when a user id is invalid, and as for every change: an invalid value, a full outbox or a failed write.
    pub async fn create<M>(
        &self,
        name: impl Into<String>,
        members: impl IntoIterator<Item = M>,
    ) -> Result<Queued, Error>
    where
        M: TryInto<UserId>,
        Error: From<M::Error>,
    {
        let members = members
            .into_iter()
            .map(TryInto::try_into)
            .collect::<Result<_, _>>()?;
        self.create_with(NewChannel {
            name: name.into(),
            members,
            ..NewChannel::default()
        })
        .await
    }

    /// Creates the channel with everything that a channel can have. Invitations are an operation of their own, after it.
    ///
    /// # Errors
    /// As [`Channel::create`].
    pub async fn create_with(&self, new: NewChannel) -> Result<Queued, Error> {
        let NewChannel {
            name,
            image,
            custom,
            members,
            invites,
        } = new;
        let created = self
            .enqueue(Op::CreateChannel {
                cid: self.cid.clone(),
                name,
                image,
                custom,
                members,
            })
            .await?;
        if !invites.is_empty() {
            self.invite(invites).await?;
        }
        Ok(created)
    }

    /// Changes the channel's name, picture or custom data. Needs the role owner.
    ///
    /// # Errors
    /// [`Error`] when a value is invalid, the outbox is full or the write failed.
    pub async fn update(&self, update: ChannelUpdate) -> Result<Queued, Error> {
        let ChannelUpdate { name, image, custom } = update;
        self.enqueue(Op::UpdateChannel {
            cid: self.cid.clone(),
            name,
            image,
            custom,
        })
        .await
    }

    /// Adds members. Needs the role owner.
    ///
    /// # Errors
    /// As [`Channel::update`].
    pub async fn add_members(&self, users: impl IntoIterator<Item = UserId>) -> Result<Queued, Error> {
        let users = users.into_iter().collect();
        self.enqueue(Op::AddMembers {
            cid: self.cid.clone(),
            users,
        })
        .await
    }

    /// Removes members. Others than oneself need the role owner.
    ///
    /// # Errors
    /// As [`Channel::update`].
    pub async fn remove_members(&self, users: impl IntoIterator<Item = UserId>) -> Result<Queued, Error> {
        let users = users.into_iter().collect();
        self.enqueue(Op::RemoveMembers {
            cid: self.cid.clone(),
            users,
        })
        .await
    }

    /// Leaves the channel.
    ///
    /// # Errors
    /// As [`Channel::update`].
    pub async fn leave(&self) -> Result<Queued, Error> {
        self.remove_members([self.client.user().clone()]).await
    }

    /// Sends a message: a text, a [`MessageBody`] or a [`NewMessage`]. It is in the timeline when this returns.
    ///
    /// # Errors
    /// [`Error`] when the message is over a limit, the outbox is full or the write failed. Nothing was sent then.
    pub async fn send(&self, message: impl Into<NewMessage>) -> Result<Sent, Error> {
        let NewMessage {
            body,
            parent,
            show_in_channel,
            quoted,
            kind,
            silent,
        } = message.into();
        let id = MessageId(self.client.new_id());
        let op = Op::SendMessage {
            cid: self.cid.clone(),
            id,
            body,
            parent,
            show_in_channel,
            quoted,
            kind,
            silent,
        };
        Ok(Sent {
            id,
            queued: self.enqueue(op).await?,
        })
    }

    /// Replies in the thread of `parent`.
    ///
    /// # Errors
    /// As [`Channel::send`].
    pub async fn reply(&self, parent: MessageId, message: impl Into<NewMessage>) -> Result<Sent, Error> {
        self.send(NewMessage {
            parent: Some(parent),
            ..message.into()
        })
        .await
    }

    /// Replaces the body of an own message. While that was never sent, it is sent with the new body at once.
    ///
    /// # Errors
    /// As [`Channel::send`].
    pub async fn edit(&self, id: MessageId, body: impl Into<MessageBody>) -> Result<Queued, Error> {
        let stored = self.client.message(id).await?;
        let base_revision = stored.map_or(0, |message| message.revision);
        self.enqueue(Op::EditMessage {
            cid: self.cid.clone(),
            id,
            body: body.into(),
            base_revision,
        })
        .await
    }

    /// Deletes a message for everyone. An own one, or any as owner. One that was never sent, and that nothing else here
    /// replies to or quotes, is just gone.
    ///
    /// # Errors
    /// As [`Channel::send`].
    pub async fn delete(&self, id: MessageId) -> Result<Queued, Error> {
        self.enqueue(Op::DeleteMessage {
            cid: self.cid.clone(),
            id,
        })
        .await
    }

    /// Adds an own reaction: an emoji or a word.
    ///
    /// # Errors
    /// As [`Channel::send`].
    pub async fn react(&self, message: MessageId, kind: &str) -> Result<Queued, Error> {
        let kind = ReactionType::new(kind)?;
        self.enqueue(Op::AddReaction {
            cid: self.cid.clone(),
            message,
            kind,
        })
        .await
    }

    /// Takes an own reaction back.
    ///
    /// # Errors
    /// As [`Channel::send`].
    pub async fn unreact(&self, message: MessageId, kind: &str) -> Result<Queued, Error> {
        let kind = ReactionType::new(kind)?;
        self.enqueue(Op::RemoveReaction {
            cid: self.cid.clone(),
            message,
            kind,
        })
        .await
    }

    /// Marks everything that this device knows of the channel as read. Returns nothing when it was already.
    ///
    /// Reading never undoes a [`Channel::mark_unread`] that it did not know of, whichever of two devices the server hears
    /// first.
    ///
    /// # Errors
    /// As [`Channel::send`].
    pub async fn mark_read(&self) -> Result<Option<Queued>, Error> {
        let Some(summary) = self.summary().await? else {
            return Ok(None);
        };
        let position = summary.position();
        if summary.head_seq <= position.seq {
            return Ok(None);
        }
        let seq = summary.head_seq;
        self.move_read(None, ReadPosition { seq, ..position }).await
    }

    /// Marks a message of the channel's timeline and all after it as unread, on every device of this account. What others see
    /// of it ([`Read::receipt`]) does not go back. Returns nothing when the message was unread already.
    ///
    /// It wins over whatever another device read without knowing of it; of two messages that were marked so, the later one
    /// is the first unread. A deleted message marks its place.
    ///
    /// # Errors
    /// [`Error::MarkUnread`] when the message has no place in the timeline of this channel that is known here, and as
    /// [`Channel::send`].
    pub async fn mark_unread(&self, message: MessageId) -> Result<Option<Queued>, Error> {
        let stored = self.client.message(message).await?;
        let summary = self.summary().await?;
        let outbox = self.client.outbox();
        match unread::unread_from((&self.cid, message), stored, summary.as_ref(), outbox.iter())? {
            Some(position) => self.move_read(None, position).await,
            None => Ok(None),
        }
    }

    /// Moves the own read position, of the timeline or of the thread of a message.
    pub(crate) async fn move_read(
        &self,
        thread: Option<MessageId>,
        ReadPosition { epoch, seq }: ReadPosition,
    ) -> Result<Option<Queued>, Error> {
        let cid = self.cid.clone();
        let op = Op::MarkRead {
            cid,
            thread,
            epoch,
            seq,
        };
        self.enqueue(op).await.map(Some)
    }

    /// Explains how many messages are unread: from which position on, which ones, and what is left out. Absent: nothing is
    /// known of the channel here.
    ///
    /// Reads every message past the read position.
    ///
    /// # Errors
    /// [`Error::Store`] when the database cannot be read.
    pub async fn explain_unread(&self) -> Result<Option<UnreadExplanation>, Error> {
        let Some(summary) = self.summary().await? else {
            return Ok(None);
        };
        let (outbox, read) = (self.client.outbox(), summary.position().seq);
        let mut query = MessageQuery {
            cid: self.cid.clone(),
            scope: MessageScope::Channel,
            from: HistoryFrom::Before(summary.head_seq + 1),
            limit: limits::PAGE_ROWS,
        };
        let mut timeline = Vec::new();
        let ranges = loop {
            let page = self.client.store().messages(&query).await?;
            let oldest = page.messages.first().map(|message| message.seq);
            query.from = oldest.map_or(query.from, HistoryFrom::Before);
            let goes_on = page.has_older && oldest.is_some_and(|oldest| oldest > read);
            let past = page.messages.into_iter().filter(|message| message.seq > read);
            timeline.extend(past.rev());
            if !goes_on {
                break page.ranges;
            }
        };
        let (me, people) = (self.client.user(), self.client.people());
        let timeline = timeline.into_iter();
        let explanation = UnreadExplanation::new(&summary, (me, &people), outbox.iter(), timeline, &ranges);
        Ok(Some(explanation))
    }

    /// Opens the channel's timeline: what is on disk, at once, and every change from then on.
    ///
    /// # Errors
    /// [`Error`] when the database cannot be read or the client is closed.
    pub async fn timeline(&self) -> Result<Timeline, Error> {
        self.client
            .open_timeline(self.cid.clone(), MessageScope::Channel)
            .await
    }

    /// Opens the thread of a message: its replies.
    ///
    /// # Errors
    /// As [`Channel::timeline`].
    pub async fn thread(&self, parent: MessageId) -> Result<Timeline, Error> {
        self.client
            .open_timeline(self.cid.clone(), MessageScope::Thread(parent))
            .await
    }

    /// Opens a timeline of its own around a message of the channel: from disk if what is there is whole and up to date, else
    /// from the server. A reply of a thread that is not shown in the channel is a place too.
    ///
    /// # Errors
    /// [`Error::History`] when the message is on the server only and there is no connection, or the channel has no such
    /// message; [`Error`] when the database cannot be read or the client is closed.
    pub async fn timeline_around(&self, message: MessageId) -> Result<Timeline, Error> {
        let from = HistoryFrom::AroundMessage(message);
        self.client
            .open_timeline_at(self.cid.clone(), MessageScope::Channel, from)
            .await
    }

    /// Opens a timeline of its own around the first message that was accepted at a time, on the server's clock, or later.
    ///
    /// # Errors
    /// As [`Channel::timeline_around`].
    pub async fn timeline_at(&self, time: Timestamp) -> Result<Timeline, Error> {
        let from = HistoryFrom::AroundTime(time);
        self.client
            .open_timeline_at(self.cid.clone(), MessageScope::Channel, from)
            .await
    }

    /// Opens a list of its own of the thread of `parent`, around one of its replies.
    ///
    /// # Errors
    /// As [`Channel::timeline_around`].
    pub async fn thread_around(&self, parent: MessageId, reply: MessageId) -> Result<Timeline, Error> {
        let from = HistoryFrom::AroundMessage(reply);
        self.client
            .open_timeline_at(self.cid.clone(), MessageScope::Thread(parent), from)
            .await
    }

    /// Reads the channel's row of the list from disk. Absent: nothing is known of it here.
    ///
    /// # Errors
    /// [`Error::Store`] when the database cannot be read.
    pub async fn summary(&self) -> Result<Option<ChannelSummary>, Error> {
        Ok(self
            .client
            .store()
            .channel(&self.cid, &self.client.people())
            .await?)
    }

    /// Returns the runs of messages that this device lacks (`stale`: has only as they once were), oldest first.
    ///
    /// While connected the newest ones are filled by themselves, what is on the screen first; what is older than all that
    /// the device ever had is not. [`Channel::fill_gap`] and [`Timeline::load_older`] fill any.
    ///
    /// # Errors
    /// [`Error::Closed`], or when the database failed just now.
    pub async fn gaps(&self) -> Result<Vec<Gap>, Error> {
        let cid = self.cid.clone();
        let ask = |reply| Command::Gaps { cid, reply };
        let (gaps, _) = self.client.commands().ask(ask).await?;
        Ok(gaps)
    }

    /// Fetches up to `limit` (at most a page) of the newest messages of a gap. They are on disk, and in the open timelines
    /// that reach so far, when this returns; what is left of the gap is in [`Channel::gaps`]. An empty gap is filled at once.
    ///
    /// # Errors
    /// [`Error::History`] when there is no connection, or the server refuses. [`Error::Invalid`] when the gap ends beyond
    /// every number that a message can have.
    pub async fn fill_gap(&self, gap: Gap, limit: usize) -> Result<(), Error> {
        let cid = self.cid.clone();
        self.client
            .commands()
            .ask(|reply| Command::FillGap {
                cid,
                gap,
                limit,
                reply,
            })
            .await
    }

    /// Reads the members from disk, those who left included.
    ///
    /// # Errors
    /// [`Error::Store`] when the database cannot be read.
    pub async fn members(&self) -> Result<Vec<Member>, Error> {
        Ok(self.client.store().members(&self.cid).await?)
    }

    /// Reads the members' read positions from disk.
    ///
    /// # Errors
    /// [`Error::Store`] when the database cannot be read.
    pub async fn reads(&self) -> Result<Vec<Read>, Error> {
        Ok(self.client.store().reads(&self.cid, None).await?)
    }

    pub(crate) const fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) async fn enqueue(&self, op: Op) -> Result<Queued, Error> {
        self.client.commands().enqueue(op).await
    }
}
