//! A client that does what it is told on standard input. See `whimbrel_e2e::agent`.

use clap::Parser;
use std::{path::PathBuf, process::ExitCode};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use whimbrel::{
    Client, Defaults as _, Error, ReceiptStatus, SyncState, TimelineItem, Watch,
    model::{ChannelId, MemberState, MessageId, UserId, overlay::MessageStatus},
};
use whimbrel_e2e::agent::{Answer, Order, Reached, Sight};

#[derive(Debug, Parser)]
struct Cli {
    #[arg(long)]
    user: String,
    #[arg(long)]
    server: String,
    #[arg(long)]
    directory: PathBuf,
    #[arg(long, env = "WHIMBREL_TOKEN", hide_env_values = true)]
    token: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let opened = Client::builder()
        .user(cli.user)
        .server(&cli.server)
        .token(cli.token)
        .directory(cli.directory);
    let client = match opened.open().await {
        Ok(client) => client,
        Err(error) => {
            let answer = Answer::Failed(error.to_string());
            return if write(&answer).await.is_ok() {
                ExitCode::FAILURE
            } else {
                ExitCode::from(2)
            };
        }
    };
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let order = serde_json::from_str(&line);
        let last = matches!(order, Ok(Order::Close));
        let answer = match order {
            Ok(order) => carry_out(&client, order)
                .await
                .unwrap_or_else(|error| Answer::Failed(error.to_string())),
            Err(error) => Answer::Failed(error.to_string()),
        };
        if write(&answer).await.is_err() || last {
            break;
        }
    }
    client.close().await;
    ExitCode::SUCCESS
}

async fn write(answer: &Answer) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(answer).map_err(std::io::Error::other)?;
    line.push(b'\n');
    let mut output = tokio::io::stdout();
    output.write_all(&line).await?;
    output.flush().await
}

async fn carry_out(client: &Client, order: Order) -> Result<Answer, Error> {
    match order {
        Order::Connect => client.connect().await?,
        Order::Disconnect => client.disconnect().await?,
        Order::Create { cid, name, members } => {
            client
                .channel(&cid)?
                .create(name, members.iter().map(String::as_str))
                .await?;
        }
        Order::Send { cid, text, parent } => {
            let channel = client.channel(&cid)?;
            let sent = match parent {
                Some(parent) => channel.reply(parent, text).await?,
                None => channel.send(text).await?,
            };
            return Ok(Answer::Sent(sent.id));
        }
        Order::Edit { cid, id, text } => drop(client.channel(&cid)?.edit(id, text).await?),
        Order::Delete { cid, id } => drop(client.channel(&cid)?.delete(id).await?),
        Order::React { cid, id, kind } => drop(client.channel(&cid)?.react(id, &kind).await?),
        Order::Unreact { cid, id, kind } => drop(client.channel(&cid)?.unreact(id, &kind).await?),
        Order::Add { cid, user } => drop(client.channel(&cid)?.add_members([user.parse()?]).await?),
        Order::Remove { cid, user } => drop(client.channel(&cid)?.remove_members([user.parse()?]).await?),
        Order::Knows { cid, message } => return knows(client, &cid, message).await,
        Order::Read { cid } => drop(client.channel(&cid)?.mark_read().await?),
        Order::Pin { cid, id, pinned } => {
            let channel = client.channel(&cid)?;
            if pinned {
                channel.pin_message(id, None).await?;
            } else {
                channel.unpin_message(id).await?;
            }
        }
        Order::ReadThread { cid, parent } => drop(client.channel(&cid)?.mark_thread_read(parent).await?),
        Order::Invisible { on } => drop(client.set_invisible(on).await?),
        Order::Keep { key, value } => client.local_settings().set(key, value).await?,
        Order::Await(sight) => see(client, sight).await?,
        Order::Drain => drain(client).await,
        Order::Lost => {
            let mut status = client.watch_status();
            while matches!(client.status(), SyncState::Live | SyncState::CatchingUp { .. }) {
                status.next().await;
            }
        }
        Order::Show { cid, rows } => return show(client, &cid, rows).await,
        Order::Close => {}
    }
    Ok(Answer::Done)
}

