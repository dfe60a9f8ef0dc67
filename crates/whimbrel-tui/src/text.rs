//! Text for the screen: harmless, measured in columns, cut and wrapped between what a person sees as characters.

use ratatui::{style::Style, text::Span};
use unicode_width::UnicodeWidthStr;

/// Code points that one visible character may have: more than any emoji needs. A pile of accents is cut off here.
const PER_CHARACTER: usize = 12;

/// Makes text harmless for the terminal and for the order of what stands around it.
///
/// Control characters become visible symbols, so that an escape sequence is shown and does nothing; characters that
/// turn the direction of writing, or separate lines invisibly, become a replacement. Line feeds stay.
pub(crate) fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => clean.push('\n'),
            '\r' => {}
            '\t' => clean.push_str("    "),
            '\0'..='\x1f' => clean.push(char::from_u32(0x2400 + u32::from(c)).unwrap_or('?')),
            '\x7f' => clean.push('\u{2421}'),
            '\u{80}'..='\u{9f}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{fff9}'..='\u{fffb}' => clean.push(char::REPLACEMENT_CHARACTER),
            other => clean.push(other),
        }
    }
    clean
}

/// Makes text harmless and puts it on one line.
pub(crate) fn one_line(text: &str) -> String {
    clean(text).replace('\n', " ")
}

/// Returns how many columns a text takes.
pub(crate) fn width(text: &str) -> usize {
    characters(text).iter().map(|character| character.width()).sum()
}

/// Cuts a one-line text to `columns`, with `…` where something is missing.
pub(crate) fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut cut = String::new();
    let mut used = 1;
    for character in characters(text) {
        used += character.width();
        if used > columns {
            break;
        }
        cut.push_str(&character);
    }
    if columns > 0 {
        cut.push('…');
    }
    cut
}

/// Cuts a one-line text to `columns` and fills it up with spaces.
pub(crate) fn fit(text: &str, columns: usize) -> String {
    let mut fit = cut(text, columns);
    let missing = columns.saturating_sub(width(&fit));
    fit.extend(std::iter::repeat_n(' ', missing));
    fit
}

/// Breaks clean text into lines of at most `columns`: at spaces where there are some, else inside a word.
pub(crate) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    text.split('\n')
        .flat_map(|line| wrap_line(line, columns))
        .collect()
}

fn wrap_line(line: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut current = Broken::default();
    for character in characters(line) {
        let wide = character.width().min(columns);
        if current.columns + wide > columns {
            if character == " " {
                // The space that would begin the next line is what was broken at.
                lines.push(std::mem::take(&mut current).text);
                continue;
            }
            lines.push(current.break_off());
        }
        current.push(&character, wide);
    }
    if !current.text.is_empty() || lines.is_empty() {
        lines.push(current.text);
    }
    lines
}

/// A line that is being filled.
#[derive(Default)]
struct Broken {
    text: String,
    columns: usize,
    /// After the last space: in bytes and in columns.
    word: Option<(usize, usize)>,
}

impl Broken {
    fn push(&mut self, character: &str, wide: usize) {
        self.text.push_str(character);
        self.columns += wide;
        if character == " " {
            self.word = Some((self.text.len(), self.columns));
        }
    }

    /// Returns what goes on this line, and keeps the unfinished word for the next.
    fn break_off(&mut self) -> String {
        let (byte, column) = self.word.take().unwrap_or((self.text.len(), self.columns));
        let rest = self.text.split_off(byte);
        self.columns -= column;
        let line = std::mem::replace(&mut self.text, rest);
        line.trim_end().to_owned()
    }
}

/// Splits clean one-line text into what a person sees as characters. What takes no column is left out.
fn characters(text: &str) -> Vec<String> {
    Span::raw(text)
        .styled_graphemes(Style::default())
        .map(|grapheme| grapheme.symbol.chars().take(PER_CHARACTER).collect::<String>())
        .filter(|character| character.as_str().width() > 0)
        .collect()
}

/// Extends a character by its columns.
trait Columns {
    fn width(&self) -> usize;
}

impl Columns for String {
    fn width(&self) -> usize {
        self.as_str().width()
    }
}

/// Returns the part of an input line that is visible in `columns`, and the column of the cursor in it.
///
/// `cursor` counts code points, as `tui-input` does.
pub(crate) fn scroll(value: &str, cursor: usize, columns: usize) -> (String, usize) {
    let show = |text: String| clean(&text).replace('\n', "↵");
    let before = show(value.chars().take(cursor).collect());
    let after = show(value.chars().skip(cursor).collect());
    let mut left: Vec<String> = characters(&before);
    let mut column: usize = left.iter().map(Columns::width).sum();
    // One column stays free for the cursor behind the last character.
    while column >= columns.max(1) && !left.is_empty() {
        column -= left.remove(0).width();
    }
    let mut visible: String = left.concat();
    let mut used = column;
    for character in characters(&after) {
        used += character.width();
        if used > columns {
            break;
        }
        visible.push_str(&character);
    }
    (visible, column)
}

