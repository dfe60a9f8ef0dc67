//! Settings of this device, and archives in files.

use crate::support::{general, go_live, made, online, open, settled, within};
use std::{fs, path::Path, sync::Arc, time::Duration};
use whimbrel_client::{ArchiveError, ArchiveOptions, ArchiveProblem, Client, Error, Skipped};
use whimbrel_model::{Epoch, HistoryFrom, MessageQuery, MessageScope, limits};
use whimbrel_store::{MemoryStore, Store, StoreReader};
use whimbrel_testkit::server::TestServer;

const PASSPHRASE: &str = "correct horse battery staple";

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn files(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<_> = entries.map(name).collect();
    names.sort();
    names
}

/// Bob was in a channel with ada, and is not any more. Returns bob's device.
pub(crate) async fn left(server: &TestServer, store: &MemoryStore) -> Client {
    let ada = online(server, "ada").await;
    let bob = open(server, "bob", store).await;
    made(&ada).await;
    go_live(&bob).await;
    let channel = general(&ada);
    for number in 0..5 {
        channel.send(format!("message {number}")).await.unwrap();
    }
    settled(&ada).await;
    bob.wait_until_caught_up(Duration::from_secs(20)).await.unwrap();
    let theirs = general(&bob);
    let second = messages(store).await[1].clone();
    theirs.react(second.id, "like").await.unwrap();
    theirs.reply(second.id, "a reply in the thread").await.unwrap();
    settled(&bob).await;
    theirs.leave().await.unwrap();
    settled(&bob).await;
    ada.wait_until_caught_up(Duration::from_secs(20)).await.unwrap();
    channel.send("bob does not see this").await.unwrap();
    settled(&ada).await;
    ada.close().await;
    bob
}

pub(crate) async fn messages(store: &MemoryStore) -> Vec<whimbrel_model::Message> {
    let query = MessageQuery {
        cid: crate::support::CID.parse().unwrap(),
        scope: MessageScope::Channel,
        from: HistoryFrom::Newest,
        limit: 100,
    };
    store.reopen().messages(&query).await.unwrap().messages
}

#[tokio::test]
async fn settings_of_the_device_are_kept_and_watched() {
    let server = TestServer::new();
    let disk = MemoryStore::new();
    let ada = open(&server, "ada", &disk).await;
    let settings = ada.local_settings();
    let mut watch = settings.watch();
    assert!(watch.get().is_empty());
    settings.set("theme", "light").await.unwrap();
    assert_eq!(watch.next().await.unwrap()["theme"], "light");
    settings.set("theme", "dark").await.unwrap();
    settings.set("font", "large").await.unwrap();
    settings.remove("font").await.unwrap();
    settings.remove("font").await.unwrap();
    assert_eq!(
        (settings.get("theme"), settings.get("font")),
        (Some("dark".to_owned()), None)
    );
    ada.close().await;
    let ada = open(&server, "ada", &disk).await;
    let all = ada.local_settings().all();
    assert!(
        all.iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .eq([("theme", "dark")])
    );
    ada.close().await;
    let closed = ada.local_settings().set("theme", "light").await;
    assert!(matches!(closed, Err(Error::Closed)));
}

#[tokio::test]
async fn settings_of_the_device_are_bounded_together() {
    let server = TestServer::new();
    let ada = open(&server, "ada", &MemoryStore::new()).await;
    let settings = ada.local_settings();
    let large = "x".repeat(limits::LOCAL_SETTINGS_BYTES - 10);
    settings.set("a", large.as_str()).await.unwrap();
    let (one, two) = tokio::join!(settings.set("b", "1234"), settings.set("c", "1234567"));
    assert!(one.is_ok());
    let Err(Error::Invalid(invalid)) = two else {
        panic!("{two:?}")
    };
    assert_eq!(invalid.code(), whimbrel_model::Code::TooLarge);
    assert_eq!(settings.get("c"), None);
    assert!(settings.set("", "x").await.is_err());
    settings.remove("a").await.unwrap();
    settings.set("c", "1234567").await.unwrap();
}

