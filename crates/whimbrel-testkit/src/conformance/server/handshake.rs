//! Beginning and ending a connection.

use super::{
    Checked, Problem,
    peer::{Stranger, unexpected},
    script::World,
};
use std::time::Duration;
use tokio::time::Instant;
use whimbrel_model::{Code, limits};
use whimbrel_protocol::{
    ClientFrame, Heads, Hello, Ops, OwnPresence, PROTOCOL, ServerFrame, Token, VersionRange,
};

/// The longest heartbeat whose end is waited for.
const SHORT: u64 = 3_000;

fn heads() -> ClientFrame {
    ClientFrame::Heads(Heads { id: 1, since: None })
}

pub(super) async fn refused(stranger: Stranger, code: &Code) -> Checked {
    match stranger.ended().await? {
        Some(bye) if bye.code == *code => Ok(()),
        Some(bye) => Err(Problem::Failed(format!(
            "bye says {} instead of {code:?}",
            bye.code.as_str()
        ))),
        None => Err(Problem::Failed(format!(
            "the connection ended without a bye, {code:?} was to be said"
        ))),
    }
}

async fn refused_token(world: &World, token: &Token, code: &Code) -> Checked {
    let mut stranger = Stranger::connect(world).await?;
    stranger.hello(world, token).await?;
    refused(stranger, code).await
}

pub(super) async fn hello_is_answered_with_ready(world: &World) -> Checked {
    let (ada, bob) = (world.ada().await?, world.bob().await?);
    for ready in [&ada.ready, &bob.ready] {
        let spoken = ready.protocol;
        ensure!(
            PROTOCOL.min <= spoken && spoken <= PROTOCOL.max,
            "it speaks version {spoken}, which was not offered"
        );
        ensure!(ready.heartbeat_ms > 0, "its heartbeat is 0 ms");
        ensure!(ready.retention_days > 0, "its results are kept for 0 days");
        ensure!(
            ready.server_time.as_millis() > 0,
            "its time is {}",
            ready.server_time.as_millis()
        );
    }
    let (one, other) = (ada.ready.epoch, bob.ready.epoch);
    ensure!(
        one == other,
        "two connections are told different epochs: {one:?} and {other:?}"
    );
    Ok(())
}

pub(super) async fn hello_comes_first(world: &World) -> Checked {
    let mut stranger = Stranger::connect(world).await?;
    stranger.send(&heads()).await?;
    refused(stranger, &Code::FrameInvalid).await
}

pub(super) async fn hello_is_said_once(world: &World) -> Checked {
    let mut ada = world.ada().await?;
    let again = Hello {
        protocol: PROTOCOL,
        token: world.token(0).clone(),
        device: whimbrel_model::DeviceId(world.id()),
        agent: String::new(),
        presence: OwnPresence::default(),
        background: false,
    };
    ada.send(&ClientFrame::Hello(again)).await?;
    let bye = ada.ended().await?;
    let code = bye.as_ref().map(|bye| &bye.code);
    ensure!(
        code == Some(&Code::FrameInvalid),
        "a second hello was answered with {bye:?}"
    );
    Ok(())
}

pub(super) async fn a_missing_token_is_refused(world: &World) -> Checked {
    refused_token(world, &Token::new(""), &Code::TokenMissing).await
}

pub(super) async fn a_wrong_token_is_refused(world: &World) -> Checked {
    refused_token(world, &Token::new("this.is.no-token"), &Code::TokenInvalid).await
}

pub(super) async fn an_expired_token_is_refused(world: &World) -> Checked {
    let Some(expired) = &world.target.expired else {
        return Err(Problem::Skipped("no expired token was given".to_owned()));
    };
    refused_token(world, expired, &Code::TokenExpired).await
}

pub(super) async fn an_unknown_version_is_refused_with_the_range(world: &World) -> Checked {
    let mut stranger = Stranger::connect(world).await?;
    let future = VersionRange {
        min: 1_000_000,
        max: 1_000_001,
    };
    stranger.hello_as(world, world.token(0), future).await?;
    let bye = stranger.ended().await?;
    let Some(bye) = bye.filter(|bye| bye.code == Code::ProtocolUnsupported) else {
        return Err(Problem::Failed(
            "bye does not say protocol_unsupported".to_owned(),
        ));
    };
    ensure!(
        bye.protocol.is_some(),
        "bye does not say which versions the server speaks"
    );
    Ok(())
}

