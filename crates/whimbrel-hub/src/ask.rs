//! Which rows answer a question, in which order, and where the next page begins: the part that is the same for every
//! storage.

mod beside;
mod found;
mod page;
mod search;
mod walk;

pub use beside::ChannelBeside;
pub use found::{ChannelFound, Found, MemberFound, ThreadFound};
pub use page::AnswerPage;
pub use search::SearchPlan;
pub use walk::MessageWalk;

use crate::StorageError;
use whimbrel_model::{Code, MessageId, PlainJson};
use whimbrel_protocol::{Question, Window};
use whimbrel_query::{Endpoint, Filter, PageCursor, Place, Query, QueryError, Sort, limits};

/// What the answer to a question consists of.
///
/// Within one snapshot, a storage checks that the user may ask that, makes the plan, and finds the first
/// [`fetch`](Self::fetch) items from [`place`](Self::place) on: by an index, or by handing everything that the user may see to
/// [`pick`](Self::pick), as long as that is not more than [`limits::LOOKED_AT`]. What it found goes to
/// [`page`](Self::page).
#[derive(Clone, Debug)]
pub struct AskPlan {
    query: Query,
    place: AskPlace,
    limit: usize,
}

/// Where in the order of a question the answer begins.
#[derive(Clone, Debug)]
pub enum AskPlace {
    /// After so many.
    Offset(usize),
    /// After the item of the cursor.
    After(PageCursor),
    /// Before the item of the cursor: what is found is the nearest first.
    Before(PageCursor),
}

/// A question in parts.
struct Parts<'a> {
    endpoint: &'static Endpoint,
    filter: &'a PlainJson,
    sort: &'a PlainJson,
    window: &'a Window,
    /// The order of who does not say one.
    usual: Sort,
    most: u32,
}

fn parts(question: &Question) -> Result<Parts<'_>, StorageError> {
    let part = |endpoint, filter, sort, window, usual| Parts {
        endpoint,
        filter,
        sort,
        window,
        usual,
        most: limits::ITEMS_PER_ANSWER,
    };
    Ok(match question {
        Question::Channels(find) => Parts {
            most: limits::CHANNELS_PER_ANSWER,
            ..part(
                &Endpoint::CHANNELS,
                &find.filter,
                &find.sort,
                &find.window,
                Query::channel_list().sort().clone(),
            )
        },
        Question::Users(find) => part(
            &Endpoint::USERS,
            &find.filter,
            &find.sort,
            &find.window,
            Sort::by_id(),
        ),
        Question::Members(find) => part(
            &Endpoint::MEMBERS,
            &find.filter,
            &find.sort,
            &find.window,
            Sort::by_ascending("joined_at"),
        ),
        Question::Messages(find) => part(
            &Endpoint::MESSAGES,
            &find.filter,
            &find.sort,
            &find.window,
            Sort::by_descending(find.cid.as_ref().map_or("accepted_at", |_| "seq")),
        ),
        Question::Reactions(find) => part(
            &Endpoint::REACTIONS,
            &find.filter,
            &find.sort,
            &find.window,
            Sort::by_descending("at"),
        ),
        Question::Threads(find) => part(
            &Endpoint::THREADS,
            &find.filter,
            &find.sort,
            &find.window,
            Sort::by_descending("last_reply_at"),
        ),
        Question::Drafts(find) => part(
            &Endpoint::DRAFTS,
            &find.filter,
            &find.sort,
            &find.window,
            Sort::by_descending("updated_at"),
        ),
        Question::Search(_) | Question::Devices(_) => {
            let what = "a search and the list of devices have no plan of this kind";
            return Err(refused("", Code::Invalid, what));
        }
    })
}

impl AskPlan {
    /// Returns whether the answer depends on what the asker holds of others.
    #[must_use]
    pub fn asks_for_people(&self) -> bool {
        ["consent", "unread_count", "has_unread"]
            .iter()
            .any(|field| self.query.uses(field))
    }

    /// Reads and checks a question.
    ///
    /// # Errors
    /// [`StorageError::Refused`] that points at the place in the question, for what is no filter, order or cursor of it, and
    /// for what is over a limit.
    pub fn new(question: &Question) -> Result<Self, StorageError> {
        let parts = parts(question)?;
        let filter = if parts.filter.is_null() {
            Filter::everything()
        } else {
            Filter::from_json_for(parts.endpoint, &parts.filter.0).map_err(|error| at("/filter", &error))?
        };
        let sort = if parts.sort.is_null() {
            parts.usual
        } else {
            Sort::from_json(&parts.sort.0)
                .and_then(|sort| sort.validate(parts.endpoint).map(|()| sort))
                .map_err(|error| at("/sort", &error))?
        };
        let query = Query::new(parts.endpoint, filter, sort).map_err(|error| at("/filter", &error))?;
        let limit = at_most(
            "/window/limit",
            parts.window.limit,
            limits::USUAL_ITEMS,
            parts.most,
        )?;
        if limit == 0 {
            return Err(refused("/window/limit", Code::Invalid, "takes 1 or more"));
        }
        let place = place(&query, parts.window)?;
        if let Question::Channels(find) = question {
            let most = limits::STATE_ITEMS;
            at_most("/message_limit", find.message_limit, 0, most)?;
            at_most("/member_limit", find.member_limit, 0, most)?;
        }
        Ok(Self { query, place, limit })
    }

