//! Running other programs.

use crate::{say, workspace};
use std::ffi::OsString;
use std::process::{Command, Stdio};

/// Why a command ends with an exit code other than 0.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What went wrong.
    pub(crate) what: String,
    /// The one line that does it again.
    pub(crate) repeat: String,
}

impl Failure {
    /// Creates a failure of the xtask command that is written `repeat`.
    pub(crate) fn new(what: impl Into<String>, repeat: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            repeat: repeat.into(),
        }
    }
}

/// One call of cargo, run at the root of the checkout.
#[derive(Debug)]
pub(crate) struct Cargo {
    args: Vec<String>,
    envs: Vec<(&'static str, &'static str)>,
}

impl Cargo {
    /// Creates a call with these arguments.
    pub(crate) fn new<A: Into<String>>(args: impl IntoIterator<Item = A>) -> Self {
        Self {
            args: args.into_iter().map(Into::into).collect(),
            envs: Vec::new(),
        }
    }

    /// Sets an environment variable for the call.
    pub(crate) fn env(mut self, name: &'static str, value: &'static str) -> Self {
        self.envs.push((name, value));
        self
    }

    /// Runs it with the terminal of xtask.
    ///
    /// # Errors
    /// When it cannot be started or ends with another code than 0.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        say::progress(format_args!("$ {self}"));
        let status = self
            .command()
            .status()
            .map_err(|error| self.failure(format!("cannot start: {error}")))?;
        if status.success() {
            return Ok(());
        }
        Err(self.failure(format!("ended with {status}")))
    }

    /// Runs it and returns what it wrote to standard output; standard error goes to the terminal.
    ///
    /// # Errors
    /// When it cannot be started or ends with another code than 0.
    pub(crate) fn output(&self) -> Result<String, Failure> {
        let output = self
            .command()
            .stderr(Stdio::inherit())
            .output()
            .map_err(|error| self.failure(format!("cannot start: {error}")))?;
        if !output.status.success() {
            return Err(self.failure(format!("ended with {}", output.status)));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Returns whether it can be run at all, for asking which tools are there. Prints nothing.
    pub(crate) fn works(&self) -> bool {
        let status = self
            .command()
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        status.is_ok_and(|status| status.success())
    }

    fn command(&self) -> Command {
        // Cargo names itself to what it runs, so that the toolchain stays the same.
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        let mut command = Command::new(cargo);
        command
            .args(&self.args)
            .envs(self.envs.iter().copied())
            .current_dir(workspace::root());
        command
    }

    fn failure(&self, what: impl Into<String>) -> Failure {
        Failure::new(format!("`{self}` {}", what.into()), self.to_string())
    }
}

impl std::fmt::Display for Cargo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (name, value) in &self.envs {
            write!(f, "{name}={} ", quoted(value))?;
        }
        f.write_str("cargo")?;
        for arg in &self.args {
            write!(f, " {}", quoted(arg))?;
        }
        Ok(())
    }
}

/// Writes an argument so that a shell reads it back as one word.
fn quoted(arg: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./,:+@%".contains(c);
    if !arg.is_empty() && arg.chars().all(plain) {
        return arg.to_owned();
    }
    format!("'{}'", arg.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_reads_as_a_shell_line() {
        let call = Cargo::new(["doc", "-E", "test(/a b/)"]).env("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(
            call.to_string(),
            "RUSTDOCFLAGS='-D warnings' cargo doc -E 'test(/a b/)'"
        );
    }

    #[test]
    fn a_call_that_fails_names_itself() {
        let failure = Cargo::new(["no-such-command-of-cargo"]).output().unwrap_err();
        assert_eq!(failure.repeat, "cargo no-such-command-of-cargo");
        assert!(!Cargo::new(["no-such-command-of-cargo"]).works());
        assert!(Cargo::new(["--version"]).works());
    }
}
