//! Catching up: pages, snapshots, heads, history.

use super::{
    Checked, Problem,
    peer::{Peer, messages, newest, own_rows, unexpected},
    script::{Room, World},
};
use std::collections::BTreeSet;
use whimbrel_model::{
    Code, Cursor, Epoch, HistoryFrom, Message, MessageId, Row, RowKey, StreamId, Timestamp, limits,
};
use whimbrel_protocol::{ClientFrame, Heads, History, HistoryPage, ServerFrame, Sync};

/// Sends messages in frames that are as large as they may be.
async fn fill(world: &World, peer: &mut Peer, room: &Room, count: usize) -> Result<Vec<Message>, Problem> {
    let mut sent = Vec::with_capacity(count);
    while sent.len() < count {
        let size = limits::OPS_PER_BATCH.min(count - sent.len());
        let ops = (0..size)
            .map(|place| world.op(room.send(world.id(), &format!("message {}", sent.len() + place))));
        let outcomes = peer.ops(ops.collect()).await?;
        for outcome in outcomes {
            sent.push(super::peer::message(&super::peer::steps("a message", outcome)?)?);
        }
    }
    Ok(sent)
}

pub(super) async fn the_feed_from_nothing_is_everything(world: &World) -> Checked {
    let mut ada = world.ada().await?;
    let room = world.new_room()?;
    let id = world.id();
    let ops = [
        room.create(vec![world.user(1).clone()]),
        room.send(id, "hello"),
        room.react(id, "like")?,
        room.edit(id, "hello, edited"),
        room.read(1),
        room.rename("renamed"),
    ];
    let mut told = Vec::new();
    for op in ops {
        let steps = ada.accepted(world.op(op)).await?;
        told.extend(steps.into_iter().flat_map(|step| step.rows));
    }
    let expected = newest(own_rows(&room.stream, &told));
    let chain = ada.follow(&room.stream, None).await?;
    let page = &chain.pages[0];
    ensure!(
        chain.pages.len() == 1 && page.reset,
        "it is not one page with a reset: {:?}",
        chain.pages
    );
    let rows: Vec<&Row> = own_rows(&room.stream, &chain.rows).collect();
    ensure!(
        rows.len() == expected.len(),
        "there are {} rows of {} objects",
        rows.len(),
        expected.len()
    );
    for row in rows {
        let answer = expected.get(&row.key());
        ensure!(
            answer == Some(row),
            "the feed says {row:?}, the answers said {answer:?}"
        );
    }
    ensure!(
        (chain.cursor.ver, chain.cursor.seq) == (8, 1),
        "after 8 changes it is at {:?}",
        chain.cursor
    );
    Ok(())
}

pub(super) async fn the_feed_from_a_cursor_is_what_changed_since(world: &World) -> Checked {
    let mut ada = world.ada().await?;
    let room = world.room(&mut ada).await?;
    let sent = fill(world, &mut ada, &room, 5).await?;
    let cursor = ada.follow(&room.stream, None).await?.cursor;
    let nothing = ada.follow(&room.stream, Some(cursor)).await?;
    ensure!(
        nothing.rows.is_empty() && nothing.cursor == cursor,
        "nothing changed, and it says {nothing:?}"
    );
    for text in ["once", "twice", "thrice"] {
        ada.accepted(world.op(room.edit(sent[0].id.0, text))).await?;
    }
    let last = fill(world, &mut ada, &room, 1).await?.remove(0);
    let chain = ada.follow(&room.stream, Some(cursor)).await?;
    let reset = chain.pages.iter().any(|page| page.reset);
    ensure!(
        !reset,
        "a cursor that can be followed is reset: {:?}",
        chain.pages
    );
    let rows = messages(&chain.rows);
    let both = matches!(rows.as_slice(), [first, second]
        if first.id == sent[0].id && first.body.text == "thrice" && **second == last);
    ensure!(
        both && chain.rows.len() == 2,
        "each changed object once, as it is now, are not {:?}",
        chain.rows
    );
    Ok(())
}

