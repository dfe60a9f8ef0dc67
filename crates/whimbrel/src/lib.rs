#![doc = include_str!("../../../README.md")]
//!
//! ## Invariants
//!
//! - Nothing is decided here: this crate puts the client, the SQLite store and the WebSocket transport together, and
//!   names the files.
//! - One file belongs to one account on one server, and two never share one.

use std::{future::Future, path::PathBuf, sync::Arc};
use whimbrel_client::StorePlace;

/// The domain types: ids, rows, operations, limits.
pub use whimbrel_client::model;
/// The filter and sort language, see [`Client::query_channels`].
pub use whimbrel_client::query;
pub use whimbrel_client::{
    AccountFacts, ArchiveMetadata, ArchiveOptions, ArchiveProblem, ChangedBy, Channel, ChannelItem,
    ChannelList, ChannelUpdate, Client, ClientBuilder, ConsentChange, ConsentChanges, ConsentOf, DeviceItem,
    DeviceReceipt, DeviceState, DeviceSyncState, Devices, Diffs, DraftView, Drafts, Environment, Error,
    Filter, Found, ImportSummary, Items, LoadState, LocalSettings, LogoutOptions, LogoutReceipt,
    MemberReceipt, MessageReceipts, Network, NewChannel, NewDraft, NewMessage, NewerEdge, NotSearched,
    OlderEdge, OnceSummary, OutboxSummary, Pins, Presence, PresenceOf, PushKind, PushPayload, Pushed,
    QueryChannels, QueryError, Queued, Receipt, ReceiptStatus, SearchHit, SearchMessages, SearchResults,
    Sent, SettleError, Skipped, Sort, SyncError, SyncState, SyncSummary, SystemEnvironment, ThreadItem,
    ThreadList, Timeline, TimelineItem, Token, TokenError, TokenProvider, Unread, UnreadExplanation,
    UnreadTotals, VectorDiff, Watch, Watchers, WatchersOf, field,
};
pub use whimbrel_store_sqlite::SqliteStore;
pub use whimbrel_transport_ws::WsConnector;

/// The defaults in one call each, on the client's builder: SQLite and WebSocket.
pub trait Defaults: Sized {
    /// Sets the server: `https://…` or `wss://…`; `http://…` and `ws://…` only to this machine.
    ///
    /// An address that cannot be used shows when the client is opened.
    #[must_use]
    fn server(self, address: &str) -> Self;

    /// Keeps each account's database in this directory, which is created if needed: one file for each server and user.
    #[must_use]
    fn directory(self, path: impl Into<PathBuf>) -> Self;
}

impl Defaults for ClientBuilder {
    fn server(self, address: &str) -> Self {
        let connector = WsConnector::new(address).map(|connector| Arc::new(connector) as _);
        self.connector(address, connector)
    }

    fn directory(self, path: impl Into<PathBuf>) -> Self {
        let directory = path.into();
        self.open_store(move |place| open_sqlite(directory, place))
    }
}

fn open_sqlite(
    directory: PathBuf,
    place: StorePlace,
) -> impl Future<Output = Result<Arc<dyn whimbrel_client::Store>, whimbrel_client::StoreError>> + Send {
    let path = directory.join(file_name(&place));
    async move { Ok(Arc::new(SqliteStore::open(path).await?) as _) }
}

/// Returns the name of an account's database file: readable, and different for each server and user.
fn file_name(place: &StorePlace) -> String {
    let host = place.server.split("//").last().unwrap_or_default();
    let safe = |text: &str| -> String {
        text.bytes()
            .flat_map(|byte| match byte {
                b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' => vec![char::from(byte)],
                // Upper case too: some file systems do not tell it from lower case.
                other => format!("_{other:02x}").chars().collect(),
            })
            .collect()
    };
    format!(
        "{}~{}.db",
        safe(host.trim_end_matches('/')),
        safe(place.user.as_str())
    )
}

#[cfg(test)]
mod tests {
    use super::{StorePlace, file_name};
    use whimbrel_client::model::UserId;

    #[test]
    fn each_account_has_its_own_file() {
        let name = |server: &str, user: &str| {
            file_name(&StorePlace {
                server: server.to_owned(),
                user: UserId::new(user).unwrap(),
            })
        };
        assert_eq!(
            name("https://chat.example.org/", "ada"),
            "chat.example.org~ada.db"
        );
        assert_eq!(name("http://127.0.0.1:8087", "ada"), "127.0.0.1_3a8087~ada.db");
        assert_ne!(name("https://a", "Ada"), name("https://a", "ada"));
        assert_ne!(name("https://a", "a_62"), name("https://a", "ab"));
    }
}
