//! The law on Postgres: a cluster of the test's own, in a temporary directory, reached through a socket in it.

use crate::{
    case,
    engine::Postgres,
    law::{run, runner, runtime},
    semantics,
};
use sqlx::{ConnectOptions as _, postgres::PgConnectOptions};
use std::{
    io::{BufRead as _, BufReader},
    os::unix::{fs::chown, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::Duration,
};
use whimbrel_query::Endpoint;

/// Set to 1 where Postgres has to be there, as in a pipeline: then that it is missing is a failure.
const REQUIRED: &str = "WHIMBREL_REQUIRE_POSTGRES";

/// Longer than a start takes on a machine that is busy.
const START: Duration = Duration::from_secs(60);

#[test]
fn postgres_finds_the_channels_that_the_evaluator_finds_in_its_order_and_pages() {
    let Some(cluster) = Cluster::start() else { return };
    let runtime = runtime();
    let mut engine = runtime.block_on(async { Postgres::prepare(cluster.connect().await).await });
    // A table of cases first: it says by name what is wrong.
    runtime.block_on(semantics::hold(&mut engine)).unwrap();
    let strategy = case::case(&Endpoint::CHANNELS, case::channels());
    run(&runtime, &mut engine, &mut runner(), &strategy, &|sql| sql).unwrap();
}

#[test]
fn postgres_finds_the_messages_that_the_evaluator_finds_in_its_order_and_pages() {
    let Some(cluster) = Cluster::start() else { return };
    let runtime = runtime();
    let mut engine = runtime.block_on(async { Postgres::prepare(cluster.connect().await).await });
    let strategy = case::case(&Endpoint::MESSAGES, case::messages());
    run(&runtime, &mut engine, &mut runner(), &strategy, &|sql| sql).unwrap();
}

/// A running server. It ends, and its files with it, when this is dropped.
struct Cluster {
    server: Child,
    dir: tempfile::TempDir,
    owner: Option<(u32, u32)>,
    programs: PathBuf,
}

impl Cluster {
    /// Starts a server, if its programs are on this machine; says so if not.
    fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            not_run();
            return None;
        };
        let dir = tempfile::tempdir().unwrap();
        // Postgres does not run as root.
        let owner = owner();
        if let Some((user, group)) = owner {
            chown(dir.path(), Some(user), Some(group)).unwrap();
        }
        let data = dir.path().join("data");
        let mut make = command(&programs.join("initdb"), owner, dir.path());
        make.args([
            "--no-sync",
            "--auth=trust",
            "--username=whimbrel",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
        ]);
        let made = make.arg("-D").arg(&data).output().unwrap();
        assert!(
            made.status.success(),
            "initdb: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        let mut serve = command(&programs.join("postgres"), owner, dir.path());
        serve.arg("-D").arg(&data).arg("-k").arg(dir.path());
        serve.args([
            "-c",
            "listen_addresses=",
            "-c",
            "fsync=off",
            "-c",
            "lc_messages=C",
            "-c",
            "max_connections=5",
        ]);
        let mut server = serve
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        wait(&mut server);
        Some(Self {
            server,
            dir,
            owner,
            programs,
        })
    }

    async fn connect(&self) -> sqlx::PgConnection {
        let options = PgConnectOptions::new_without_pgpass()
            .socket(self.dir.path())
            .username("whimbrel")
            .database("postgres");
        options.connect().await.unwrap()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let mut stop = command(&self.programs.join("pg_ctl"), self.owner, self.dir.path());
        stop.args(["stop", "--mode=immediate", "-D"])
            .arg(self.dir.path().join("data"));
        let stopped = stop.output().is_ok_and(|output| output.status.success());
        if !stopped {
            let _ = self.server.kill();
        }
        let _ = self.server.wait();
    }
}

fn command(program: &Path, owner: Option<(u32, u32)>, dir: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(dir).env("LC_ALL", "C.UTF-8");
    if let Some((user, group)) = owner {
        command.uid(user).gid(group);
    }
    command
}

/// Waits until the server says that it takes connections, and reads what it says after that too.
fn wait(server: &mut Child) {
    let lines = BufReader::new(server.stderr.take().unwrap()).lines();
    let (ready, started) = mpsc::sync_channel(1);
    std::thread::spawn(move || {
        let mut said = String::new();
        for line in lines.map_while(Result::ok) {
            if line.contains("ready to accept connections") {
                let _ = ready.try_send(Ok(()));
            }
            said.push_str(&line);
            said.push('\n');
        }
        let _ = ready.try_send(Err(said));
    });
    let answer = started.recv_timeout(START);
    if !matches!(answer, Ok(Ok(()))) {
        let _ = server.kill();
        panic!("Postgres does not start: {answer:?}");
    }
}

/// Returns the directory of the newest Postgres on this machine.
fn programs() -> Option<PathBuf> {
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .collect();
    versions.sort();
    let mut all = versions.into_iter().rev().chain(std::env::split_paths(&on_path));
    all.find(|dir| {
        ["initdb", "postgres", "pg_ctl"]
            .iter()
            .all(|name| dir.join(name).is_file())
    })
}

/// Returns whom the server has to belong to, if this is root: the user that the packages make, else nobody.
fn owner() -> Option<(u32, u32)> {
    use std::os::unix::fs::MetadataExt as _;
    if std::fs::metadata("/proc/self").map_or(1, |me| me.uid()) != 0 {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let of = |name: &str| {
        let line = users
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        let mut cells = line.split(':').skip(1);
        Some((cells.next()?.parse().ok()?, cells.next()?.parse().ok()?))
    };
    of("postgres").or_else(|| of("nobody"))
}

#[expect(
    clippy::print_stderr,
    reason = "a test that is not run must not look like one that passed"
)]
fn not_run() {
    let required = std::env::var(REQUIRED).is_ok_and(|value| value == "1");
    assert!(!required, "Postgres is not on this machine, and {REQUIRED} is 1");
    eprintln!(
        "NOT RUN: Postgres (initdb, postgres, pg_ctl) is not on this machine; {REQUIRED}=1 makes this a failure"
    );
}
