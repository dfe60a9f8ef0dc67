//! What one commit does to the disk: frames appended to a write-ahead log, and the wait until they are there.

use crate::clock::Stopwatch;
use crate::figure::Result;
use crate::rounds::median;
use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use tokio::sync::oneshot;

/// Frames of a log between two checkpoints, as the server and its control have it.
pub(crate) const LOG_FRAMES: u64 = 4_000;
/// Bytes of a frame: its header and a page.
pub(crate) const FRAME_BYTES: u64 = 24 + 4_096;

/// A file like a write-ahead log that was written round once, so that it has its length already, and the thread that
/// writes to it.
///
/// The thread sleeps from one commit to the next, as that of a database connection does. The time is taken on it: what
/// it takes to wake it is the subject's to bear.
#[derive(Debug)]
pub(crate) struct Disk {
    orders: mpsc::SyncSender<oneshot::Sender<io::Result<f64>>>,
}

impl Disk {
    /// Creates the file at its full length, for commits of `frames` frames.
    pub(crate) fn create(path: &Path, frames: u64) -> Result<Self> {
        let mut file = File::create_new(path)?;
        file.write_all(&vec![7; usize::try_from(LOG_FRAMES * FRAME_BYTES)?])?;
        file.sync_all()?;
        let (orders, taken) = mpsc::sync_channel::<oneshot::Sender<_>>(1);
        thread::Builder::new().name("disk".to_owned()).spawn(move || {
            let mut at = 0;
            for done in taken {
                if at + frames > LOG_FRAMES {
                    at = 0;
                }
                // Whoever does not wait for it any more does not miss it.
                drop(done.send(commit(&mut file, at, frames)));
                at += frames;
            }
        })?;
        Ok(Self { orders })
    }

    /// Writes a commit and waits for the disk, `times` times. Returns the median seconds.
    pub(crate) async fn sync(&self, times: u64) -> Result<f64> {
        let mut seconds = Vec::new();
        for _ in 0..times {
            let (done, outcome) = oneshot::channel();
            self.orders.send(done)?;
            seconds.push(outcome.await??);
        }
        Ok(median(seconds))
    }
}

/// Writes frames one by one, as SQLite does, and waits for the disk. Returns the seconds.
fn commit(file: &mut File, at: u64, frames: u64) -> io::Result<f64> {
    file.seek(SeekFrom::Start(at * FRAME_BYTES))?;
    let watch = Stopwatch::start();
    for _ in 0..frames {
        file.write_all(&[1; 24])?;
        file.write_all(&[7; 4_096])?;
    }
    file.sync_data()?;
    Ok(watch.seconds())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_disk_keeps_its_length() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("disk");
        let disk = Disk::create(&path, LOG_FRAMES / 2 - 1).unwrap();
        assert!(disk.sync(3).await.unwrap() > 0.0);
        assert_eq!(std::fs::metadata(path).unwrap().len(), LOG_FRAMES * FRAME_BYTES);
    }
}
