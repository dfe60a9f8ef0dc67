//! Whether the channel may reach the account, and invitations. Everything here needs no connection.

use super::Channel;
use crate::{Error, Queued};
use whimbrel_model::{ConsentState, MembershipChange, Op, UserId};

impl Channel {
    /// Allows the channel. So does writing in it, making it, and accepting an invitation to it.
    ///
    /// # Errors
    /// [`Error`] when the outbox is full or the write failed. The server rejects it for who is not a member.
    pub async fn allow(&self) -> Result<Queued, Error> {
        self.set_consent(ConsentState::Allowed).await
    }

    /// Denies the channel: it leaves the usual lists and totals, on all devices. Nothing of it is deleted, and the account stays
    /// in it.
    ///
    /// # Errors
    /// As [`Channel::allow`].
    pub async fn deny(&self) -> Result<Queued, Error> {
        self.set_consent(ConsentState::Denied).await
    }

    /// Decides of the channel. [`ConsentState::Unknown`] takes a decision back: then it is as whoever brought the account in.
    ///
    /// # Errors
    /// As [`Channel::allow`].
    pub async fn set_consent(&self, consent: ConsentState) -> Result<Queued, Error> {
        self.keep(MembershipChange {
            consent: Some(consent),
            ..MembershipChange::default()
        })
        .await
    }

    /// Asks users to come in. Needs the role owner. Until they answer they are in [`Channel::members`] as invited, and see of the
    /// channel who asks and what it is called.
    ///
    /// # Errors
    /// As [`Channel::update`].
    pub async fn invite(&self, users: impl IntoIterator<Item = UserId>) -> Result<Queued, Error> {
        let users = users.into_iter().collect();
        self.enqueue(Op::InviteMembers {
            cid: self.cid.clone(),
            users,
        })
        .await
    }

    /// Accepts the own invitation to the channel, and allows it. Without one, nothing happens.
    ///
    /// # Errors
    /// [`Error`] when the outbox is full or the write failed.
    pub async fn accept_invite(&self) -> Result<Queued, Error> {
        self.answer_invite(true).await
    }

    /// Rejects the own invitation to the channel: it is gone from the lists. Without one, nothing happens.
    ///
    /// # Errors
    /// As [`Channel::accept_invite`].
    pub async fn reject_invite(&self) -> Result<Queued, Error> {
        self.answer_invite(false).await
    }

    async fn answer_invite(&self, accept: bool) -> Result<Queued, Error> {
        let cid = self.cid.clone();
        self.enqueue(Op::AnswerInvite { cid, accept }).await
    }
}