async fn is_reset(world: &World, spoil: impl Fn(Cursor) -> Cursor) -> Checked {
    let mut ada = world.ada().await?;
    let room = world.room(&mut ada).await?;
    fill(world, &mut ada, &room, 3).await?;
    for stream in [room.stream.clone(), StreamId::User(ada.user.clone())] {
        let whole = ada.follow(&stream, None).await?;
        let asked = spoil(whole.cursor);
        let chain = ada.follow(&stream, Some(asked)).await?;
        ensure!(
            chain.pages[0].reset,
            "{asked:?} of {stream} is followed, its head is {:?}",
            whole.cursor
        );
        let (rows, all) = (newest(&chain.rows), newest(&whole.rows));
        ensure!(
            rows == all,
            "after a reset of {stream} it holds {rows:?} instead of {all:?}"
        );
    }
    Ok(())
}

pub(super) async fn a_cursor_of_another_epoch_is_reset(world: &World) -> Checked {
    is_reset(world, |cursor| Cursor {
        epoch: Epoch(cursor.epoch.0 ^ 1),
        ..cursor
    })
    .await
}

pub(super) async fn a_cursor_ahead_of_the_server_is_reset(world: &World) -> Checked {
    is_reset(world, |cursor| Cursor {
        ver: cursor.ver + 1,
        ..cursor
    })
    .await
}

pub(super) async fn a_long_feed_comes_in_pages(world: &World) -> Checked {
    let mut ada = world.ada().await?;
    let room = world.room(&mut ada).await?;
    let start = ada.follow(&room.stream, None).await?.cursor;
    fill(world, &mut ada, &room, 2 * limits::PAGE_ROWS + 50).await?;
    for cursor in [None, Some(start)] {
        let chain = ada.follow(&room.stream, cursor).await?;
        ensure!(
            chain.pages.len() >= 3,
            "450 messages came in {} pages",
            chain.pages.len()
        );
        let seqs: Vec<u64> = messages(&chain.rows).iter().map(|row| row.seq).collect();
        let whole = seqs.iter().copied().eq(1..=450);
        ensure!(
            whole,
            "the pages from {cursor:?} do not hold every message once: {seqs:?}"
        );
        let vers: BTreeSet<u64> = own_rows(&room.stream, &chain.rows).map(Row::ver).collect();
        let first = cursor.map_or(1, |cursor| cursor.ver + 1);
        let dense = vers.iter().copied().eq(first..=chain.cursor.ver);
        ensure!(
            dense,
            "the pages from {cursor:?} leave out a change of what changed once"
        );
    }
    Ok(())
}

/// 900 messages, and 250 reactions to the newest: more changes than are followed, and a snapshot of two pages.
pub(super) async fn who_is_far_behind_gets_a_snapshot(world: &World) -> Checked {
    let mut ada = world.ada().await?;
    let room = world.room(&mut ada).await?;
    let behind = ada.follow(&room.stream, None).await?.cursor;
    let sent = fill(world, &mut ada, &room, 900).await?;
    let window = &sent[sent.len() - limits::SNAPSHOT_MESSAGES..];
    for kind in ["one", "two", "three", "four", "five"] {
        let ops = window.iter().map(|row| Ok(world.op(room.react(row.id.0, kind)?)));
        let ops = ops.collect::<Result<Vec<_>, Problem>>()?;
        for outcome in ada.ops(ops).await? {
            super::peer::steps("a reaction", outcome)?;
        }
    }
    let old = &sent[0];
    for cursor in [None, Some(behind)] {
        let first = ada.page(&room.stream, cursor).await?;
        ensure!(
            first.reset,
            "from {cursor:?}, {} changes behind, there is no reset",
            first.head.ver
        );
        let Some(window) = first.to.window.filter(|_| first.more) else {
            return Err(Problem::Failed(format!(
                "304 rows are in one page, or without a window: {:?}",
                first.to
            )));
        };
        let (lo, ver) = (
            first.head.seq - limits::SNAPSHOT_MESSAGES as u64 + 1,
            first.head.ver,
        );
        ensure!(
            (window.lo, window.ver) == (lo, ver),
            "the window is {window:?} instead of {lo} at {ver}"
        );
        // An old message changes while the snapshot is read: then it is in it.
        let text = format!("changed from {cursor:?}");
        let changed = ada.sent(world.op(room.edit(old.id.0, &text))).await?;
        let rest = ada.follow(&room.stream, Some(first.to)).await?;
        let rows: Vec<&Row> = first.rows.iter().chain(&rest.rows).collect();
        let there = messages(rows.iter().copied());
        let late = there.iter().any(|row| **row == changed);
        ensure!(
            late,
            "an old message that changed while the snapshot was read is not in it"
        );
        let seqs: BTreeSet<u64> = there.iter().map(|row| row.seq).filter(|seq| *seq != 1).collect();
        let whole = seqs.iter().copied().eq(lo..=first.head.seq);
        ensure!(
            whole,
            "the snapshot does not hold exactly the messages from {lo}: {seqs:?}"
        );
        let reactions = rows.iter().filter(|row| matches!(row, Row::Reaction(_))).count();
        ensure!(
            reactions == 250,
            "the snapshot holds {reactions} of 250 reactions"
        );
        let others = rows
            .iter()
            .filter(|row| matches!(row, Row::Channel(_) | Row::Member(_)))
            .count();
        ensure!(
            others == 3,
            "the snapshot holds {others} of the channel and its two members"
        );
    }
    Ok(())
}

