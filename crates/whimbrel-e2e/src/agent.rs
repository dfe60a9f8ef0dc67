//! A client process that does what it is told: one JSON command a line in, one JSON answer a line out.
//!
//! It is a whole Whimbrel client on a SQLite file. It exists so that it can be killed.

mod sight;

pub use sight::{Reached, Sight};

use crate::{Error, sibling};
use serde::{Deserialize, Serialize};
use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};
use whimbrel_model::MessageId;

/// How long an answer may take. [`Order::Drain`] and [`Order::Await`] wait for the network, and are given this long.
const ANSWER: Duration = Duration::from_secs(60);

/// What an agent can be told.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Connect, and stay connected.
    Connect,
    /// Disconnect, and stay so.
    Disconnect,
    /// Create a channel.
    Create {
        /// Which.
        cid: String,
        /// Its name.
        name: String,
        /// Members besides the maker.
        members: Vec<String>,
    },
    /// Send a message; answers with its id.
    Send {
        /// Where.
        cid: String,
        /// What.
        text: String,
        /// In the thread of this message.
        #[serde(default)]
        parent: Option<MessageId>,
    },
    /// Edit a message.
    Edit {
        /// Where.
        cid: String,
        /// Which.
        id: MessageId,
        /// The new text.
        text: String,
    },
    /// Delete a message.
    Delete {
        /// Where.
        cid: String,
        /// Which.
        id: MessageId,
    },
    /// Add a reaction.
    React {
        /// Where.
        cid: String,
        /// To which message.
        id: MessageId,
        /// Which.
        kind: String,
    },
    /// Take a reaction back.
    Unreact {
        /// Where.
        cid: String,
        /// From which message.
        id: MessageId,
        /// Which.
        kind: String,
    },
    /// Add a member, as an owner.
    Add {
        /// To which channel.
        cid: String,
        /// Whom.
        user: String,
    },
    /// Remove a member: as an owner, or oneself.
    Remove {
        /// From which channel.
        cid: String,
        /// Whom.
        user: String,
    },
    /// Say whether the server is known to have the user in a channel and, if one is named, a message in it.
    Knows {
        /// Which channel.
        cid: String,
        /// Which message.
        #[serde(default)]
        message: Option<MessageId>,
    },
    /// Mark a channel as read.
    Read {
        /// Which.
        cid: String,
    },
    /// Pin a message, or unpin it.
    Pin {
        /// Where.
        cid: String,
        /// Which.
        id: MessageId,
        /// Whether it is to be pinned.
        pinned: bool,
    },
    /// Mark a thread as read.
    ReadThread {
        /// In which channel.
        cid: String,
        /// The message that began it.
        parent: MessageId,
    },
    /// Wait until the client is live and nothing in its outbox waits. What was refused does not wait.
    Drain,
    /// Look offline to others, or do not.
    Invisible {
        /// Whether.
        on: bool,
    },
    /// Keep a setting that is of this device only.
    Keep {
        /// Under which key.
        key: String,
        /// What.
        value: String,
    },
    /// Wait until the client shows something.
    Await(Sight),
    /// Wait until the client has noticed that it is not connected.
    Lost,
    /// Wait until the timeline of a channel has at least this many rows; answers with the rows as text.
    Show {
        /// Which.
        cid: String,
        /// How many at least.
        rows: usize,
    },
    /// Close the client and end.
    Close,
}

/// What an agent answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Done.
    Done,
    /// Sent, as this message.
    Sent(MessageId),
    /// Whether it is known.
    Knows(bool),
    /// What is on the screen.
    Shown(Vec<String>),
    /// Not done, and why.
    Failed(String),
}

/// A running `whimbrel-agent`. Killed when dropped.
#[derive(Debug)]
pub struct Agent {
    user: String,
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

/// What an agent is.
#[derive(Clone, Debug)]
pub struct Setup<'a> {
    /// Its user.
    pub user: &'a str,
    /// The server's address, `http://…`.
    pub server: &'a str,
    /// The user's token.
    pub token: &'a str,
    /// The directory of its database.
    pub directory: &'a Path,
}

impl Agent {
    /// Starts an agent. It opens its database and does not connect.
    ///
    /// # Errors
    /// [`Error`] when it is not built or cannot be started.
    pub fn start(setup: &Setup<'_>) -> Result<Self, Error> {
        Self::start_as(Command::new(sibling::program("whimbrel-agent")?), setup)
    }

    /// Starts an agent whose files cannot grow beyond about `bytes` bytes, as on a full disk; a shell that counts in
    /// larger blocks lets them grow to twice as much. [`Agent::lift_limit`] takes the limit away.
    ///
    /// # Errors
    /// As [`Agent::start`].
    pub fn start_limited(setup: &Setup<'_>, bytes: u64) -> Result<Self, Error> {
        let mut command = Command::new("sh");
        let blocks = bytes.div_ceil(512);
        // A write beyond the limit has to fail, and not to end the program.
        let script = format!("trap '' XFSZ; ulimit -S -f {blocks}; exec \"$0\" \"$@\"");
        command
            .args(["-c", &script])
            .arg(sibling::program("whimbrel-agent")?);
        Self::start_as(command, setup)
    }

