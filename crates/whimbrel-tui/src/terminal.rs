//! The terminal: taken at the start, given back on every way out.

use crate::{app::App, draw};
use crossterm::{
    event::{DisableBracketedPaste, EnableBracketedPaste},
    execute,
};
use ratatui::DefaultTerminal;
use std::{
    io, panic,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// What the app is painted on.
pub trait Surface {
    /// Returns its columns and rows.
    ///
    /// # Errors
    /// When it is gone.
    fn size(&self) -> io::Result<(u16, u16)>;

    /// Paints the whole app.
    ///
    /// # Errors
    /// When it is gone.
    fn paint(&mut self, app: &App) -> io::Result<()>;

    /// Returns whether nothing may be painted on it any more.
    fn is_lost(&self) -> bool;
}

impl Surface for Screen {
    fn size(&self) -> io::Result<(u16, u16)> {
        let size = self.terminal.size()?;
        Ok((size.width, size.height))
    }

    fn paint(&mut self, app: &App) -> io::Result<()> {
        self.terminal.draw(|frame| draw(app, frame)).map(drop)
    }

    fn is_lost(&self) -> bool {
        Self::is_lost(self)
    }
}

/// The screen, until it is dropped.
pub(crate) struct Screen {
    pub(crate) terminal: DefaultTerminal,
    panicked: Arc<AtomicBool>,
}

impl Screen {
    pub(crate) fn open() -> io::Result<Self> {
        let panicked = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&panicked);
        let report = panic::take_hook();
        // The terminal library puts a hook before this one that gives the screen back.
        panic::set_hook(Box::new(move |info| {
            seen.store(true, Ordering::SeqCst);
            let _ = execute!(io::stdout(), DisableBracketedPaste);
            report(info);
        }));
        let terminal = ratatui::try_init()
            .map_err(|error| io::Error::new(error.kind(), format!("this needs a terminal: {error}")))?;
        let screen = Self { terminal, panicked };
        execute!(io::stdout(), EnableBracketedPaste)?;
        Ok(screen)
    }

    /// Returns whether any task has panicked. The screen is given back then, and nothing may be drawn.
    pub(crate) fn is_lost(&self) -> bool {
        self.panicked.load(Ordering::SeqCst)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // On the way out nothing can be done about a terminal that is gone.
        let _ = execute!(io::stdout(), DisableBracketedPaste);
        let _ = ratatui::try_restore();
    }
}
