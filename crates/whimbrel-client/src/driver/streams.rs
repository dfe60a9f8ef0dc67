//! How far each stream is on disk: read after the first command, so that the first screen does not wait for it.

use super::{Driver, Round};
use crate::{Error, command::Command};
use std::{future::pending, sync::Arc};
use tokio::task::JoinHandle;
use whimbrel_model::Loaded;
use whimbrel_store::{Recovery, StoreError};
use whimbrel_sync::Input;

/// Whether the engine knows of the streams.
///
/// Until it does, nothing is written but the outbox, which is not about them: what is read meanwhile is what there is.
#[derive(Debug)]
pub(super) enum Streams {
    Unread,
    Reading {
        task: JoinHandle<Result<Loaded, StoreError>>,
        /// What had become of the database before.
        recovery: Option<Recovery>,
    },
    Known,
}

impl Streams {
    /// Waits until they are read; for ever if nobody reads them.
    pub(super) async fn read(&mut self) -> Result<Loaded, Error> {
        let Self::Reading { task, .. } = self else {
            return pending().await;
        };
        match task.await {
            Ok(loaded) => Ok(loaded?),
            Err(_) => Err(Error::Interrupted),
        }
    }
}

impl Driver {
    /// Forgets them, until they are read or loaded again.
    pub(super) fn forget_streams(&mut self) {
        if let Streams::Reading { task, .. } = std::mem::replace(&mut self.streams, Streams::Unread) {
            task.abort();
        }
    }

    /// Begins to read them, if nobody has.
    pub(super) fn read_streams(&mut self) {
        if !matches!(self.streams, Streams::Unread) || self.broken.is_some() || self.is_suspended {
            return;
        }
        let store = Arc::clone(&self.parts.store);
        self.streams = Streams::Reading {
            recovery: store.recovery(),
            task: self.parts.tasks.spawn(async move { store.load().await }),
        };
    }

    /// Waits for them if the command needs them. Returns the command unless it was answered: that there is no engine.
    pub(super) async fn ready_for(&mut self, command: Command, round: &mut Round) -> Option<Command> {
        if !command.needs_no_streams() {
            self.read_streams();
            if matches!(self.streams, Streams::Reading { .. }) {
                let loaded = self.streams.read().await;
                self.take_streams(loaded, round).await;
            }
        }
        self.refuse_if_broken(command)
    }

    /// Goes online, or does so once they are known.
    pub(super) fn go_online(&mut self, round: &mut Round) {
        self.wants_online = true;
        if matches!(self.streams, Streams::Known) {
            self.follow(round);
            self.input(Input::GoOnline, round);
        }
    }

    /// Tells the engine of them, and lets it go online if that was put off.
    pub(super) async fn take_streams(&mut self, loaded: Result<Loaded, Error>, round: &mut Round) {
        let before = match std::mem::replace(&mut self.streams, Streams::Known) {
            Streams::Reading { recovery, .. } => recovery,
            Streams::Unread | Streams::Known => return,
        };
        let taken = match loaded {
            Ok(loaded) if self.parts.store.recovery() == before => {
                self.engine.load_streams(loaded);
                Ok(())
            }
            // It was found damaged meanwhile, and is another one now.
            Ok(loaded) => self.start_from(loaded, before).await,
            Err(error) => Err(error),
        };
        match taken {
            Ok(()) if self.is_wanted_online() => {
                self.follow(round);
                self.input(Input::GoOnline, round);
            }
            Ok(()) => {}
            Err(error) => self.give_up(error),
        }
    }
}
