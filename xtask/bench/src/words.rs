//! Text like that of a chat: a few words are everywhere, most are rare (Zipf's law), and some of it is not Latin.

/// Different words. As many as an account's messages may have without its names and typing errors.
pub(crate) const WORDS: u64 = 50_000;
/// One message of so many is Chinese.
const CHINESE: u64 = 50;
/// Words of a message.
const LENGTH: u64 = 12;

const SYLLABLES: [&str; 32] = [
    "ba", "ce", "di", "fo", "gu", "ha", "je", "ki", "lo", "mu", "na", "pe", "qui", "ro", "su", "ta", "ve",
    "wi", "xo", "yu", "za", "bre", "cli", "dro", "flu", "gra", "ple", "sti", "tro", "shu", "an", "er",
];

/// Returns the `rank`th most frequent word.
pub(crate) fn word(rank: u64) -> String {
    let mut rest = rank;
    let mut word = String::new();
    loop {
        word.push_str(SYLLABLES[(rest % 32) as usize]);
        rest /= 32;
        if rest == 0 {
            return word;
        }
    }
}

/// Returns the text of the `number`th message.
pub(crate) fn text(number: u64) -> String {
    let mut dice = Dice(number);
    if number.is_multiple_of(CHINESE) {
        return (0..LENGTH * 2).map(|_| character(dice.zipf(2_000))).collect();
    }
    let words: Vec<String> = (0..LENGTH).map(|_| word(dice.zipf(WORDS) - 1)).collect();
    words.join(" ")
}

/// Returns the name of the `number`th channel.
pub(crate) fn name(number: u64) -> String {
    let mut dice = Dice(number ^ 0x5eed);
    format!(
        "{} {} {number}",
        word(dice.zipf(WORDS) - 1),
        word(dice.zipf(WORDS) - 1)
    )
}

/// Returns the `rank`th most frequent Chinese character.
pub(crate) fn character(rank: u64) -> char {
    char::from_u32(0x4e00 + rank as u32).unwrap_or('一')
}

/// Numbers that look random and are the same in each run (SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a rank from 1 to `count`, each in proportion to its inverse.
    fn zipf(&mut self, count: u64) -> u64 {
        let part = (self.roll() >> 11) as f64 / (1_u64 << 53) as f64;
        ((count as f64 + 1.0).powf(part) as u64).clamp(1, count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_different_and_some_are_frequent() {
        let words: std::collections::HashSet<String> = (0..WORDS).map(word).collect();
        assert_eq!(words.len() as u64, WORDS);
        let texts: Vec<String> = (0..1_000).map(text).collect();
        let having = |word: &str| {
            texts
                .iter()
                .filter(|text| text.split(' ').any(|found| found == word))
                .count()
        };
        assert!(having(&word(0)) > 300, "{}", having(&word(0)));
        assert!(having(&word(9_000)) < 5);
    }
}
