use std::fmt;
use whimbrel_model::Code;

/// What is wrong with a query, where, and what to do.
///
/// Shown as `/$and/1/name/$gt: invalid: …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryError {
    pointer: String,
    problem: Problem,
}

impl QueryError {
    /// Returns the place in the JSON of the filter, sort or cursor, as a JSON pointer (RFC 6901). Empty: all of it.
    #[must_use]
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    /// Returns what is wrong and what to do, in plain English.
    #[must_use]
    pub fn problem(&self) -> &str {
        &self.problem.what
    }

    /// Returns the stable code: `too_large` over a limit of [`limits`](crate::limits), else `invalid`.
    #[must_use]
    pub fn code(&self) -> Code {
        self.problem.code.clone()
    }

    /// Returns false: the same query stays wrong.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        false
    }
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.pointer.is_empty() {
            "(all of it)"
        } else {
            &self.pointer
        };
        write!(f, "{place}: {}: {}", self.problem.code, self.problem.what)
    }
}

impl std::error::Error for QueryError {}

/// A [`QueryError`] whose place is not known yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    code: Code,
    what: String,
}

impl Problem {
    pub(crate) fn invalid(what: impl Into<String>) -> Self {
        let code = Code::Invalid;
        Self {
            code,
            what: what.into(),
        }
    }

    pub(crate) fn too_large(size: usize, limit: usize, unit: &str) -> Self {
        let code = Code::TooLarge;
        let what = format!("{size} {unit}, the limit is {limit}: ask for less, or ask twice");
        Self { code, what }
    }

    pub(crate) fn at(self, pointer: &Pointer) -> QueryError {
        let pointer = pointer.0.clone();
        QueryError {
            pointer,
            problem: self,
        }
    }
}

/// A place in a JSON value, while it is walked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pointer(String);

impl Pointer {
    /// Runs `walk` one step further in, at `token`.
    pub(crate) fn within<T>(&mut self, token: impl fmt::Display, walk: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.0.len();
        let token = token.to_string().replace('~', "~0").replace('/', "~1");
        self.0.push('/');
        self.0.push_str(&token);
        let result = walk(self);
        self.0.truncate(length);
        result
    }
}
