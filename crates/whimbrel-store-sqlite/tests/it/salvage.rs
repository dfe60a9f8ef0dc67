//! Damage: nothing that was not sent is lost without being said, whatever happens to the files.

use crate::sample::{account, cid, count, database, dir, item, messages, page, run_sql};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;
use whimbrel_model::{Change, Cursor, Delta, Epoch, LocalChange, OutboxItem, People, StreamId};
use whimbrel_store::{Query, Store, StoreError, StoreReader};
use whimbrel_store_sqlite::SqliteStore;
use whimbrel_testkit::dice::Dice;

/// Operations in the outbox of the database that is damaged.
const ITEMS: u64 = 30;

/// Damages of each kind.
const SEEDS: u64 = 100;

/// Everything of a database, by what its file names end with.
type Files = BTreeMap<&'static str, Vec<u8>>;

/// Makes a database with an outbox, messages and a cursor. Returns its files as a killed process leaves them, and as
/// they are when it is closed.
async fn sample() -> (Files, Files) {
    let dir = dir();
    let path = database(&dir);
    let store = SqliteStore::open(&path).await.unwrap();
    store
        .apply(&Delta::from(Change::Account(account())))
        .await
        .unwrap();
    store.apply(&messages(1, 150)).await.unwrap();
    for n in 1..=ITEMS + 2 {
        store.apply(&Delta::from(Change::Outbox(item(n)))).await.unwrap();
    }
    let cursor = Cursor {
        epoch: Epoch(1),
        ver: 150,
        seq: 150,
        window: None,
    };
    let mut delta = Delta::from(Change::Cursor(StreamId::Channel(cid()), cursor));
    let setting = LocalChange::Setting("theme".to_owned(), Some("dark".to_owned()));
    delta.push(Change::Local(setting));
    for n in ITEMS + 1..=ITEMS + 2 {
        delta.push(Change::OutboxRemoved(item(n).id));
    }
    store.apply(&delta).await.unwrap();
    let killed = read_files(&path);
    store.close().await;
    (killed, read_files(&path))
}

fn read_files(path: &Path) -> Files {
    let read = |suffix: &'static str| Some((suffix, fs::read(with(path, suffix)).ok()?));
    ["", "-wal", "-outbox"].into_iter().filter_map(read).collect()
}

fn write_files(files: &Files) -> (TempDir, PathBuf) {
    let dir = dir();
    let path = database(&dir);
    for (suffix, bytes) in files {
        fs::write(with(&path, suffix), bytes).unwrap();
    }
    (dir, path)
}

fn with(path: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", path.display()))
}

fn outbox() -> Vec<OutboxItem> {
    (1..=ITEMS).map(item).collect()
}

/// Flips one bit: anywhere, near the beginning, where the schema is, or in the header, each as often.
fn flip(bytes: &mut [u8], dice: &mut Dice) {
    let within = [bytes.len(), 4_096, 100][dice.index(3)].min(bytes.len());
    let at = dice.index(within);
    bytes[at] ^= 1 << dice.below(8);
}

