use super::{AskPlace, AskPlan, at, refused};
use crate::{
    StorageError,
    feed::{PAGE_BYTES, encoded_len},
};
use whimbrel_model::{ChannelId, Code, Message, Row};
use whimbrel_protocol::{Answer, Search, Unsearched};
use whimbrel_query::{Endpoint, Filter, Hits, Query, SearchQuery, SearchText, limits};

/// Channels that an answer names of those that were not searched.
const NAMED: usize = 100;

/// What the answer to a search consists of.
///
/// Within one snapshot, a storage finds the channels of [`channels`](Self::channels) that the user is in, all of them, tells them to
/// [`within`](Self::within), finds messages of those by [`query`](Self::query), and makes the answer of them.
#[derive(Clone, Debug)]
pub struct SearchPlan {
    channels: AskPlan,
    filter: Filter,
    query: SearchQuery,
    unsearched: Unsearched,
}

impl SearchPlan {
    /// Reads and checks a search.
    ///
    /// # Errors
    /// [`StorageError::Refused`] that points at the place in the question.
    pub fn new(search: &Search) -> Result<Self, StorageError> {
        let text: SearchText = search.text.parse().map_err(|error| at("", &error))?;
        let read = |place, endpoint, json: &whimbrel_model::PlainJson| {
            if json.is_null() {
                return Ok(Filter::everything());
            }
            Filter::from_json_for(endpoint, &json.0).map_err(|error| at(place, &error))
        };
        let channels = read("/channels", &Endpoint::CHANNELS, &search.channels)?;
        let channels = Query::new(
            &Endpoint::CHANNELS,
            channels,
            Query::channel_list().sort().clone(),
        );
        let limit = search
            .limit
            .map_or(limits::USUAL_SEARCH_HITS, |limit| limit as usize);
        if limit == 0 || limit > limits::SEARCH_HITS {
            let what = format!(
                "takes 1 to {}: ask several times, with a cursor",
                limits::SEARCH_HITS
            );
            return Err(refused("/limit", Code::Invalid, &what));
        }
        Ok(Self {
            channels: AskPlan {
                query: channels.map_err(|error| at("/channels", &error))?,
                place: AskPlace::Offset(0),
                limit: limits::LOOKED_AT,
            },
            filter: read("/filter", &Endpoint::MESSAGES, &search.filter)?,
            query: SearchQuery {
                author: search.author.clone(),
                after: search.after.clone(),
                ..SearchQuery::new(text, limit)
            },
            unsearched: Unsearched::default(),
        })
    }

    /// Returns the question which channels are to be searched.
    #[must_use]
    pub const fn channels(&self) -> &AskPlan {
        &self.channels
    }

    /// Takes the channels that were found, in their order. Those beyond the limit are not searched.
    #[must_use]
    pub fn within(mut self, mut channels: Vec<ChannelId>) -> Self {
        let mut left = channels.split_off(channels.len().min(limits::SEARCH_CHANNELS));
        self.unsearched.channels = u32::try_from(left.len()).unwrap_or(u32::MAX);
        left.truncate(NAMED);
        self.unsearched.next_channels = left;
        self.query.channels = channels;
        self
    }

    /// Returns what to look for. Without channels that is nothing.
    #[must_use]
    pub const fn query(&self) -> &SearchQuery {
        &self.query
    }

    /// Returns whether a message is found.
    #[must_use]
    pub fn wants(&self, message: &Message) -> bool {
        !self.query.channels.is_empty() && self.query.matches(message) && self.filter.matches(message)
    }

    /// Returns the place after which the answer begins, for a storage that writes its places as `P`.
    ///
    /// # Errors
    /// [`StorageError::Refused`] if it is no such place.
    pub fn place<P: std::str::FromStr>(&self) -> Result<Option<P>, StorageError> {
        self.query.place().map_err(|error| at("", &error))
    }

    /// Builds the answer, with as many messages as a frame holds; `unindexed` were not looked at. Its `id` is the caller's to
    /// fill.
    #[must_use]
    pub fn answer<P: Copy + Ord + std::fmt::Display>(mut self, mut hits: Hits<P>, unindexed: u64) -> Answer {
        let mut bytes = 0;
        let fits = |(_, message): &&(P, Message)| {
            bytes += encoded_len(&Row::Message(message.clone()));
            bytes <= PAGE_BYTES
        };
        let fitting = hits.hits.iter().take_while(fits).count().max(1);
        hits.cut(fitting);
        self.unsearched.messages = unindexed;
        let page = hits.into_page(unindexed);
        Answer {
            rows: page.messages.into_iter().map(Row::Message).collect(),
            next: page.next,
            unsearched: (self.unsearched != Unsearched::default()).then_some(self.unsearched),
            ..Answer::default()
        }
    }
}
