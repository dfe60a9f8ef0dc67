//! What is beside the streams: who is online, who has a channel open, who types.

use super::{
    Checked, Problem,
    peer::{Peer, Stranger, unexpected},
    script::{Room, World},
};
use whimbrel_model::{
    Code, ConsentState, ContactChange, Custom, DeviceId, Op, SetConsent, SettingsChange, UserId, limits,
};
use whimbrel_protocol::{
    AskPresence, ClientFrame, Hello, OwnPresence, PROTOCOL, Presence, ServerFrame, Typing, UserPresence,
    UserTyping, Watchers, Watching,
};

/// Frames of which one has to be what is waited for: more are a server that says the same without end.
const TOO_MANY: usize = 100;

fn settings(change: SettingsChange) -> Op {
    Op::UpdateSettings { change }
}

fn invisible(invisible: bool) -> Op {
    settings(SettingsChange {
        invisible: Some(invisible),
        ..SettingsChange::default()
    })
}

fn consent(of: &UserId, state: ConsentState) -> Op {
    Op::UpdateContact {
        user: of.clone(),
        change: ContactChange {
            consent: Some(SetConsent { state, until: None }),
            muted: None,
        },
    }
}

/// Asks for the presence of users, and returns the answer.
async fn ask(peer: &mut Peer, users: Vec<UserId>) -> Result<Presence, Problem> {
    let ask = AskPresence {
        id: 71,
        add: users,
        remove: Vec::new(),
        background: None,
    };
    peer.send(&ClientFrame::Presence(ask)).await?;
    for _ in 0..TOO_MANY {
        match peer.answer("presence").await? {
            ServerFrame::Presence(presence) if presence.id == Some(71) => return Ok(presence),
            ServerFrame::Presence(_) => {}
            other => return Err(unexpected("presence", &other)),
        }
    }
    Err(Problem::Failed("presence was not answered".to_owned()))
}

/// Asks for one user who has to be accepted.
async fn ask_one(peer: &mut Peer, user: &UserId) -> Result<UserPresence, Problem> {
    let mut presence = ask(peer, vec![user.clone()]).await?;
    ensure!(
        presence.refused.is_empty() && presence.users.len() == 1 && presence.users[0].user == *user,
        "{user} was asked for, and answered with {presence:?}"
    );
    Ok(presence.users.remove(0))
}

/// Waits until a user is told to be as wanted. Fails if they are told to be as nobody may see them.
async fn told(
    peer: &mut Peer,
    what: &str,
    wanted: impl Fn(&UserPresence) -> bool,
) -> Result<UserPresence, Problem> {
    for _ in 0..TOO_MANY {
        match peer.answer(what).await? {
            ServerFrame::Presence(presence) => {
                ensure!(
                    presence.id.is_none(),
                    "an answer that nobody asked for: {presence:?}"
                );
                if let Some(user) = presence.users.into_iter().find(|user| wanted(user)) {
                    return Ok(user);
                }
            }
            other => return Err(unexpected(what, &other)),
        }
    }
    Err(Problem::Failed(format!("waited for {what}")))
}

/// Returns every frame that has come before the answer to a request made now, events aside.
async fn so_far(peer: &mut Peer) -> Result<Vec<ServerFrame>, Problem> {
    let heads = whimbrel_protocol::Heads { id: 72, since: None };
    peer.send(&ClientFrame::Heads(heads)).await?;
    let mut frames = Vec::new();
    loop {
        match peer.answer("heads").await? {
            ServerFrame::Heads(page) if page.id == 72 => return Ok(frames),
            frame => frames.push(frame),
        }
    }
}

pub(super) async fn whose_presence_is_wanted_is_told_at_once_and_with_each_change(world: &World) -> Checked {
    let (mut ada, mut bob) = (world.ada().await?, world.bob().await?);
    world.room(&mut ada).await?;
    ada.accepted(world.op(invisible(false))).await?;
    let seen = ask_one(&mut bob, world.user(0)).await?;
    ensure!(
        seen.online && seen.last_active.is_some(),
        "ada is connected: {seen:?}"
    );
    let status = format!("status {}", world.id());
    let custom = Custom::default().with("number", 7);
    let change = SettingsChange {
        status: Some(status.clone()),
        custom: Some(custom.clone()),
        ..SettingsChange::default()
    };
    ada.accepted(world.op(settings(change))).await?;
    let seen = told(&mut bob, "the new status", |user| user.status == status).await?;
    ensure!(seen.online && seen.custom == custom, "{seen:?}");
    let remove = AskPresence {
        id: 73,
        add: Vec::new(),
        remove: vec![world.user(0).clone()],
        background: None,
    };
    bob.send(&ClientFrame::Presence(remove)).await?;
    let other = SettingsChange {
        status: Some(String::new()),
        custom: Some(Custom::default()),
        ..SettingsChange::default()
    };
    ada.accepted(world.op(settings(other))).await?;
    let frames = so_far(&mut bob).await?;
    let news =
        |frame: &&ServerFrame| matches!(frame, ServerFrame::Presence(presence) if presence.id.is_none());
    ensure!(
        frames.iter().find(news).is_none(),
        "told of somebody who was removed: {frames:?}"
    );
    Ok(())
}

