//! Parts of a bench that run in a process of their own, as what they take is told apart then: a server, or its clients.
//!
//! Such a process is this program again. It is asked with one line of JSON on its standard input, answers with one on
//! its standard output, and ends when the input does.

use crate::figure::Result;
use crate::{coldstart, crowd, device, idle, serve};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs;
use std::net::SocketAddr;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines, Stdin};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// Clock ticks of the kernel in a second, in which it counts processor time for programs.
const TICKS: f64 = 100.0;

/// What a process is there for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Role {
    /// A server.
    Server(serve::Place),
    /// One client with a database.
    Device(device::Job),
    /// Many clients of a server, without one.
    Crowd(SocketAddr),
    /// A server that only holds connections.
    Holder,
    /// Someone who looks at the channel list.
    Opening(coldstart::Job),
}

impl Role {
    /// Plays the role to its end.
    pub(crate) fn play(self) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(async {
            let parent = Parent(BufReader::new(tokio::io::stdin()).lines());
            match self {
                Self::Server(place) => serve::play(place, parent).await,
                Self::Device(job) => device::play(job, parent).await,
                Self::Crowd(server) => crowd::play(server, parent).await,
                Self::Holder => idle::hold(parent).await,
                Self::Opening(job) => coldstart::play(job, parent).await,
            }
        })
    }
}

/// A process that plays a role, seen from the bench. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Helper {
    child: Child,
    input: Option<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
    process: u32,
}

impl Helper {
    /// Starts a process, which may tell something at once: see [`Helper::answer`].
    pub(crate) fn start(role: &Role) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("--role")
            .arg(serde_json::to_string(role)?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let output = child.stdout.take().ok_or("the process has no output")?;
        Ok(Self {
            input: child.stdin.take(),
            output: BufReader::new(output).lines(),
            process: child.id().ok_or("the process has ended")?,
            child,
        })
    }

    /// Asks, and waits for the answer.
    pub(crate) async fn ask<A: DeserializeOwned>(&mut self, question: &impl Serialize) -> Result<A> {
        let mut line = serde_json::to_vec(question)?;
        line.push(b'\n');
        let input = self.input.as_mut().ok_or("the process was told to end")?;
        input.write_all(&line).await?;
        self.answer().await
    }

    /// Waits for what it tells next.
    pub(crate) async fn answer<A: DeserializeOwned>(&mut self) -> Result<A> {
        let line = self.output.next_line().await?;
        let line = line.ok_or("the process ended without an answer")?;
        Ok(serde_json::from_str(&line)?)
    }

    /// Returns what it has taken so far.
    pub(crate) fn usage(&self) -> Result<Usage> {
        Usage::of(&self.process.to_string())
    }

    /// Tells it to end, and waits until it has.
    pub(crate) async fn end(mut self) -> Result<()> {
        drop(self.input.take());
        let status = self.child.wait().await?;
        if status.success() {
            Ok(())
        } else {
            Err(format!("a process of the bench ended with {status}").into())
        }
    }

    /// Ends it at once, as a crash does.
    pub(crate) async fn kill(mut self) -> Result<()> {
        self.child.start_kill()?;
        self.child.wait().await?;
        Ok(())
    }
}

/// The bench, seen from a process that plays a role.
#[derive(Debug)]
pub(crate) struct Parent(Lines<BufReader<Stdin>>);

impl Parent {
    /// Waits for the next question. Absent: it is over.
    pub(crate) async fn question<Q: DeserializeOwned>(&mut self) -> Result<Option<Q>> {
        let line = self.0.next_line().await?;
        Ok(line.map(|line| serde_json::from_str(&line)).transpose()?)
    }

    /// Answers, or tells something unasked.
    #[expect(clippy::print_stdout, reason = "it is how the processes of a bench talk")]
    pub(crate) fn tell(&self, answer: &impl Serialize) -> Result<()> {
        println!("{}", serde_json::to_string(answer)?);
        Ok(())
    }
}

/// What a process has taken.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Usage {
    /// Bytes in memory now.
    pub(crate) memory: f64,
    /// The most that it was.
    pub(crate) peak: f64,
    /// Seconds of processor time.
    pub(crate) busy: f64,
}

impl Usage {
    /// Returns what this process has taken so far.
    pub(crate) fn own() -> Result<Self> {
        Self::of("self")
    }

    fn of(process: &str) -> Result<Self> {
        let status = fs::read_to_string(format!("/proc/{process}/status"))?;
        let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
        // The name of the program, in brackets, may hold spaces. After it: user and system time are 12th and 13th.
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        let times = after_name.split_whitespace().skip(11).take(2);
        let ticks = times
            .map(str::parse::<f64>)
            .sum::<std::result::Result<f64, _>>()?;
        Ok(Self {
            memory: kilobytes(&status, "VmRSS:")? * 1_024.0,
            peak: kilobytes(&status, "VmHWM:")? * 1_024.0,
            busy: ticks / TICKS,
        })
    }
}

/// Lets the greatest memory of this process begin anew.
pub(crate) fn forget_peak() -> Result<()> {
    Ok(fs::write("/proc/self/clear_refs", "5")?)
}

fn kilobytes(status: &str, name: &str) -> Result<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.ok_or("the kernel does not tell the memory")?.parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_what_a_process_takes() {
        let usage = Usage::own().unwrap();
        assert!(
            usage.memory > 100_000.0 && usage.peak >= usage.memory,
            "{usage:?}"
        );
        forget_peak().unwrap();
    }
}