#[tokio::test]
async fn an_archive_gives_another_database_what_the_server_does_not() {
    let server = TestServer::new();
    let old = MemoryStore::new();
    let bob = left(&server, &old).await;
    bob.local_settings().set("theme", "dark").await.unwrap();
    bob.local_settings().set("font", "large").await.unwrap();
    let directory = directory();
    let path = directory.path().join("bob.whimbrel");
    let made = bob
        .create_archive(&path, PASSPHRASE, ArchiveOptions::default())
        .await
        .unwrap();
    assert_eq!(files(directory.path()), ["bob.whimbrel"]);
    assert_eq!(Client::archive_metadata(&path, PASSPHRASE).await.unwrap(), made);
    assert_eq!(
        Client::archive_made_at(&path).await.unwrap(),
        made.manifest.made_at
    );
    assert_eq!((made.counts["setting"], made.counts["channel"]), (2, 1));
    let bytes = fs::read(&path).unwrap();
    assert!(!String::from_utf8_lossy(&bytes).contains("bob"));

    bob.close().await;
    let new = MemoryStore::new();
    let phone = open(&server, "bob", &new).await;
    go_live(&phone).await;
    phone.wait_until_caught_up(Duration::from_secs(20)).await.unwrap();
    assert!(messages(&new).await.is_empty(), "the server does not give it");
    phone.local_settings().set("font", "small").await.unwrap();
    let summary = phone.import_archive(&path, PASSPHRASE).await.unwrap();
    assert_eq!(summary.by, bob.device());
    assert_eq!(messages(&new).await, messages(&old).await);
    let settings = phone.local_settings();
    assert_eq!(settings.get("theme").as_deref(), Some("dark"));
    assert_eq!(
        settings.get("font").as_deref(),
        Some("small"),
        "what is set here stays"
    );
    assert_eq!(summary.skipped, [(Skipped::KeptHere, 1)].into());
    let (here, there) = (new.load().await.unwrap(), old.load().await.unwrap());
    let cid = crate::support::CID.parse().unwrap();
    assert_eq!(here.ranges[&cid], there.ranges[&cid]);
    assert_eq!(
        new.members(&cid).await.unwrap().len(),
        old.members(&cid).await.unwrap().len()
    );
    let timeline = general(&phone).timeline().await.unwrap();
    let items = timeline.items();
    assert_eq!(items.len(), 5);
    assert_eq!(items[1].reactions.len(), 1);
    assert_eq!(items[1].replies, 1);

    let again = phone.import_archive(&path, PASSPHRASE).await.unwrap();
    assert_eq!(
        (again.added, again.duplicates),
        (0, summary.added + summary.duplicates)
    );
    assert_eq!(new.load().await.unwrap().ranges, here.ranges);
    phone.close().await;
    let phone = open(&server, "bob", &new).await;
    let timeline = general(&phone).timeline().await.unwrap();
    assert_eq!(timeline.items().len(), 5, "it is on disk");
}

#[tokio::test]
async fn who_comes_back_goes_on_from_what_was_imported() {
    let server = TestServer::new();
    let bob = left(&server, &MemoryStore::new()).await;
    let directory = directory();
    let path = directory.path().join("bob.whimbrel");
    bob.create_archive(&path, PASSPHRASE, ArchiveOptions::default())
        .await
        .unwrap();
    bob.close().await;
    let new = MemoryStore::new();
    let phone = open(&server, "bob", &new).await;
    // With no network: the database does not know of what history the server is.
    phone.import_archive(&path, PASSPHRASE).await.unwrap();
    assert_eq!(messages(&new).await.len(), 5);
    go_live(&phone).await;
    phone.wait_until_caught_up(Duration::from_secs(20)).await.unwrap();
    assert_eq!(messages(&new).await.len(), 5, "it is left alone");
    let ada = online(&server, "ada").await;
    general(&ada).add_members(["bob".parse().unwrap()]).await.unwrap();
    settled(&ada).await;
    phone.wait_until_caught_up(Duration::from_secs(20)).await.unwrap();
    let texts: Vec<_> = messages(&new)
        .await
        .into_iter()
        .map(|message| message.body.text)
        .collect();
    assert!(texts.contains(&"bob does not see this".to_owned()), "{texts:?}");
    let timeline = general(&phone).timeline().await.unwrap();
    assert!(
        timeline.items().iter().all(|item| !item.gap_before),
        "nothing is missing"
    );
    let again = phone.import_archive(&path, PASSPHRASE).await.unwrap();
    assert_eq!(again.added, 0);
    assert!(again.skipped[&Skipped::Followed] > 5, "{:?}", again.skipped);
}

#[tokio::test]
async fn an_archive_of_another_history_of_the_server_is_not_mixed_in() {
    let server = TestServer::new();
    let bob = left(&server, &MemoryStore::new()).await;
    let directory = directory();
    let path = directory.path().join("bob.whimbrel");
    bob.create_archive(&path, PASSPHRASE, ArchiveOptions::default())
        .await
        .unwrap();
    let other = TestServer::over(server.storage().fork(Epoch(9)), Default::default());
    let new = MemoryStore::new();
    let phone = open(&other, "bob", &new).await;
    go_live(&phone).await;
    let summary = phone.import_archive(&path, PASSPHRASE).await.unwrap();
    assert_eq!(summary.added, 0);
    assert!(summary.skipped[&Skipped::OtherHistory] > 5);
    assert!(messages(&new).await.is_empty());
}

