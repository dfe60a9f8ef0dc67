use super::{SearchText, text::plain};
use crate::hash::Hash;
use whimbrel_model::{ChannelId, Message, UserId};

/// Returns what a full-text index keeps of a message: the words of its text, and marks of its channel and author, between
/// spaces. A message that is not to be found, deleted or without a word, has none.
///
/// An index that parts it at its spaces, keeps the order of the words and compares bytes finds with
/// [`SearchText::for_index`] what [`SearchText::matches`] says. For SQLite's FTS5 that is the tokenizer `ascii`.
#[must_use]
pub fn indexed(message: &Message) -> Option<String> {
    if message.is_deleted() {
        return None;
    }
    let words = plain(&message.body.text);
    let marks = format!("{} {}", channel_mark(&message.cid), author_mark(&message.author));
    (!words.is_empty()).then(|| format!("{}{marks}", &words[1..]))
}

/// Returns the word that messages of a channel have in an index. Nobody can type it: no word has its first character.
/// Other channels may have the same one, if rarely.
#[must_use]
pub fn channel_mark(cid: &ChannelId) -> String {
    mark('\u{e000}', cid.as_str())
}

/// Returns the word that messages of an author have in an index. See [`channel_mark`].
#[must_use]
pub fn author_mark(author: &UserId) -> String {
    mark('\u{e001}', author.as_str())
}

fn mark(kind: char, id: &str) -> String {
    let mut hash = Hash::default();
    hash.add(id.as_bytes());
    format!("{kind}{:016x}", hash.finish())
}

impl SearchText {
    /// Returns the search in the language of SQLite's FTS5: every piece as a string, and `marks`, each of them a choice
    /// of words of which one has to be there. Empty choices are left out.
    ///
    /// Nothing that was typed is syntax in it: words have letters, digits and marks only.
    #[must_use]
    pub fn for_index(&self, marks: &[Vec<String>]) -> String {
        let pieces = self.pieces().iter().map(|piece| {
            let begun = if piece.begun { "*" } else { "" };
            format!("\"{}\"{begun}", piece.words)
        });
        let choices = marks.iter().filter(|choice| !choice.is_empty()).map(|choice| {
            let quoted: Vec<_> = choice.iter().map(|mark| format!("\"{mark}\"")).collect();
            format!("({})", quoted.join(" OR "))
        });
        pieces.chain(choices).collect::<Vec<_>>().join(" AND ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_typed_is_syntax() {
        let search: SearchText = "a* NEAR(b) \"c OR d\" ^e col:f -g {h} 'i' ;--".parse().unwrap();
        let marks = [vec!["x".to_owned(), "y".to_owned()], Vec::new()];
        assert_eq!(
            search.for_index(&marks),
            "\"a\" AND \"near b\" AND \"c or d\" AND \"e\" AND \"col f\" AND \"g\" AND \"h\" AND \"i\" \
             AND (\"x\" OR \"y\")"
        );
    }

    #[test]
    fn no_word_looks_like_a_mark() {
        let mark = author_mark(&UserId::new("ada").unwrap());
        assert_eq!(mark, "\u{e001}c9d92e83d20fa00c");
        assert!(!plain(&mark).contains('\u{e001}'));
    }
}
