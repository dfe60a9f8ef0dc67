use std::{fmt, future::Future, path::PathBuf, pin::Pin, sync::Arc};
use tempfile::TempDir;
use whimbrel_model::{Change, Delta};
use whimbrel_store::Store;

type Opener = Box<dyn Fn(PathBuf) -> Pin<Box<dyn Future<Output = Arc<dyn Store>>>>>;

/// A store under test, in a directory of its own, and the way to open it again.
pub struct StoreFixture {
    dir: TempDir,
    opener: Opener,
    store: Arc<dyn Store>,
}

impl fmt::Debug for StoreFixture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreFixture")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

impl StoreFixture {
    /// Opens a new database with `open`.
    ///
    /// # Panics
    /// If there is no room for a temporary directory.
    pub async fn open<F>(open: impl Fn(PathBuf) -> F + 'static) -> Self
    where
        F: Future<Output = Arc<dyn Store>> + 'static,
    {
        let dir = TempDir::new().expect("a temporary directory");
        let opener: Opener = Box::new(move |dir| Box::pin(open(dir)));
        let store = opener(dir.path().to_owned()).await;
        Self { dir, opener, store }
    }

    /// Returns the open store.
    #[must_use]
    pub fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// Closes the store and opens the same database again.
    pub async fn reopen(&mut self) {
        self.store.close().await;
        self.store = (self.opener)(self.dir.path().to_owned()).await;
    }

    /// Applies one delta of `changes`.
    ///
    /// # Panics
    /// If that fails.
    pub async fn apply(&self, changes: impl IntoIterator<Item = Change>) {
        let delta = Delta {
            changes: changes.into_iter().collect(),
        };
        self.store.apply(&delta).await.expect("the delta is applied");
    }
}
