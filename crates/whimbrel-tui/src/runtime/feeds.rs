//! What the client shows, as news for the app: one task for each thing that is watched.
//!
//! A list is kept by applying its diffs, and sent whole, which costs little: it shares all that did not change.

use crate::app::{Event, Feed, Scope, ShownDraft, TimelineFeed, listing};
use futures_util::StreamExt;
use tokio::sync::mpsc::Sender;
use whimbrel::{
    ChannelList, Client, Diffs, DraftView, Error, Items, LoadState, Timeline, Watch,
    model::{ChannelId, DeviceId, DraftContent, DraftSeen, MessageId, MessageScope},
};

pub(super) async fn channels(client: Client, word: String, news: Sender<Event>) {
    let list = match channel_list(&client, &word).await {
        Ok(list) => list,
        Err(error) => return say(&news, error).await,
    };
    let feed = |items, has_more| Feed::Channels { items, has_more };
    follow_list(list.subscribe(), list.watch_load_state(), &news, feed).await;
}

pub(super) async fn unread(client: Client, news: Sender<Event>) {
    match client.unread().await {
        Ok(unread) => follow(unread.subscribe(), &news, Feed::Unread).await,
        Err(error) => problem(&news, &error).await,
    }
}

/// Tells of a value: what it is now, and each later one.
pub(super) async fn follow<T: Clone>(mut value: Watch<T>, news: &Sender<Event>, feed: impl Fn(T) -> Feed) {
    let mut now = Some(value.get());
    while let Some(next) = now {
        if news.send(Event::Feed(feed(next))).await.is_err() {
            return;
        }
        now = value.next().await;
    }
}

