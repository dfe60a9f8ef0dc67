/// Why a run could not go on. It says nothing about convergence.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A process or a file could not be used.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A program did not do what it was told.
    #[error("{program}: {problem}")]
    Program {
        /// Which.
        program: String,
        /// What it said or did not do.
        problem: String,
    },
    /// A database cannot be read.
    #[error("cannot read {what}: {problem}")]
    Database {
        /// Whose.
        what: String,
        /// Why.
        problem: String,
    },
}

impl Error {
    /// Returns the stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "io",
            Self::Program { .. } => "program",
            Self::Database { .. } => "database",
        }
    }

    /// Returns false: a run starts from the beginning.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        false
    }

    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    pub(crate) fn program(program: &str, problem: impl ToString) -> Self {
        Self::Program {
            program: program.to_owned(),
            problem: problem.to_string(),
        }
    }
}