pub(super) async fn an_invisible_user_is_offline_to_others_and_knows_the_truth(world: &World) -> Checked {
    let (mut ada, mut bob) = (world.ada().await?, world.bob().await?);
    world.room(&mut ada).await?;
    ada.accepted(world.op(invisible(false))).await?;
    ensure!(ask_one(&mut bob, world.user(0)).await?.online, "ada is connected");
    ada.accepted(world.op(invisible(true))).await?;
    let seen = told(&mut bob, "ada to go", |user| !user.online).await?;
    ensure!(!seen.invisible, "others are not told why: {seen:?}");
    let mut second = world.ada().await?;
    let own = ask_one(&mut second, world.user(0)).await?;
    ensure!(own.online && own.invisible, "the truth for herself: {own:?}");
    let seen = ask_one(&mut bob, world.user(0)).await?;
    ensure!(
        !seen.online,
        "a new connection of an invisible user shows: {seen:?}"
    );
    ada.accepted(world.op(invisible(false))).await?;
    told(&mut bob, "ada to be visible", |user| user.online).await?;
    // In `hello` it counts before the operation has come.
    let mut stranger = Stranger::connect(world).await?;
    let long = Hello {
        protocol: PROTOCOL,
        token: world.token(0).clone(),
        device: DeviceId(world.id()),
        agent: "conformance".to_owned(),
        presence: OwnPresence {
            status: Some("x".repeat(limits::STATUS_CHARS + 1)),
            ..OwnPresence::default()
        },
        background: false,
    };
    stranger.send(&ClientFrame::Hello(long)).await?;
    let bye = stranger.ended().await?;
    ensure!(
        bye.as_ref().is_some_and(|bye| bye.code == Code::TooLarge),
        "a status that is too long in hello ended with {bye:?}"
    );
    Ok(())
}

pub(super) async fn presence_is_for_those_who_share_a_channel(world: &World) -> Checked {
    let mut ada = world.ada().await?;
    let nobody = UserId::new(format!("nobody-{}", world.id()));
    let nobody = nobody.map_err(|error| Problem::Failed(error.to_string()))?;
    let answer = ask(&mut ada, vec![nobody.clone(), world.user(0).clone()]).await?;
    let refused: Vec<_> = answer.refused.iter().map(|of| (&of.user, &of.code)).collect();
    ensure!(
        refused == [(&nobody, &Code::Forbidden)] && answer.users.len() == 1,
        "a stranger and oneself: {answer:?}"
    );
    let crowd = vec![nobody; limits::PRESENCE_PER_FRAME + 1];
    let ask = AskPresence {
        id: 74,
        add: crowd,
        remove: Vec::new(),
        background: None,
    };
    ada.send(&ClientFrame::Presence(ask)).await?;
    let bye = ada.ended().await?;
    ensure!(
        bye.as_ref().is_some_and(|bye| bye.code == Code::TooLarge),
        "{} users in a frame ended with {bye:?}",
        limits::PRESENCE_PER_FRAME + 1
    );
    Ok(())
}

pub(super) async fn who_is_denied_is_shown_nobody(world: &World) -> Checked {
    let (mut ada, mut bob) = (world.ada().await?, world.bob().await?);
    world.room(&mut ada).await?;
    ada.accepted(world.op(invisible(false))).await?;
    ensure!(ask_one(&mut bob, world.user(0)).await?.online, "ada is connected");
    ada.accepted(world.op(consent(world.user(1), ConsentState::Denied)))
        .await?;
    let seen = told(&mut bob, "ada to go", |user| !user.online).await?;
    ensure!(seen.last_active.is_none() && seen.status.is_empty(), "{seen:?}");
    let mut again = world.bob().await?;
    let seen = ask_one(&mut again, world.user(0)).await?;
    ensure!(!seen.online, "on another connection: {seen:?}");
    ada.accepted(world.op(consent(world.user(1), ConsentState::Unknown)))
        .await?;
    told(&mut bob, "ada to be back", |user| user.online).await?;
    Ok(())
}

