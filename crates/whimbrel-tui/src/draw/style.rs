//! Colours: those of the terminal's own palette, so that they fit light and dark.

use ratatui::style::{Color, Modifier, Style};
use whimbrel::model::UserId;

pub(super) const FRAME: Style = Style::new().fg(Color::DarkGray);
pub(super) const FOCUSED: Style = Style::new().fg(Color::Cyan);
pub(super) const DIM: Style = Style::new().fg(Color::DarkGray);
pub(super) const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);
pub(super) const GOOD: Style = Style::new().fg(Color::Green);
/// What was read by everybody.
pub(super) const READ: Style = Style::new().fg(Color::Cyan).add_modifier(Modifier::BOLD);
pub(super) const WAITING: Style = Style::new().fg(Color::Yellow);
pub(super) const BAD: Style = Style::new().fg(Color::Red);
pub(super) const MENTION: Style = Style::new().fg(Color::Yellow).add_modifier(Modifier::BOLD);
pub(super) const SELECTED: Style = Style::new().add_modifier(Modifier::REVERSED);

const AUTHORS: [Color; 6] = [
    Color::Cyan,
    Color::Green,
    Color::Magenta,
    Color::Blue,
    Color::Yellow,
    Color::LightRed,
];

/// Returns the colour of a person: always the same.
pub(super) fn author(user: &UserId) -> Style {
    let sum: usize = user.as_str().bytes().map(usize::from).sum();
    BOLD.fg(AUTHORS[sum % AUTHORS.len()])
}
