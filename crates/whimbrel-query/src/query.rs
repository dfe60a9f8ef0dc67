use crate::{
    Direction, Endpoint, Filter, Item, PageCursor, Place, QueryError, Sort, Value,
    error::{Pointer, Problem},
    evaluate, field,
    hash::Hash,
    place,
};
use std::cmp::Ordering;
use whimbrel_model::ConsentState;

/// A valid filter and sort of one endpoint. Making one is the validation.
///
/// ```
/// use whimbrel_query::{Endpoint, Query, Sort, field};
///
/// let filter = field("members").contains("ada");
/// let query = Query::new(&Endpoint::CHANNELS, filter, Sort::by_descending("last_message_at"))?;
///
/// let error = Query::new(&Endpoint::CHANNELS, field("name").gt(7), Sort::by_id()).unwrap_err();
/// assert_eq!(error.to_string(), "/name/$gt: invalid: takes text, got 7");
/// # Ok::<(), whimbrel_query::QueryError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    endpoint: &'static Endpoint,
    filter: Filter,
    sort: Sort,
    hash: u64,
}

impl Query {
    /// Puts a filter and a sort together, and validates both.
    ///
    /// # Errors
    /// [`QueryError`] as [`Filter::validate`] and [`Sort::validate`].
    pub fn new(endpoint: &'static Endpoint, filter: Filter, sort: Sort) -> Result<Self, QueryError> {
        filter.validate(endpoint)?;
        sort.validate(endpoint)?;
        Ok(Self::valid(endpoint, filter, sort))
    }

    /// Creates the query of the usual channel list: the channels that the asker is in and has not denied, the newest message
    /// first.
    #[must_use]
    pub fn channel_list() -> Self {
        let not_denied = field("consent").ne(ConsentState::Denied.as_str());
        Self::newest_first(Filter::and([field("joined").eq(true), not_denied]))
    }

    /// Creates the query of the usual inbox of requests: the channels that the asker was brought into and has decided nothing of,
    /// and those that the asker is invited to by somebody who is not denied. The newest message first.
    #[must_use]
    pub fn requests() -> Self {
        let undecided = field("consent").eq(ConsentState::Unknown.as_str());
        let joined = Filter::and([field("joined").eq(true), undecided]);
        Self::newest_first(Filter::or([joined, Self::invited()]))
    }

    /// Creates the query of the channels that the asker is invited to by somebody who is not denied.
    #[must_use]
    pub fn invites() -> Self {
        Self::newest_first(Self::invited())
    }

    /// Creates the query of every channel that the asker is in or invited to, whatever was decided of it.
    #[must_use]
    pub fn every_channel() -> Self {
        let filter = Filter::or([field("joined").eq(true), field("invited").eq(true)]);
        Self::newest_first(filter)
    }

    fn invited() -> Filter {
        let not_denied = field("consent").ne(ConsentState::Denied.as_str());
        Filter::and([field("invited").eq(true), not_denied])
    }

    fn newest_first(filter: Filter) -> Self {
        Self::valid(
            &Endpoint::CHANNELS,
            filter,
            Sort::by_descending("last_message_at"),
        )
    }

    fn valid(endpoint: &'static Endpoint, filter: Filter, sort: Sort) -> Self {
        let mut hash = Hash::default();
        hash.add(endpoint.name.as_bytes());
        hash.add(filter.to_json().to_string().as_bytes());
        hash.add(sort.to_json().to_string().as_bytes());
        let hash = hash.finish();
        Self {
            endpoint,
            filter,
            sort,
            hash,
        }
    }

