//! Reading in a thread, apart from the channel.

use super::Channel;
use crate::{Error, Queued};
use whimbrel_model::{FollowedThread, MessageId, Read, ReadPosition};

impl Channel {
    /// Reads what is known here of the thread of a message: its newest reply, and what is unread in it. Absent: the message is
    /// not on this device.
    ///
    /// # Errors
    /// [`Error::Store`] when the database cannot be read.
    pub async fn thread_overview(&self, parent: MessageId) -> Result<Option<FollowedThread>, Error> {
        let thread = self.client.store().thread(parent, &self.client.people()).await?;
        Ok(thread.filter(|thread| thread.parent.cid == self.cid))
    }

    /// Marks everything that is known here of a thread as read, and follows it from now on. Returns nothing when it was already.
    /// The channel's own read position is another one.
    ///
    /// # Errors
    /// As [`Channel::send`].
    pub async fn mark_thread_read(&self, parent: MessageId) -> Result<Option<Queued>, Error> {
        let Some(thread) = self.thread_overview(parent).await? else {
            return Ok(None);
        };
        let known = thread.parent.thread.map_or(0, |summary| summary.last_seq);
        let seq = thread
            .last_reply
            .as_ref()
            .map_or(known, |reply| known.max(reply.seq));
        let position = thread.position();
        if seq <= position.seq {
            return Ok(None);
        }
        self.move_read(Some(parent), ReadPosition { seq, ..position })
            .await
    }

    /// Marks a reply and all after it in its thread as unread, on every device of this account. Returns nothing when it was
    /// unread already, or is not a reply in this channel that is known here.
    ///
    /// # Errors
    /// As [`Channel::send`].
    pub async fn mark_thread_unread(&self, reply: MessageId) -> Result<Option<Queued>, Error> {
        let stored = self.client.message(reply).await?;
        let Some((reply, parent)) = stored.and_then(|message| Some((message.clone(), message.parent?)))
        else {
            return Ok(None);
        };
        let Some(thread) = self.thread_overview(parent).await? else {
            return Ok(None);
        };
        let position = thread.position();
        match position.unread_from(reply.seq) {
            Some(back) if reply.ver > 0 && reply.seq <= position.seq => {
                self.move_read(Some(parent), back).await
            }
            _ => Ok(None),
        }
    }

    /// Reads the members' read positions in the thread of a message from disk.
    ///
    /// # Errors
    /// [`Error::Store`] when the database cannot be read.
    pub async fn thread_reads(&self, parent: MessageId) -> Result<Vec<Read>, Error> {
        Ok(self.client.store().reads(&self.cid, Some(parent)).await?)
    }
}
