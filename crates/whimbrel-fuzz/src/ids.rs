//! Identities and codes, as text and as JSON.

use serde::{Serialize, de::DeserializeOwned};
use std::{
    fmt::{Debug, Display},
    str::FromStr,
};
use whimbrel_model::{ChannelId, Code, DeviceId, MessageId, OpId, ReactionType, StreamId, UserId, limits};

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        "ada",
        "eve@example.org",
        "messaging:general",
        "team:!a-b_c",
        "👍",
        "C:messaging:general",
        "U:ada",
        "token_expired",
        "01900000-0000-7000-8000-000000000001",
        "{01900000-0000-7000-8000-000000000001}",
        "urn:uuid:01900000-0000-4000-8000-000000000001",
    ];
    texts.map(|text| text.as_bytes().to_vec()).to_vec()
}

/// Reads text as each kind of identity there is.
pub(crate) fn identity(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let part = limits::ID_BYTES;
    let taken = [
        of::<UserId>(text, part),
        of::<ChannelId>(text, 2 * part + 1),
        of::<ReactionType>(text, part),
        of::<StreamId>(text, 2 + 2 * part + 1),
        of::<MessageId>(text, 45),
        of::<OpId>(text, 45),
        of::<DeviceId>(text, 45),
    ];
    if let Ok(cid) = text.parse::<ChannelId>() {
        assert_eq!(format!("{}:{}", cid.channel_type(), cid.local_id()), text);
    }
    if let Ok(id) = text.parse::<OpId>() {
        assert_eq!(id.validate().is_ok(), id.0.get_version_num() == 7);
        assert_eq!(id.to_string().len(), 36);
    }
    let code = Code::from(text.to_owned());
    assert_eq!(code.as_str(), text);
    assert!(!(matches!(code, Code::Other(_)) && code.is_retryable()));
    taken.contains(&true)
}

/// Whatever way it comes in, the same is taken, it is short, and it goes out as one text.
fn of<T>(text: &str, longest: usize) -> bool
where
    T: FromStr<Err: Display> + Display + Debug + PartialEq + Ord + Serialize + DeserializeOwned,
{
    let json = serde_json::to_string(text).expect("a text is JSON");
    let (parsed, read) = (text.parse::<T>(), serde_json::from_str::<T>(&json));
    assert_eq!(parsed.is_ok(), read.is_ok(), "{text:?}");
    let Ok(id) = parsed else { return false };
    assert_eq!(read.ok().as_ref(), Some(&id));
    assert!(text.len() <= longest, "{} bytes were taken", text.len());
    let shown = id.to_string();
    assert!(
        !shown.chars().any(|c| c.is_control() || c.is_whitespace()),
        "{shown:?}"
    );
    assert_eq!(shown.parse::<T>().ok().as_ref(), Some(&id));
    assert_eq!(
        serde_json::to_string(&id).ok(),
        serde_json::to_string(&shown).ok()
    );
    true
}