pub(super) async fn heads_say_what_moved_since_the_token(world: &World) -> Checked {
    let (mut ada, mut bob) = (world.ada().await?, world.bob().await?);
    let (moved, still) = (world.room(&mut ada).await?, world.room(&mut ada).await?);
    let own = StreamId::User(ada.user.clone());
    let (all, token) = ada.all_heads(None).await?;
    for stream in [&own, &moved.stream, &still.stream] {
        let head = all.get(stream).copied();
        let page = ada.follow(stream, None).await?.cursor;
        let same = head.is_some_and(|head| (head.ver, head.seq) == (page.ver, page.seq));
        ensure!(same, "heads say {head:?} of {stream}, its last page {page:?}");
    }
    bob.accepted(world.op(moved.send(world.id(), "hello"))).await?;
    let (since, next) = ada.all_heads(Some(&token)).await?;
    let seq = since.get(&moved.stream).map(|head| head.seq);
    ensure!(
        seq == Some(1),
        "heads say {seq:?} of a channel that has a message since"
    );
    let (nothing, _) = ada.all_heads(Some(&next)).await?;
    let again = nothing.get(&moved.stream).copied();
    let newer = again.is_some_and(|head| head.seq > 1);
    ensure!(!newer, "nothing moved, and heads say {again:?}");
    // An old token is good for ever.
    let (since, _) = ada.all_heads(Some(&token)).await?;
    ensure!(since.contains_key(&moved.stream), "an old token was forgotten");
    Ok(())
}

pub(super) async fn answers_come_in_the_order_of_the_asking(world: &World) -> Checked {
    let mut ada = world.ada().await?;
    let room = world.room(&mut ada).await?;
    fill(world, &mut ada, &room, 3).await?;
    let (cid, stream) = (room.cid.clone(), room.stream.clone());
    for id in (10..40).step_by(3) {
        let (cid, stream) = (cid.clone(), stream.clone());
        ada.send(&ClientFrame::Heads(Heads { id, since: None })).await?;
        let sync = Sync {
            id: id + 1,
            stream,
            cursor: None,
            newest: None,
        };
        ada.send(&ClientFrame::Sync(sync)).await?;
        let history = History {
            id: id + 2,
            cid,
            from: HistoryFrom::Before(3),
            limit: 10,
        };
        ada.send(&ClientFrame::History(history)).await?;
    }
    for expected in 10..40 {
        let frame = ada.answer("an answer").await?;
        let id = match &frame {
            ServerFrame::Heads(page) => page.id,
            ServerFrame::Page(page) => page.id,
            ServerFrame::History(page) => page.id,
            other => return Err(unexpected("an answer", other)),
        };
        ensure!(
            id == expected,
            "the answer to {expected} was due, and that to {id} came"
        );
    }
    Ok(())
}

