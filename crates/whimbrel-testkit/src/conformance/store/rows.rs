//! Server rows: the guard, the rebase, and that what comes back is what was put.

use super::{
    StoreFixture,
    query::all,
    sample::{
        ME, at, c_stream, channel, cid, draft, head, member, membership, message, mid, profile, put, query,
        reaction, read, rich_body, start, thread_of, thread_read, tombstone, u_stream, user,
    },
};
use whimbrel_model::{
    Change, MemberState, Membership, Message, MessageBody, MessageKind, Mute, People, Pin, Row, StreamId,
};
use whimbrel_query::Query;
use whimbrel_store::Store;

/// One row of each kind in version `ver`, with content that names the version.
fn one_of_each(ver: u64) -> Vec<Row> {
    let state = if ver.is_multiple_of(2) {
        MemberState::Gone
    } else {
        MemberState::Active
    };
    let rows = [
        put(channel("a", ver)),
        put(member("a", "bob", ver, state)),
        put(message("a", 1, ver)),
        put(reaction(1, "bob", "👍", ver, ver.is_multiple_of(2))),
        put(read("a", ME, ver, ver)),
        put(thread_read(1, ME, ver, ver)),
        put(kept(membership("a", ver, state))),
        put(profile(ME, ver)),
        put(draft("a", Some(1), 0, ver)),
    ];
    rows.into_iter()
        .filter_map(|change| match change {
            Change::Row(row) => Some(row),
            _ => None,
        })
        .collect()
}

/// Everything that can be said of how a channel is kept; it names the version.
fn kept(row: Membership) -> Membership {
    Membership {
        pinned_at: Some(at(row.ver)),
        archived_at: Some(at(row.ver + 1)),
        hidden_seq: Some(row.ver + 2),
        muted: Some(Mute {
            until: (row.ver != 6).then(|| at(row.ver + 3)),
        }),
        ..row
    }
}

/// Reads all of [`one_of_each`] back. A removed reaction is not read at all.
async fn stored(store: &dyn Store) -> Vec<Row> {
    let summary = store.channel(&cid("a"), &People::default()).await.unwrap();
    let page = store.messages(&query("a", None, 9)).await.unwrap();
    let mut rows = Vec::new();
    rows.extend(
        summary
            .iter()
            .filter_map(|summary| summary.channel.clone())
            .map(Row::Channel),
    );
    rows.extend(
        store
            .members(&cid("a"))
            .await
            .unwrap()
            .into_iter()
            .map(Row::Member),
    );
    rows.extend(store.message(mid(1)).await.unwrap().map(Row::Message));
    rows.extend(page.reactions.into_iter().map(Row::Reaction));
    for thread in [None, Some(mid(1))] {
        let reads = store.reads(&cid("a"), thread).await.unwrap();
        rows.extend(reads.into_iter().map(Row::Read));
    }
    rows.extend(
        summary
            .and_then(|summary| summary.membership)
            .map(Row::Membership),
    );
    rows.extend(store.users(&[user(ME)]).await.unwrap().into_iter().map(Row::User));
    rows.extend(store.drafts().await.unwrap().into_iter().map(Row::Draft));
    rows
}

fn shown(ver: u64) -> Vec<Row> {
    let removed = |row: &Row| matches!(row, Row::Reaction(reaction) if reaction.removed);
    one_of_each(ver).into_iter().filter(|row| !removed(row)).collect()
}

async fn put_all(t: &StoreFixture, rows: Vec<Row>) {
    t.apply(rows.into_iter().map(Change::Row)).await;
}

async fn assert_stored(t: &mut StoreFixture, rows: &[Row]) {
    assert_eq!(stored(t.store()).await, rows);
    t.reopen().await;
    assert_eq!(stored(t.store()).await, rows);
}

/// The guard holds for each kind, and for equal versions: the first copy stays.
pub async fn an_older_row_of_any_kind_never_replaces_a_newer_one(mut t: StoreFixture) {
    t.apply([Change::Account(super::sample::account())]).await;
    put_all(&t, one_of_each(5)).await;
    put_all(&t, one_of_each(4)).await;
    assert_stored(&mut t, &shown(5)).await;
    let other = Message {
        body: MessageBody::text("another text"),
        ..message("a", 1, 5)
    };
    t.apply([put(other)]).await;
    assert_stored(&mut t, &shown(5)).await;
}