    /// Returns the filter and the order.
    #[must_use]
    pub const fn query(&self) -> &Query {
        &self.query
    }

    /// Returns where the answer begins.
    #[must_use]
    pub const fn place(&self) -> &AskPlace {
        &self.place
    }

    /// Returns how many items to find from there on: one more than the answer holds, so that it is known whether more follow.
    #[must_use]
    pub const fn fetch(&self) -> usize {
        self.limit + 1
    }

    /// Returns whether only pinned messages can be what the question wants.
    #[must_use]
    pub fn wants_pinned(&self) -> bool {
        self.query.filter().requires("pinned", &true.into())
    }

    /// Picks what the question wants from everything that the user may see.
    ///
    /// # Errors
    /// [`StorageError::Refused`] when that is more than [`limits::LOOKED_AT`].
    pub fn pick(&self, items: impl IntoIterator<Item = Found>) -> Result<Vec<Found>, StorageError> {
        let mut items = items.into_iter();
        let seen: Vec<Found> = items.by_ref().take(limits::LOOKED_AT).collect();
        if items.next().is_some() {
            return Err(too_many());
        }
        self.pick_all(seen)
    }

    /// Picks as [`pick`](Self::pick) does, however many they are.
    pub(crate) fn pick_all(
        &self,
        items: impl IntoIterator<Item = Found>,
    ) -> Result<Vec<Found>, StorageError> {
        let mut kept = Vec::new();
        for item in items {
            if item.matches(&self.query) {
                kept.push((item.place(&self.query), item));
            }
        }
        kept.sort_by(|(a, _), (b, _)| a.cmp(b));
        let place = |cursor| -> Result<Place, StorageError> {
            self.query.place_of(cursor).map_err(|error| at("/window", &error))
        };
        match &self.place {
            AskPlace::Offset(offset) => drop(kept.drain(..kept.len().min(*offset))),
            AskPlace::After(cursor) => {
                let place = place(cursor)?;
                kept.retain(|(at, _)| *at > place);
            }
            AskPlace::Before(cursor) => {
                let place = place(cursor)?;
                kept.retain(|(at, _)| *at < place);
                kept.reverse();
            }
        }
        kept.truncate(self.fetch());
        Ok(kept.into_iter().map(|(_, item)| item).collect())
    }

    /// Brings items that were found into the order in which a page takes them: nearest first.
    #[must_use]
    pub fn in_order(&self, mut found: Vec<Found>) -> Vec<Found> {
        found.sort_by_cached_key(|item| item.place(&self.query));
        if self.is_back() {
            found.reverse();
        }
        found
    }

    /// Makes the page of what was found, at most [`fetch`](Self::fetch) items, from the place on; nearest first. A page ends
    /// early when its bytes reach what a frame holds.
    #[must_use]
    pub fn page(&self, found: Vec<Found>) -> AnswerPage {
        AnswerPage::new(self, found)
    }

    fn is_back(&self) -> bool {
        matches!(self.place, AskPlace::Before(_))
    }
}

impl StorageError {
    /// Creates the refusal for a message that does not exist, or that the user may not know of.
    #[must_use]
    pub fn no_such_message(id: MessageId) -> Self {
        Self::Denied {
            code: Code::MessageNotFound,
            message: format!("there is no message {id} for this user"),
        }
    }
}

/// Creates the refusal of a question whose answer would take looking at more than a server looks at.
#[must_use]
pub fn too_many() -> StorageError {
    let what = format!(
        "finding this takes looking at more than {} items: ask for a narrower part, such as one channel, or in an order \
         that the documents call quick",
        limits::LOOKED_AT
    );
    refused("/filter", Code::TooLarge, &what)
}

fn place(query: &Query, window: &Window) -> Result<AskPlace, StorageError> {
    let cursor = |place: &str, text: &str| {
        let cursor: Result<PageCursor, QueryError> = text.parse();
        let checked = cursor.and_then(|cursor| query.place_of(&cursor).map(|_| cursor));
        checked.map_err(|error| at(place, &error))
    };
    match window {
        Window {
            offset: None,
            after: Some(text),
            before: None,
            ..
        } => cursor("/window/after", text).map(AskPlace::After),
        Window {
            offset: None,
            after: None,
            before: Some(text),
            ..
        } => cursor("/window/before", text).map(AskPlace::Before),
        Window {
            after: None,
            before: None,
            offset,
            ..
        } => {
            let offset = at_most("/window/offset", *offset, 0, limits::OFFSET)?;
            Ok(AskPlace::Offset(offset))
        }
        _ => Err(refused(
            "/window",
            Code::Invalid,
            "takes one of offset, after and before",
        )),
    }
}

fn at_most(place: &str, asked: Option<u32>, usual: u32, most: u32) -> Result<usize, StorageError> {
    let asked = asked.unwrap_or(usual);
    if asked > most {
        let what = format!("{asked} is over the limit of {most}: ask several times, with a cursor");
        return Err(refused(place, Code::TooLarge, &what));
    }
    Ok(asked as usize)
}

fn at(place: &str, error: &QueryError) -> StorageError {
    refused(
        &format!("{place}{}", error.pointer()),
        error.code(),
        error.problem(),
    )
}

fn refused(place: &str, code: Code, problem: &str) -> StorageError {
    let message = format!("{place}: {problem}");
    StorageError::Refused { code, message }
}
