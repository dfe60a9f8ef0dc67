//! Every call that a client has.

use super::Stage;
use whimbrel_client::{ChannelUpdate, Error};
use whimbrel_model::{Gap, OpId};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Create,
    Update,
    AddMembers,
    RemoveMembers,
    Send,
    Reply,
    Edit,
    Delete,
    React,
    Unreact,
    MarkRead,
    Profile,
    EditQueued,
    // From here on: what needs a rejected operation, or the server, or only reads.
    Repeat,
    RepeatWith,
    RepeatAll,
    Discard,
    Timeline,
    Thread,
    LoadOlder,
    Channels,
    MoreChannels,
    Gaps,
    FillGap,
    Read,
    Explain,
}

/// What can be queued offline.
pub(crate) const WRITES: [Call; 13] = [
    Call::Create,
    Call::Update,
    Call::AddMembers,
    Call::RemoveMembers,
    Call::Send,
    Call::Reply,
    Call::Edit,
    Call::Delete,
    Call::React,
    Call::Unreact,
    Call::MarkRead,
    Call::Profile,
    Call::EditQueued,
];

pub(crate) const READS: [Call; 13] = [
    Call::Repeat,
    Call::RepeatWith,
    Call::RepeatAll,
    Call::Discard,
    Call::Timeline,
    Call::Thread,
    Call::LoadOlder,
    Call::Channels,
    Call::MoreChannels,
    Call::Gaps,
    Call::FillGap,
    Call::Read,
    Call::Explain,
];

/// Makes one call. `text` tells it from all others.
pub(crate) async fn act(stage: &Stage, call: Call, text: &str) -> Result<(), Error> {
    let Stage {
        ada, channel, mine, ..
    } = stage;
    match call {
        Call::Create => {
            let cid = format!("messaging:{}", text.to_lowercase().replace(' ', "-"));
            ada.channel(cid)?.create(text, ["bob"]).await.map(drop)
        }
        Call::Update => {
            let name = Some(text.to_owned());
            let update = ChannelUpdate {
                name,
                ..ChannelUpdate::default()
            };
            channel.update(update).await.map(drop)
        }
        Call::AddMembers => channel.add_members(["dan".parse()?]).await.map(drop),
        Call::RemoveMembers => channel.remove_members(["carol".parse()?]).await.map(drop),
        Call::Send => channel.send(text).await.map(drop),
        Call::Reply => channel.reply(*mine, text).await.map(drop),
        Call::Edit => channel.edit(*mine, text).await.map(drop),
        // One that is made for it: its sending and its deletion may come to nothing, as a whole.
        Call::Delete => {
            let sent = channel.send(text).await?;
            channel.delete(sent.id).await.map(drop)
        }
        Call::React => channel.react(*mine, "🎉").await.map(drop),
        Call::Unreact => channel.unreact(*mine, "🎉").await.map(drop),
        Call::MarkRead => channel.mark_read().await.map(drop),
        Call::Profile => ada
            .update_profile(Some(text.to_owned()), None, None)
            .await
            .map(drop),
        Call::EditQueued => match unsent(stage) {
            Some(op) => ada.edit_queued(op, text).await,
            None => channel.send(text).await.map(drop),
        },
        other => act_too(stage, other, text).await,
    }
}

/// The same for what is not queued offline.
async fn act_too(stage: &Stage, call: Call, text: &str) -> Result<(), Error> {
    let Stage {
        ada, channel, mine, ..
    } = stage;
    match call {
        Call::Repeat => match rejected(stage) {
            Some(op) => ada.retry(op).await.map(drop),
            None => Ok(()),
        },
        Call::RepeatWith => match rejected(stage) {
            Some(op) => ada.retry_with(op, text).await.map(drop),
            None => Ok(()),
        },
        Call::RepeatAll => ada.retry_all().await.map(drop),
        Call::Discard => match rejected(stage) {
            Some(op) => ada.discard(op).await,
            None => Ok(()),
        },
        Call::Timeline => channel.timeline().await.map(drop),
        Call::Thread => channel.thread(*mine).await.map(drop),
        Call::LoadOlder => stage.timeline.load_older(5).await,
        Call::Channels => ada.channels().await.map(drop),
        Call::MoreChannels => ada.channels().await?.load_more(5).await,
        Call::Gaps => channel.gaps().await.map(drop),
        Call::FillGap => {
            channel
                .fill_gap(
                    Gap {
                        lo: 1,
                        hi: 2,
                        stale: false,
                    },
                    2,
                )
                .await
        }
        Call::Read => {
            channel.summary().await?;
            channel.members().await?;
            channel.reads().await?;
            ada.users(&[ada.user().clone()]).await?;
            ada.message(*mine).await.map(drop)
        }
        Call::Explain => {
            ada.explain(OpId(mine.0)).await?;
            ada.next_attempt(OpId(mine.0)).await?;
            ada.explain_message(*mine).await.map(drop)
        }
        write => unreachable!("{write:?} is queued"),
    }
}

fn unsent(stage: &Stage) -> Option<OpId> {
    let outbox = stage.ada.outbox();
    let item = outbox
        .iter()
        .find(|item| item.op.name() == "send_message" && !item.attempted)?;
    Some(item.id)
}

fn rejected(stage: &Stage) -> Option<OpId> {
    let outbox = stage.ada.outbox();
    outbox
        .iter()
        .find(|item| item.rejection().is_some())
        .map(|item| item.id)
}
