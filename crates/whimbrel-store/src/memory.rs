/// A store in memory: for tests, and for apps that keep nothing on disk.
#[derive(Debug, Default)]
pub struct MemoryStore;