/// Every column of each kind is replaced.
pub async fn a_newer_row_of_any_kind_replaces_an_older_one(mut t: StoreFixture) {
    t.apply([Change::Account(super::sample::account())]).await;
    for ver in [5, 6, 11] {
        put_all(&t, one_of_each(ver)).await;
        assert_stored(&mut t, &shown(ver)).await;
    }
}

/// A delta is idempotent, also after a later one.
pub async fn applying_twice_changes_nothing(mut t: StoreFixture) {
    t.apply([Change::Account(super::sample::account())]).await;
    for ver in [1, 1, 3, 1, 3] {
        put_all(&t, one_of_each(ver)).await;
    }
    assert_stored(&mut t, &shown(3)).await;
}

/// Whatever their order.
pub async fn the_newest_of_several_copies_in_one_delta_stays(mut t: StoreFixture) {
    t.apply([Change::Account(super::sample::account())]).await;
    put_all(&t, [2, 7, 3].into_iter().flat_map(one_of_each).collect()).await;
    assert_stored(&mut t, &shown(7)).await;
}

/// Unicode, control characters, custom data, attachments and every optional field.
pub async fn rows_come_back_as_they_were_put(mut t: StoreFixture) {
    t.apply(start(&["a"])).await;
    let full = Message {
        body: rich_body(),
        parent: Some(mid(77)),
        show_in_channel: true,
        quoted: Some(mid(78)),
        edited_at: Some(at(9)),
        revision: u32::MAX,
        kind: MessageKind::System,
        silent: true,
        pinned: Some(Pin {
            by: user("b.ob-2@home"),
            at: at(3),
            until: Some(at(99)),
        }),
        ..thread_of(message("a", 1, 4), 7, 9)
    };
    let bare = Message {
        accepted_at: None,
        body: MessageBody::default(),
        ..message("a", 2, 5)
    };
    let gone = tombstone(message("a", 3, 1), 6);
    let mut named = channel("a", 3);
    named.name = "\u{1f980} \"näme\" \u{0}".to_owned();
    named.custom = rich_body().custom;
    let mut person = profile("b.ob-2@home", 3);
    person.custom = rich_body().custom;
    t.apply([
        put(full.clone()),
        put(bare.clone()),
        put(gone.clone()),
        put(named.clone()),
        put(person.clone()),
    ])
    .await;
    for _ in 0..2 {
        let store = t.store();
        let page = store.messages(&query("a", None, 9)).await.unwrap();
        assert_eq!(page.messages, [full.clone(), bare.clone(), gone.clone()]);
        assert_eq!(store.message(mid(1)).await.unwrap(), Some(full.clone()));
        assert_eq!(
            store
                .channel(&cid("a"), &People::default())
                .await
                .unwrap()
                .unwrap()
                .channel,
            Some(named.clone())
        );
        assert_eq!(
            store.users(&[user("b.ob-2@home")]).await.unwrap(),
            std::slice::from_ref(&person)
        );
        t.reopen().await;
    }
}

/// After a rebase lower versions win, once; the head is what is said next.
pub async fn a_rebased_channel_takes_any_row_of_the_new_history(mut t: StoreFixture) {
    t.apply([
        Change::Account(super::sample::account()),
        Change::Head(c_stream("a"), head(90, 9)),
    ])
    .await;
    put_all(&t, one_of_each(9)).await;
    t.apply([Change::Rebase(c_stream("a"))]).await;
    assert!(!t.store().load().await.unwrap().heads.contains_key(&c_stream("a")));
    let old = t.store().message(mid(1)).await.unwrap().unwrap();
    assert_eq!(
        old,
        Message {
            ver: 0,
            ..message("a", 1, 9)
        },
        "a rebase keeps the row"
    );
    put_all(&t, one_of_each(3)).await;
    t.apply([Change::Head(c_stream("a"), head(3, 1))]).await;
    let own_stream = |row: &Row| matches!(row.stream(), StreamId::User(_));
    let mut expected: Vec<Row> = shown(3).into_iter().filter(|row| !own_stream(row)).collect();
    expected.extend(shown(9).into_iter().filter(own_stream));
    assert_stored(&mut t, &expected).await;
    assert_eq!(t.store().load().await.unwrap().heads[&c_stream("a")], head(3, 1));
    put_all(&t, one_of_each(2)).await;
    assert_stored(&mut t, &expected).await;
}

