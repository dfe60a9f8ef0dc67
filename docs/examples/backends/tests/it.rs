//! The suites of the seams, on backends of one's own. Each suite is one call of a macro, in a module whose name ends with
//! `conformance`: that is what `cargo xtask conformance --manifest-path` looks for.

mod store_conformance {
    use backends_example::CountingStore;
    use std::{
        collections::HashMap,
        path::PathBuf,
        sync::{Arc, LazyLock, Mutex},
    };
    use whimbrel_store::{MemoryStore, Store};

    /// What a store that is in memory has for a disk. One on disk opens a file in the directory that it is given.
    static DISK: LazyLock<Mutex<HashMap<PathBuf, MemoryStore>>> = LazyLock::new(Mutex::default);

    whimbrel_testkit::store_conformance!(|dir: PathBuf| async move {
        let mut disk = DISK.lock().unwrap();
        let opened = disk.entry(dir).or_default().reopen();
        Arc::new(CountingStore::new(Arc::new(opened))) as Arc<dyn Store>
    });
}

mod transport_conformance {
    use async_trait::async_trait;
    use backends_example::CountingConnector;
    use std::sync::Arc;
    use whimbrel_testkit::conformance::transport::Opener;
    use whimbrel_transport::{Connection, Connector, memory};

    struct Counting {
        inner: memory::MemoryConnector,
        listener: memory::MemoryListener,
    }

    #[async_trait]
    impl Opener for Counting {
        async fn open(max_frame: usize) -> Self {
            let (connector, listener) = memory::channel();
            Self {
                inner: connector.with_max_frame(max_frame),
                listener,
            }
        }

        fn connector(&self) -> Arc<dyn Connector> {
            Arc::new(CountingConnector::new(Arc::new(self.inner.clone())))
        }

        async fn accept(&mut self) -> Connection {
            self.listener.accept().await.expect("the connector lives")
        }

        async fn refuse(&mut self) {
            self.inner.refuse(true);
        }
    }

    whimbrel_testkit::transport_conformance!(Counting);
}

mod storage_conformance {
    use async_trait::async_trait;
    use std::sync::Arc;
    use whimbrel_hub::{MemoryStorage, Storage};
    use whimbrel_model::Epoch;
    use whimbrel_testkit::conformance::storage::Opener;

    /// Put the storage of your server here.
    struct Yours(MemoryStorage);

    #[async_trait]
    impl Opener for Yours {
        async fn new() -> Self {
            Self(MemoryStorage::new(Epoch(7)))
        }

        async fn open(&self) -> Arc<dyn Storage> {
            Arc::new(self.0.clone())
        }
    }

    whimbrel_testkit::storage_conformance!(Yours);
}
