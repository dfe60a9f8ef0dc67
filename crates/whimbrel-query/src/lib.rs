//! The filter and sort language: one on every device and on the server.
//!
//! A [`Filter`] says which items are wanted, a [`Sort`] in which order. Both are written in Rust or in JSON, validated
//! against the [`Endpoint`] that they are for, evaluated on an [`Item`] in memory, and compiled to SQL for the tables
//! of a [`Schema`]. `docs/QUERY.md` is the reference of the language.
//!
//! ```
//! use whimbrel_model::{Custom, User, UserId};
//! use whimbrel_query::{Endpoint, Filter, Query, Sort, field};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // In Rust, or in JSON.
//! let filter = Filter::and([field("name").autocomplete("ad"), field("custom.team").eq("blue")]);
//! let json = serde_json::json!({"$and": [{"name": {"$autocomplete": "ad"}}, {"custom.team": "blue"}]});
//! assert_eq!(Filter::from_json_for(&Endpoint::USERS, &json)?, filter);
//!
//! // On an item.
//! let custom = Custom::default().with("team", "blue");
//! let ada = User { id: UserId::new("ada")?, name: "Ada".to_owned(), image: String::new(), custom, ver: 1 };
//! assert!(filter.matches(&ada));
//!
//! // With an order, and a cursor.
//! let query = Query::new(&Endpoint::USERS, filter, Sort::by_ascending("name"))?;
//! let cursor = query.cursor(&ada).to_string();
//! assert!(!query.is_after(&cursor.parse()?, &ada)?);
//!
//! // What is wrong, where, and what to do.
//! let wrong = serde_json::json!({"$or": [{"id": "ada"}, {"nmae": {"$q": "ada"}}]});
//! let error = Filter::from_json_for(&Endpoint::USERS, &wrong).unwrap_err();
//! assert_eq!(error.pointer(), "/$or/1/nmae/$q");
//! # Ok(())
//! # }
//! ```
//!
//! For SQL see [`Schema`].
//!
//! A [`SearchText`] is what someone looks for in the text of messages, in memory and in a full-text index.
//!
//! ## Invariants
//!
//! - What [`Filter::matches`] and [`Query::compare`] say of items, the statements of [`Query::to_sql`] do to their rows,
//!   on SQLite and on Postgres. Tests compare them on random data.
//! - What a user wrote is in the values of a statement, never in its text.
//! - Missing and null are one. `$ne`, `$nin` and `$nor` are exactly the opposites of `$eq`, `$in` and `$or`.
//! - A filter has one form, in memory and as JSON.
//! - What [`SearchText::matches`] says of a text, an index of [`indexed`] texts says to [`SearchText::for_index`].
//! - There is no regular expression, and no work that is not bounded by [`limits`] and the size of an item.
//! - The crate knows no table, and does no I/O.

mod check;
mod cursor;
mod endpoint;
mod error;
mod evaluate;
mod filter;
mod fold;
mod hash;
mod item;
mod json;
pub mod limits;
mod operator;
mod place;
mod query;
mod search;
mod sort;
mod sql;
mod value;

pub use cursor::PageCursor;
pub use endpoint::{Endpoint, FieldRule, Kind};
pub use error::QueryError;
pub use filter::{Field, Filter, field};
pub use fold::fold;
pub use item::{ChannelItem, FieldValue, Item, MemberItem, ThreadItem};
pub use operator::Operator;
pub use place::Place;
pub use query::Query;
pub use search::{Hits, SearchPage, SearchQuery, SearchText, author_mark, channel_mark, indexed};
pub use sort::{Direction, Sort};
pub use sql::{Bind, Column, CustomColumn, Dialect, Schema, Sql};
pub use value::Value;