/// Returns the time of day of a moment, in UTC.
pub(crate) fn clock(millis: i64) -> String {
    let minutes = millis.div_euclid(60_000).rem_euclid(24 * 60);
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

/// Returns a moment: `2026-11-24 13:05`, in UTC.
pub(crate) fn moment(millis: i64) -> String {
    format!("{} {}", date(day(millis)), clock(millis))
}

/// Returns how long ago a moment was; after a day, when it was.
pub(crate) fn ago(millis: i64, now: i64) -> String {
    let minutes = now.saturating_sub(millis).div_euclid(60_000);
    match minutes {
        ..=0 => "just now".to_owned(),
        1..=59 => format!("{minutes} min ago"),
        60..=1_439 => format!("{} h ago", minutes / 60),
        _ => moment(millis),
    }
}

/// Returns the day of a moment, in days since 1970-01-01, UTC.
pub(crate) fn day(millis: i64) -> i64 {
    millis.div_euclid(24 * 60 * 60 * 1000)
}

/// Returns the date of a day: `2026-11-24`.
pub(crate) fn date(day: i64) -> String {
    // Counted from 0000-03-01, so that the leap day is the last of its year; 400 years have 146,097 days.
    let shifted = day.saturating_add(719_468);
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day_of_month = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day_of_month:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_controls_a_terminal_survives() {
        let all: String = (0..0x300).filter_map(char::from_u32).collect();
        let hostile = format!("{all}\u{202e}\u{2028}\u{2066}\u{9b}31m\x1b]0;title\x07");
        let clean = clean(&hostile);
        assert!(clean.chars().all(|c| c == '\n' || !c.is_control()));
        assert!(!clean.contains(['\u{202e}', '\u{2028}', '\u{2066}']));
        assert!(clean.contains("␛]0;title␇"));
    }

    #[test]
    fn lines_break_at_spaces_and_inside_long_words() {
        assert_eq!(wrap("to be or not", 6), ["to be", "or not"]);
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrap("a\n\nb", 3), ["a", "", "b"]);
        assert_eq!(wrap("", 3), [""]);
        assert_eq!(wrap("x", 0), ["x"]);
    }

    #[test]
    fn wide_characters_take_two_columns() {
        assert_eq!(width("日本"), 4);
        assert_eq!(wrap("日本語", 4), ["日本", "語"]);
        assert_eq!(cut("日本語", 4), "日…");
        assert_eq!(fit("日", 4), "日  ");
        assert_eq!(width("👨‍👩‍👧"), 2);
    }

    #[test]
    fn a_pile_of_accents_is_one_short_character() {
        let pile = format!("a{}", "\u{301}".repeat(5_000));
        assert!(cut(&pile, 3).len() <= pile.len());
        assert_eq!(wrap(&pile, 5).len(), 1);
        assert!(wrap(&pile, 5)[0].len() < 40);
    }

    #[test]
    fn the_cursor_stays_visible() {
        assert_eq!(scroll("hello", 5, 10), ("hello".to_owned(), 5));
        assert_eq!(scroll("hello", 5, 4), ("llo".to_owned(), 3));
        assert_eq!(scroll("hello", 0, 4), ("hell".to_owned(), 0));
        assert_eq!(scroll("a\nb", 3, 9), ("a↵b".to_owned(), 3));
        assert_eq!(scroll("日本", 2, 3), ("本".to_owned(), 2));
    }

    #[test]
    fn dates_and_times() {
        assert_eq!(
            (date(0), date(11_016), date(20_000)),
            ("1970-01-01".into(), "2000-02-29".into(), "2024-10-04".into())
        );
        assert_eq!(clock(13 * 3_600_000 + 5 * 60_000), "13:05");
        assert_eq!((day(-1), clock(-60_000)), (-1, "23:59".to_owned()));
        assert!(!date(i64::MAX / 86_400_000).is_empty());
        assert_eq!(moment(60_000), "1970-01-01 00:01");
        assert_eq!(
            (ago(5, 0), ago(0, 59_999)),
            ("just now".into(), "just now".into())
        );
        assert_eq!(
            (ago(0, 3_599_000), ago(0, 7_200_000)),
            ("59 min ago".into(), "2 h ago".into())
        );
        assert_eq!(ago(0, 86_400_000), "1970-01-01 00:00");
    }
}
