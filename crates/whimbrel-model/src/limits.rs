//! Every bound of the model, with its reason. The server enforces them, the device checks them before it queues.

use crate::Invalid;

/// The greatest number on the wire: the last whole one that every implementation of JSON reads exactly. So sums of a few of
/// them overflow nowhere.
pub const NUMBER: u64 = (1 << 53) - 1;

/// Bytes of a user id, a channel type, a channel id or a reaction type. Room for any existing account scheme.
pub const ID_BYTES: usize = 64;

/// Characters of a message text. Stream's documented default, so that messages can move over.
pub const TEXT_CHARS: usize = 5_000;

/// Encoded bytes of custom data on one object. Stream's documented limit.
pub const CUSTOM_BYTES: usize = 5 * 1024;

/// Lists and objects within one another in custom data, itself included. Deeper than anyone needs; what stands around it in
/// a frame has to fit under the 128 that common readers of JSON take.
pub const CUSTOM_DEPTH: usize = 32;

/// Attachments of a message. Stream's documented limit.
pub const ATTACHMENTS: usize = 30;

/// Encoded bytes of a message's attachment metadata. Stream's documented limit.
pub const ATTACHMENTS_BYTES: usize = 5 * 1024;

/// Users mentioned in one message: more than anyone types, little enough to store in the row.
pub const MENTIONS: usize = 100;

/// Members added by one operation. Stream's documented limit; more takes more operations.
pub const MEMBERS_PER_OP: usize = 100;

/// Members of a distinct channel, its maker included: the members are its identity, so it stays as it is made.
pub const DISTINCT_MEMBERS: usize = MEMBERS_PER_OP;

/// Other devices' drafts that saving one empties: more devices than anyone writes on at once.
pub const DRAFTS_REPLACED: usize = 32;

/// Characters of a channel's or a user's display name.
pub const NAME_CHARS: usize = 255;

/// Bytes of an image or attachment address.
pub const URL_BYTES: usize = 2_048;

/// Bytes of one frame in either direction. A page is cut to fit; a larger frame is refused.
pub const FRAME_BYTES: usize = 1024 * 1024;

/// Operations in one `ops` frame or HTTP request: one group commit's worth.
pub const OPS_PER_BATCH: usize = 50;

/// Rows in one page of a stream or of history.
pub const PAGE_ROWS: usize = 200;

/// Missed changes of a stream beyond which the server answers with a snapshot: five pages.
pub const SNAPSHOT_AFTER: u64 = 5 * PAGE_ROWS as u64;

/// Newest messages in a snapshot: a screen and a half.
pub const SNAPSHOT_MESSAGES: usize = 50;

/// Heads in one page of the account's heads.
pub const HEADS_PER_PAGE: usize = 500;

/// How often it is said again that a user goes on typing in one place, at most. Milliseconds.
pub const TYPING_EVERY_MS: u64 = 2_000;

/// After how long without a keystroke a user no longer types. Milliseconds.
pub const TYPING_IDLE_MS: u64 = 5_000;

/// After how long without a word of it a user is taken to type no longer: the longest pause, and the time for which a
/// keystroke may go unsaid. Milliseconds.
pub const TYPING_HEARD_MS: u64 = TYPING_IDLE_MS + TYPING_EVERY_MS;

/// Places that one connection may type in at once: more than anyone does.
pub const TYPING_PLACES: usize = 16;

/// Members beyond which nobody is told who types in a channel: with so many somebody always does.
pub const TYPING_MEMBERS: usize = 100;

/// Channels in one `watch` frame.
pub const WATCHED_PER_FRAME: usize = 500;

/// Channels that one connection may leave unwatched: more than anyone is in.
pub const UNWATCHED: usize = 50_000;

/// Users that one presence frame adds, or takes away: their states fit into one answer, whatever they say of themselves.
pub const PRESENCE_PER_FRAME: usize = 200;

/// Users whose presence one connection is told of: more than anyone looks at, few enough that a crowd of connections fits into
/// memory.
pub const PRESENCE_WATCHED: usize = 1_000;

/// Users that one connection watches beyond which changes are not told at once, but together from time to time.
pub const PRESENCE_AT_ONCE: usize = 100;