    /// Returns what is asked for.
    #[must_use]
    pub const fn endpoint(&self) -> &'static Endpoint {
        self.endpoint
    }

    /// Returns the filter.
    #[must_use]
    pub const fn filter(&self) -> &Filter {
        &self.filter
    }

    /// Returns the sort.
    #[must_use]
    pub const fn sort(&self) -> &Sort {
        &self.sort
    }

    /// Returns the hash of endpoint, filter and sort in their one form: which query this is, in every version and on
    /// every machine.
    #[must_use]
    pub const fn hash(&self) -> u64 {
        self.hash
    }

    /// Compares two items in the order of the sort. Only an item and itself are equal.
    #[must_use]
    pub fn compare(&self, a: &(impl Item + ?Sized), b: &(impl Item + ?Sized)) -> Ordering {
        let mut by_keys = self.keys().map(|(field, direction)| {
            place::compare(&evaluate::get(a, field), &evaluate::get(b, field), direction)
        });
        by_keys.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    }

    /// Returns whether the filter or the sort says anything of `field`.
    #[must_use]
    pub fn uses(&self, field: &str) -> bool {
        self.filter.uses(field) || self.sort.0.iter().any(|key| key.field == field)
    }

    /// Returns where `item` stands in the order of the sort.
    #[must_use]
    pub fn place(&self, item: &(impl Item + ?Sized)) -> Place {
        let key = |(field, direction)| (place::value(evaluate::get(item, field)), direction);
        Place(self.keys().map(key).collect())
    }

    /// Returns where the item stands that `cursor` was made from.
    ///
    /// # Errors
    /// [`QueryError`] when the cursor is of another query.
    pub fn place_of(&self, cursor: &PageCursor) -> Result<Place, QueryError> {
        let values = cursor.values_for(self)?.iter().cloned();
        let directions = self.keys().map(|(_, direction)| direction);
        Ok(Place(values.zip(directions).collect()))
    }

    /// Returns the value that the item had by which the order is made first, from which `cursor` was made.
    ///
    /// # Errors
    /// [`QueryError`] when the cursor is of another query.
    pub fn first_value_of<'a>(&self, cursor: &'a PageCursor) -> Result<Option<&'a Value>, QueryError> {
        Ok(cursor.values_for(self)?.first().and_then(Option::as_ref))
    }

    /// Checks that it asks for items of `endpoint`.
    ///
    /// # Errors
    /// [`QueryError`] when it asks for others.
    pub fn require(&self, endpoint: &Endpoint) -> Result<(), QueryError> {
        if *self.endpoint == *endpoint {
            return Ok(());
        }
        let what = format!("asks for {}, not {}", self.endpoint.name, endpoint.name);
        Err(Problem::invalid(what).at(&Pointer::default()))
    }

    /// Returns the cursor that continues after `item`.
    #[must_use]
    pub fn cursor(&self, item: &(impl Item + ?Sized)) -> PageCursor {
        let value = |(field, _)| place::value(evaluate::get(item, field));
        PageCursor {
            query: self.hash,
            values: self.keys().map(value).collect(),
        }
    }

    /// Returns the fields of the sort with their directions, the id last: what comes after it never decides.
    pub(crate) fn keys(&self) -> impl Iterator<Item = (&str, Direction)> {
        let id = self.endpoint.id;
        let named = self.sort.0.iter().position(|key| key.field == id);
        let decide = named.map_or(self.sort.0.len(), |at| at + 1);
        let keys = self.sort.0[..decide].iter();
        let last = named.is_none().then_some((id, Direction::Ascending));
        keys.map(|key| (key.field.as_str(), key.direction)).chain(last)
    }

    /// Returns whether `item` comes before the one that `cursor` was made from.
    ///
    /// # Errors
    /// [`QueryError`] when the cursor is of another query.
    pub fn is_before(&self, cursor: &PageCursor, item: &(impl Item + ?Sized)) -> Result<bool, QueryError> {
        Ok(self.place(item) < self.place_of(cursor)?)
    }

    /// Returns whether `item` comes after the one that `cursor` was made from.
    ///
    /// # Errors
    /// [`QueryError`] when the cursor is of another query.
    pub fn is_after(&self, cursor: &PageCursor, item: &(impl Item + ?Sized)) -> Result<bool, QueryError> {
        Ok(self.place(item) > self.place_of(cursor)?)
    }
}
