//! A client in another language, written from the protocol document alone, talks to a real server.

use std::{
    io::Write as _,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
    time::timeout,
};
use whimbrel_e2e::server::ServerProcess;
use whimbrel_testkit::proxy::Proxy;

/// How long a call of the script may take: it starts an interpreter, and waits a second or so between two tries.
const PATIENCE: Duration = Duration::from_secs(60);

const CID: &str = "messaging:reef";

struct Script {
    server: String,
}

impl Script {
    fn new(server: SocketAddr) -> Self {
        Self {
            server: format!("http://{server}"),
        }
    }

    fn command(&self, user: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("python3");
        command
            .arg(path())
            .args(["--server", &self.server, "--user", user, "--cid", CID])
            .args(["--patience", "30"])
            .args(arguments)
            .stdin(Stdio::null())
            .env("PYTHONIOENCODING", "utf-8")
            .kill_on_drop(true);
        command
    }

    /// Runs it to its end and returns its exit code and what it printed.
    async fn run(&self, user: &str, arguments: &[&str]) -> (Option<i32>, String) {
        let output = timeout(PATIENCE, self.command(user, arguments).output()).await;
        told(output.expect("the script must end").expect("the script must run"))
    }
}

fn told(output: Output) -> (Option<i32>, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace("\r\n", "\n");
    // What it says besides is shown when a test fails.
    let _ = std::io::stderr().write_all(text(&output.stderr).as_bytes());
    (output.status.code(), text(&output.stdout))
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/examples/chat.py")
}

/// Says so where it is seen, and returns false, if there is no Python to run the script with.
fn has_python() -> bool {
    let found = std::process::Command::new("python3").arg("--version").output();
    match found {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let _ = writeln!(std::io::stderr(), "SKIPPED: there is no python3 on the PATH");
            false
        }
        Err(error) => panic!("python3 cannot be run: {error}"),
        Ok(_) => true,
    }
}

#[tokio::test]
async fn a_client_from_the_document_alone_sends_and_listens_across_a_restart() {
    if !has_python() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let mut server = ServerProcess::start(directory.path()).await.unwrap();
    // The server comes back on another port; the way to it stays the same.
    let way = Proxy::open(server.address()).await.unwrap();
    let script = Script::new(way.address());

    let send = ["--create", "--members", "bob,eve", "send", "hello from ada"];
    let sent = script.run("ada", &send).await;
    assert_eq!(sent, (Some(0), "[1] ada: hello from ada\n".to_owned()));

    let mut bob = script
        .command("bob", &["listen", "--count", "4"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut heard = BufReader::new(bob.stdout.take().unwrap()).lines();
    let mut next = async || timeout(PATIENCE, heard.next_line()).await.unwrap().unwrap();
    assert_eq!(next().await.as_deref(), Some("[1] ada: hello from ada"));
    let sent = script.run("ada", &["send", "grüße 🐦"]).await;
    assert_eq!(sent, (Some(0), "[2] ada: grüße 🐦\n".to_owned()));
    assert_eq!(next().await.as_deref(), Some("[2] ada: grüße 🐦"));

    // Ada sends while nobody is there, and goes on trying.
    server.kill().await.unwrap();
    let waiting = script.run("ada", &["send", "into the dark"]);
    let restarted = async {
        let server = ServerProcess::start(directory.path()).await.unwrap();
        way.set_target(server.address());
        server
    };
    let (sent, _server) = tokio::join!(waiting, restarted);
    assert_eq!(sent, (Some(0), "[3] ada: into the dark\n".to_owned()));
    assert_eq!(next().await.as_deref(), Some("[3] ada: into the dark"));
    assert_eq!(script.run("eve", &["send", "and eve"]).await.0, Some(0));
    assert_eq!(next().await.as_deref(), Some("[4] eve: and eve"));
    assert_eq!(next().await, None);
    let ended = timeout(PATIENCE, bob.wait()).await.unwrap().unwrap();
    assert_eq!(ended.code(), Some(0));

    let all = "[1] ada: hello from ada\n[2] ada: grüße 🐦\n[3] ada: into the dark\n[4] eve: and eve\n";
    let history = script.run("bob", &["history"]).await;
    assert_eq!(history, (Some(0), all.to_owned()));
    let listened = script.run("eve", &["listen", "--count", "4"]).await;
    assert_eq!(listened, (Some(0), all.to_owned()));
    way.close().await;
}

#[tokio::test]
async fn a_client_from_the_document_alone_tells_a_final_no_from_no_answer() {
    if !has_python() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let mut server = ServerProcess::start(directory.path()).await.unwrap();
    let script = Script::new(server.address());
    let sent = script.run("ada", &["--create", "send", "mine"]).await;
    assert_eq!(sent, (Some(0), "[1] ada: mine\n".to_owned()));
    let none = String::new();
    assert_eq!(
        script.run("zed", &["send", "let me in"]).await,
        (Some(1), none.clone())
    );
    assert_eq!(script.run("zed", &["history"]).await, (Some(1), none.clone()));
    let bad_token = ["--token", "nonsense", "listen", "--count", "1"];
    assert_eq!(script.run("ada", &bad_token).await, (Some(1), none.clone()));
    server.kill().await.unwrap();
    let unheard = script
        .run("ada", &["--patience", "0.5", "send", "is anybody there?"])
        .await;
    assert_eq!(unheard, (Some(3), none));
}