#[tokio::test]
async fn an_archive_of_somebody_else_a_damaged_one_and_a_wrong_passphrase_change_nothing() {
    let server = TestServer::new();
    let bob = left(&server, &MemoryStore::new()).await;
    bob.local_settings().set("theme", "dark").await.unwrap();
    let directory = directory();
    let path = directory.path().join("bob.whimbrel");
    bob.create_archive(&path, PASSPHRASE, ArchiveOptions::default())
        .await
        .unwrap();
    let carol = open(&server, "carol", &MemoryStore::new()).await;
    let error = carol.import_archive(&path, PASSPHRASE).await.unwrap_err();
    assert!(
        matches!(&error, Error::Archive(ArchiveProblem::OtherAccount { archive, .. }) if archive == bob.user()),
        "{error:?}"
    );
    let store = MemoryStore::new();
    let phone = open(&server, "bob", &store).await;
    let before = store.load().await.unwrap();
    let wrong = phone.import_archive(&path, "guess").await.unwrap_err();
    assert_eq!(wrong.code(), "archive_wrong_key");
    assert!(phone.import_archive(&path, "").await.is_err());
    let missing = phone
        .import_archive(directory.path().join("none"), PASSPHRASE)
        .await;
    assert_eq!(missing.unwrap_err().code(), "archive_io");
    let bytes = fs::read(&path).unwrap();
    let cut = directory.path().join("cut");
    for len in [0, 10, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&cut, &bytes[..len]).unwrap();
        let error = phone.import_archive(&cut, PASSPHRASE).await.unwrap_err();
        assert!(
            matches!(
                error,
                Error::Archive(ArchiveProblem::Archive(
                    ArchiveError::NotAnArchive | ArchiveError::Damaged(_)
                ))
            ),
            "cut at {len}: {error:?}"
        );
    }
    assert_eq!(store.load().await.unwrap(), before);
    assert!(messages(&store).await.is_empty());
    assert!(phone.local_settings().all().is_empty());
}

#[tokio::test]
async fn an_existing_file_is_not_overwritten_and_nothing_is_left_of_one_that_is_given_up() {
    let server = TestServer::new();
    let ada = open(&server, "ada", &MemoryStore::new()).await;
    let directory = directory();
    let path = directory.path().join("ada.whimbrel");
    fs::write(&path, "precious").unwrap();
    let exists = ada
        .create_archive(&path, PASSPHRASE, ArchiveOptions::default())
        .await;
    assert!(
        matches!(exists, Err(Error::Archive(ArchiveProblem::Exists(_)))),
        "{exists:?}"
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    let nowhere = directory.path().join("no such directory").join("ada.whimbrel");
    let nowhere = ada
        .create_archive(&nowhere, PASSPHRASE, ArchiveOptions::default())
        .await;
    assert_eq!(nowhere.unwrap_err().code(), "archive_io");
    let other = directory.path().join("other.whimbrel");
    let given_up = ada.create_archive(&other, PASSPHRASE, ArchiveOptions::default());
    assert!(
        tokio::time::timeout(Duration::from_millis(1), given_up)
            .await
            .is_err()
    );
    within("what was begun to be gone", async {
        while files(directory.path()) != ["ada.whimbrel"] {
            tokio::time::sleep(Duration::from_millis(5)).await; // tidy: allow sleep: a thread that no one can wait for
        }
    })
    .await;
}

#[tokio::test]
async fn a_long_history_is_archived_and_taken_in_with_its_threads() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    let channel = made(&ada).await;
    let mut parent = None;
    for number in 0..450 {
        let sent = channel.send(format!("message {number}")).await.unwrap();
        if number == 20 {
            parent = Some(sent.id);
        }
    }
    for number in 0..120 {
        channel
            .reply(parent.unwrap(), format!("reply {number}"))
            .await
            .unwrap();
    }
    settled(&ada).await;
    let directory = directory();
    let path = directory.path().join("ada.whimbrel");
    let options = ArchiveOptions {
        other_channels: true,
        ..ArchiveOptions::default()
    };
    let metadata = ada.create_archive(&path, PASSPHRASE, options).await.unwrap();
    assert!(metadata.counts["row"] >= 570);
    let followed = ada.import_archive(&path, PASSPHRASE).await.unwrap();
    assert_eq!((followed.added, followed.duplicates), (0, 0));
    let nobody = TestServer::new();
    let store = MemoryStore::new();
    let other = nobody
        .client("ada")
        .store(Arc::new(store.reopen()))
        .open()
        .await
        .unwrap();
    let summary = other.import_archive(&path, PASSPHRASE).await.unwrap();
    assert_eq!(summary.added, metadata.counts["row"]);
    assert_eq!(messages(&store).await.len(), 100, "a page of them");
    let query = MessageQuery {
        cid: crate::support::CID.parse().unwrap(),
        scope: MessageScope::Thread(parent.unwrap()),
        from: HistoryFrom::Newest,
        limit: 1_000,
    };
    let page = store.messages(&query).await.unwrap();
    assert_eq!(page.messages.len(), 120);
    assert!(page.ranges.is_fresh(1, 570));
}
