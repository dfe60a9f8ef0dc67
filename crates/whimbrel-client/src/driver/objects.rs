//! The composed objects: opened, and fed with what only the store knows.

use super::Driver;
use crate::{Error, state_objects::OpenObject};
use std::{ops::ControlFlow, sync::Arc};
use whimbrel_model::{ChannelId, MessageId, MessageScope, limits};
use whimbrel_query::Query;
use whimbrel_state::{
    Admission, ChannelState, GlobalState, LoadState, QueryChannelsState, ThreadState, Timeline,
};

impl Driver {
    pub(super) async fn open_object(&mut self, open: OpenObject) {
        // Whoever asked may have gone.
        match open {
            OpenObject::Channel { cid, limit, reply } => {
                drop(reply.send(self.open_channel_state(cid, limit).await));
            }
            OpenObject::ChannelOver { timeline, reply } => {
                drop(reply.send(self.open_channel_state_over(&timeline).await));
            }
            OpenObject::Thread {
                cid,
                parent,
                limit,
                reply,
            } => drop(reply.send(self.open_thread_state(cid, parent, limit).await)),
            OpenObject::Channels {
                query,
                limit,
                admission,
                reply,
            } => drop(reply.send(self.open_channels_state(&query, limit, admission).await)),
            OpenObject::Global { reply } => drop(reply.send(self.open_global_state().await)),
        }
    }

    async fn open_channel_state(&mut self, cid: ChannelId, limit: usize) -> Result<ChannelState, Error> {
        let timeline = self.open_timeline(cid.clone(), MessageScope::Channel).await?;
        self.load_from_disk(&timeline, limit).await?;
        self.open_channel_state_over(&timeline).await
    }

    async fn open_channel_state_over(&self, timeline: &Timeline) -> Result<ChannelState, Error> {
        if let Some(open) = self.parts.state.channel_state(timeline) {
            return Ok(open);
        }
        let (drafts, pins) = (self.open_drafts().await?, self.open_pins(timeline.cid()).await?);
        let channel = self.parts.state.open_channel_state(timeline, &drafts, &pins);
        self.feed_channel(timeline.cid()).await?;
        self.look_up().await?;
        Ok(channel)
    }

    async fn open_thread_state(
        &mut self,
        cid: ChannelId,
        parent: MessageId,
        limit: usize,
    ) -> Result<ThreadState, Error> {
        let timeline = self
            .open_timeline(cid.clone(), MessageScope::Thread(parent))
            .await?;
        self.load_from_disk(&timeline, limit).await?;
        let drafts = self.open_drafts().await?;
        let thread = self.parts.state.open_thread_state(&timeline, parent, &drafts);
        self.feed_thread(&cid, parent).await?;
        self.publish_freshness();
        self.look_up().await?;
        Ok(thread)
    }

    async fn open_channels_state(
        &self,
        query: &Query,
        limit: usize,
        admission: Option<Arc<dyn Admission>>,
    ) -> Result<QueryChannelsState, Error> {
        let state = &self.parts.state;
        let list = match admission {
            Some(admission) => state.open_channels_by(query, admission),
            None => state.open_channels(query),
        };
        let missing = limit.saturating_sub(list.items().len());
        if list.load_state() == LoadState::Loading || (missing > 0 && list.has_more()) {
            self.extend_channels(&list, missing.max(1)).await?;
            self.publish_freshness();
        }
        Ok(state.open_channels_state(&list))
    }

    async fn open_global_state(&self) -> Result<GlobalState, Error> {
        let unread = self.open_unread().await?;
        let me = self.parts.state.me().clone();
        let profile = self.parts.store.users(&[me]).await?;
        self.parts.state.put_users(profile);
        let drafts = self.open_drafts().await?;
        let global = self.parts.state.open_global_state(&unread, &drafts);
        self.publish_freshness();
        Ok(global)
    }

    /// Adds older messages that are on disk, up to date and without a gap, until there are `limit`.
    async fn load_from_disk(&self, timeline: &Timeline, limit: usize) -> Result<(), Error> {
        let missing = limit
            .saturating_sub(timeline.items().len())
            .min(limits::PAGE_ROWS);
        if missing == 0 {
            return Ok(());
        }
        let query = timeline.older(missing);
        if let ControlFlow::Break(page) = self.older_on_disk(&query).await? {
            self.parts.state.extend_older(timeline, page);
        }
        Ok(())
    }

    /// Puts what the store has of a channel into its open object.
    async fn feed_channel(&self, cid: &ChannelId) -> Result<(), Error> {
        let store = &self.parts.store;
        let (members, reads) = (store.members(cid).await?, store.reads(cid, None).await?);
        self.parts.state.put_people(cid, &members, &reads);
        self.publish_freshness();
        self.put_channel(cid).await
    }

    async fn feed_thread(&self, cid: &ChannelId, parent: MessageId) -> Result<(), Error> {
        let reads = self.parts.store.reads(cid, Some(parent)).await?;
        self.parts.state.put_thread_reads(cid, parent, &reads);
        self.put_thread(parent).await
    }

    /// Reads the single messages that open objects need.
    pub(super) async fn look_up(&self) -> Result<(), Error> {
        for id in self.parts.state.wanted_messages() {
            let message = self.parts.store.message(id).await?;
            self.parts.state.put_message(id, message.as_ref());
        }
        Ok(())
    }

    /// Shows what is on disk of the open objects: a write that failed may have happened all the same.
    pub(super) async fn show_objects_again(&self) -> Result<(), Error> {
        let state = &self.parts.state;
        for cid in state.open_channel_states() {
            self.feed_channel(&cid).await?;
        }
        for (cid, parent) in state.open_thread_states() {
            self.feed_thread(&cid, parent).await?;
        }
        state.forget_messages();
        self.look_up().await
    }
}
