//! The program itself.

use crate::support::{Http, within};
use std::{
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};
use whimbrel_model::Timestamp;
use whimbrel_server::{Config, Tokens};

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_whimbrel-server"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("WHIMBREL_")) {
        command.env_remove(name);
    }
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn run(command: &mut Command) -> Output {
    command.output().unwrap()
}

/// How often the file is looked for.
const POLL: Duration = Duration::from_millis(5);

/// Ends the program when the test does.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn address(file: &Path) -> std::net::SocketAddr {
    within("the port file", async {
        loop {
            if let Ok(text) = std::fs::read_to_string(file) {
                return text.trim().parse().unwrap();
            }
            tokio::time::sleep(POLL).await; // tidy: allow sleep: another process writes the file
        }
    })
    .await
}

#[test]
fn help_names_every_option_and_where_else_it_can_be_set() {
    let help = run(program().arg("--help"));
    assert!(help.status.success());
    let help = text(&help.stdout);
    for key in whimbrel_server::KEYS
        .iter()
        .filter(|key| !key.ends_with("secret"))
    {
        assert!(help.contains(&format!("--{}", key.replace('_', "-"))), "{key}");
    }
    for word in [
        "WHIMBREL_SECRET",
        "WHIMBREL_PUSH_SECRET",
        "WHIMBREL_LISTEN",
        "serve",
        "token",
        "devices",
        "revoke-device",
        "check-config",
    ] {
        assert!(help.contains(word), "{word}");
    }
}

#[test]
fn a_wrong_setting_is_said_on_standard_error() {
    let output = run(program().args(["check-config", "--listen", "nowhere"]));
    assert_eq!(output.status.code(), Some(1));
    let error = text(&output.stderr);
    assert!(error.contains("`listen` (from the command line)"), "{error}");
    let output = run(program().arg("--no-such-option"));
    assert_eq!(output.status.code(), Some(2));
    let output = run(program()
        .arg("check-config")
        .env("WHIMBREL_SECRET", crate::support::SECRET));
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn a_token_can_be_made_on_the_command_line() {
    let secret = crate::support::SECRET;
    let output = run(program()
        .args(["token", "--user", "ada", "--ttl", "1h"])
        .env("WHIMBREL_SECRET", secret));
    assert!(output.status.success(), "{}", text(&output.stderr));
    let tokens = Tokens::new(&Config::new("unused.db", secret).auth).unwrap();
    let now = whimbrel_hub::Clock::now(&whimbrel_hub::SystemClock);
    let identity = tokens.verify(text(&output.stdout).trim(), now).unwrap();
    assert_eq!(identity.user.as_str(), "ada");
    let end = identity.expires_at.unwrap();
    assert!(end > Timestamp(now.as_millis() + 3_500_000) && end < Timestamp(now.as_millis() + 3_700_000));
    let wrong = run(program()
        .args(["token", "--user", "not a user"])
        .env("WHIMBREL_SECRET", secret));
    assert_eq!(wrong.status.code(), Some(2));
}

#[cfg(unix)]
#[tokio::test]
async fn the_program_serves_until_it_is_told_to_stop() {
    let dir = tempfile::tempdir().unwrap();
    let port_file = dir.path().join("address");
    let child = program()
        .current_dir(dir.path())
        .args([
            "--dev",
            "--listen",
            "127.0.0.1:0",
            "--port-file",
            "address",
            "--log",
            "debug",
        ])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut running = Running(child);
    let open = Http {
        address: address(&port_file).await,
        token: None,
    };
    let answer: serde_json::Value = open
        .post("/v1/dev/token", &serde_json::json!({"user": "ada"}))
        .await
        .json();
    let token = answer["token"].as_str().unwrap().to_owned();
    let ada = Http {
        token: Some(token.clone()),
        ..open
    };
    let secret_text = "words that nobody else should read";
    let ops = vec![
        crate::support::create("messaging:general", &[]),
        crate::support::send("messaging:general", secret_text),
    ];
    assert!(ada.ops(ops).await.iter().all(crate::support::accepted));
    let id = running.0.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .unwrap()
            .success()
    );
    let mut stderr = running.0.stderr.take().unwrap();
    let logged = within(
        "the end of the program",
        tokio::task::spawn_blocking(move || {
            let mut logged = String::new();
            std::io::Read::read_to_string(&mut stderr, &mut logged).unwrap();
            logged
        }),
    )
    .await
    .unwrap();
    assert_eq!(running.0.wait().unwrap().code(), Some(0), "{logged}");
    assert!(
        logged.contains(&format!("listening on {}", ada.address)),
        "{logged}"
    );
    assert!(!logged.contains(&token) && !logged.contains(secret_text));
}

#[test]
fn an_operator_lists_and_revokes_devices() {
    let dir = tempfile::tempdir().unwrap();
    let database = dir.path().join("server.db");
    let device = "01900000-0000-7000-8000-000000000001";
    let ask = |arguments: &[&str]| {
        let mut command = program();
        command
            .env("WHIMBREL_SECRET", crate::support::SECRET)
            .arg("--database")
            .arg(&database);
        run(command.args(arguments))
    };
    let listed = ask(&["devices", "--user", "ada"]);
    assert_eq!(text(&listed.stdout), "", "{}", text(&listed.stderr));
    let revoked = ask(&["revoke-device", "--user", "ada", "--device", device]);
    assert!(revoked.status.success(), "{}", text(&revoked.stderr));
    let listed = text(&ask(&["devices", "--user", "ada"]).stdout);
    assert!(listed.contains(device) && listed.contains("revoked"), "{listed}");
    assert_eq!(
        ask(&["revoke-device", "--user", "ada", "--device", "phone"])
            .status
            .code(),
        Some(2)
    );
}
