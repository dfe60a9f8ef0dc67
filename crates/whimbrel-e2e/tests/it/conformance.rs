//! The protocol suite against the real server, over real sockets, on SQLite; and its program, as a stranger would use it.

use std::{process::Stdio, time::Duration};
use tokio::{io::AsyncWriteExt as _, net::TcpListener, process::Command, time::timeout};
use whimbrel_e2e::{
    conformance::{Address, Source, target},
    server::ServerProcess,
};
use whimbrel_server::{Config, Server};
use whimbrel_testkit::conformance::server::{Verdict, run};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// Far more than a run takes on a machine that builds beside it.
const PATIENCE: Duration = Duration::from_secs(100);

/// Runs the program. Returns its exit code and what it printed.
async fn program(arguments: &[&str]) -> (Option<i32>, String) {
    let command = Command::new(env!("CARGO_BIN_EXE_whimbrel-conformance"))
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(PATIENCE, command).await.expect("it must end").unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

#[tokio::test]
async fn the_reference_server_passes_every_case() {
    let files = tempfile::tempdir().unwrap();
    let secret = files.path().join("secret");
    std::fs::write(&secret, format!("{SECRET}\n")).unwrap();
    let mut config = Config::new(files.path().join("server.db"), SECRET);
    config.heartbeat = Duration::from_secs(1);
    let server = Server::start(config).await.unwrap();
    let address = Address {
        url: format!("http://{}", server.addr),
        ..Address::default()
    };
    let target = target(&address, &Source::SecretFile(secret), &[]).await.unwrap();
    let report = timeout(PATIENCE, run(&target)).await.expect("it must end");
    let all = report.cases.iter().all(|case| case.verdict == Verdict::Passed);
    assert!(all, "{report}");
    server.shutdown().await;
}

#[tokio::test]
async fn the_program_takes_tokens_from_everywhere() {
    let files = tempfile::tempdir().unwrap();
    let server = ServerProcess::start(files.path()).await.unwrap();
    let (http, socket) = (
        format!("http://{}", server.address()),
        format!("ws://{}/v1/socket", server.address()),
    );
    let (code, said) = program(&["--server", &http, "--dev", "--case", "repeat", "--json"]).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("passed   a_repeat_gets_the_same_answer_and_acts_once"),
        "{said}"
    );
    assert!(said.contains(r#""passed":true"#), "{said}");

    let script = files.path().join("tokens.sh");
    let mut lines = String::new();
    let mut given = Vec::new();
    for user in ["ada", "bob", "carol"] {
        let token = whimbrel_e2e::server::token(files.path(), user).await.unwrap();
        lines += &format!("if [ \"$1\" = {user} ]; then echo {token}; fi\n");
        given.push(format!("{user}={token}"));
    }
    std::fs::write(&script, lines).unwrap();
    let line = format!("sh {} {{user}}", script.display());
    let by_command = [
        "--server",
        &socket,
        "--token-command",
        &line,
        "--users",
        "ada,bob,carol",
        "--case",
        "hello",
    ];
    let (code, said) = program(&by_command).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.ends_with("3 passed, 0 failed, 0 skipped\n"), "{said}");

    let mut by_hand = vec!["--server", &http, "--case", "hello_comes_first"];
    given.iter().for_each(|token| by_hand.extend(["--token", token]));
    let (code, said) = program(&by_hand).await;
    assert_eq!((code, said.contains("1 passed")), (Some(0), true), "{said}");
}

#[tokio::test]
async fn the_program_says_what_is_wrong_and_fails() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let stranger = async {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            socket
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello")
                .await
                .unwrap();
        }
    };
    let tokens = ["--token", "a=1", "--token", "b=2", "--token", "c=3"];
    let mut arguments = vec!["--server", &url, "--case", "hello"];
    arguments.extend(tokens);
    let (code, said) = tokio::select! {
        () = stranger => unreachable!("it answers for ever"),
        ended = program(&arguments) => ended,
    };
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("FAILED   hello_comes_first\n         no connection: "),
        "{said}"
    );
    let (code, said) = program(&["--server", &url]).await;
    assert_eq!(code, Some(2), "{said}");
    let (code, said) = program(&["--server", "http://127.0.0.1:1", "--token", "a=1"]).await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("it needs 3 users, not 1"), "{said}");
    let (code, said) = program(&["--list"]).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.lines().any(|line| line == "deletion_is_final"), "{said}");
}
