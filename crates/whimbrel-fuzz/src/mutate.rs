//! Changes valid examples a little: as JSON where they are JSON, else as bytes.

use serde_json::{Map, Value, json};

/// Numbers that are drawn from a seed: SplitMix64. Equal seeds give equal numbers.
#[derive(Clone, Debug)]
pub struct Dice(pub u64);

/// Bytes that mean something to one of the parsers.
const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "\"",
    ",",
    ":",
    "null",
    "-1",
    "1e999",
    "1e15",
    "0.1",
    "18446744073709551616",
    "\\ud800",
    "\\u0000",
    ".",
    "/",
    "\n",
    "=",
    "'",
    "#",
    " ",
    "\u{feff}",
    "\u{202e}",
    "é",
    "🐦",
    "%00",
    "..",
    "@",
    "C:",
    "U:",
    "0",
    "9007199254740992",
];

/// Texts that are valid somewhere, or nearly.
const TEXTS: &[&str] = &[
    "",
    " ",
    "ada",
    "bob",
    "messaging:general",
    "a:b:c",
    "C:messaging:general",
    "U:ada",
    "👍",
    "\u{0}",
    "\u{7f}\u{1b}[2J",
    "00000000-0000-0000-0000-000000000000",
    "01900000-0000-7000-8000-000000000001",
    "01900000-0000-7000-8000-000000000002",
    "7.1",
    "7.0.18446744073709551615.2",
    "token_expired",
    "moon_phase",
    "-1",
    "1e3",
];

impl Dice {
    /// Draws the next number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Draws a number below `sides`; 0 if there are none.
    pub fn below(&mut self, sides: usize) -> usize {
        let sides = u64::try_from(sides).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.roll() % sides).unwrap_or(0)
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let at = self.below(from.len());
        from.get(at)
    }
}

/// Makes an input from the examples. An example without change is among what it makes.
#[must_use]
pub fn mutate(examples: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = dice.pick(examples).cloned().unwrap_or_default();
    for _ in 0..dice.below(5) {
        bytes = if dice.below(3) > 0 {
            change_lines(&bytes, examples, dice)
        } else {
            change_bytes(bytes, dice)
        };
    }
    bytes
}

/// Changes one line: as JSON if it is JSON.
fn change_lines(bytes: &[u8], examples: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut lines: Vec<Vec<u8>> = bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    let at = dice.below(lines.len());
    let other = dice.pick(examples).and_then(|other| {
        let lines: Vec<&[u8]> = other.split(|byte| *byte == b'\n').collect();
        dice.pick(&lines).map(|line| line.to_vec())
    });
    match dice.below(if lines.len() > 1 { 8 } else { 4 }) {
        4 => drop(lines.remove(at)),
        5 => lines.insert(at, lines[at].clone()),
        6 => lines.extend(other),
        7 => {
            let to = dice.below(lines.len());
            lines.swap(at, to);
        }
        _ => {
            if let Ok(mut value) = serde_json::from_slice::<Value>(&lines[at]) {
                let other = other.and_then(|other| serde_json::from_slice(&other).ok());
                change_json(&mut value, other.as_ref(), dice);
                lines[at] = serde_json::to_vec(&value).unwrap_or_default();
            } else {
                lines[at] = change_bytes(std::mem::take(&mut lines[at]), dice);
            }
        }
    }
    lines.join(&b'\n')
}

/// Changes one node of `value`, which it walks down to at random.
fn change_json(value: &mut Value, other: Option<&Value>, dice: &mut Dice) {
    let inside = match value {
        Value::Array(list) => list.len(),
        Value::Object(map) => map.len(),
        _ => 0,
    };
    if inside > 0 && dice.below(6) > 0 {
        let at = dice.below(inside);
        let child = match value {
            Value::Array(list) => list.get_mut(at),
            Value::Object(map) => map.values_mut().nth(at),
            _ => None,
        };
        if let Some(child) = child {
            change_json(child, other, dice);
        }
        return;
    }
    match (dice.below(4), &mut *value) {
        (0, Value::Array(list)) if inside > 0 => {
            let copies = [1, 1, 2, 60, 250][dice.below(5)];
            let copy = list[dice.below(inside)].clone();
            list.extend(std::iter::repeat_n(copy, copies));
        }
        (1, Value::Array(list)) if inside > 0 => drop(list.remove(dice.below(inside))),
        (0, Value::Object(map)) if inside > 0 => {
            let key = map.keys().nth(dice.below(inside)).cloned();
            key.map(|key| map.remove(&key));
        }
        (1, Value::Object(map)) => drop(map.insert(text(dice), scalar(dice))),
        (2, value) => {
            if let Some(other) = other {
                *value = node(other, dice).clone();
            }
        }
        (_, value) => *value = fresh(value, dice),
    }
}

