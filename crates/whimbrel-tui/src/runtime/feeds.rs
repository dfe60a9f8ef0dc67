//! What the client shows, as news for the app: one task for each thing that is watched.
//!
//! A list is kept by applying its diffs, and sent whole, which costs little: it shares all that did not change.

use crate::app::{Event, Feed, Scope, TimelineFeed};
use futures_util::StreamExt;
use tokio::sync::mpsc::Sender;
use whimbrel::{ChannelList, Client, Error, Timeline, field, model::MessageScope};

pub(super) async fn channels(client: Client, word: String, news: Sender<Event>) {
    let list = match channel_list(&client, &word).await {
        Ok(list) => list,
        Err(error) => return problem(&news, &error).await,
    };
    let mut load = list.watch_load_state();
    let (mut items, mut changes) = list.subscribe();
    loop {
        let feed = Feed::Channels {
            items: items.clone(),
            has_more: list.has_more(),
        };
        if news.send(Event::Feed(feed)).await.is_err() {
            return;
        }
        tokio::select! {
            batch = changes.next() => match batch {
                Some(batch) => batch.into_iter().for_each(|diff| diff.apply(&mut items)),
                None => return,
            },
            Some(_) = load.next() => {}
        }
    }
}

pub(super) async fn unread(client: Client, news: Sender<Event>) {
    let unread = match client.unread().await {
        Ok(unread) => unread,
        Err(error) => return problem(&news, &error).await,
    };
    let mut watch = unread.subscribe();
    let mut totals = Some(watch.get());
    while let Some(now) = totals {
        if news.send(Event::Feed(Feed::Unread(now))).await.is_err() {
            return;
        }
        totals = watch.next().await;
    }
}

pub(super) async fn timeline(client: Client, scope: Scope, news: Sender<Event>) {
    let timeline = match open(&client, &scope).await {
        Ok(timeline) => timeline,
        Err(error) => return problem(&news, &error).await,
    };
    let mut edge = timeline.watch_edge();
    let (mut items, mut changes) = timeline.subscribe();
    loop {
        let feed = TimelineFeed {
            scope: scope.clone(),
            items: items.clone(),
            edge: timeline.edge(),
        };
        if news.send(Event::Feed(Feed::Timeline(feed))).await.is_err() {
            return;
        }
        tokio::select! {
            batch = changes.next() => match batch {
                Some(batch) => batch.into_iter().for_each(|diff| diff.apply(&mut items)),
                None => return,
            },
            Some(_) = edge.next() => {}
        }
    }
}

pub(super) async fn sync(client: Client, news: Sender<Event>) {
    let mut states = client.watch_status();
    let mut state = Some(states.get());
    while let Some(now) = state {
        if news.send(Event::Feed(Feed::Sync(now))).await.is_err() {
            return;
        }
        state = states.next().await;
    }
}

pub(super) async fn outbox(client: Client, news: Sender<Event>) {
    let mut summaries = client.watch_outbox();
    let mut summary = Some(summaries.get());
    while let Some(now) = summary {
        let feed = Feed::Outbox {
            summary: now,
            items: client.outbox(),
        };
        if news.send(Event::Feed(feed)).await.is_err() {
            return;
        }
        summary = summaries.next().await;
    }
}

/// Opens the list of the channels whose names complete a word. One that is open already is the same one.
pub(super) async fn channel_list(client: &Client, word: &str) -> Result<ChannelList, Error> {
    if word.is_empty() {
        return client.channels().await;
    }
    client.query_channels(field("name").autocomplete(word)).await
}

/// Opens a timeline. One that is open already is the same one.
pub(super) async fn open(client: &Client, scope: &Scope) -> Result<Timeline, Error> {
    let channel = client.channel(scope.cid.as_str())?;
    match scope.messages {
        MessageScope::Channel => channel.timeline().await,
        MessageScope::Thread(parent) => channel.thread(parent).await,
    }
}

pub(super) async fn problem(news: &Sender<Event>, error: &Error) {
    let feed = Feed::Problem(error.to_string());
    // Nobody listens any more when the program ends.
    let _ = news.send(Event::Feed(feed)).await;
}
