use crate::{
    QueryError,
    error::{Pointer, Problem},
    fold::fold,
    limits,
};
use std::{fmt, str::FromStr};
use unicode_normalization::char::is_combining_mark;

/// What someone looks for in messages, as it was typed, and what it means.
///
/// - What stands between spaces is looked for as it stands: `v1.2` is the words `v1` and `2` one after the other, and
///   `東京` its two characters. All of it has to be in the message, in any order.
/// - What stands between quotation marks (`"` or `“ ”`) is one such piece, spaces included.
/// - Case and accents make no difference, as [`fold`] does it.
/// - The last word may be only begun, if it has at least [`limits::BEGUN_CHARS`] characters, and nothing follows it: no
///   space, full stop or quotation mark. Shorter ones are whole words.
/// - Of a word its first [`limits::WORD_CHARS`] characters count, here and in the message.
///
/// There are no operators and no wildcards: whatever is typed is words, and what is not a word parts them. Testing a text
/// costs one pass over it for each piece.
///
/// ```
/// use whimbrel_query::SearchText;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let search: SearchText = "\"the reef\" nan".parse()?;
/// assert!(search.matches("Is Ñandú at the REEF?"));
/// assert!(!search.matches("The old reef, and Ñandú"));
/// assert!("東京".parse::<SearchText>()?.matches("明日は東京タワーです"));
/// assert!("* OR NEAR(".parse::<SearchText>()?.matches("near or far"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct SearchText {
    typed: String,
    pieces: Vec<Piece>,
}

/// Words that stand one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// With a space between any two. Never empty.
    pub(crate) words: String,
    /// Whether the last word is only begun.
    pub(crate) begun: bool,
}

impl SearchText {
    /// Returns what was typed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.typed
    }

    /// Returns whether a message of this text is found. This is the law: whatever an index says has to agree with it.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let folded = plain(text);
        self.pieces.iter().all(|piece| folded.contains(&piece.needle()))
    }

    pub(crate) fn pieces(&self) -> &[Piece] {
        &self.pieces
    }
}

impl Piece {
    /// What [`plain`] text has in it iff it has the piece.
    fn needle(&self) -> String {
        let end = if self.begun { "" } else { " " };
        format!(" {}{end}", self.words)
    }
}

/// Reads what was typed.
impl FromStr for SearchText {
    type Err = QueryError;

    /// # Errors
    /// [`QueryError`] without a word in it, and over [`limits::SEARCH_CHARS`] or [`limits::SEARCH_WORDS`].
    fn from_str(typed: &str) -> Result<Self, QueryError> {
        let failed = |problem: Problem| Pointer::default().within("text", |place| problem.at(place));
        let chars = typed.chars().count();
        if chars > limits::SEARCH_CHARS {
            return Err(failed(Problem::too_large(
                chars,
                limits::SEARCH_CHARS,
                "characters",
            )));
        }
        let ended = typed
            .chars()
            .next_back()
            .is_none_or(|c| !c.is_alphanumeric() && !is_combining_mark(c));
        let mut pieces: Vec<Piece> = split(typed).filter_map(|piece| Piece::of(&piece)).collect();
        if let Some(last) = pieces.last_mut() {
            let word = last.words.rsplit(' ').next().unwrap_or_default();
            last.begun = !ended && word.chars().count() >= limits::BEGUN_CHARS;
        }
        let words: usize = pieces.iter().map(|piece| piece.words.split(' ').count()).sum();
        if words == 0 {
            let what = "there is no word in what is searched for: a word has letters or digits";
            return Err(failed(Problem::invalid(what)));
        }
        if words > limits::SEARCH_WORDS {
            return Err(failed(Problem::too_large(words, limits::SEARCH_WORDS, "words")));
        }
        Ok(Self {
            typed: typed.to_owned(),
            pieces,
        })
    }
}

impl fmt::Display for SearchText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.typed)
    }
}

/// Shows how much was typed, not what: that is as private as a message.
impl fmt::Debug for SearchText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SearchText")
            .field("pieces", &self.pieces.len())
            .finish_non_exhaustive()
    }
}

