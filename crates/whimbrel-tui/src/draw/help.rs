//! All keys.

use super::{lines, style};
use crate::text;
use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

/// Keys and what they do. A row without keys is a heading.
const HELP: &[(&str, &str)] = &[
    ("Tab, arrows", "move between channels, messages and the line"),
    ("Enter", "open a channel; send; open a thread"),
    ("Esc", "back"),
    ("o", "go offline, go online"),
    ("x", "outbox: what waits, what was rejected"),
    ("s", "search messages: \"a phrase\" wor in:general by:bob"),
    ("T", "threads that you follow"),
    ("P", "pinned messages of the channel"),
    ("w", "who is in the channel, how they are; mute, block"),
    ("R", "requests: who brought or invites you where"),
    ("D", "your devices: name, revoke"),
    ("S", "settings: what others see of you"),
    ("/", "find channels by name or query; Esc shows the usual"),
    ("n", "new channel"),
    ("Ctrl-C, Ctrl-Q", "quit; what waits is sent next time"),
    ("", "In the list of channels"),
    ("p a h m", "pin, archive, hide, mute; the same key again undoes"),
    (
        "/archived:true",
        "list the archive; hidden:true, muted:true, unread:true,",
    ),
    ("", "    pinned:true, member:bob, type:team, all:true, or JSON;"),
    ("", "    consent:unknown, consent:denied"),
    ("", "In the messages"),
    (
        "PgUp PgDn Home End",
        "move; load older ones; End goes to the newest",
    ),
    ("e d r q", "edit, delete, react, quote"),
    ("p", "pin a message for everyone, or unpin it"),
    ("t", "open the thread"),
    ("u", "mark a message and all after it as unread"),
    ("m", "in a thread: mark it as read, and follow it"),
    ("v", "who has an own message, and who has read it"),
    ("i", "why a message is as it is shown"),
    ("", "In the line"),
    (
        "@bob @channel @here",
        "mention somebody, everybody, those who are there",
    ),
    ("Alt+Enter", "a new line in a message"),
    ("Ctrl-S", "silent: it counts as unread for nobody"),
    ("Ctrl-T", "in a thread: show the reply in the channel too"),
    ("/invisible on", "others see you offline, until /invisible off"),
    ("/invite bob eve", "ask them into the channel"),
    (
        "/status on a train",
        "words beside your presence; /status alone: none",
    ),
    ("Ctrl-D", "take the draft that another device wrote"),
    ("", "Marks"),
    ("○ ✓ ✓✓", "on its way, sent, arrived; in colour: read by all"),
    ("! ✎", "not accepted; edited, or a draft"),
    ("●", "online"),
    ("(3 @1)", "3 unread, 1 of them mentions you"),
    ("↳1", "1 thread that you follow has unread replies"),
    ("^ ~ # -", "a channel: pinned, muted, archived, hidden"),
];

/// Rows that are shown on a screen of some rows: all, or what fits between the frame's lines and above the hint.
fn fit(screen: u16) -> usize {
    HELP.len().min(usize::from(screen).saturating_sub(3).max(1))
}

/// Returns the last line from which the help may be shown.
pub(crate) fn most_scroll(screen: u16) -> usize {
    HELP.len() - fit(screen)
}

/// Returns how many rows the window has.
pub(super) fn rows(screen: u16) -> usize {
    fit(screen) + 1
}

pub(super) fn draw(from: usize, screen: u16, frame: &mut Frame<'_>, area: Rect) {
    let from = from.min(most_scroll(screen));
    let shown = HELP.iter().skip(from).take(fit(screen));
    let mut help: Vec<_> = shown
        .map(|(keys, what)| match *keys {
            "" => Line::styled(*what, style::DIM),
            keys => Line::from(vec![
                Span::styled(text::fit(keys, 20), style::BOLD),
                Span::raw(*what),
            ]),
        })
        .collect();
    let hint = match most_scroll(screen) {
        0 => "any key closes",
        _ => "↑ ↓ scroll, any other key closes",
    };
    help.push(Line::styled(hint, style::DIM));
    lines(frame, area, help);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_in_the_documentation() {
        let written = include_str!("../../../../docs/TERMINAL.md");
        let keys = HELP
            .iter()
            .flat_map(|(keys, _)| match keys.starts_with(['(', '/']) {
                true => vec![*keys],
                false => keys.split([' ', ',']).collect(),
            });
        for key in keys.filter(|key| !key.is_empty() && *key != "arrows") {
            let key = key.trim_start_matches(|c| c == '/' && key.contains(':'));
            let there = written.contains(&format!("`{key}`")) || written.contains(&format!("`{key} "));
            assert!(there, "{key}");
        }
    }

    #[test]
    fn every_line_of_the_help_can_be_reached() {
        for screen in 0..60 {
            assert_eq!(most_scroll(screen) + fit(screen), HELP.len());
        }
    }
}
