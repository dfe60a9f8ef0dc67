//! The dialogs that are lists: a window, some lines for each row, one of them chosen, and the keys below.

use super::{devices, dialogs::window, lines, outbox, people, pins, requests, settings, style, threads};
use crate::{
    app::{App, List},
    text,
};
use ratatui::{
    Frame,
    style::Style,
    text::{Line, Span},
};

/// Columns of the window, without its frame.
const COLUMNS: u16 = 90;

/// Lines of a row.
const HEIGHT: usize = 2;

pub(super) type Lines = [Line<'static>; HEIGHT];

/// What is particular to a list.
pub(super) struct Look {
    pub(super) title: String,
    /// What stands there while it has no rows.
    pub(super) empty: &'static str,
    /// What stands below the rows. Empty: nothing.
    pub(super) note: String,
    /// What the keys do.
    pub(super) keys: &'static str,
    /// Makes the lines of a row.
    pub(super) row: fn(&App, usize, Row) -> Option<Lines>,
}

/// How a row is to be drawn.
#[derive(Clone, Copy)]
pub(super) struct Row {
    pub(super) selected: bool,
    pub(super) width: usize,
}

impl Row {
    /// Makes a line of the row: the bar of the selection, and the parts, cut where the row ends.
    pub(super) fn line(self, parts: impl IntoIterator<Item = (String, Style)>) -> Line<'static> {
        let mut free = self.width.saturating_sub(1);
        let mut spans = vec![Span::raw(if self.selected { "▌" } else { " " })];
        for (words, style) in parts {
            let words = text::cut(&words, free);
            free -= text::width(&words);
            spans.push(Span::styled(words, style));
        }
        Line::from(spans)
    }

    /// Makes a line of words that are cut, and of a mark at the end that is not.
    pub(super) fn line_with(self, (words, style): (&str, Style), badge: (String, Style)) -> Line<'static> {
        let columns = self.width.saturating_sub(1 + text::width(&badge.0));
        self.line([(text::fit(words, columns), style), badge])
    }
}

/// Returns the first row that is shown of `count`, if `fit` are: the chosen one is in the middle, if there is enough on both
/// sides.
pub(super) fn first(at: usize, count: usize, fit: usize) -> usize {
    at.saturating_sub(fit / 2).min(count.saturating_sub(fit))
}

pub(super) fn draw(app: &App, list: List, at: usize, frame: &mut Frame<'_>) {
    let look = match list {
        List::Outbox => outbox::look(),
        List::Threads => threads::look(),
        List::Pins => pins::look(app),
        List::Requests => requests::look(),
        List::People => people::look(app),
        List::Receipts => people::receipts(app),
        List::Devices => devices::look(app),
        List::Settings => settings::look(),
    };
    let count = app.rows_of(list);
    let note = usize::from(!look.note.is_empty());
    let area = window(frame, &look.title, COLUMNS, (count * HEIGHT).max(1) + note + 1);
    let width = usize::from(area.width);
    let fit = (usize::from(area.height).saturating_sub(1 + note) / HEIGHT).max(1);
    let at = at.min(count.saturating_sub(1));
    let first = first(at, count, fit);
    let shown = (first..count.min(first + fit)).filter_map(|index| {
        let selected = index == at;
        (look.row)(app, index, Row { selected, width })
    });
    let mut rows: Vec<_> = shown.flatten().collect();
    if count == 0 {
        rows.push(Line::raw(text::cut(look.empty, width)));
    }
    if note > 0 {
        rows.push(Line::styled(text::cut(&look.note, width), style::WAITING));
    }
    rows.push(Line::styled(text::cut(look.keys, width), style::DIM));
    lines(frame, area, rows);
}