pub(super) async fn who_is_silent_is_offline_within_the_lease(world: &World) -> Checked {
    let (mut ada, mut bob) = (world.ada().await?, world.bob().await?);
    let heartbeat = std::time::Duration::from_millis(ada.ready.heartbeat_ms);
    if heartbeat > std::time::Duration::from_secs(3) {
        let words = format!("the heartbeat is {heartbeat:?}, and it takes some of them");
        return Err(Problem::Skipped(words));
    }
    world.room(&mut ada).await?;
    ada.accepted(world.op(invisible(false))).await?;
    ensure!(ask_one(&mut bob, world.user(0)).await?.online, "ada is connected");
    // Bob goes on being heard, ada does not. A grace is up to ten seconds.
    let until = tokio::time::Instant::now() + heartbeat * 5 + std::time::Duration::from_secs(15);
    while tokio::time::Instant::now() < until {
        for frame in so_far(&mut bob).await? {
            match frame {
                ServerFrame::Presence(presence) if presence.users.iter().any(|user| !user.online) => {
                    return Ok(());
                }
                ServerFrame::Presence(_) => {}
                other => return Err(unexpected("presence", &other)),
            }
        }
        tokio::time::sleep(heartbeat / 4).await; // tidy: allow sleep: it is the heartbeat of a client
    }
    Err(Problem::Failed(
        "ada is silent, and still told to be online".to_owned(),
    ))
}

async fn watching(peer: &mut Peer, room: &Room, on: bool) -> Result<(), Problem> {
    let cid = room.cid.clone();
    peer.send(&ClientFrame::Watching(Watching { cid, on })).await
}

async fn watchers(peer: &mut Peer) -> Result<Watchers, Problem> {
    match peer.answer("watchers").await? {
        ServerFrame::Watchers(watchers) => Ok(watchers),
        other => Err(unexpected("watchers", &other)),
    }
}

pub(super) async fn who_has_a_channel_open_is_told_to_the_others_who_have(world: &World) -> Checked {
    let (mut ada, mut bob, mut carol) = (world.ada().await?, world.bob().await?, world.carol().await?);
    let room = world.room(&mut ada).await?;
    ada.accepted(world.op(invisible(false))).await?;
    let (one, other) = (world.user(0).clone(), world.user(1).clone());
    watching(&mut ada, &room, true).await?;
    let first = watchers(&mut ada).await?;
    ensure!(
        (first.count, &first.started) == (1, &vec![one.clone()]),
        "the first to open it is told of {first:?}"
    );
    watching(&mut carol, &room, true).await?;
    let none = so_far(&mut carol).await?;
    ensure!(none.is_empty(), "who is no member is told {none:?}");
    watching(&mut bob, &room, true).await?;
    let all = watchers(&mut bob).await?;
    let named = all.started.len() == 2 && all.started.contains(&one) && all.started.contains(&other);
    ensure!(
        all.count == 2 && named,
        "the second to open it is told of {all:?}"
    );
    let news = watchers(&mut ada).await?;
    let told = (news.count, news.started.as_slice(), news.stopped.as_slice());
    ensure!(
        told == (2, std::slice::from_ref(&other), &[]),
        "the first is told {news:?}"
    );
    bob.vanish();
    let news = watchers(&mut ada).await?;
    let told = (news.count, news.started.as_slice(), news.stopped.as_slice());
    ensure!(
        told == (1, &[], std::slice::from_ref(&other)),
        "once bob is gone: {news:?}"
    );
    watching(&mut ada, &room, false).await?;
    let mut again = world.bob().await?;
    watching(&mut again, &room, true).await?;
    watchers(&mut again).await?;
    let none = so_far(&mut ada).await?;
    ensure!(none.is_empty(), "who has closed it is told {none:?}");
    Ok(())
}

pub(super) async fn who_types_is_told_to_the_other_members(world: &World) -> Checked {
    let (mut ada, mut bob, mut carol) = (world.ada().await?, world.bob().await?, world.carol().await?);
    let room = world.room(&mut ada).await?;
    let typing = |on| {
        let (cid, parent) = (room.cid.clone(), None);
        ClientFrame::Typing(Typing { cid, parent, on })
    };
    let heard = |on| UserTyping {
        cid: room.cid.clone(),
        parent: None,
        user: world.user(0).clone(),
        on,
    };
    carol.send(&typing(true)).await?;
    for on in [true, true, false, false] {
        ada.send(&typing(on)).await?;
    }
    for on in [true, false] {
        match bob.answer("who types").await? {
            ServerFrame::Typing(typing) if typing == heard(on) => {}
            other => return Err(unexpected(&format!("{:?}", heard(on)), &other)),
        }
    }
    for (peer, who) in [
        (&mut ada, "who types"),
        (&mut bob, "a member"),
        (&mut carol, "a stranger"),
    ] {
        let frames = so_far(peer).await?;
        ensure!(frames.is_empty(), "{who} is told {frames:?}");
    }
    Ok(())
}
