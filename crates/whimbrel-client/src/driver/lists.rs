//! Lists of channels: opened, read further, and read again.

use super::Driver;
use crate::Error;
use whimbrel_model::{ChannelId, ChannelSummary, MemberState};
use whimbrel_query::{ChannelItem, Query};
use whimbrel_state::{ChannelList, ChannelRow, Unread};

/// Rows that an opened list of channels begins with.
const FIRST_CHANNELS: usize = 30;

/// Rows of the channel list that are read at once to count what is unread.
const CHANNELS_AT_ONCE: usize = 1_000;

impl Driver {
    pub(super) async fn open_channels(&self, query: &Query) -> Result<ChannelList, Error> {
        let list = self.parts.state.open_channels(query);
        if list.load_state() == whimbrel_state::LoadState::Loading {
            self.extend_channels(&list, FIRST_CHANNELS).await?;
            self.publish_freshness();
        }
        Ok(list)
    }

    pub(super) async fn more_channels(&self, list: &ChannelList, limit: usize) -> Result<(), Error> {
        if !list.has_more() {
            return Ok(());
        }
        self.parts.state.set_loading_more(list, true);
        let loaded = self.extend_channels(list, limit).await;
        if loaded.is_err() {
            self.parts.state.set_loading_more(list, false);
        }
        loaded
    }

    pub(super) async fn open_unread(&self) -> Result<Unread, Error> {
        if let Some(open) = self.parts.state.unread() {
            return Ok(open);
        }
        let unread = self.count_unread().await?;
        self.read_all_threads().await?;
        Ok(unread)
    }

    /// Counts what is unread in all channels.
    pub(super) async fn count_unread(&self) -> Result<Unread, Error> {
        let (query, mut rows) = (Query::every_channel(), Vec::<ChannelSummary>::new());
        let people = self.parts.state.people();
        loop {
            let after = rows.last().map(|summary| {
                query.cursor(&ChannelItem {
                    summary,
                    members: &[],
                    people: &people,
                })
            });
            let page = self
                .parts
                .store
                .channels(&query, after.as_ref(), CHANNELS_AT_ONCE, &people)
                .await?;
            let is_last = page.len() < CHANNELS_AT_ONCE;
            rows.extend(page);
            if is_last {
                return Ok(self.parts.state.open_unread(&rows));
            }
        }
    }

    pub(super) async fn extend_channels(&self, list: &ChannelList, limit: usize) -> Result<(), Error> {
        let store = &self.parts.store;
        let after = list.next_page();
        let more = limit.saturating_add(1);
        let people = self.parts.state.people();
        let mut page = store
            .channels(list.query(), after.as_ref(), more, &people)
            .await?;
        let has_more = page.len() > limit;
        page.truncate(limit);
        let mut rows = Vec::with_capacity(page.len());
        for summary in page {
            rows.push(self.with_members(summary).await?);
        }
        for cid in self.parts.state.extend_channels(list, rows, has_more) {
            self.put_channel(&cid).await?;
        }
        Ok(())
    }

    /// Reads a channel's row again, and shows it.
    pub(super) async fn put_channel(&self, cid: &ChannelId) -> Result<(), Error> {
        let state = &self.parts.state;
        match self.parts.store.channel(cid, &state.people()).await? {
            Some(summary) => state.put_channel(self.with_members(summary).await?),
            None => state.put_no_channel(cid),
        }
        Ok(())
    }

    /// Adds the members, if somebody asks for them.
    async fn with_members(&self, summary: ChannelSummary) -> Result<ChannelRow, Error> {
        let mut row = ChannelRow::from(summary);
        if self.parts.state.asks_for_members() {
            let members = self.parts.store.members(&row.summary.cid).await?.into_iter();
            // Who was in a history that the server no longer has says nothing about this one.
            let active = members.filter(|member| member.state == MemberState::Active && member.ver > 0);
            row.members = Some(active.map(|member| member.user).collect());
        }
        Ok(row)
    }

    /// Shows what is on disk of the open lists: a write that failed may have happened all the same.
    pub(super) async fn show_channels_again(&self) -> Result<(), Error> {
        for list in self.parts.state.channel_lists() {
            for item in list.items() {
                self.put_channel(&item.cid).await?;
            }
            self.read_again(&list).await?;
        }
        Ok(())
    }

    /// Reads a list from its beginning as far as it reaches: any number of channels may have come into it.
    async fn read_again(&self, list: &ChannelList) -> Result<(), Error> {
        let (limit, people) = (list.loaded() + FIRST_CHANNELS, self.parts.state.people());
        let (mut after, mut read) = (None, 0);
        loop {
            let rows = self
                .parts
                .store
                .channels(list.query(), after.as_ref(), limit, &people)
                .await?;
            let is_last = rows.len() < limit;
            read += rows.len();
            after = rows.last().map(|summary| {
                list.query().cursor(&ChannelItem {
                    summary,
                    members: &[],
                    people: &people,
                })
            });
            for summary in rows {
                let row = self.with_members(summary).await?;
                self.parts.state.put_channel(row);
            }
            // Of what was read, some is beyond what the list was read up to: the rest comes with its next page.
            if is_last || list.loaded() < read {
                return Ok(());
            }
        }
    }
}