async fn knows(client: &Client, cid: &str, message: Option<MessageId>) -> Result<Answer, Error> {
    let summary = client.channel(cid)?.summary().await?;
    let membership = summary.and_then(|summary| summary.membership);
    let mut known = membership.is_some_and(|membership| membership.state == MemberState::Active);
    if let Some(id) = message {
        let held = client.message(id).await?;
        known &= held.is_some_and(|message| message.ver > 0 && message.cid.as_str() == cid);
    }
    Ok(Answer::Knows(known))
}

async fn drain(client: &Client) {
    let (mut status, mut outbox) = (client.watch_status(), client.watch_outbox());
    while client.status() != SyncState::Live || outbox.get().queued > 0 {
        tokio::select! {
            biased;
            _ = status.next() => {}
            _ = outbox.next() => {}
        }
    }
}

/// Waits until the client shows something.
async fn see(client: &Client, sight: Sight) -> Result<(), Error> {
    match sight {
        Sight::Online { user, online } => {
            let user: UserId = user.parse()?;
            let presence = client.presence([user.clone()]).await?;
            until(presence.watch(), |users| {
                users.get(&user).and_then(|of| of.online) == Some(online)
            })
            .await
        }
        Sight::Kept { key, value } => {
            let settings = client.local_settings();
            until(settings.watch(), |all| all.get(&key) == Some(&value)).await
        }
        Sight::Receipt { cid, id, reached } => see_receipt(client, &cid, id, reached).await,
        Sight::Request { cid, there } => see_request(client, cid.parse()?, there).await,
    }
}

/// Waits until a value is as it should be.
async fn until<T: Clone>(mut value: Watch<T>, is_so: impl Fn(&T) -> bool) -> Result<(), Error> {
    let mut now = Some(value.get());
    while let Some(shown) = now {
        if is_so(&shown) {
            return Ok(());
        }
        now = value.next().await;
    }
    Err(Error::Closed)
}

async fn see_receipt(client: &Client, cid: &str, id: MessageId, reached: Reached) -> Result<(), Error> {
    use futures_util::StreamExt as _;
    let wanted = match reached {
        Reached::Delivered => ReceiptStatus::Delivered,
        Reached::Read => ReceiptStatus::Read,
    };
    let timeline = client.channel(cid)?.timeline().await?;
    let (_, mut changes) = timeline.subscribe();
    loop {
        let items = timeline.items();
        let receipt = items
            .iter()
            .find(|item| item.id() == id)
            .and_then(|item| item.receipt);
        if receipt.is_some_and(|receipt| receipt.status >= wanted) {
            return Ok(());
        }
        changes.next().await.ok_or(Error::Closed)?;
    }
}

async fn see_request(client: &Client, cid: ChannelId, there: bool) -> Result<(), Error> {
    use futures_util::StreamExt as _;
    let list = client.requests().await?;
    let (_, mut changes) = list.subscribe();
    while list.items().iter().any(|item| item.cid == cid) != there {
        changes.next().await.ok_or(Error::Closed)?;
    }
    Ok(())
}

async fn show(client: &Client, cid: &str, rows: usize) -> Result<Answer, Error> {
    use futures_util::StreamExt as _;
    let timeline = client.channel(cid)?.timeline().await?;
    let (_, mut changes) = timeline.subscribe();
    while timeline.items().len() < rows && changes.next().await.is_some() {}
    Ok(Answer::Shown(
        timeline.items().iter().map(|item| line(item)).collect(),
    ))
}

fn line(item: &TimelineItem) -> String {
    let message = &item.view.message;
    let mark = match &item.view.status {
        MessageStatus::Pending => "pending",
        MessageStatus::Failed(_) => "failed",
        MessageStatus::Sent if item.view.change_pending => "change pending",
        MessageStatus::Sent => match item.receipt.map(|receipt| receipt.status) {
            Some(ReceiptStatus::Read) => "read",
            Some(ReceiptStatus::Delivered) => "delivered",
            _ => "sent",
        },
    };
    let text = if message.is_deleted() {
        "(deleted)"
    } else {
        &message.body.text
    };
    let reactions: String = item
        .reactions
        .iter()
        .map(|group| format!(" {}{}", group.kind, group.count))
        .collect();
    format!("{:<4} {text}{reactions}  [{mark}]", message.author.as_str())
}
