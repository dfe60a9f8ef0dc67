//! What the client shows of people, of the account and of its devices, as news for the app.

use super::feeds::{follow, follow_list, problem};
use crate::app::{Event, Feed, Scope, parent};
use futures_util::StreamExt;
use tokio::sync::mpsc::Sender;
use whimbrel::{
    Client, Devices,
    model::{ChannelId, MessageId, UserId},
};

pub(super) async fn typing(client: Client, scope: Scope, news: Sender<Event>) {
    match client.channel(scope.cid.as_str()) {
        Ok(channel) => {
            let typing = channel.watch_typing(parent(&scope));
            follow(typing, &news, |users| Feed::Typing(scope.clone(), users)).await;
        }
        Err(error) => problem(&news, &error).await,
    }
}

pub(super) async fn presence(client: Client, users: Vec<UserId>, news: Sender<Event>) {
    match client.presence(users).await {
        Ok(presence) => follow(presence.watch(), &news, Feed::Presence).await,
        Err(error) => problem(&news, &error).await,
    }
}

pub(super) async fn watchers(client: Client, cid: ChannelId, news: Sender<Event>) {
    let watchers = async { client.channel(cid.as_str())?.watchers().await };
    match watchers.await {
        Ok(watchers) => follow(watchers.watch(), &news, |now| Feed::Watchers(cid.clone(), now)).await,
        Err(error) => problem(&news, &error).await,
    }
}

pub(super) async fn receipts(client: Client, cid: ChannelId, id: MessageId, news: Sender<Event>) {
    let receipts = async { client.channel(cid.as_str())?.receipts(id).await };
    let receipts = match receipts.await {
        Ok(receipts) => receipts,
        Err(error) => return problem(&news, &error).await,
    };
    let (mut items, mut changes) = receipts.subscribe();
    loop {
        let feed = Feed::Receipts(id, items.clone());
        if news.send(Event::Feed(feed)).await.is_err() {
            return;
        }
        match changes.next().await {
            Some(batch) => batch.into_iter().for_each(|diff| diff.apply(&mut items)),
            None => return,
        }
    }
}

pub(super) async fn requests(client: Client, news: Sender<Event>) {
    let list = match client.requests().await {
        Ok(list) => list,
        Err(error) => return problem(&news, &error).await,
    };
    let feed = |items, has_more| Feed::Requests { items, has_more };
    follow_list(list.subscribe(), list.watch_load_state(), &news, feed).await;
}

pub(super) async fn account(client: Client, news: Sender<Event>) {
    follow(client.watch_account(), &news, Feed::Account).await;
}

pub(super) async fn devices(devices: Devices, news: Sender<Event>) {
    let mut changes = devices.watch();
    let mut items = Some(devices.items());
    while let Some(now) = items {
        if news.send(Event::Feed(Feed::Devices(now))).await.is_err() {
            return;
        }
        items = changes.next().await;
    }
}

pub(super) async fn device_sync(client: Client, news: Sender<Event>) {
    follow(client.watch_device_sync(), &news, Feed::DeviceSync).await;
}

/// Asks the server how the devices are. With no connection that is not known, and the list says so.
pub(super) async fn refresh(devices: Devices) {
    drop(devices.refresh().await);
}