    /// Lets its files grow again.
    ///
    /// # Errors
    /// [`Error`] when it has ended, or when there is no `prlimit` (of util-linux) to do it with.
    pub async fn lift_limit(&self) -> Result<(), Error> {
        let id = self
            .process_id()
            .ok_or_else(|| Error::program(&self.user, "it ended"))?;
        let status = Command::new("prlimit")
            .args(["--pid", &id.to_string(), "--fsize=unlimited:"])
            .status()
            .await
            .map_err(Error::io("running prlimit"))?;
        if status.success() {
            return Ok(());
        }
        Err(Error::program("prlimit", status))
    }

    fn start_as(mut command: Command, setup: &Setup<'_>) -> Result<Self, Error> {
        let mut child = command
            .args(["--user", setup.user, "--server", setup.server, "--directory"])
            .arg(setup.directory)
            .env("WHIMBREL_TOKEN", setup.token)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(Error::io("starting whimbrel-agent"))?;
        let input = child
            .stdin
            .take()
            .ok_or_else(|| Error::program("whimbrel-agent", "no standard input"))?;
        let output = child
            .stdout
            .take()
            .ok_or_else(|| Error::program("whimbrel-agent", "no standard output"))?;
        Ok(Self {
            user: setup.user.to_owned(),
            child,
            input,
            output: BufReader::new(output).lines(),
        })
    }

    /// Returns its user.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Returns the id of its process, unless it has ended.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Tells it to do something and waits for the answer.
    ///
    /// # Errors
    /// [`Error::Program`] when it fails, ends or does not answer in a minute.
    pub async fn tell(&mut self, order: Order) -> Result<Answer, Error> {
        self.order(&order).await?;
        match self.answer().await? {
            Answer::Failed(problem) => Err(Error::program(&self.user, format!("{order:?}: {problem}"))),
            answer => Ok(answer),
        }
    }

    /// Tells it to do something, and does not wait. It does one thing after the other and answers each.
    ///
    /// # Errors
    /// [`Error::Io`] when it has ended.
    pub async fn order(&mut self, order: &Order) -> Result<(), Error> {
        let mut line = serde_json::to_string(order).map_err(|error| Error::program(&self.user, error))?;
        line.push('\n');
        self.input
            .write_all(line.as_bytes())
            .await
            .map_err(Error::io(format!("telling {}", self.user)))
    }

    /// Waits for the next answer, [`Answer::Failed`] included.
    ///
    /// # Errors
    /// [`Error::Program`] when it ends or does not answer in a minute.
    pub async fn answer(&mut self) -> Result<Answer, Error> {
        let answer = timeout(ANSWER, self.output.next_line()).await;
        let answer = answer.map_err(|_| Error::program(&self.user, "no answer in a minute"))?;
        let answer = answer.map_err(Error::io(format!("hearing {}", self.user)))?;
        let answer = answer.ok_or_else(|| Error::program(&self.user, "it ended"))?;
        serde_json::from_str(&answer).map_err(|error| Error::program(&self.user, error))
    }

    /// Sends a message and returns its id.
    ///
    /// # Errors
    /// As [`Agent::tell`].
    pub async fn send(
        &mut self,
        cid: &str,
        text: &str,
        parent: Option<MessageId>,
    ) -> Result<MessageId, Error> {
        match self
            .tell(Order::Send {
                cid: cid.to_owned(),
                text: text.to_owned(),
                parent,
            })
            .await?
        {
            Answer::Sent(id) => Ok(id),
            other => Err(Error::program(&self.user, format!("answered {other:?}"))),
        }
    }

    /// Kills it at once.
    ///
    /// # Errors
    /// [`Error::Io`] when the operating system refuses.
    pub async fn kill(mut self) -> Result<(), Error> {
        self.child.kill().await.map_err(Error::io("killing an agent"))
    }

    /// Closes it in good order.
    ///
    /// # Errors
    /// As [`Agent::tell`].
    pub async fn close(mut self) -> Result<(), Error> {
        self.tell(Order::Close).await?;
        self.child
            .wait()
            .await
            .map_err(Error::io("waiting for an agent"))?;
        Ok(())
    }
}

/// Finds the one database in a directory.
///
/// # Errors
/// [`Error::Database`] when there is none, or more than one.
pub fn database(directory: &Path) -> Result<PathBuf, Error> {
    let entries = std::fs::read_dir(directory).map_err(Error::io("reading an agent's directory"))?;
    let paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let mut found: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|end| end == "db"))
        .collect();
    match (found.pop(), found.is_empty()) {
        (Some(path), true) => Ok(path),
        _ => Err(Error::Database {
            what: directory.display().to_string(),
            problem: "there is not exactly one database".to_owned(),
        }),
    }
}