pub(super) async fn unknown_fields_are_ignored(world: &World) -> Checked {
    let mut ada = world.ada().await?;
    ada.send_text(r#"{"heads":{"id":7,"since":null,"of_the_future":{"deep":[1]}}}"#)
        .await?;
    match ada.answer("heads").await? {
        ServerFrame::Heads(page) if page.id == 7 => Ok(()),
        other => Err(unexpected("heads", &other)),
    }
}

pub(super) async fn what_is_no_frame_ends_the_connection(world: &World) -> Checked {
    let deep = format!("{{\"heads\":{}", "[".repeat(100_000));
    for text in [
        "nonsense",
        "",
        "{}",
        "[]",
        r#"{"of_the_future":{}}"#,
        r#"{"heads":{"id":"one"}}"#,
        &deep,
    ] {
        let mut ada = world.ada().await?;
        ada.send_text(text.to_owned()).await?;
        let bye = ada.ended().await?;
        let code = bye.as_ref().map(|bye| &bye.code);
        let shown: String = text.chars().take(30).collect();
        ensure!(
            code == Some(&Code::FrameInvalid),
            "{shown:?} was answered with {bye:?}"
        );
    }
    // A connection beside it is none the worse.
    world.ada().await?.heads(None).await?;
    Ok(())
}

pub(super) async fn a_frame_over_the_limit_ends_the_connection(world: &World) -> Checked {
    let mut ada = world.ada().await?;
    let padding = " ".repeat(limits::FRAME_BYTES);
    // A server that stops reading may make it fail, and so may a transport that refuses to send it.
    let _ = ada
        .send_text(format!("{{\"heads\":{{\"id\":1}}{padding}}}"))
        .await;
    // What a server says when it hangs up on somebody who is still sending may be lost on the way.
    if let Some(bye) = ada.ended().await? {
        ensure!(bye.code == Code::TooLarge, "it was answered with {bye:?}");
    }
    world.ada().await?.heads(None).await?;
    Ok(())
}

pub(super) async fn too_many_operations_in_a_frame_are_refused(world: &World) -> Checked {
    let mut ada = world.ada().await?;
    let room = world.room(&mut ada).await?;
    let ops = (0..=limits::OPS_PER_BATCH).map(|_| world.op(room.send(world.id(), "one of too many")));
    ada.send(&ClientFrame::Ops(Ops { ops: ops.collect() })).await?;
    let bye = ada.ended().await?;
    let code = bye.as_ref().map(|bye| &bye.code);
    ensure!(
        code == Some(&Code::TooLarge),
        "{} operations in a frame were answered with {bye:?}",
        limits::OPS_PER_BATCH + 1
    );
    let chain = world.ada().await?.follow(&room.stream, None).await?;
    ensure!(chain.cursor.seq == 0, "some of them acted");
    Ok(())
}

pub(super) async fn silence_ends_the_connection(world: &World) -> Checked {
    let mut ada = world.ada().await?;
    let heartbeat = ada.ready.heartbeat_ms;
    if heartbeat > SHORT {
        let words =
            format!("the server's heartbeat is {heartbeat} ms, and this waits for {SHORT} ms at most");
        return Err(Problem::Skipped(words));
    }
    let heartbeat = Duration::from_millis(heartbeat);
    ada.set_patience(heartbeat * 5);
    let start = Instant::now();
    let bye = ada.ended().await?;
    let silence = start.elapsed();
    // A client that sends its heartbeats in time is heard of at the latest by then.
    ensure!(
        silence >= heartbeat * 2,
        "it ended after {silence:?}, and the heartbeat is {heartbeat:?}"
    );
    let code = bye.as_ref().map(|bye| &bye.code);
    ensure!(
        code == Some(&Code::HeartbeatLost),
        "silence was answered with {bye:?}"
    );
    Ok(())
}