/// How often changes are told together, of presence to whoever watches many, and of how many have a large channel open.
/// Milliseconds.
pub const PRESENCE_EVERY_MS: u64 = 5_000;

/// Channels that one connection may have open at once: more than fit on a screen.
pub const WATCHING: usize = 50;

/// Members beyond which nobody is told by name who has a channel open, but only how many.
pub const WATCHERS_NAMED: usize = 100;

/// Characters of the free text beside a user's presence: a line.
pub const STATUS_CHARS: usize = 100;

/// Encoded bytes of app-defined data beside a user's presence: it goes to everyone who watches the user.
pub const PRESENCE_BYTES: usize = 1024;

/// Members beyond which a channel keeps no delivered registers: with so many somebody's phone is always in a tunnel, and each
/// message would be answered by as many marks.
pub const RECEIPT_MEMBERS: usize = 100;

/// How often a device says of a channel how far it has it, at most. Milliseconds.
pub const DELIVERED_EVERY_MS: u64 = 2_000;

/// Devices of one account that are not revoked: more than anyone has.
pub const DEVICES: usize = 50;

/// Days for which a revoked device is listed, and known to be revoked: longer than any token that it may have is good.
pub const REVOKED_DEVICE_DAYS: u32 = 365;

/// Characters of a device's name.
pub const DEVICE_NAME_CHARS: usize = 100;

/// Bytes of the name and version of a device's software.
pub const AGENT_BYTES: usize = 200;

/// Bytes of a public key in text.
pub const DEVICE_KEY_BYTES: usize = 256;

/// Bytes of what a push service calls a device: the longest known have some two thousand.
pub const PUSH_TOKEN_BYTES: usize = 4_096;

/// Bytes of a parcel that one device leaves at the server for another: what only a device has are some thousand messages at most, and
/// the server keeps it for days.
pub const PARCEL_BYTES: u64 = 32 * 1024 * 1024;

/// Bytes of a parcel in one frame: a third more in text, and a quarter of the largest frame, so that others get between.
pub const PARCEL_PART_BYTES: usize = 192 * 1024;

/// Parcels of one account at the server: a few devices that answer a few new ones.
pub const PARCELS: usize = 8;

/// Days after which the server drops a parcel that nobody has fetched.
pub const PARCEL_DAYS: u32 = 7;

/// Bytes of the key of a local setting: a name, with the app's own dots in it.
pub const LOCAL_KEY_BYTES: usize = 128;

/// Bytes of all local settings of a device together, keys included. They are held in memory, and are written once more beside the
/// database, as no server has them.
pub const LOCAL_SETTINGS_BYTES: usize = 64 * 1024;

/// Operations that may wait in one device's outbox. Far beyond what a person writes in a month offline; when it is
/// full the call fails and nothing queued is dropped.
pub const OUTBOX_ITEMS: usize = 10_000;

/// Operations of one lane on their way at once. Enough to fill a round trip, few enough to send again.
pub const LANE_IN_FLIGHT: usize = OPS_PER_BATCH;

/// Operations of all lanes on their way at once: four full lanes.
pub const IN_FLIGHT: usize = 4 * LANE_IN_FLIGHT;

/// Epochs that one operation may take a read register further: more often than anyone marks one channel unread between two
/// connections. Without a bound one wrong number would be the last epoch there is, and nothing could be marked unread any
/// more.
pub const READ_EPOCHS_AHEAD: u32 = 100;

/// Days for which the server keeps the result of an operation whose row does not itself record it.
pub const RESULT_RETENTION_DAYS: u32 = 30;

/// Failures after which an operation that still waits is counted as needing attention, unless the app says otherwise.
pub const ATTENTION_AFTER: u32 = 10;

pub(crate) fn check_chars(field: &'static str, text: &str, most: usize) -> Result<(), Invalid> {
    let chars = text.chars().count();
    if chars > most {
        return Err(Invalid::too_large(field, chars, most, "characters"));
    }
    Ok(())
}

pub(crate) fn check_bytes(field: &'static str, text: &str, most: usize) -> Result<(), Invalid> {
    if text.len() > most {
        return Err(Invalid::too_large(field, text.len(), most, "bytes"));
    }
    Ok(())
}