/// The same for memberships and the own profile.
pub async fn a_rebased_user_stream_takes_any_row_of_the_new_history(mut t: StoreFixture) {
    t.apply([
        Change::Account(super::sample::account()),
        Change::Head(u_stream(ME), head(90, 0)),
    ])
    .await;
    put_all(&t, one_of_each(9)).await;
    t.apply([Change::Rebase(u_stream(ME))]).await;
    assert!(t.store().load().await.unwrap().heads.is_empty());
    assert_eq!(
        t.store().drafts().await.unwrap(),
        [],
        "drafts of the old history are not shown"
    );
    assert_eq!(
        all(t.store(), &Query::channel_list(), &People::default())
            .await
            .len(),
        1,
        "a rebase takes no channel from the list"
    );
    let new = draft("a", Some(1), 0, 4);
    t.apply([
        put(membership("a", 2, MemberState::Gone)),
        put(profile(ME, 3)),
        put(new.clone()),
    ])
    .await;
    t.reopen().await;
    assert_eq!(t.store().drafts().await.unwrap(), [new]);
    let summary = t
        .store()
        .channel(&cid("a"), &People::default())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(summary.membership, Some(membership("a", 2, MemberState::Gone)));
    assert_eq!(summary.channel, Some(channel("a", 9)));
    assert_eq!(t.store().users(&[user(ME)]).await.unwrap(), [profile(ME, 3)]);
}

/// Only the rows of that stream lose their version.
pub async fn a_rebase_leaves_other_streams_alone(mut t: StoreFixture) {
    t.apply([
        Change::Account(super::sample::account()),
        Change::Head(c_stream("a"), head(9, 1)),
    ])
    .await;
    put_all(&t, one_of_each(9)).await;
    t.apply([Change::Rebase(c_stream("b")), Change::Rebase(u_stream("bob"))])
        .await;
    put_all(&t, one_of_each(8)).await;
    assert_stored(&mut t, &shown(9)).await;
    assert_eq!(t.store().load().await.unwrap().heads[&c_stream("a")], head(9, 1));
}

/// A row before the rebase belongs to the old history, one after it to the new.
pub async fn rows_before_and_after_a_rebase_in_one_delta_keep_their_order(mut t: StoreFixture) {
    t.apply(start(&["a"])).await;
    t.apply([
        put(message("a", 1, 8)),
        put(message("a", 2, 9)),
        Change::Rebase(c_stream("a")),
        put(message("a", 1, 3)),
        Change::Rebase(c_stream("a")),
        put(message("a", 1, 2)),
    ])
    .await;
    for _ in 0..2 {
        assert_eq!(
            t.store().messages(&query("a", None, 9)).await.unwrap().messages,
            [message("a", 1, 2)]
        );
        assert_eq!(
            t.store().message(mid(2)).await.unwrap().map(|old| old.ver),
            Some(0)
        );
        t.reopen().await;
    }
}

/// A page of any size is stored whole.
pub async fn many_rows_in_one_delta_all_arrive(mut t: StoreFixture) {
    t.apply(start(&["a"])).await;
    let mut next = 1;
    for size in [1, 2, 3, 5, 17, 49, 50, 51, 200] {
        t.apply((next..next + size).map(|seq| put(message("a", seq, seq))))
            .await;
        t.apply((next..next + size).map(|seq| put(reaction(seq, "bob", "👍", seq, false))))
            .await;
        t.apply(
            (next..next + size).map(|n| put(member("a", &format!("user-{n:04}"), n, MemberState::Active))),
        )
        .await;
        next += size;
    }
    t.reopen().await;
    let page = t.store().messages(&query("a", None, 1_000)).await.unwrap();
    assert!(page.messages.iter().map(|message| message.seq).eq(1..next));
    assert!(page.reactions.iter().map(|reaction| reaction.ver).eq(1..next));
    assert!(
        t.store()
            .members(&cid("a"))
            .await
            .unwrap()
            .iter()
            .map(|member| member.ver)
            .eq(1..next)
    );
}

/// In order, each once, unknown ones left out.
pub async fn users_are_read_by_id_and_once(t: StoreFixture) {
    t.apply([
        put(profile("cyd", 1)),
        put(profile("bob", 2)),
        put(profile("dan", 3)),
    ])
    .await;
    let asked = ["cyd", "nobody", "bob", "cyd"].map(user);
    assert_eq!(
        t.store().users(&asked).await.unwrap(),
        [profile("bob", 2), profile("cyd", 1)]
    );
    assert_eq!(t.store().users(&[]).await.unwrap(), []);
}
