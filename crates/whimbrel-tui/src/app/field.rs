//! Keys of a text field: those that a shell has.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tui_input::{Input, InputRequest};

/// Carries out a key in a text field. Returns whether it was one of a text field.
pub(super) fn key(input: &mut Input, key: KeyEvent) -> bool {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    let alt = key.modifiers.contains(KeyModifiers::ALT);
    let request = match key.code {
        KeyCode::Char('a') if control => InputRequest::GoToStart,
        KeyCode::Char('e') if control => InputRequest::GoToEnd,
        KeyCode::Char('k') if control => InputRequest::DeleteTillEnd,
        KeyCode::Char('u') if control => InputRequest::DeleteFromStart,
        KeyCode::Char('w') if control => InputRequest::DeletePrevWord,
        KeyCode::Char('y') if control => InputRequest::Yank,
        // AltGr arrives as both on some systems, and writes a character.
        KeyCode::Char(c) if control == alt && !c.is_control() => InputRequest::InsertChar(c),
        KeyCode::Left if control || alt => InputRequest::GoToPrevWord,
        KeyCode::Right if control || alt => InputRequest::GoToNextWord,
        KeyCode::Left => InputRequest::GoToPrevChar,
        KeyCode::Right => InputRequest::GoToNextChar,
        KeyCode::Home => InputRequest::GoToStart,
        KeyCode::End => InputRequest::GoToEnd,
        KeyCode::Backspace if control || alt => InputRequest::DeletePrevWord,
        KeyCode::Backspace => InputRequest::DeletePrevChar,
        KeyCode::Delete => InputRequest::DeleteNextChar,
        _ => return false,
    };
    input.handle(request);
    true
}

/// Inserts pasted text; `multiline` keeps its line breaks.
pub(super) fn paste(input: &mut Input, text: &str, multiline: bool) {
    for c in text.replace("\r\n", "\n").replace('\r', "\n").chars() {
        match c {
            '\n' if multiline => input.handle(InputRequest::InsertChar('\n')),
            '\n' | '\t' => input.handle(InputRequest::InsertChar(' ')),
            c if c.is_control() => None,
            c => input.handle(InputRequest::InsertChar(c)),
        };
    }
}
