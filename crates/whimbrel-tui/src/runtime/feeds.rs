//! What the client shows, as news for the app: one task for each thing that is watched.
//!
//! A list is kept by applying its diffs, and sent whole, which costs little: it shares all that did not change.

use crate::app::{Event, Feed, Scope, TimelineFeed};
use futures_util::StreamExt;
use tokio::sync::mpsc::Sender;
use whimbrel::{Client, Error, Timeline, model::MessageScope};

pub(super) async fn channels(client: Client, news: Sender<Event>) {
    let list = match client.channels().await {
        Ok(list) => list,
        Err(error) => return problem(&news, &error).await,
    };
    let mut has_more = list.subscribe_has_more();
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
            Some(_) = has_more.next() => {}
        }
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