/// Tells of a list: what it is now, and after each change, with whether there is more of it to load.
pub(super) async fn follow_list<T: Clone + Send + Sync + Unpin + 'static>(
    (mut items, mut changes): (Items<T>, Diffs<T>),
    mut load: Watch<LoadState>,
    news: &Sender<Event>,
    feed: impl Fn(Items<T>, bool) -> Feed,
) {
    loop {
        let has_more = load.get() == LoadState::More;
        if news
            .send(Event::Feed(feed(items.clone(), has_more)))
            .await
            .is_err()
        {
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

pub(super) async fn timeline(client: Client, scope: Scope, around: Option<MessageId>, news: Sender<Event>) {
    let timeline = match open(&client, &scope).await {
        Ok(timeline) => timeline,
        Err(error) => return problem(&news, &error).await,
    };
    let mut edge = timeline.watch_edge();
    let mut newer = timeline.watch_newer_edge();
    if let Some(message) = around
        && let Err(error) = timeline.jump_to(message).await
    {
        problem(&news, &error).await;
    }
    let (mut items, mut changes) = timeline.subscribe();
    loop {
        let feed = TimelineFeed {
            scope: scope.clone(),
            items: items.clone(),
            edge: timeline.edge(),
            newer: timeline.newer_edge(),
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
            Some(_) = newer.next() => {}
        }
    }
}

pub(super) async fn sync(client: Client, news: Sender<Event>) {
    follow(client.watch_status(), &news, Feed::Sync).await;
}

pub(super) async fn outbox(client: Client, news: Sender<Event>) {
    let feed = |summary| Feed::Outbox {
        summary,
        items: client.outbox(),
    };
    follow(client.watch_outbox(), &news, feed).await;
}

pub(super) async fn threads(client: Client, news: Sender<Event>) {
    let list = match client.threads().await {
        Ok(list) => list,
        Err(error) => return problem(&news, &error).await,
    };
    let feed = |items, has_more| Feed::Threads { items, has_more };
    follow_list(list.subscribe(), list.watch_load_state(), &news, feed).await;
}

pub(super) async fn drafts(client: Client, news: Sender<Event>) {
    let drafts = match client.drafts().await {
        Ok(drafts) => drafts,
        Err(error) => return problem(&news, &error).await,
    };
    let (mut items, mut changes) = drafts.subscribe();
    loop {
        let feed = Feed::Drafts(items.iter().map(|view| shown(view, client.device())).collect());
        if news.send(Event::Feed(feed)).await.is_err() {
            return;
        }
        match changes.next().await {
            Some(batch) => batch.into_iter().for_each(|diff| diff.apply(&mut items)),
            None => return,
        }
    }
}

fn shown(view: &DraftView, me: DeviceId) -> ShownDraft {
    let beside = view.beside.iter().filter_map(|draft| {
        let seen = DraftSeen {
            device: draft.device,
            ver: draft.ver,
        };
        Some((draft.content.clone()?, seen))
    });
    let (first, beside) = own_first((view.content.clone(), view.seen()), beside.collect(), me);
    ShownDraft {
        scope: Scope {
            cid: view.cid.clone(),
            messages: view.parent.map_or(MessageScope::Channel, MessageScope::Thread),
        },
        content: first.0,
        seen: first.1,
        beside,
    }
}

type Seen = (DraftContent, DraftSeen);

/// Puts what this device wrote first, if it wrote there: the client has drafts in the server's order. The own one needs no version.
fn own_first(
    (content, seen): (DraftContent, Option<DraftSeen>),
    mut beside: Vec<Seen>,
    me: DeviceId,
) -> ((DraftContent, Option<DraftSeen>), Vec<Seen>) {
    let Some(seen) = seen.filter(|seen| seen.device != me) else {
        return ((content, None), beside);
    };
    match beside.iter().position(|(_, seen)| seen.device == me) {
        None => ((content, Some(seen)), beside),
        Some(at) => {
            let (own, _) = beside.remove(at);
            beside.insert(0, (content, seen));
            ((own, None), beside)
        }
    }
}

pub(super) async fn pins(client: Client, cid: ChannelId, news: Sender<Event>) {
    let pins = async { client.channel(cid.as_str())?.pins().await };
    let pins = match pins.await {
        Ok(pins) => pins,
        Err(error) => return problem(&news, &error).await,
    };
    let (mut items, mut changes) = pins.subscribe();
    loop {
        let feed = Feed::Pins(cid.clone(), items.clone());
        if news.send(Event::Feed(feed)).await.is_err() {
            return;
        }
        match changes.next().await {
            Some(batch) => batch.into_iter().for_each(|diff| diff.apply(&mut items)),
            None => return,
        }
    }
}

/// Opens the list of the channels that a typed query wants. One that is open already is the same one.
pub(super) async fn channel_list(client: &Client, typed: &str) -> Result<ChannelList, String> {
    let list = client
        .query_channels(listing::filter(typed)?)
        .sort(listing::order());
    list.await.map_err(|error| error.to_string())
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
    say(news, error.to_string()).await;
}

pub(super) async fn say(news: &Sender<Event>, problem: String) {
    let feed = Feed::Problem(problem);
    // Nobody listens any more when the program ends.
    let _ = news.send(Event::Feed(feed)).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_device_wrote_comes_first() {
        let device = |number: u64| -> DeviceId {
            let id = format!("01900000-0000-7000-8000-{number:012x}");
            id.parse().unwrap()
        };
        let of = |number, text: &str| {
            let device = device(number);
            (DraftContent::text(text), DraftSeen { device, ver: number })
        };
        let (own, other, third) = (of(1, "own"), of(2, "other"), of(3, "third"));
        let first = |draft: &Seen| (draft.0.clone(), Some(draft.1));
        let in_line = (own.0.clone(), None);
        let me = device(1);
        assert_eq!(
            own_first(first(&other), vec![third.clone(), own.clone()], me),
            (in_line.clone(), vec![other.clone(), third.clone()])
        );
        assert_eq!(
            own_first(first(&own), vec![other.clone()], me),
            (in_line, vec![other.clone()])
        );
        assert_eq!(
            own_first(first(&other), vec![third.clone()], me),
            (first(&other), vec![third])
        );
    }
}
