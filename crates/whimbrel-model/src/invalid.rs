use crate::Code;

/// A value that breaks a rule of the model: which field, what is wrong, and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {problem}")]
pub struct Invalid {
    /// The field, as named on the wire.
    pub field: &'static str,
    /// What is wrong and what would be right.
    pub problem: String,
    code: Code,
}

impl Invalid {
    /// Creates an [`Invalid`] with the code `invalid`.
    #[must_use]
    pub fn new(field: &'static str, problem: impl Into<String>) -> Self {
        Self {
            field,
            problem: problem.into(),
            code: Code::Invalid,
        }
    }

    /// Creates an [`Invalid`] with the code `too_large`.
    #[must_use]
    pub fn too_large(field: &'static str, size: usize, limit: usize, unit: &str) -> Self {
        let problem = format!("has {size} {unit}, the limit is {limit}");
        Self {
            field,
            problem,
            code: Code::TooLarge,
        }
    }

    /// Returns the stable code, `invalid` or `too_large`.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code.clone()
    }

    /// Returns false: the same value stays invalid.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        false
    }
}
