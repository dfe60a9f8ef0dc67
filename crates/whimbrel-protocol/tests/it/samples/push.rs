use super::{cid, message_id, user};
use whimbrel_protocol::{PushKind, PushPayload};

pub(crate) fn pushes() -> Vec<(&'static str, PushPayload)> {
    let message = PushPayload {
        user: user("ada"),
        kind: PushKind::Message,
        cid: cid(),
        message: Some(message_id(1)),
        seq: 12,
    };
    let read = PushPayload {
        kind: PushKind::Read,
        message: None,
        ..message.clone()
    };
    let other = PushPayload {
        kind: PushKind::Other("poll_closed".to_owned()),
        seq: 0,
        ..message.clone()
    };
    vec![("message", message), ("read", read), ("unknown", other)]
}
