//! What a bench is given and what it gives back.

use crate::rounds::Compared;
use serde::Serialize;
use std::error::Error;
use std::io;
use tempfile::TempDir;

/// What a bench ends with: it runs anything, so it can fail with anything.
pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// How much to measure, and where.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Whether the figures are only to be looked at.
    pub(crate) quick: bool,
    /// A directory on the disk of the checkout, which is gone afterwards. A directory for temporary files may be in
    /// memory, where a commit costs nothing.
    pub(crate) directory: TempDir,
}

impl Plan {
    pub(crate) fn new(quick: bool) -> Result<Self> {
        let program = std::env::current_exe()?;
        let beside = program
            .parent()
            .ok_or_else(|| io::Error::other("the program is in no directory"))?;
        Ok(Self {
            quick,
            directory: TempDir::with_prefix_in("bench-", beside)?,
        })
    }

    /// Returns `full`, or `quick` for a quick run.
    pub(crate) fn choose<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }
}

/// One measured figure.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figure {
    pub(crate) id: &'static str,
    pub(crate) name: String,
    pub(crate) size: u64,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    pub(crate) reference: f64,
    pub(crate) ratio: f64,
    pub(crate) goal: Option<&'static str>,
    pub(crate) met: Option<bool>,
}

impl Figure {
    /// Creates a figure without a goal.
    pub(crate) fn new(
        id: &'static str,
        name: &str,
        size: u64,
        unit: &'static str,
        compared: Compared,
    ) -> Self {
        Self {
            id,
            name: name.to_owned(),
            size,
            value: compared.value,
            unit,
            reference: compared.reference,
            ratio: compared.ratio,
            goal: None,
            met: None,
        }
    }

    /// Sets what was to be reached, in words, and whether it was. Absent: this run cannot tell.
    pub(crate) fn goal(mut self, goal: &'static str, met: impl Into<Option<bool>>) -> Self {
        self.goal = Some(goal);
        self.met = met.into();
        self
    }

    /// Returns the figure as one line of JSON.
    pub(crate) fn line(&self) -> Result<String> {
        Ok(serde_json::to_string(self)?)
    }
}
