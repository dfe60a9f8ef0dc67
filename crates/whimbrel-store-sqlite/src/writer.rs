use crate::{database::Database, files::Lock, indexing, journal::Note, load::Part, own::OwnChange, write};
use sqlx::sqlite::SqliteArguments;
use tokio::sync::{mpsc, oneshot};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use whimbrel_model::{Delta, Loaded};
use whimbrel_store::StoreError;

/// Jobs that may wait. The caller of a full queue waits too; one client applies one delta after the other, so a few
/// are already plenty.
const QUEUE: usize = 16;

/// The handle of the task that owns the writing connection.
///
/// Jobs run one after the other and always to their end: a caller that stops waiting for one does not stop it. The
/// task ends, and releases the connection and the lock, on [`close`](Self::close) or when the handle is dropped.
#[derive(Debug)]
pub(crate) struct Writer {
    jobs: mpsc::Sender<Job>,
    closing: CancellationToken,
    task: TaskTracker,
}

#[derive(Debug)]
enum Job {
    Apply(
        String,
        SqliteArguments,
        Option<Note>,
        oneshot::Sender<Result<(), StoreError>>,
    ),
    Load(Part, oneshot::Sender<Result<Loaded, StoreError>>),
}

impl Writer {
    /// Starts the task. `lock` is held until the connection is closed; a reader of someone else's database has none.
    pub(crate) fn start(database: Database, lock: Option<Lock>) -> Self {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let closing = CancellationToken::new();
        let task = TaskTracker::new();
        task.spawn(run(database, lock, queue, closing.clone()));
        task.close();
        Self { jobs, closing, task }
    }

    pub(crate) async fn apply(&self, delta: &Delta) -> Result<(), StoreError> {
        let (sql, args) = write::script(delta)?;
        let note = OwnChange::of(delta).map(|change| Note::of(&change)).transpose()?;
        self.run(|done| Job::Apply(sql, args, note, done)).await
    }

    pub(crate) async fn load(&self, part: Part) -> Result<Loaded, StoreError> {
        self.run(|done| Job::Load(part, done)).await
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closing.is_cancelled()
    }

    /// Refuses new jobs, finishes those that were taken, and releases the connection and the lock.
    pub(crate) async fn close(&self) {
        self.closing.cancel();
        self.task.wait().await;
    }

    async fn run<T>(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Job,
    ) -> Result<T, StoreError> {
        if self.is_closed() {
            return Err(StoreError::Closed);
        }
        let (done, outcome) = oneshot::channel();
        self.jobs.send(job(done)).await.map_err(|_| StoreError::Closed)?;
        outcome.await.map_err(|_| StoreError::Closed)?
    }
}

async fn run(
    mut database: Database,
    lock: Option<Lock>,
    mut queue: mpsc::Receiver<Job>,
    closing: CancellationToken,
) {
    let mut is_behind = lock.is_some();
    let mut pause = indexing::QUIET;
    let overdue = tokio::time::sleep(indexing::AT_MOST);
    tokio::pin!(overdue);
    loop {
        let job = tokio::select! {
            biased;
            () = closing.cancelled(), if !queue.is_closed() => {
                queue.close();
                continue;
            }
            () = &mut overdue, if is_behind && !queue.is_closed() => None,
            job = queue.recv() => match job {
                Some(job) => Some(job),
                None => break,
            },
            () = tokio::time::sleep(pause), if is_behind => None,
        };
        match job {
            Some(Job::Apply(sql, args, note, done)) => {
                // Nobody may be waiting any more; what was committed stays committed.
                drop(done.send(database.commit(sql, args, note).await));
                is_behind = lock.is_some();
                pause = indexing::QUIET;
            }
            Some(Job::Load(part, done)) => drop(done.send(database.load(part).await)),
            None => {
                is_behind = database.index().await;
                pause = indexing::PAUSE;
                overdue
                    .as_mut()
                    .reset(tokio::time::Instant::now() + indexing::AT_MOST);
            }
        }
    }
    database.close().await;
    drop(lock);
}
