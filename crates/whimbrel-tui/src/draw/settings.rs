//! The account's settings.

use super::{
    rows::{Lines, Look, Row},
    style,
};
use crate::app::{App, SETTINGS};
use ratatui::style::Style;

pub(super) fn look() -> Look {
    Look {
        title: "Settings, on all your devices".to_owned(),
        empty: "",
        note: String::new(),
        keys: "Enter switch  Esc close",
        row,
    }
}

fn row(app: &App, at: usize, row: Row) -> Option<Lines> {
    let setting = SETTINGS.get(at)?;
    let (state, state_style) = match (setting.get)(&app.account.settings) {
        true => ("on ", style::GOOD),
        false => ("off", style::DIM),
    };
    Some([
        row.line([
            (format!("{state} "), state_style),
            (setting.label.to_owned(), style::BOLD),
        ]),
        row.line([(format!("    {}", setting.what), Style::new())]),
    ])
}
