//! What `$autocomplete` and `$q` compare: words without case and accents.

use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};

/// Returns the words of a text in the form in which `$autocomplete` and `$q` compare them, between spaces: `José Ñandú!`
/// becomes ` jose nandu `. Without a word it is empty.
///
/// This is what a database stores beside a text that can be searched, so that it compares what the evaluator compares.
/// The cost is linear in the text.
///
/// - Compatibility decomposition (NFKD), without the combining marks of Latin, Greek and Cyrillic; those of other
///   scripts are letters, and stay.
/// - Lower case, letter by letter, without regard to a language; and `ß` as `ss`, `æ` as `ae`, `œ` as `oe`, `ø` as
///   `o`, `ł` as `l`, `đ` and `ð` as `d`, `þ` as `th`, `ı` as `i`, `ς` as `σ`.
/// - A word is a run of letters, digits and marks. A Chinese or Japanese character is a word of its own, as these
///   languages have no spaces.
///
/// ```
/// assert_eq!(whimbrel_query::fold("José Ñandú, 東京 & Straße"), " jose nandu 東 京 strasse ");
/// ```
#[must_use]
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len() + 2);
    let mut after_ideograph = false;
    for c in text
        .nfkd()
        .filter(|&c| !is_accent(c))
        .flat_map(char::to_lowercase)
        .filter(|&c| !is_accent(c))
    {
        let mark = is_combining_mark(c);
        if !(mark || c.is_alphanumeric()) {
            space(&mut folded);
            after_ideograph = false;
            continue;
        }
        let ideograph = is_ideograph(c);
        if (ideograph || after_ideograph) && !mark || folded.is_empty() {
            space(&mut folded);
        }
        after_ideograph = ideograph || (after_ideograph && mark);
        match replacement(c) {
            Some(letters) => folded.push_str(letters),
            None => folded.push(c),
        }
    }
    if folded.len() > 1 {
        space(&mut folded);
        return folded;
    }
    String::new()
}

/// Returns the words of `text`, folded.
pub(crate) fn words(text: &str) -> impl Iterator<Item = String> {
    let words: Vec<String> = fold(text).split_whitespace().map(str::to_owned).collect();
    words.into_iter()
}

/// Returns what the folded form of a text has in it iff the text completes `begun`. Nothing completes a text without
/// words.
pub(crate) fn begun(begun: &str) -> Option<String> {
    let folded = fold(begun);
    // What ends in a space or a full stop has a last word that is whole.
    let is_whole = begun
        .chars()
        .next_back()
        .is_some_and(|c| !c.is_alphanumeric() && !is_combining_mark(c));
    let needle = if is_whole {
        folded.as_str()
    } else {
        folded.trim_end()
    };
    (!needle.is_empty()).then(|| needle.to_owned())
}

/// Returns what the folded form of a text has in it iff the text has `word`.
pub(crate) fn whole(word: &str) -> String {
    format!(" {word} ")
}

fn space(folded: &mut String) {
    if !folded.ends_with(' ') {
        folded.push(' ');
    }
}

const fn is_accent(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}')
}

const fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3005}'..='\u{3007}' | '\u{3041}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

const fn replacement(c: char) -> Option<&'static str> {
    Some(match c {
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        'ø' => "o",
        'ł' => "l",
        'đ' | 'ð' => "d",
        'þ' => "th",
        'ı' => "i",
        'ς' => "σ",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_accents_and_punctuation_make_no_difference() {
        for (text, folded) in [
            ("", ""),
            (" …! ", ""),
            ("Ann", " ann "),
            ("  Ann--Marie  ", " ann marie "),
            ("José", " jose "),
            ("Jose\u{301}", " jose "),
            ("ŁÓDŹ", " lodz "),
            ("Straße STRASSE ẞ", " strasse strasse ss "),
            ("İstanbul ısı", " istanbul isi "),
            ("ΟΔΟΣ οδος", " οδοσ οδοσ "),
            ("Ёлка ёлка", " елка елка "),
            ("ﬁle Ａ１", " file a1 "),
            ("東京タワー2", " 東 京 タ ワ ー 2 "),
            ("がk", " か\u{3099} k "),
            ("हिन्दी", " हिन्दी "),
            ("\u{301}", ""),
            ("v1.2", " v1 2 "),
        ] {
            assert_eq!(fold(text), folded, "{text:?}");
            assert_eq!(fold(folded), folded, "folding again changes {text:?}");
        }
    }

    #[test]
    fn what_is_begun_is_whole_after_a_space() {
        assert_eq!(begun("An").as_deref(), Some(" an"));
        assert_eq!(begun("An ").as_deref(), Some(" an "));
        assert_eq!(begun("Ann Sm").as_deref(), Some(" ann sm"));
        assert_eq!(begun("?!"), None);
    }

    /// What databases store must not change unseen: a failure means that every stored folded column is to be made
    /// again, by a migration, on devices and on the server.
    #[test]
    fn the_form_of_every_character_is_what_was_stored() {
        let mut hash = crate::hash::Hash::default();
        for c in ('\0'..=char::MAX).filter(|c| !c.is_control()) {
            hash.add(fold(&c.to_string()).as_bytes());
        }
        assert_eq!(format!("{:016x}", hash.finish()), "4b2611737f55ec95");
    }
}