/// Returns a node of `value` at random.
fn node<'a>(value: &'a Value, dice: &mut Dice) -> &'a Value {
    let child = match value {
        Value::Array(list) if dice.below(5) > 0 => list.get(dice.below(list.len())),
        Value::Object(map) if dice.below(5) > 0 => map.values().nth(dice.below(map.len())),
        _ => None,
    };
    child.map_or(value, |child| node(child, dice))
}

/// Something of the same kind, at an edge; or of another kind.
fn fresh(old: &Value, dice: &mut Dice) -> Value {
    match (dice.below(3), old) {
        (0 | 1, Value::Number(number)) => near(number.as_u64().unwrap_or(0), dice),
        (0, Value::String(_)) => text(dice).into(),
        (1, Value::String(old)) => {
            let bytes = change_bytes(old.as_bytes().to_vec(), dice);
            String::from_utf8_lossy(&bytes).into_owned().into()
        }
        (0, _) => nested(dice),
        _ => scalar(dice),
    }
}

fn near(number: u64, dice: &mut Dice) -> Value {
    let edges = [
        0,
        1,
        2,
        64,
        200,
        1_000,
        1 << 32,
        (1 << 53) - 1,
        1 << 53,
        i64::MAX as u64,
        u64::MAX,
    ];
    match dice.below(4) {
        0 => number.wrapping_add(1).into(),
        1 => number.wrapping_sub(1).into(),
        2 => [json!(-1), json!(i64::MIN), json!(1.5), json!(-0.0), json!(1e300)][dice.below(5)].clone(),
        _ => edges[dice.below(edges.len())].into(),
    }
}

fn text(dice: &mut Dice) -> String {
    match dice.below(8) {
        0 => "x".repeat([63, 64, 65, 255, 256, 2_049, 5_000, 5_001][dice.below(8)]),
        1 => "\u{1}".repeat([64, 2_048, 5_000][dice.below(3)]),
        _ => dice.pick(TEXTS).copied().unwrap_or_default().to_owned(),
    }
}

fn scalar(dice: &mut Dice) -> Value {
    match dice.below(6) {
        0 => Value::Null,
        1 => true.into(),
        2 => text(dice).into(),
        // Digits enough that reading them takes all the care there is.
        3 => f64::from_bits(dice.roll() >> 2).into(),
        _ => near(1, dice),
    }
}

/// Lists or objects within one another, less deep than the parser allows, or deeper.
fn nested(dice: &mut Dice) -> Value {
    let depth = [1, 2, 16, 33, 100, 118, 125, 200][dice.below(8)];
    let as_list = dice.below(2) == 0;
    (0..depth).fold(scalar(dice), |inner, _| {
        if as_list {
            Value::Array(vec![inner])
        } else {
            Value::Object(Map::from_iter([("a".to_owned(), inner)]))
        }
    })
}

fn change_bytes(mut bytes: Vec<u8>, dice: &mut Dice) -> Vec<u8> {
    let at = dice.below(bytes.len() + 1);
    let end = at + dice.below(bytes.len() + 1 - at);
    match dice.below(6) {
        0 => {
            let bit = 1 << dice.below(8);
            bytes.get_mut(at).into_iter().for_each(|byte| *byte ^= bit);
        }
        1 => drop(bytes.drain(at..end.min(at + 16))),
        2 => {
            let piece = dice.pick(PIECES).copied().unwrap_or_default();
            drop(bytes.splice(at..at, piece.bytes()));
        }
        3 => {
            let piece = dice.pick(PIECES).copied().unwrap_or_default();
            drop(bytes.splice(at..end.min(at + piece.len()), piece.bytes()));
        }
        4 => {
            let piece = bytes[at..end].to_vec();
            drop(bytes.splice(at..at, piece));
        }
        _ => bytes.truncate(at),
    }
    bytes
}
