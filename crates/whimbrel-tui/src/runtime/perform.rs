//! Actions as calls of the client.

use super::feeds;
use crate::app::{Action, Event, Feed, Scope};
use tokio::sync::mpsc::{Receiver, Sender};
use whimbrel::{Client, Error};

/// Rows that are loaded at once: two screens.
const MORE: usize = 50;

/// Carries out actions one after the other, in the order in which the keys were pressed. None waits for the network.
pub(super) async fn in_order(client: Client, mut orders: Receiver<Action>, news: Sender<Event>) {
    while let Some(action) = orders.recv().await {
        match carry_out(&client, action).await {
            Ok(Some(feed)) => {
                if news.send(Event::Feed(feed)).await.is_err() {
                    return;
                }
            }
            Ok(None) => {}
            Err(error) => feeds::problem(&news, &error).await,
        }
    }
}

/// Loads older messages, and tells when that is over.
pub(super) async fn load_older(client: Client, scope: Scope, news: Sender<Event>) {
    let loaded = async { feeds::open(&client, &scope).await?.load_older(MORE).await };
    let problem = loaded.await.err().map(|error| error.to_string());
    // Nobody listens any more when the program ends.
    let _ = news.send(Event::Feed(Feed::Older(scope, problem))).await;
}

async fn carry_out(client: &Client, action: Action) -> Result<Option<Feed>, Error> {
    match action {
        Action::Send(cid, message) => drop(client.channel(cid.as_str())?.send(message).await?),
        Action::Edit(cid, id, body) => drop(client.channel(cid.as_str())?.edit(id, body).await?),
        Action::Delete(cid, id) => drop(client.channel(cid.as_str())?.delete(id).await?),
        Action::React(cid, id, kind) => drop(client.channel(cid.as_str())?.react(id, &kind).await?),
        Action::Unreact(cid, id, kind) => drop(client.channel(cid.as_str())?.unreact(id, &kind).await?),
        Action::Create(cid, new) => drop(client.channel(cid.as_str())?.create_with(new).await?),
        Action::MarkRead(cid) => drop(client.channel(cid.as_str())?.mark_read().await?),
        Action::MarkUnread(cid, id) => drop(client.channel(cid.as_str())?.mark_unread(id).await?),
        Action::MoreChannels(word) => feeds::channel_list(client, &word).await?.load_more(MORE).await?,
        Action::Connect => client.connect().await?,
        Action::Disconnect => client.disconnect().await?,
        Action::Retry(op) => drop(client.retry(op).await?),
        Action::Discard(op) => client.discard(op).await?,
        Action::ReadUsers(users) => return Ok(Some(Feed::Users(client.users(&users).await?))),
        Action::ReadMembers(cid) => {
            let members = client.channel(cid.as_str())?.members().await?;
            return Ok(Some(Feed::Members(cid, members)));
        }
        Action::ReadMessage(id) => {
            return Ok(Some(Feed::Message(id, client.message(id).await?.map(Box::new))));
        }
        Action::Explain(id) => {
            return Ok(Some(Feed::Explained(
                client.explain_message(id).await?.to_string(),
            )));
        }
        // The runtime does these itself.
        Action::Watch(_)
        | Action::FilterChannels(_)
        | Action::LeaveThread
        | Action::LoadOlder(_)
        | Action::Quit => {}
    }
    Ok(None)
}
