//! Decoding never panics, whatever the bytes; and what it takes, it can write and take again.

use crate::golden;
use proptest::{collection::vec, prelude::*, sample::Index};
use whimbrel_model::{Op, Row};
use whimbrel_protocol::{ClientFrame, FrameError, Outcome, Question, ServerFrame, decode, encode};

/// One change of the bytes: at a place, with a byte or a piece.
#[derive(Clone, Debug)]
enum Mutation {
    Replace(Index, u8),
    Remove(Index, usize),
    Insert(Index, Vec<u8>),
    Repeat(Index, Index),
    Cut(Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let piece = prop_oneof![
        vec(any::<u8>(), 1..8),
        prop::sample::select(vec![
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
            "18446744073709551616",
            "\\ud800",
            "\\u0000",
            "{\"message\":",
            "\"custom\":{\"a\":[]},",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Mutation::Replace(at, byte)),
        (any::<Index>(), 1_usize..32).prop_map(|(at, count)| Mutation::Remove(at, count)),
        (any::<Index>(), piece).prop_map(|(at, piece)| Mutation::Insert(at, piece)),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Mutation::Repeat(from, to)),
        any::<Index>().prop_map(Mutation::Cut),
    ]
}

fn mutate(bytes: &mut Vec<u8>, mutation: &Mutation) {
    let place = |at: &Index, bytes: &Vec<u8>| at.index(bytes.len() + 1);
    match mutation {
        Mutation::Replace(at, byte) => {
            let at = place(at, bytes);
            if let Some(old) = bytes.get_mut(at) {
                *old = *byte;
            }
        }
        Mutation::Remove(at, count) => {
            let at = place(at, bytes);
            let end = (at + count).min(bytes.len());
            bytes.drain(at..end);
        }
        Mutation::Insert(at, piece) => {
            let at = place(at, bytes);
            bytes.splice(at..at, piece.iter().copied());
        }
        Mutation::Repeat(from, to) => {
            let (from, to) = (place(from, bytes), place(to, bytes));
            let piece = bytes[from.min(to)..from.max(to)].to_vec();
            bytes.splice(from..from, piece);
        }
        Mutation::Cut(at) => {
            let at = place(at, bytes);
            bytes.truncate(at);
        }
    }
}

/// Decodes as everything there is. What is taken must survive a round trip.
fn decode_all(bytes: &[u8]) -> Result<(), TestCaseError> {
    fn one<T>(bytes: &[u8]) -> Result<(), TestCaseError>
    where
        T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug,
    {
        match decode::<T>(bytes) {
            Ok(value) => prop_assert_eq!(encode(&value).and_then(|bytes| decode(&bytes)), Ok(value)),
            Err(FrameError::Invalid(_)) => {}
            Err(error @ FrameError::TooLarge { .. }) => prop_assert!(false, "{}", error),
        }
        Ok(())
    }
    one::<ClientFrame>(bytes)?;
    one::<ServerFrame>(bytes)?;
    one::<Op>(bytes)?;
    one::<Row>(bytes)?;
    one::<Question>(bytes)?;
    one::<Outcome>(bytes)
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(512)
    })]

    #[test]
    fn arbitrary_bytes_are_decoded_without_a_panic(bytes in vec(any::<u8>(), 0..512)) {
        decode_all(&bytes)?;
    }

    #[test]
    fn mutated_frames_are_decoded_without_a_panic(
        frame in prop::sample::select(golden::stored().into_values().collect::<Vec<_>>()),
        mutations in vec(mutation(), 1..6),
    ) {
        let mut bytes = frame;
        for mutation in &mutations {
            mutate(&mut bytes, mutation);
        }
        decode_all(&bytes)?;
    }
}
