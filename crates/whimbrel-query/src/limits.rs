//! Every bound of a query, with its reason. They are checked where a query is read and where it is validated.

/// Groups (`$and`, `$or`, `$nor`) within groups. Nobody reads deeper ones, and every walk of a filter is bounded by it.
pub const DEPTH: usize = 6;

/// Terms of one filter, each of them one comparison of one field; an empty group counts as one. A screen's filter
/// has a handful.
pub const TERMS: usize = 64;

/// Values in the list of one `$in` or `$nin`. Each is a parameter of a statement, and all of them together stay below
/// what SQLite (32,766) and Postgres (65,535) take: 64 × 256 = 16,384.
pub const LIST: usize = 256;

/// Bytes of one text in a filter: an id, a name, what someone types into a search field.
pub const TEXT_BYTES: usize = 1_024;

/// Bytes of a field's name, `custom.` included.
pub const FIELD_BYTES: usize = 64;

/// Words of one `$q` or `$autocomplete`. Each word of a `$q` is one pass over the text.
pub const WORDS: usize = 16;

/// Keys of one sort, beside the id that is always last. Each makes the condition of a cursor one comparison longer.
pub const SORT_KEYS: usize = 4;

/// The greatest whole number that a filter can name, up and down: beyond it two numbers are one double.
pub const WHOLE_NUMBER: f64 = 9_007_199_254_740_991.0;

/// Bytes of a cursor's text: four values of custom data of the greatest size, and room.
pub const CURSOR_BYTES: usize = 64 * 1_024;

/// Characters of what is typed to search messages: more than fits into a search field.
pub const SEARCH_CHARS: usize = 512;

/// Characters of a word that count in a search: no language has longer ones, and keys and addresses would fill an index.
pub const WORD_CHARS: usize = 64;

/// Characters from which on the last word of a search may be only begun. An index has too many words that begin with fewer.
pub const BEGUN_CHARS: usize = 3;

/// Words of a search. A Chinese or Japanese character is one.
pub const SEARCH_WORDS: usize = 32;

/// Messages in one page of a search.
pub const SEARCH_HITS: usize = 100;

/// Messages in a page of a search that does not say how many: a screen.
pub const USUAL_SEARCH_HITS: usize = 20;

/// Channels that a server searches for one question. Stream's.
pub const SEARCH_CHANNELS: usize = 500;

/// Channels in one answer of a server. Stream's, so that what pages there pages here.
pub const CHANNELS_PER_ANSWER: u32 = 30;

/// Items of any other kind in one answer of a server. Stream's.
pub const ITEMS_PER_ANSWER: u32 = 100;

/// Items in an answer to a question that does not say how many: a screen.
pub const USUAL_ITEMS: u32 = 30;

/// Items that a question can leave out at the beginning. Stream's: whoever wants to go further has cursors, which cost the
/// same at any depth.
pub const OFFSET: u32 = 1_000;

/// Messages, and members, beside each channel of an answer.
pub const STATE_ITEMS: u32 = 100;

/// Messages beside each channel of an answer to a question that does not say how many: a screen.
pub const USUAL_STATE_ITEMS: u32 = 25;

/// Items that a server looks at for one answer, where no index finds the right ones: some tens of milliseconds.
pub const LOOKED_AT: usize = 20_000;
