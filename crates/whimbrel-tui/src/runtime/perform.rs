//! Actions as calls of the client.

use super::feeds;
use crate::app::{Action, Decision, Event, Feed, Hold, Keep, Scope, parent};
use tokio::sync::{
    mpsc::{Receiver, Sender},
    oneshot,
};
use whimbrel::{
    Channel, Client, Error, NewDraft,
    model::{ChannelId, DraftContent, DraftSeen},
};

/// Rows that are loaded at once: two screens.
const MORE: usize = 50;

/// Carries out actions one after the other, in the order in which the keys were pressed. None waits for the network. `doing` is
/// dropped when all are done.
pub(super) async fn in_order(
    client: Client,
    mut orders: Receiver<Action>,
    news: Sender<Event>,
    doing: oneshot::Sender<()>,
) {
    while let Some(action) = orders.recv().await {
        match carry_out(&client, action).await {
            // Nobody listens any more when the program ends; what was ordered before is still done.
            Ok(Some(feed)) => drop(news.send(Event::Feed(feed)).await),
            Ok(None) => {}
            Err(error) => feeds::problem(&news, &error).await,
        }
    }
    drop(doing);
}

/// Loads messages into a timeline, and tells when that is over.
pub(super) async fn load(client: Client, action: Action, news: Sender<Event>) {
    let (Action::LoadOlder(scope) | Action::LoadNewer(scope) | Action::Newest(scope)) = &action else {
        return;
    };
    let loaded = async {
        let timeline = feeds::open(&client, scope).await?;
        match &action {
            Action::LoadOlder(_) => timeline.load_older(MORE).await,
            Action::LoadNewer(_) => timeline.load_newer(MORE).await,
            _ => timeline.jump_to_newest().await,
        }
    };
    let problem = loaded.await.err().map(|error| error.to_string());
    // Nobody listens any more when the program ends.
    let _ = news.send(Event::Feed(Feed::Loaded(scope.clone(), problem))).await;
}

async fn keep(channel: Channel, keep: Keep) -> Result<(), Error> {
    let kept = match keep {
        Keep::Pinned(true) => channel.pin().await,
        Keep::Pinned(false) => channel.unpin().await,
        Keep::Archived(true) => channel.archive().await,
        Keep::Archived(false) => channel.unarchive().await,
        Keep::Hidden(true) => channel.hide().await,
        Keep::Hidden(false) => channel.show().await,
        Keep::Muted(true) => channel.mute(None).await,
        Keep::Muted(false) => channel.unmute().await,
    };
    kept.map(drop)
}

/// Keeps a draft. Without content it gives up the own one, and those that were in it; what is beside stays.
async fn save_draft(
    channel: Channel,
    scope: &Scope,
    content: Option<DraftContent>,
    replaces: Vec<DraftSeen>,
) -> Result<(), Error> {
    let parent = parent(scope);
    if let Some(content) = content {
        let draft = NewDraft {
            content,
            parent,
            replaces,
        };
        return channel.save_draft(draft).await.map(drop);
    }
    channel.clear_draft(parent, replaces).await.map(drop)
}

async fn typing(channel: Channel, scope: &Scope, on: bool) -> Result<(), Error> {
    match (on, parent(scope)) {
        (true, None) => channel.typing().await,
        (true, Some(parent)) => channel.thread_typing(parent).await,
        (false, parent) => channel.stop_typing(parent).await,
    }
}