/// Reads everything, twice if the first time finds out that it is damaged.
async fn read_all(store: &SqliteStore) -> Vec<OutboxItem> {
    let _ = store
        .channels(&Query::channel_list(), None, 10, &People::default())
        .await;
    let _ = store.message(whimbrel_model::MessageId(item(1).id.0)).await;
    match store.load().await {
        Ok(loaded) => loaded.outbox,
        Err(StoreError::Corrupt(_)) => store.load().await.expect("it is recovered").outbox,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn one_flipped_bit_anywhere_after_a_kill_costs_no_operation() {
    let (killed, _) = sample().await;
    assert!(killed["-wal"].len() > 50_000);
    flip_one_bit(&killed).await;
}

#[tokio::test]
async fn one_flipped_bit_anywhere_after_a_close_costs_no_operation() {
    let (_, closed) = sample().await;
    assert!(closed[""].len() > 50_000);
    flip_one_bit(&closed).await;
}

async fn flip_one_bit(whole: &Files) {
    let mut recovered = 0;
    for seed in 0..SEEDS {
        let mut files = whole.clone();
        let mut dice = Dice::from_state(seed);
        let names: Vec<_> = files
            .iter()
            .filter(|(_, bytes)| !bytes.is_empty())
            .map(|(name, _)| *name)
            .collect();
        let name = names[dice.index(names.len())];
        flip(files.get_mut(name).unwrap(), &mut dice);
        let (_dir, path) = write_files(&files);
        let store = match SqliteStore::open(&path).await {
            Ok(store) => store,
            // Said, and nothing was done to it.
            Err(StoreError::NewerSchema { .. }) => {
                assert_eq!(fs::read(&path).unwrap(), files[""], "seed {seed}");
                continue;
            }
            Err(error) => panic!("seed {seed}, in {name:?}: {error}"),
        };
        let found = read_all(&store).await;
        assert!(
            found == outbox(),
            "seed {seed}, in {name:?}: {:?}",
            store.recovery()
        );
        let loaded = store.load().await.unwrap();
        assert_eq!(loaded.account, Some(account()), "seed {seed}");
        assert_eq!(loaded.local.settings["theme"], "dark", "seed {seed}");
        if let Some(recovery) = store.recovery() {
            assert_eq!(
                (recovery.kept as u64, recovery.lost),
                (ITEMS, Some(0)),
                "seed {seed}"
            );
            let aside = recovery.moved_to.expect("there was a file");
            assert!(aside.exists(), "seed {seed}");
            recovered += 1;
        }
        store.close().await;
    }
    assert!(recovered > 0, "none was noticed");
}

#[tokio::test]
async fn what_two_damages_took_is_said() {
    let (killed, closed) = sample().await;
    let (mut incomplete, mut whole) = (0, 0);
    for seed in 0..SEEDS {
        let mut files = if seed.is_multiple_of(2) {
            killed.clone()
        } else {
            closed.clone()
        };
        let mut dice = Dice::from_state(seed ^ 0xabcd);
        let bytes = files.get_mut("").unwrap();
        for _ in 0..20 {
            flip(bytes, &mut dice);
        }
        flip(files.get_mut("-outbox").unwrap(), &mut dice);
        let (_dir, path) = write_files(&files);
        let Ok(store) = SqliteStore::open(&path).await else {
            assert_eq!(fs::read(&path).unwrap(), files[""], "seed {seed}");
            continue;
        };
        let found = read_all(&store).await;
        let lost = store
            .recovery()
            .and_then(|recovery| (recovery.lost != Some(0)).then_some(recovery));
        match lost {
            Some(recovery) => {
                assert!(
                    recovery.moved_to.is_some_and(|aside| aside.exists()),
                    "seed {seed}"
                );
                assert_eq!(recovery.kept, found.len(), "seed {seed}");
                incomplete += 1;
            }
            None => {
                assert!(
                    found.len() as u64 == ITEMS,
                    "seed {seed}: {} are there, and nothing is said",
                    found.len()
                );
                whole += 1;
            }
        }
        store.close().await;
    }
    assert!(
        incomplete > 5 && whole > 5,
        "{incomplete} incomplete, {whole} whole"
    );
}

/// Opens damaged files, and asserts that the outbox is whole and that the damaged file is kept as it was.
async fn assert_recovered(files: &Files, why: &str) {
    let (_dir, path) = write_files(files);
    let store = SqliteStore::open(&path).await.unwrap();
    let recovery = store.recovery().expect("it was recovered");
    assert!(recovery.reason.contains(why), "{why}: {recovery:?}");
    assert_eq!((recovery.kept as u64, recovery.lost), (ITEMS, Some(0)), "{why}");
    let before = files.get("").filter(|bytes| !bytes.is_empty());
    assert_eq!(
        recovery.moved_to.map(|aside| fs::read(aside).unwrap()).as_ref(),
        before,
        "{why}"
    );
    let loaded = store.load().await.unwrap();
    assert_eq!(
        (loaded.outbox, loaded.account),
        (outbox(), Some(account())),
        "{why}"
    );
    assert!(
        loaded.cursors.is_empty() && loaded.heads.is_empty(),
        "{why}: everything is fetched again"
    );
    assert_eq!(count(&store).await, 0, "{why}");
    // It goes on like any other.
    store.apply(&messages(1, 3)).await.unwrap();
    store.apply(&Delta::from(Change::Outbox(item(40)))).await.unwrap();
    store.close().await;
    let store = SqliteStore::open(&path).await.unwrap();
    assert_eq!(store.recovery(), None, "{why}");
    assert_eq!(
        store.load().await.unwrap().outbox.len() as u64,
        ITEMS + 1,
        "{why}"
    );
    assert_eq!(count(&store).await, 3, "{why}");
}

#[tokio::test]
async fn a_truncated_database_is_set_aside_and_its_outbox_kept() {
    let (_, mut files) = sample().await;
    files.get_mut("").unwrap().truncate(2 * 4_096);
    assert_recovered(&files, "damaged").await;
}

#[tokio::test]
async fn a_database_with_its_header_zeroed_is_set_aside_and_its_outbox_kept() {
    let (_, mut files) = sample().await;
    files.get_mut("").unwrap()[..100].fill(0);
    assert_recovered(&files, "not a SQLite database").await;
}

#[tokio::test]
async fn an_empty_file_in_the_place_of_a_database_gets_its_outbox_back() {
    let (_, mut files) = sample().await;
    files.get_mut("").unwrap().clear();
    assert_recovered(&files, "empty").await;
}

#[tokio::test]
async fn a_missing_file_in_the_place_of_a_database_gets_its_outbox_back() {
    let (_, mut files) = sample().await;
    files.remove("");
    assert_recovered(&files, "empty").await;
}

#[tokio::test]
async fn a_log_that_lost_its_end_is_found_out() {
    let (mut files, _) = sample().await;
    let log = files.get_mut("-wal").unwrap();
    log.truncate(log.len() - 3 * 4_096);
    let (_dir, path) = write_files(&files);
    let store = SqliteStore::open(&path).await.unwrap();
    assert!(
        store
            .recovery()
            .expect("it was recovered")
            .reason
            .contains("lost the newest")
    );
    assert!(store.load().await.unwrap().outbox == outbox());
}

#[tokio::test]
async fn without_a_journal_what_can_be_read_of_the_database_is_kept() {
    let (_, mut files) = sample().await;
    files.remove("-outbox");
    let (dir, path) = write_files(&files);
    // Where the messages are, and then some rows of the outbox that make no sense.
    run_sql(
        &path,
        "UPDATE outbox SET op = 'what' WHERE pos > 27; UPDATE session SET heads_token = 'x'",
    )
    .await;
    fs::write(dir.path().join("chat.db-damaged"), "").unwrap();
    let store = SqliteStore::open(&path).await.unwrap();
    let recovery = store.recovery().unwrap();
    assert_eq!((recovery.kept, recovery.lost), (27, Some(3)));
    assert_eq!(store.load().await.unwrap().outbox, outbox()[..27]);
    assert_eq!(store.load().await.unwrap().account, Some(account()));
}

#[tokio::test]
async fn without_a_journal_and_with_nothing_readable_that_is_said() {
    let (_, mut files) = sample().await;
    files.remove("-outbox");
    files.get_mut("").unwrap()[100..].fill(0xff);
    let (_dir, path) = write_files(&files);
    let store = SqliteStore::open(&path).await.unwrap();
    let recovery = store.recovery().unwrap();
    assert_eq!((recovery.kept, recovery.lost), (0, None));
    assert_eq!(fs::read(recovery.moved_to.unwrap()).unwrap(), files[""]);
}

#[tokio::test]
async fn damage_that_is_found_while_it_is_open_is_recovered_by_the_next_load() {
    let (_, files) = sample().await;
    let (_dir, path) = write_files(&files);
    let store = SqliteStore::open(&path).await.unwrap();
    assert_eq!(count(&store).await, 150);
    run_sql(&path, "UPDATE messages SET rest = 'what' WHERE seq = 7").await;
    let all = whimbrel_model::MessageQuery {
        cid: cid(),
        scope: whimbrel_model::MessageScope::Channel,
        from: whimbrel_model::HistoryFrom::Newest,
        limit: 1_000,
    };
    let failed = store.messages(&all).await;
    assert!(matches!(failed, Err(StoreError::Corrupt(_))), "{failed:?}");
    assert_eq!(store.recovery(), None);
    // What would be written now would not last.
    let refused = store.apply(&Delta::from(Change::Outbox(item(40)))).await;
    assert!(matches!(refused, Err(StoreError::Corrupt(_))), "{refused:?}");
    assert!(store.load().await.unwrap().outbox == outbox());
    let recovery = store.recovery().expect("it was recovered");
    assert_eq!((recovery.kept as u64, recovery.lost), (ITEMS, Some(0)));
    assert_eq!(page(&store).await.messages, []);
    store.apply(&Delta::from(Change::Outbox(item(40)))).await.unwrap();
    store.apply(&messages(1, 2)).await.unwrap();
    assert_eq!(count(&store).await, 2);
    store.close().await;
    let store = SqliteStore::open(&path).await.unwrap();
    assert_eq!((store.recovery(), count(&store).await), (None, 2));
}

#[tokio::test]
async fn damage_that_was_found_by_a_killed_process_is_recovered_by_the_next_one() {
    let (_, files) = sample().await;
    let (dir, path) = write_files(&files);
    fs::write(dir.path().join("chat.db-damaged"), "").unwrap();
    let store = SqliteStore::open(&path).await.unwrap();
    assert!(store.recovery().is_some());
    assert!(store.load().await.unwrap().outbox == outbox());
    store.close().await;
    assert_eq!(SqliteStore::open(&path).await.unwrap().recovery(), None);
}

#[tokio::test]
async fn a_recovery_that_was_interrupted_is_done_again() {
    let (_, files) = sample().await;
    let with_outbox = |change: fn(&mut Files)| {
        let mut files = files.clone();
        change(&mut files);
        files
    };
    // Before the file was moved, after it, and when the new one had nothing in it yet.
    for files in [
        with_outbox(|files| files.get_mut("").unwrap().truncate(8_192)),
        with_outbox(|files| drop(files.remove(""))),
    ] {
        assert_recovered(&files, "").await;
    }
    let (_dir, path) = write_files(&files);
    fs::remove_file(&path).unwrap();
    let fresh = dir();
    SqliteStore::open(database(&fresh)).await.unwrap().close().await;
    fs::copy(database(&fresh), &path).unwrap();
    let store = SqliteStore::open(&path).await.unwrap();
    assert!(store.load().await.unwrap().outbox == outbox());
}
