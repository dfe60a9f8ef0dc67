//! The six operations of the mission, with no network, on real SQLite and a real server.

use futures_util::StreamExt as _;
use std::path::Path;
use whimbrel::{
    Channel, Client, Defaults as _, OlderEdge, SyncState, Timeline, model::overlay::MessageStatus,
};
use whimbrel_server::{Config, RunningServer, Server, Tokens};

const SECRET: &str = "a secret of thirty-two bytes, at least";
const CID: &str = "messaging:reef";

struct World {
    directory: tempfile::TempDir,
}

impl World {
    fn config(&self) -> Config {
        Config::new(self.directory.path().join("server.db"), SECRET)
    }

    async fn server(&self) -> RunningServer {
        Server::start(self.config()).await.unwrap()
    }

    async fn client(&self, user: &str, server: &str) -> Client {
        let user_id = user.parse().unwrap();
        let hour = std::time::Duration::from_secs(3600);
        let token = Tokens::new(&self.config().auth)
            .unwrap()
            .mint(&user_id, hour, now())
            .unwrap();
        let directory: &Path = self.directory.path();
        let builder = Client::builder()
            .user(user)
            .server(server)
            .token(token)
            .directory(directory.join(user));
        builder.open().await.unwrap()
    }
}

fn now() -> whimbrel::model::Timestamp {
    use whimbrel::Environment as _;
    whimbrel::SystemEnvironment.wall()
}

async fn until(timeline: &Timeline, what: &str, holds: impl Fn(&Timeline) -> bool) {
    let (_, mut changes) = timeline.subscribe();
    let wait = async {
        while !holds(timeline) {
            changes.next().await.unwrap();
        }
    };
    let deadline = std::time::Duration::from_secs(20);
    assert!(
        tokio::time::timeout(deadline, wait).await.is_ok(),
        "never: {what}; have {:#?}",
        timeline.items()
    );
}

fn texts(timeline: &Timeline) -> Vec<String> {
    timeline
        .items()
        .iter()
        .map(|item| item.view.message.body.text.clone())
        .collect()
}

#[tokio::test]
async fn six_offline_operations_survive_a_restart_and_reach_everyone_once_the_network_is_back() {
    let world = World {
        directory: tempfile::tempdir().unwrap(),
    };
    // The discard port: nothing answers there.
    let nowhere = "http://127.0.0.1:9";

    let client = world.client("ada", nowhere).await;
    assert_eq!(client.status(), SyncState::Offline);
    client.connect().await.unwrap();
    let reef = client.channel(CID).unwrap();
    write_offline(&reef).await;
    let before = reef.timeline().await.unwrap();
    assert_eq!(texts(&before), ["kept", "edited"]);
    client.close().await;

    // The same after a restart, still with no network: all of it is in the outbox and on the screen.
    let client = world.client("ada", nowhere).await;
    let reef = client.channel(CID).unwrap();
    let again = reef.timeline().await.unwrap();
    assert_eq!(texts(&again), ["kept", "edited"]);
    assert!(
        again
            .items()
            .iter()
            .all(|item| item.view.status == MessageStatus::Pending)
    );
    let kinds: Vec<_> = again.items()[0]
        .reactions
        .iter()
        .map(|group| group.kind.to_string())
        .collect();
    assert_eq!(kinds, ["🎉"]);
    // What came to nothing is not there: create, two messages of which one was edited, and one reaction.
    assert_eq!(client.outbox().len(), 4);
    let channels = client.channels().await.unwrap();
    assert_eq!(
        (
            channels.items()[0].name.as_str(),
            channels.items()[0].created_locally
        ),
        ("Reef", true)
    );
    client.close().await;

    // The server's address is part of the file's name; the database moves with the account to where the server is.
    let server = world.server().await;
    let address = format!("http://{}", server.addr);
    move_database(&world.directory.path().join("ada"), &address);
    let (ada, bob) = (
        world.client("ada", &address).await,
        world.client("bob", &address).await,
    );
    for client in [&ada, &bob] {
        client.connect().await.unwrap();
    }
    for client in [&ada, &bob] {
        let timeline = client.channel(CID).unwrap().timeline().await.unwrap();
        until(&timeline, "everything sent and arrived", has_arrived).await;
        assert_eq!(texts(&timeline), ["kept", "edited"]);
        assert_eq!(timeline.edge(), OlderEdge::Start);
        client.close().await;
    }
    server.shutdown().await;
}

/// Creates a channel; sends, updates and deletes messages; sends and deletes reactions: on what no server knows of.
async fn write_offline(reef: &Channel) {
    reef.create("Reef", ["bob"]).await.unwrap();
    let kept = reef.send("kept").await.unwrap().id;
    let edited = reef.send("to be edited").await.unwrap().id;
    let deleted = reef.send("to be deleted").await.unwrap().id;
    reef.edit(edited, "edited").await.unwrap();
    reef.delete(deleted).await.unwrap();
    reef.react(kept, "👍").await.unwrap();
    reef.react(kept, "🎉").await.unwrap();
    reef.unreact(kept, "👍").await.unwrap();
}

fn has_arrived(timeline: &Timeline) -> bool {
    let items = timeline.items();
    let sent =
        |item: &whimbrel::TimelineItem| item.view.status == MessageStatus::Sent && !item.view.change_pending;
    items.len() == 2
        && items.iter().all(|item| sent(item))
        && items[0]
            .reactions
            .iter()
            .any(|group| group.kind.as_str() == "🎉" && group.count == 1)
        && items[0].reactions.len() == 1
}

/// Renames the one database in `directory` to the name that it has for `server`.
fn move_database(directory: &Path, server: &str) {
    let host = server.trim_start_matches("http://").replace(':', "_3a");
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if let Some((_, rest)) = name.split_once('~') {
            std::fs::rename(&path, directory.join(format!("{host}~{rest}"))).unwrap();
        }
    }
}
