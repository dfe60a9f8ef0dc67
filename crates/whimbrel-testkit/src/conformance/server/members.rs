//! Who may see what.

use super::{
    Checked, Problem,
    peer::{Peer, messages},
    script::{Room, World},
};
use whimbrel_model::{Code, HistoryFrom, MemberState, Row, StreamId};
use whimbrel_protocol::History;

/// Waits for the event that tells a user that the own membership is `state` now.
async fn told(peer: &mut Peer, room: &Room, state: MemberState) -> Checked {
    let own = StreamId::User(peer.user.clone());
    loop {
        let event = peer.event(&own).await?;
        let is_told = event.rows.iter().any(|row| match row {
            Row::Membership(row) => row.cid == room.cid && row.state == state,
            _ => false,
        });
        if is_told {
            return Ok(());
        }
    }
}

/// Checks that a request for a channel fails with one of `codes`.
async fn is_closed(peer: &mut Peer, room: &Room, codes: &[Code]) -> Checked {
    let page = peer.try_page(&room.stream, None).await?;
    let ask = History {
        id: 0,
        cid: room.cid.clone(),
        from: HistoryFrom::Before(100),
        limit: 10,
    };
    let history = peer.try_history(ask).await?;
    for (what, failed) in [("a page", page.err()), ("history", history.err())] {
        let Some(failed) = failed else {
            return Err(Problem::Failed(format!(
                "{} gets {what} of {}",
                peer.user, room.cid
            )));
        };
        ensure!(
            codes.contains(&failed.code),
            "{what} failed with {:?} instead of {codes:?}",
            failed.code
        );
    }
    Ok(())
}

pub(super) async fn a_new_member_is_told_and_sees_everything(world: &World) -> Checked {
    let (mut ada, mut carol) = (world.ada().await?, world.carol().await?);
    let room = world.room(&mut ada).await?;
    ada.accepted(world.op(room.send(world.id(), "before she came")))
        .await?;
    is_closed(&mut carol, &room, &[Code::ChannelNotFound, Code::NotMember]).await?;
    ada.accepted(world.op(room.add(&carol.user))).await?;
    told(&mut carol, &room, MemberState::Active).await?;
    let chain = carol.follow(&room.stream, None).await?;
    ensure!(
        messages(&chain.rows).len() == 1,
        "she does not see what was before: {:?}",
        chain.rows
    );
    let (heads, _) = carol.all_heads(None).await?;
    ensure!(
        heads.contains_key(&room.stream),
        "her heads do not name the channel"
    );
    carol.accepted(world.op(room.send(world.id(), "hello"))).await?;
    Ok(())
}

pub(super) async fn a_removed_member_is_told_and_sees_nothing_more(world: &World) -> Checked {
    let (mut ada, mut bob) = (world.ada().await?, world.bob().await?);
    let (room, open) = (world.room(&mut ada).await?, world.room(&mut ada).await?);
    ada.accepted(world.op(room.send(world.id(), "while he was there")))
        .await?;
    ada.accepted(world.op(room.remove(&bob.user))).await?;
    told(&mut bob, &room, MemberState::Gone).await?;
    bob.events_so_far(&room.stream);
    let mut other = world.bob().await?;
    ada.accepted(world.op(room.send(world.id(), "now that he is gone")))
        .await?;
    ada.accepted(world.op(open.send(world.id(), "to everyone")))
        .await?;
    for peer in [&mut bob, &mut other] {
        let mut seen = Vec::new();
        // What he may see was said after what he may not.
        loop {
            let event = peer.any_event().await?;
            if event.stream == open.stream && event.seq == 1 {
                break;
            }
            seen.push(event);
        }
        seen.retain(|event| event.stream == room.stream);
        let secrets = messages(seen.iter().flat_map(|event| &event.rows));
        let told = secrets.iter().any(|row| row.body.text == "now that he is gone");
        ensure!(!told, "events of a channel go to who was removed: {seen:?}");
        is_closed(peer, &room, &[Code::NotMember, Code::ChannelNotFound]).await?;
        peer.rejected(
            world.op(room.send(world.id(), "hello?")),
            &[Code::NotMember, Code::ChannelNotFound],
        )
        .await?;
        let (heads, _) = peer.all_heads(None).await?;
        ensure!(
            !heads.contains_key(&room.stream),
            "heads name a channel that he was removed from"
        );
    }
    Ok(())
}

pub(super) async fn who_comes_back_sees_what_was_missed(world: &World) -> Checked {
    let (mut ada, mut bob) = (world.ada().await?, world.bob().await?);
    let room = world.room(&mut ada).await?;
    let cursor = bob.follow(&room.stream, None).await?.cursor;
    ada.accepted(world.op(room.remove(&bob.user))).await?;
    ada.accepted(world.op(room.send(world.id(), "while he was away")))
        .await?;
    ada.accepted(world.op(room.add(&bob.user))).await?;
    let chain = bob.follow(&room.stream, Some(cursor)).await?;
    let missed = messages(&chain.rows);
    ensure!(
        missed.len() == 1,
        "who comes back with an old cursor gets {:?}",
        chain.rows
    );
    bob.accepted(world.op(room.send(world.id(), "here again")))
        .await?;
    Ok(())
}

pub(super) async fn the_stream_of_another_user_is_forbidden(world: &World) -> Checked {
    let mut ada = world.ada().await?;
    let stream = StreamId::User(world.user(1).clone());
    match ada.try_page(&stream, None).await? {
        Err(failed) if failed.code == Code::Forbidden => Ok(()),
        other => Err(Problem::Failed(format!(
            "the stream of another user is answered with {other:?}"
        ))),
    }
}

pub(super) async fn a_channel_that_is_not_there_fails_and_the_connection_goes_on(world: &World) -> Checked {
    let mut ada = world.ada().await?;
    let nowhere = world.new_room()?;
    is_closed(&mut ada, &nowhere, &[Code::ChannelNotFound]).await?;
    let room = world.room(&mut ada).await?;
    ada.follow(&room.stream, None).await?;
    Ok(())
}
