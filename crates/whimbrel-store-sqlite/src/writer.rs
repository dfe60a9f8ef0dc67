use crate::{database::Database, indexing, journal::Note, load::Part, own::OwnChange, write};
use sqlx::sqlite::SqliteArguments;
use std::path::PathBuf;
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
    Suspend(oneshot::Sender<Result<(), StoreError>>),
    Resume(oneshot::Sender<Result<(), StoreError>>),
    Delete(oneshot::Sender<Result<Vec<PathBuf>, StoreError>>),
}

impl Writer {
    /// Starts the task.
    pub(crate) fn start(database: Database) -> Self {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let closing = CancellationToken::new();
        let task = TaskTracker::new();
        task.spawn(run(database, queue, closing.clone()));
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

    /// Finishes the jobs that were taken before, and releases the connection and the lock.
    pub(crate) async fn suspend(&self) -> Result<(), StoreError> {
        self.run(Job::Suspend).await
    }

    pub(crate) async fn resume(&self) -> Result<(), StoreError> {
        self.run(Job::Resume).await
    }

    /// Deletes the database. It is closed then, unless somebody else had it.
    pub(crate) async fn delete(&self) -> Result<Vec<PathBuf>, StoreError> {
        self.run(Job::Delete).await
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

async fn run(mut database: Database, mut queue: mpsc::Receiver<Job>, closing: CancellationToken) {
    let mut is_behind = database.is_own();
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
        let Some(job) = job else {
            is_behind = database.index().await;
            pause = indexing::PAUSE;
            overdue
                .as_mut()
                .reset(tokio::time::Instant::now() + indexing::AT_MOST);
            continue;
        };
        // A suspended one finds out that there is nothing to do.
        is_behind |= matches!(job, Job::Apply(..) | Job::Resume(_)) && database.is_own();
        if !matches!(job, Job::Load(..)) {
            pause = indexing::QUIET;
        }
        if job.run(&mut database).await {
            closing.cancel();
            break;
        }
    }
    database.close().await;
}

impl Job {
    /// Runs it to its end. Returns whether there is no database any more.
    async fn run(self, database: &mut Database) -> bool {
        // Nobody may be waiting any more; what was done stays done.
        match self {
            Self::Apply(sql, args, note, done) => drop(done.send(database.commit(sql, args, note).await)),
            Self::Load(part, done) => drop(done.send(database.load(part).await)),
            Self::Suspend(done) => {
                database.suspend().await;
                drop(done.send(Ok(())));
            }
            Self::Resume(done) => drop(done.send(database.resume().await)),
            Self::Delete(done) => {
                let deleted = database.delete().await;
                let is_over = !matches!(
                    deleted,
                    Err(StoreError::InUse { .. }
                        | StoreError::ReadOnly { .. }
                        | StoreError::CannotOpen { .. })
                );
                drop(done.send(deleted));
                return is_over;
            }
        }
        false
    }
}
