//! Frames, as either side reads them.

use crate::json;
use serde::{Serialize, de::DeserializeOwned};
use std::fmt::Debug;
use whimbrel_model::limits;
use whimbrel_protocol::{ClientFrame, FrameError, ServerFrame, decode, encode};

/// A frame may be written with defaults that it left out, with escapes and with all digits: so much longer, and no more.
const LONGER: usize = 6;

/// Reads what a client sends, as the server does.
pub(crate) fn client_frame(bytes: &[u8]) -> bool {
    let Some(frame) = frame::<ClientFrame>(bytes) else {
        return false;
    };
    if let ClientFrame::Hello(hello) = &frame {
        let token = hello.token.expose();
        let shown = format!("{:?}", hello.token);
        assert!(token.len() < 8 || !shown.contains(token), "a token prints itself");
    }
    true
}

/// Reads what a server sends, as the client does.
pub(crate) fn server_frame(bytes: &[u8]) -> bool {
    frame::<ServerFrame>(bytes).is_some()
}

/// Reads bytes as a frame. What is taken is written and read again as the same, byte for byte.
pub(crate) fn frame<T: Serialize + DeserializeOwned + PartialEq + Debug>(bytes: &[u8]) -> Option<T> {
    let frame = match decode::<T>(bytes) {
        Ok(frame) => frame,
        Err(FrameError::TooLarge { size, .. }) => {
            assert!(size == bytes.len() && size > limits::FRAME_BYTES);
            return None;
        }
        Err(FrameError::Invalid(reason)) => {
            assert!(bytes.len() <= limits::FRAME_BYTES, "it was read first: {reason}");
            return None;
        }
    };
    let written = serde_json::to_vec(&frame).expect("what was read can be written");
    assert!(
        written.len() <= LONGER * bytes.len() + 256,
        "{} bytes became {}",
        bytes.len(),
        written.len()
    );
    let value = serde_json::from_slice(&written).expect("what was written is JSON");
    json::assert_numbers(&value);
    if written.len() <= limits::FRAME_BYTES {
        let again: T = decode(&written).expect("what was written can be read");
        assert_eq!(again, frame);
        assert_eq!(encode(&again).as_ref(), Ok(&written));
    }
    Some(frame)
}