pub(super) async fn history_is_every_message_before(world: &World) -> Checked {
    let mut ada = world.ada().await?;
    let room = world.room(&mut ada).await?;
    let sent = fill(world, &mut ada, &room, 250).await?;
    ada.accepted(world.op(room.delete(sent[9].id.0))).await?;
    ada.accepted(world.op(room.react(sent[4].id.0, "like")?)).await?;
    let page = history(&mut ada, &room, HistoryFrom::Before(21), 20).await?;
    ensure!(
        (page.lo, page.hi) == (1, 20),
        "20 messages before 21 are {} to {}",
        page.lo,
        page.hi
    );
    let tombstone = messages(&page.rows)
        .iter()
        .any(|row| row.seq == 10 && row.is_deleted());
    ensure!(tombstone, "a deleted message is left out");
    let liked = page
        .rows
        .iter()
        .filter(|row| matches!(row.key(), RowKey::Reaction(id, ..) if id == sent[4].id));
    ensure!(liked.count() == 1, "the reaction to message 5 is left out");
    let most = history(&mut ada, &room, HistoryFrom::Before(251), 100_000).await?;
    ensure!(
        most.hi == 250 && most.lo >= 51,
        "a limit beyond 200 gives {} to {}",
        most.lo,
        most.hi
    );
    let (mut before, mut seen) = (251, BTreeSet::new());
    while before > 1 {
        let page = history(&mut ada, &room, HistoryFrom::Before(before), 100).await?;
        ensure!(page.lo < before, "history before {before} begins at {}", page.lo);
        seen.extend(messages(&page.rows).iter().map(|row| row.seq));
        before = page.lo;
    }
    ensure!(
        seen.iter().copied().eq(1..=250),
        "read to its beginning, history has {} of 250",
        seen.len()
    );
    let none = history(&mut ada, &room, HistoryFrom::Before(1), 10).await?;
    ensure!(
        none.lo > none.hi && none.rows.is_empty(),
        "before the first message there is {none:?}"
    );
    Ok(())
}

pub(super) async fn history_is_asked_for_around_any_place(world: &World) -> Checked {
    let mut ada = world.ada().await?;
    let room = world.room(&mut ada).await?;
    let sent = fill(world, &mut ada, &room, 40).await?;
    let newest = history(&mut ada, &room, HistoryFrom::Newest, 10).await?;
    let tenth = messages(&newest.rows).iter().find_map(|row| row.accepted_at);
    for (from, limit, lo, hi) in [
        (HistoryFrom::Newest, 10, 31, 40),
        (HistoryFrom::After(0), 10, 1, 10),
        (HistoryFrom::After(35), 10, 36, 40),
        (HistoryFrom::After(40), 10, 41, 40),
        (HistoryFrom::Around(20), 10, 15, 24),
        (HistoryFrom::Around(20), 5, 18, 22),
        (HistoryFrom::Around(1), 10, 1, 5),
        (HistoryFrom::Around(40), 10, 35, 40),
        (HistoryFrom::AroundMessage(sent[19].id), 10, 15, 24),
        (HistoryFrom::AroundTime(Timestamp(0)), 10, 1, 5),
        (HistoryFrom::AroundTime(Timestamp(i64::MAX >> 11)), 10, 36, 40),
    ] {
        let page = history(&mut ada, &room, from, limit).await?;
        ensure!(
            (page.lo, page.hi) == (lo, hi),
            "{limit} messages at {from:?} of 40 are {} to {}, not {lo} to {hi}",
            page.lo,
            page.hi
        );
    }
    // Many messages may have one time: the first of them is meant.
    let at = tenth.ok_or_else(|| Problem::Failed("an accepted message has no time".to_owned()))?;
    let page = history(&mut ada, &room, HistoryFrom::AroundTime(at), 80).await?;
    let first = messages(&page.rows)
        .iter()
        .position(|row| row.accepted_at >= Some(at));
    ensure!(
        first.is_some() && page.hi == 40,
        "around the time {at:?} are {} to {}",
        page.lo,
        page.hi
    );
    let other = world.room(&mut ada).await?;
    for id in [sent[0].id, MessageId(world.id())] {
        let ask = History {
            id: 0,
            cid: other.cid.clone(),
            from: HistoryFrom::AroundMessage(id),
            limit: 10,
        };
        let answer = ada.try_history(ask).await?;
        ensure!(
            answer
                .as_ref()
                .is_err_and(|failed| failed.code == Code::MessageNotFound),
            "around a message that the channel does not have there is {answer:?}"
        );
    }
    Ok(())
}

/// Asks for history, and checks what holds for every answer.
async fn history(
    peer: &mut Peer,
    room: &Room,
    from: HistoryFrom,
    limit: u32,
) -> Result<HistoryPage, Problem> {
    let ask = History {
        id: 0,
        cid: room.cid.clone(),
        from,
        limit,
    };
    let page = peer.try_history(ask).await?;
    let page = page.map_err(|failed| Problem::Failed(format!("history failed: {failed:?}")))?;
    let seqs: BTreeSet<u64> = messages(&page.rows).iter().map(|row| row.seq).collect();
    let whole = seqs.iter().copied().eq(page.lo..=page.hi);
    ensure!(
        whole,
        "history says {} to {} and holds {seqs:?}",
        page.lo,
        page.hi
    );
    Ok(page)
}