async fn decide(client: &Client, decision: Decision) -> Result<(), Error> {
    let decided = match decision {
        Decision::Settings(change) => client.update_settings(change).await,
        Decision::Person(user, Hold::Allow) => client.allow(user).await,
        Decision::Person(user, Hold::Block(until)) => client.block_user(user, until).await,
        Decision::Person(user, Hold::Unblock) => client.unblock_user(user).await,
        Decision::Person(user, Hold::Mute(until)) => client.mute_user(user, until).await,
        Decision::Person(user, Hold::Unmute) => client.unmute_user(user).await,
        Decision::Consent(cid, consent) => client.channel(cid.as_str())?.set_consent(consent).await,
        Decision::Answer(cid, true) => client.channel(cid.as_str())?.accept_invite().await,
        Decision::Answer(cid, false) => client.channel(cid.as_str())?.reject_invite().await,
        Decision::Invite(cid, users) => client.channel(cid.as_str())?.invite(users).await,
        Decision::RenameDevice(device, name) => client.rename_device(device, name).await,
        Decision::RevokeDevice(device) => client.revoke_device(device).await,
    };
    decided.map(drop)
}

async fn carry_out(client: &Client, action: Action) -> Result<Option<Feed>, Error> {
    let channel = |cid: &ChannelId| client.channel(cid.as_str());
    match action {
        Action::Send(cid, message) => drop(channel(&cid)?.send(message).await?),
        Action::Edit(cid, id, body) => drop(channel(&cid)?.edit(id, body).await?),
        Action::Delete(cid, id) => drop(channel(&cid)?.delete(id).await?),
        Action::React(cid, id, kind) => drop(channel(&cid)?.react(id, &kind).await?),
        Action::Unreact(cid, id, kind) => drop(channel(&cid)?.unreact(id, &kind).await?),
        Action::Create(cid, new) => drop(channel(&cid)?.create_with(new).await?),
        Action::MarkRead(cid) => drop(channel(&cid)?.mark_read().await?),
        Action::MarkUnread(cid, id) => drop(channel(&cid)?.mark_unread(id).await?),
        Action::MarkThreadRead(cid, id) => drop(channel(&cid)?.mark_thread_read(id).await?),
        Action::MarkThreadUnread(cid, id) => drop(channel(&cid)?.mark_thread_unread(id).await?),
        Action::PinMessage(cid, id, true) => drop(channel(&cid)?.pin_message(id, None).await?),
        Action::PinMessage(cid, id, false) => drop(channel(&cid)?.unpin_message(id).await?),
        Action::Keep(cid, kept) => keep(channel(&cid)?, kept).await?,
        Action::SaveDraft(scope, content, replaces) => {
            save_draft(channel(&scope.cid)?, &scope, content, replaces).await?;
        }
        Action::Typing(scope, on) => typing(channel(&scope.cid)?, &scope, on).await?,
        Action::Decide(decision) => decide(client, decision).await?,
        Action::AskDevices => client.request_device_sync().await?,
        Action::MoreRequests => client.requests().await?.load_more(MORE).await?,
        Action::MoreThreads => client.threads().await?.load_more(MORE).await?,
        Action::MoreChannels(word) => match feeds::channel_list(client, &word).await {
            Ok(list) => list.load_more(MORE).await?,
            Err(problem) => return Ok(Some(Feed::Problem(problem))),
        },
        Action::Connect => client.connect().await?,
        Action::Disconnect => client.disconnect().await?,
        Action::Retry(op) => drop(client.retry(op).await?),
        Action::Discard(op) => client.discard(op).await?,
        Action::ReadUsers(users) => return Ok(Some(Feed::Users(client.users(&users).await?))),
        Action::ReadName(cid) => {
            let summary = channel(&cid)?.summary().await?;
            let name = summary.and_then(|summary| Some(summary.channel?.name));
            return Ok(Some(Feed::Name(cid, name.unwrap_or_default())));
        }
        Action::ReadMembers(cid) => {
            let members = channel(&cid)?.members().await?;
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
        | Action::WatchAround(..)
        | Action::WatchPeople(_)
        | Action::WatchReceipts(..)
        | Action::LeaveReceipts
        | Action::RefreshDevices
        | Action::FilterChannels(_)
        | Action::LeaveThread
        | Action::LoadOlder(_)
        | Action::LoadNewer(_)
        | Action::Newest(_)
        | Action::Search(_)
        | Action::Quit => {}
    }
    Ok(None)
}
