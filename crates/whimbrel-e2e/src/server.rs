//! The reference server as a process.

use crate::{Error, sibling};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::{
    process::{Child, Command},
    time::{sleep, timeout},
};

/// How long a server may take to listen. A cold start takes milliseconds; a machine that builds beside it, seconds.
const START: Duration = Duration::from_secs(30);

/// A running `whimbrel-server` in development mode, on a loopback port of its own choice. Killed when dropped.
#[derive(Debug)]
pub struct ServerProcess {
    child: Child,
    address: SocketAddr,
}

impl ServerProcess {
    /// Starts a server on the database `directory/server.db` and waits until it listens.
    ///
    /// # Errors
    /// [`Error`] when it is not built, or does not listen in half a minute.
    pub async fn start(directory: &Path) -> Result<Self, Error> {
        let port_file = directory.join("server.port");
        // A server that was killed leaves the old one behind.
        if port_file.exists() {
            std::fs::remove_file(&port_file).map_err(Error::io("removing the old port file"))?;
        }
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(directory.join("server.log"));
        let log = log.map_err(Error::io("opening server.log"))?;
        let mut child = command(directory)?
            .args(["--listen", "127.0.0.1:0", "--port-file"])
            .arg(&port_file)
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(Error::io("opening server.log"))?)
            .stderr(log)
            .spawn()
            .map_err(Error::io("starting whimbrel-server"))?;
        let listening = timeout(START, async {
            loop {
                if let Ok(text) = std::fs::read_to_string(&port_file)
                    && let Ok(address) = text.trim().parse()
                {
                    return Ok(address);
                }
                if let Ok(Some(status)) = child.try_wait() {
                    return Err(Error::program(
                        "whimbrel-server",
                        format!("it ended with {status}; see server.log"),
                    ));
                }
                sleep(Duration::from_millis(10)).await; // tidy: allow sleep: a process tells through a file
            }
        });
        let address = listening
            .await
            .map_err(|_| Error::program("whimbrel-server", "it does not listen"))??;
        Ok(Self { child, address })
    }

    /// Returns where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Kills it at once, as power loss of the program would.
    ///
    /// # Errors
    /// [`Error::Io`] when the operating system refuses.
    pub async fn kill(&mut self) -> Result<(), Error> {
        self.child
            .kill()
            .await
            .map_err(Error::io("killing whimbrel-server"))
    }
}

/// Makes a token for `user` with the secret of the server whose files are in `directory`.
///
/// # Errors
/// [`Error`] when the server's program cannot be run.
pub async fn token(directory: &Path, user: &str) -> Result<String, Error> {
    let output = command(directory)?
        .args(["token", "--user", user])
        .stderr(Stdio::inherit())
        .output()
        .await;
    let output = output.map_err(Error::io("running whimbrel-server token"))?;
    if !output.status.success() {
        return Err(Error::program("whimbrel-server token", output.status));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Returns the server's database in `directory`.
#[must_use]
pub fn database(directory: &Path) -> PathBuf {
    directory.join("server.db")
}

fn command(directory: &Path) -> Result<Command, Error> {
    let mut command = Command::new(sibling::program("whimbrel-server")?);
    command
        .arg("--dev")
        .arg("--database")
        .arg(database(directory))
        .kill_on_drop(true);
    Ok(command)
}
