//! What happens to the app, and what it asks for.

use super::{Decision, Feed, Keep, Scope};
use crossterm::event::KeyEvent;
use whimbrel::{
    NewChannel, NewMessage,
    model::{ChannelId, DraftContent, DraftSeen, MessageBody, MessageId, OpId, Timestamp, UserId},
};

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A key.
    Key(KeyEvent),
    /// Text that was pasted.
    Paste(String),
    /// The terminal has this many columns and rows.
    Resize(u16, u16),
    /// A second is over: it is this time now.
    Tick(Timestamp),
    /// News from the client.
    Feed(Feed),
    /// The program is to end.
    Stop,
}

/// Something to do for the runtime. None of them has an answer that the app waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Watches a timeline, in place of the one of the same kind before. A channel ends the thread's too.
    Watch(Scope),
    /// Watches a timeline, and goes to a message of it.
    WatchAround(Scope, MessageId),
    /// Stops watching the thread.
    LeaveThread,
    /// Loads older messages.
    LoadOlder(Scope),
    /// Loads newer messages into a window in the past.
    LoadNewer(Scope),
    /// Shows the newest messages instead of a window in the past.
    Newest(Scope),
    /// Shows the channels that a typed query wants. Empty: the usual ones.
    FilterChannels(String),
    /// Loads more rows into the list of that query.
    MoreChannels(String),
    /// Changes how a channel is kept.
    Keep(ChannelId, Keep),
    /// Loads more threads.
    MoreThreads,
    /// Searches messages, here at once and then on the server. It takes the place of the search before.
    Search(String),
    /// Keeps what is being written, or gives it up. The drafts that it names are in it.
    SaveDraft(Scope, Option<DraftContent>, Vec<DraftSeen>),
    /// Sends a message.
    Send(ChannelId, NewMessage),
    /// Replaces the body of a message.
    Edit(ChannelId, MessageId, MessageBody),
    /// Deletes a message.
    Delete(ChannelId, MessageId),
    /// Adds a reaction.
    React(ChannelId, MessageId, String),
    /// Takes a reaction back.
    Unreact(ChannelId, MessageId, String),
    /// Pins a message, or takes its pin back.
    PinMessage(ChannelId, MessageId, bool),
    /// Creates a channel.
    Create(ChannelId, NewChannel),
    /// Marks a channel as read.
    MarkRead(ChannelId),
    /// Marks a message and all after it as unread.
    MarkUnread(ChannelId, MessageId),
    /// Marks a thread as read, and follows it.
    MarkThreadRead(ChannelId, MessageId),
    /// Marks a reply and all after it in its thread as unread.
    MarkThreadUnread(ChannelId, MessageId),
    /// Connects.
    Connect,
    /// Disconnects.
    Disconnect,
    /// Queues a rejected operation again.
    Retry(OpId),
    /// Drops an operation from the outbox.
    Discard(OpId),
    /// Watches how these people are, in place of those before.
    WatchPeople(Vec<UserId>),
    /// Says that the user types there, or types no longer.
    Typing(Scope, bool),
    /// Decides something, on every device of the account.
    Decide(Decision),
    /// Loads more requests.
    MoreRequests,
    /// Watches who has a message, in place of the one before.
    WatchReceipts(ChannelId, MessageId),
    /// Stops watching who has a message.
    LeaveReceipts,
    /// Asks the account's other devices for what only they have.
    AskDevices,
    /// Asks the server how the account's devices are.
    RefreshDevices,
    /// Reads profiles.
    ReadUsers(Vec<UserId>),
    /// Reads the name of a channel that is not listed.
    ReadName(ChannelId),
    /// Reads the members of a channel.
    ReadMembers(ChannelId),
    /// Reads a message that is quoted.
    ReadMessage(MessageId),
    /// Asks why a message is as it is shown.
    Explain(MessageId),
    /// Ends the program.
    Quit,
}
