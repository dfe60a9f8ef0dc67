//! How the account keeps a channel: pinned, archived, hidden, muted. Nobody else sees it; all own devices do.

use super::Channel;
use crate::{Error, Queued};
use whimbrel_model::{Hide, MembershipChange, Mute, Op, OutboxItem, SetMute, Timestamp};

impl Channel {
    /// Pins the channel in the own list: `pinned` and `pinned_at` of queries. Needs no connection, like everything here.
    ///
    /// # Errors
    /// [`Error`] when the outbox is full or the write failed. The server rejects it for who is not a member.
    pub async fn pin(&self) -> Result<Queued, Error> {
        self.pinned(true).await
    }

    /// Takes the channel's pin back.
    ///
    /// # Errors
    /// As [`Channel::pin`].
    pub async fn unpin(&self) -> Result<Queued, Error> {
        self.pinned(false).await
    }

    /// Puts the channel into the archive: `archived` of queries.
    ///
    /// # Errors
    /// As [`Channel::pin`].
    pub async fn archive(&self) -> Result<Queued, Error> {
        self.archived(true).await
    }

    /// Takes the channel out of the archive.
    ///
    /// # Errors
    /// As [`Channel::pin`].
    pub async fn unarchive(&self) -> Result<Queued, Error> {
        self.archived(false).await
    }

    /// Hides the channel until it has a message that this device does not know of now. A list without hidden channels asks for
    /// `hidden` false; in the usual list they say that they are ([`ChannelItem::hidden`](crate::ChannelItem::hidden)).
    ///
    /// # Errors
    /// As [`Channel::pin`].
    pub async fn hide(&self) -> Result<Queued, Error> {
        let known = self.summary().await?.map_or(0, |summary| summary.head_seq);
        // What waits here is known too, and comes right after unless somebody else was faster: then it shows again.
        let is_waiting = |item: &OutboxItem| {
            item.rejection().is_none() && matches!(&item.op, Op::SendMessage { cid, .. } if *cid == self.cid)
        };
        let waiting = self
            .client
            .outbox()
            .iter()
            .filter(|item| is_waiting(item))
            .count();
        let seq = known + waiting as u64;
        self.keep(MembershipChange {
            hidden: Some(Hide::Until { seq }),
            ..MembershipChange::default()
        })
        .await
    }

    /// Shows a channel that was hidden.
    ///
    /// # Errors
    /// As [`Channel::pin`].
    pub async fn show(&self) -> Result<Queued, Error> {
        self.keep(MembershipChange {
            hidden: Some(Hide::Show),
            ..MembershipChange::default()
        })
        .await
    }

    /// Mutes the channel, until a time or until it is unmuted: what is new in it counts in no total.
    ///
    /// # Errors
    /// As [`Channel::pin`].
    pub async fn mute(&self, until: Option<Timestamp>) -> Result<Queued, Error> {
        self.muted(SetMute::On(Mute { until })).await
    }

    /// Unmutes the channel.
    ///
    /// # Errors
    /// As [`Channel::pin`].
    pub async fn unmute(&self) -> Result<Queued, Error> {
        self.muted(SetMute::Off).await
    }

    async fn pinned(&self, pinned: bool) -> Result<Queued, Error> {
        self.keep(MembershipChange {
            pinned: Some(pinned),
            ..MembershipChange::default()
        })
        .await
    }

    async fn archived(&self, archived: bool) -> Result<Queued, Error> {
        self.keep(MembershipChange {
            archived: Some(archived),
            ..MembershipChange::default()
        })
        .await
    }

    async fn muted(&self, muted: SetMute) -> Result<Queued, Error> {
        self.keep(MembershipChange {
            muted: Some(muted),
            ..MembershipChange::default()
        })
        .await
    }

    pub(super) async fn keep(&self, change: MembershipChange) -> Result<Queued, Error> {
        let cid = self.cid.clone();
        self.enqueue(Op::UpdateMembership { cid, change }).await
    }
}
