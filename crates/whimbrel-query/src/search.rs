//! Full text of messages: what is typed as words, the law that says which text has them, and their form for an index.

mod index;
mod page;
mod query;
mod text;

pub use index::{author_mark, channel_mark, indexed};
pub use page::Hits;
pub use query::{SearchPage, SearchQuery};
pub use text::SearchText;
