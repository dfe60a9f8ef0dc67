//! A system message: a note that something happened, in the middle.

use super::style;
use crate::text;
use ratatui::text::{Line, Span};

pub(super) fn lines(text: &str, width: usize, selected: bool) -> Vec<Line<'static>> {
    let columns = width.saturating_sub(6).max(1);
    let lines = text::wrap(text, columns).into_iter().map(|line| {
        let left = width.saturating_sub(text::width(&line) + 4) / 2;
        Line::from(vec![
            Span::raw(if selected { "▌" } else { " " }),
            Span::raw(" ".repeat(left.saturating_sub(1))),
            Span::styled(format!("· {line} ·"), style::DIM),
        ])
    });
    lines.collect()
}