impl Piece {
    fn of(typed: &str) -> Option<Self> {
        let words = plain(typed).trim().to_owned();
        (!words.is_empty()).then_some(Self { words, begun: false })
    }
}

/// Splits what was typed at spaces, except between quotation marks.
fn split(typed: &str) -> impl Iterator<Item = String> {
    let mut pieces = vec![String::new()];
    let mut quoted = false;
    for c in typed.chars() {
        let is_quote = matches!(c, '"' | '“' | '”' | '„');
        if is_quote {
            quoted = !quoted;
        }
        if is_quote || (c.is_whitespace() && !quoted) {
            pieces.push(String::new());
        } else if let Some(piece) = pieces.last_mut() {
            piece.push(c);
        }
    }
    pieces.into_iter()
}

/// Returns the words of a text as they are compared: folded, no word longer than counts, one space before and after each.
pub(crate) fn plain(text: &str) -> String {
    let folded = fold(text);
    let is_short = |word: &str| word.len() <= limits::WORD_CHARS;
    if folded.split(' ').all(is_short) {
        return folded;
    }
    let mut cut = String::with_capacity(folded.len());
    for word in folded.split_whitespace() {
        cut.push(' ');
        cut.extend(word.chars().take(limits::WORD_CHARS));
    }
    cut.push(' ');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;
    use whimbrel_model::Code;

    fn found(typed: &str, text: &str) -> bool {
        typed.parse::<SearchText>().unwrap().matches(text)
    }

    #[test]
    fn what_was_typed_finds_what_it_should() {
        for (typed, text, is_found) in [
            ("reef", "the Reef!", true),
            ("ree", "the reef", true),
            ("re", "the reef", false),
            ("re", "re: the reef", true),
            ("ree ", "the reef", false),
            ("ree.", "the reef", false),
            ("\"ree\"", "the reef", false),
            ("\"the ree", "the reef", true),
            ("reef the", "the reef", true),
            ("\"reef the\"", "the reef", false),
            ("“the reef”", "the reef", true),
            ("the  reef", "reef at the", true),
            ("e-mail", "an email", false),
            ("e-mail", "my E-Mail", true),
            ("e-mail", "mail me: e", false),
            ("jose nandu", "Ñandú, José", true),
            ("東京", "明日は東京へ", true),
            ("東京", "京東", false),
            ("東 京", "京東", true),
            ("京都タワー", "京都タワ", false),
            ("café", "cafe\u{301}s", true),
            ("привет", "ПРИВЕТ", true),
            ("안녕", "안녕하세요", true),
            ("a\0b", "a b", true),
            ("\" \" x", "x", true),
            ("crab \u{1f980}", "\u{1f980}crab\u{1f980}", true),
        ] {
            assert_eq!(found(typed, text), is_found, "{typed:?} in {text:?}");
        }
    }

    #[test]
    fn of_a_long_word_its_beginning_counts() {
        let long = "x".repeat(limits::WORD_CHARS);
        assert!(found(&format!("{long}y "), &format!("{long}z")));
        assert!(!found(&format!("{}y ", &long[1..]), &long));
        assert!(found(&"é".repeat(100), &"É".repeat(64)));
    }

    #[test]
    fn what_is_no_search_says_why() {
        for (typed, code) in [
            ("", Code::Invalid),
            (" \"\" *%?! \u{1f980}", Code::Invalid),
            (&"x".repeat(limits::SEARCH_CHARS + 1), Code::TooLarge),
            (&"x ".repeat(limits::SEARCH_WORDS + 1), Code::TooLarge),
            (&"京".repeat(limits::SEARCH_WORDS + 1), Code::TooLarge),
        ] {
            let error = typed.parse::<SearchText>().unwrap_err();
            assert_eq!((error.code(), error.pointer()), (code, "/text"), "{error}");
        }
    }

    #[test]
    fn what_someone_looks_for_is_not_in_the_log() {
        let search: SearchText = "secret words".parse().unwrap();
        assert_eq!(format!("{search:?}"), "SearchText { pieces: 2, .. }");
    }
}
