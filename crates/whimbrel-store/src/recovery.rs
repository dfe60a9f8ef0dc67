use std::path::PathBuf;

/// What became of a database that was found damaged.
///
/// Its file was set aside, and a new one made, with the account and the outbox of the old one. Everything else is
/// fetched from the server again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// How it was found out.
    pub reason: String,
    /// Operations of the outbox that are there again.
    pub kept: usize,
    /// Operations of the outbox that could not be read. Nothing, if not even their number could; then every operation
    /// that is there counts as attempted, since it may have been.
    pub lost: Option<usize>,
    /// Where the damaged file is, with its `-wal` beside it if it had one. Nothing, if there was no file.
    pub moved_to: Option<PathBuf>,
}
