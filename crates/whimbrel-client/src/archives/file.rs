//! Archives in files: the encryption and the file are on a thread of their own.

use super::{ArchiveProblem, export::Sink};
use crate::Error;
use std::{
    fs::{self, File},
    io::{BufReader, BufWriter, ErrorKind, Write as _},
    path::{Path, PathBuf},
};
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;
use uuid::Uuid;
use whimbrel_archive::{ArchiveError, ArchiveReader, ArchiveWriter, Element, Key, Lock, Manifest, Metadata};
use whimbrel_model::Timestamp;

/// Pages of elements that wait for the file.
const WAITING: usize = 4;

enum Job {
    Put(Vec<Element>),
    LeaveOut(&'static str),
    Finish(oneshot::Sender<Result<Metadata, ArchiveProblem>>),
}

/// An archive that is being written. Dropped before it is finished, it leaves nothing.
#[derive(Debug)]
pub(super) struct ArchiveFile {
    jobs: mpsc::Sender<Job>,
    /// Why it could not be written.
    failed: oneshot::Receiver<ArchiveProblem>,
}

/// Begins to write an archive beside `path`.
pub(super) fn create(
    path: &Path,
    unique: Uuid,
    lock: Lock,
    manifest: Manifest,
) -> Result<ArchiveFile, ArchiveProblem> {
    let path = std::path::absolute(path).map_err(ArchiveError::from)?;
    if path.exists() {
        return Err(ArchiveProblem::Exists(path));
    }
    let (jobs, queue) = mpsc::channel(WAITING);
    let (fail, failed) = oneshot::channel();
    TaskTracker::new().spawn_blocking(move || {
        let mut draft = path.clone().into_os_string();
        draft.push(format!(".{}.part", unique.simple()));
        let draft = PathBuf::from(draft);
        let written = write(queue, &draft, &path, &lock, manifest);
        if let Err(problem) = written {
            // It may not be there.
            let _ = fs::remove_file(&draft);
            let _ = fail.send(problem);
        }
    });
    Ok(ArchiveFile { jobs, failed })
}

/// Writes what comes, until it is finished or given up.
fn write(
    mut queue: mpsc::Receiver<Job>,
    draft: &Path,
    path: &Path,
    lock: &Lock,
    manifest: Manifest,
) -> Result<(), ArchiveProblem> {
    let file = create_file(draft)?;
    let mut writer = ArchiveWriter::new(BufWriter::new(file), lock, manifest)?;
    loop {
        match queue.blocking_recv() {
            Some(Job::Put(elements)) => {
                for element in &elements {
                    writer.put(element)?;
                }
            }
            Some(Job::LeaveOut(kind)) => writer.leave_out(kind),
            // Nobody waits for it any more: it is given up.
            Some(Job::Finish(reply)) if reply.is_closed() => {
                let _ = fs::remove_file(draft);
                return Ok(());
            }
            Some(Job::Finish(reply)) => {
                let (mut out, metadata) = writer.finish()?;
                out.flush().map_err(ArchiveError::from)?;
                let file = out
                    .into_inner()
                    .map_err(|error| ArchiveError::from(error.into_error()))?;
                file.sync_all().map_err(ArchiveError::from)?;
                publish(draft, path)?;
                // Whoever waited may have gone: the file is there.
                let _ = reply.send(Ok(metadata));
                return Ok(());
            }
            None => {
                let _ = fs::remove_file(draft);
                return Ok(());
            }
        }
    }
}

/// Gives the finished file its name, unless there is one of that name, and makes that durable.
fn publish(draft: &Path, path: &Path) -> Result<(), ArchiveProblem> {
    match fs::hard_link(draft, path) {
        Ok(()) => fs::remove_file(draft).map_err(ArchiveError::from)?,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return Err(ArchiveProblem::Exists(path.to_owned()));
        }
        // A file system without links: between the look and the move somebody else could make one, and would lose it.
        Err(_) if !path.exists() => fs::rename(draft, path).map_err(ArchiveError::from)?,
        Err(_) => return Err(ArchiveProblem::Exists(path.to_owned())),
    }
    sync_directory(path);
    Ok(())
}

#[cfg(unix)]
fn create_file(path: &Path) -> Result<File, ArchiveError> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = File::options();
    Ok(options.write(true).create_new(true).mode(0o600).open(path)?)
}

#[cfg(not(unix))]
fn create_file(path: &Path) -> Result<File, ArchiveError> {
    Ok(File::options().write(true).create_new(true).open(path)?)
}

/// Where directories cannot be synced, the name is as durable as the system makes it.
fn sync_directory(path: &Path) {
    if let Some(directory) = path.parent().and_then(|parent| File::open(parent).ok()) {
        let _ = directory.sync_all();
    }
}

impl ArchiveFile {
    /// Ends the archive: it is there, whole and durable, when this returns.
    pub(super) async fn finish(mut self) -> Result<Metadata, ArchiveProblem> {
        let (reply, finished) = oneshot::channel();
        if self.jobs.send(Job::Finish(reply)).await.is_ok()
            && let Ok(finished) = finished.await
        {
            return finished;
        }
        Err(self.failure().await)
    }

    async fn send(&mut self, job: Job) -> Result<(), Error> {
        if self.jobs.send(job).await.is_ok() {
            return Ok(());
        }
        Err(self.failure().await.into())
    }

    async fn failure(&mut self) -> ArchiveProblem {
        let ended = || std::io::Error::other("the thread that wrote it ended");
        (&mut self.failed)
            .await
            .unwrap_or_else(|_| ArchiveError::from(ended()).into())
    }
}

impl Sink for ArchiveFile {
    async fn put(&mut self, elements: Vec<Element>) -> Result<(), Error> {
        self.send(Job::Put(elements)).await
    }

    async fn leave_out(&mut self, kind: &'static str) -> Result<(), Error> {
        self.send(Job::LeaveOut(kind)).await
    }

    fn is_full(&self) -> bool {
        false
    }
}

/// Opens a file to be read.
pub(super) async fn open(path: &Path) -> Result<BufReader<File>, ArchiveProblem> {
    let path = path.to_owned();
    on_a_thread(move || Ok(BufReader::new(File::open(path)?))).await
}

pub(super) async fn made_at(path: &Path) -> Result<Timestamp, ArchiveProblem> {
    let path = path.to_owned();
    on_a_thread(move || ArchiveReader::made_at(&mut BufReader::new(File::open(path)?))).await
}

pub(super) async fn metadata(path: &Path, key: Key) -> Result<Metadata, ArchiveProblem> {
    let path = path.to_owned();
    on_a_thread(move || ArchiveReader::open(BufReader::new(File::open(path)?), &key)?.verify()).await
}

async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ArchiveError> + Send + 'static,
) -> Result<T, ArchiveProblem> {
    let done = TaskTracker::new().spawn_blocking(work).await;
    let ended = |error| ArchiveError::from(std::io::Error::other(error));
    Ok(done.unwrap_or_else(|error| Err(ended(error)))?)
}
