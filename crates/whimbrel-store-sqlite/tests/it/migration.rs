//! Databases of older schemas.

use crate::sample::{account, cid, count, database, dir, item, run_sql};
use whimbrel_model::{Change, MessageId, People, Read, ReadPosition, UserId};
use whimbrel_query::{Endpoint, Filter, Query, Sort, field};
use whimbrel_store::{AccountReader as _, Store, StoreReader};
use whimbrel_store_sqlite::SqliteStore;

/// The first schema, as it was released, and what was in it.
const FIRST: &str = concat!(
    include_str!("../../src/schema/0001.sql"),
    include_str!("schema1.sql")
);

/// The fifth, the last in which channels had one read position each and mentions were not counted.
const FIFTH: &str = concat!(
    include_str!("../../src/schema/0001.sql"),
    include_str!("schema1.sql"),
    include_str!("../../src/schema/0002.sql"),
    include_str!("../../src/schema/0003.sql"),
    include_str!("../../src/schema/0004.sql"),
    include_str!("../../src/schema/0005.sql"),
    include_str!("schema5.sql")
);

#[tokio::test]
async fn a_full_outbox_of_the_first_schema_is_kept() {
    let dir = dir();
    let path = database(&dir);
    run_sql(&path, FIRST).await;
    for _ in 0..2 {
        let store = SqliteStore::open(&path).await.unwrap();
        assert_eq!(store.recovery(), None);
        let loaded = store.load().await.unwrap();
        assert!(
            loaded.outbox == (1..=300).map(item).collect::<Vec<_>>(),
            "{:?}",
            loaded.outbox.first()
        );
        assert_eq!(loaded.account, Some(account()));
        assert_eq!(loaded.heads_token.as_deref(), Some("7/3"));
        assert_eq!((loaded.cursors.len(), loaded.heads.len()), (1, 1));
        assert_eq!(count(&store).await, 1);
        store.close().await;
    }
}

#[tokio::test]
async fn channels_of_the_first_schema_are_found_by_their_names() {
    let dir = dir();
    let path = database(&dir);
    run_sql(&path, FIRST).await;
    let store = SqliteStore::open(&path).await.unwrap();
    for (filter, found) in [
        (field("name").autocomplete("gene"), 1),
        (field("name").q("GENERAL"), 1),
        (field("name").q("gene"), 0),
        (Filter::everything(), 1),
    ] {
        let query = Query::new(&Endpoint::CHANNELS, filter, Sort::by_ascending("name")).unwrap();
        let channels = store.channels(&query, None, 9, &People::default()).await.unwrap();
        assert_eq!(channels.len(), found, "{:?}", query.filter());
    }
}

#[tokio::test]
async fn an_old_database_has_a_journal_once_it_was_opened() {
    let dir = dir();
    let path = database(&dir);
    run_sql(&path, FIRST).await;
    SqliteStore::open(&path).await.unwrap().close().await;
    std::fs::write(&path, "").unwrap();
    let store = SqliteStore::open(&path).await.unwrap();
    assert_eq!(store.recovery().map(|recovery| recovery.kept), Some(300));
    assert_eq!(store.load().await.unwrap().outbox.len(), 300);
}

#[tokio::test]
async fn a_step_that_fails_leaves_the_old_schema_and_its_outbox() {
    let dir = dir();
    let path = database(&dir);
    run_sql(&path, FIRST).await;
    // A column that a later step wants to add.
    run_sql(&path, "ALTER TABLE session ADD COLUMN outbox_ver TEXT").await;
    let store = SqliteStore::open(&path).await.unwrap();
    let recovery = store
        .recovery()
        .expect("no version of ours made such a schema, so it is damaged");
    assert_eq!((recovery.kept, recovery.lost), (300, Some(0)));
    assert!(recovery.moved_to.unwrap().exists());
}

#[tokio::test]
async fn read_positions_and_what_is_unread_are_kept_and_mentions_are_counted() {
    let dir = dir();
    let path = database(&dir);
    run_sql(&path, FIFTH).await;
    let general = cid();
    let read = |user: &str, epoch, seq, furthest, ver| Read {
        epoch,
        seq,
        furthest,
        ver,
        ..Read::new(general.clone(), UserId::new(user).unwrap(), None)
    };
    for _ in 0..2 {
        let store = SqliteStore::open(&path).await.unwrap();
        assert_eq!(store.recovery(), None);
        let reads = store.reads(&general, None).await.unwrap();
        assert_eq!(reads, [read("ada", 1, 1, 2, 5), read("bob", 0, 6, 0, 8)]);
        let row = store
            .channel(&general, &People::default())
            .await
            .unwrap()
            .unwrap();
        // Past the position that waits there is only what names somebody else: what is deleted, own or in a thread is not.
        assert_eq!(row.waiting_read, Some(ReadPosition { epoch: 1, seq: 2 }));
        assert_eq!((row.unread, row.mentions), (1, 0));
        let membership = row.membership.unwrap();
        assert_eq!((membership.pinned_at, membership.muted), (None, None));
        let listed = store
            .channels(&Query::channel_list(), None, 9, &People::default())
            .await
            .unwrap();
        assert_eq!(listed.len(), 1);
        assert_eq!(store.threads(None, 9, &People::default()).await.unwrap(), []);
        assert_eq!(store.drafts().await.unwrap(), []);
        store.close().await;
    }
    let store = SqliteStore::open(&path).await.unwrap();
    let waiting = store.load().await.unwrap().outbox.pop().unwrap();
    assert_eq!(
        waiting.op.read_position(),
        Some(ReadPosition { epoch: 1, seq: 2 })
    );
    store
        .apply(&Change::OutboxRemoved(waiting.id).into())
        .await
        .unwrap();
    let row = store
        .channel(&general, &People::default())
        .await
        .unwrap()
        .unwrap();
    assert_eq!((row.unread, row.mentions), (2, 1));
    // The reply's thread is there as soon as the server has told of it.
    let first: MessageId = "01900000-0000-7000-8000-000000000009".parse().unwrap();
    let thread = store.thread(first, &People::default()).await.unwrap().unwrap();
    assert_eq!(thread.last_reply.map(|reply| reply.seq), Some(5));
    assert_eq!((thread.followed, thread.unread), (false, 1));
}
