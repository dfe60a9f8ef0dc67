//! Searches: what is on the device at once, and what the server has.

mod merge;

pub use merge::SearchPlace;

use crate::{Client, Error, command::Command};
use merge::{Said, Side};
use std::{
    future::{Future, IntoFuture},
    pin::Pin,
    time::Duration,
};
use whimbrel_model::{ChannelId, Message, PlainJson, Timestamp, UserId};
use whimbrel_protocol::{Answer, Question, Search, Unsearched};
use whimbrel_query::{Filter, SearchPage, SearchQuery, SearchText, field, limits};

/// How long to wait for the server, unless the app says otherwise: as long as someone looks at a search field.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// How often both are asked for one page, when what they have does not tell yet what comes first.
const ROUNDS: usize = 8;

/// A search for messages that was not asked yet: await it. See [`Client::search`].
#[derive(Clone, Debug)]
#[must_use = "it is asked when it is awaited"]
pub struct SearchMessages {
    client: Client,
    text: String,
    channels: Vec<ChannelId>,
    author: Option<UserId>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    limit: usize,
    within: Duration,
    after: SearchPlace,
}

/// What a search found, newest first.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SearchResults {
    /// The messages, each once, by the time at which the server accepted them.
    pub hits: Vec<SearchHit>,
    /// What was not searched: what is not found may be there. Empty: everything was searched.
    pub not_searched: Vec<NotSearched>,
    /// Where the next page starts, for [`SearchMessages::after`]. Absent: this is all. A page may have less than was asked,
    /// even nothing, and others after it.
    pub next: Option<SearchPlace>,
}

/// A message that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchHit {
    /// The message, as the newer of those who have it does.
    pub message: Message,
    /// Who has it.
    pub found: Found,
}

/// Where a message was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Found {
    /// On this device only, or the server was not searched.
    Local,
    /// On the server only: it is not on this device, or not as it is now.
    Server,
    /// On both.
    Both,
}

/// A part of the messages that was not searched.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum NotSearched {
    /// What only the server has.
    Server {
        /// Why. Absent: it was not asked, see [`SearchMessages::local`].
        error: Option<Error>,
    },
    /// Messages of these channels that are not on this device, nor searched on the server. See
    /// [`Channel::gaps`](crate::Channel::gaps).
    Gaps {
        /// Which channels.
        channels: Vec<ChannelId>,
    },
    /// What only the server has of channels beyond those that it searches for one question.
    Channels {
        /// How many channels.
        count: u32,
        /// The first of them: what to search next.
        next: Vec<ChannelId>,
    },
    /// Messages that are here, and not yet in the index of this device. They are in a moment.
    UnindexedHere {
        /// How many.
        messages: u64,
    },
    /// Messages that the server has, of anyone, and not yet in its index. They are in a moment.
    UnindexedThere {
        /// How many at most.
        messages: u64,
    },
}

impl Client {
    /// Searches messages by their text, on this device and on the server.
    ///
    /// Words in any order, case and accents do not matter, `"phrases"` in quotation marks; the last word may be only begun.
    /// `docs/QUERY.md` has all of it. Found are messages of channels that the account is in, as the server has accepted them:
    /// what waits in the outbox is not.
    ///
    /// Await [`SearchMessages::local`] for what is on this device, which is there at once and with no connection; await the search
    /// itself for what the server has too. Both say what was not searched.
    ///
    /// ```
    /// # async fn example(client: &whimbrel_client::Client) -> Result<(), whimbrel_client::Error> {
    /// let search = client.search("\"the reef\" nan").limit(20);
    /// let mut results = search.local().await?;
    /// // Show them, and then what the server adds.
    /// results = search.await?;
    /// for hit in &results.hits {
    ///     println!("{:?}: {}", hit.found, hit.message.body.text);
    /// }
    /// if let Some(place) = results.next {
    ///     let more = client.search("\"the reef\" nan").after(place).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Query`] when there is no word in the text, or it is over a limit; [`Error`] when the database cannot be read or
    /// the client is closed. A server that does not answer is no error.
    pub fn search(&self, text: impl Into<String>) -> SearchMessages {
        SearchMessages {
            client: self.clone(),
            text: text.into(),
            channels: Vec::new(),
            author: None,
            since: None,
            until: None,
            limit: limits::USUAL_SEARCH_HITS,
            within: ANSWER_WITHIN,
            after: SearchPlace::default(),
        }
    }
}

impl SearchMessages {
    /// Searches this channel, and others for which this is called. Without, all that the account is in.
    pub fn in_channel(mut self, cid: ChannelId) -> Self {
        self.channels.push(cid);
        self
    }

    /// Finds what this user wrote.
    pub fn by(mut self, author: UserId) -> Self {
        self.author = Some(author);
        self
    }

    /// Finds what the server accepted at this time or later.
    pub const fn since(mut self, time: Timestamp) -> Self {
        self.since = Some(time);
        self
    }

    /// Finds what the server accepted at this time or earlier.
    pub const fn until(mut self, time: Timestamp) -> Self {
        self.until = Some(time);
        self
    }

    /// Sets how many messages a page has at most, 1 to 100. Without, 20.
    pub const fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Goes on after a page. The rest of the search has to be the same.
    pub fn after(mut self, place: SearchPlace) -> Self {
        self.after = place;
        self
    }

    /// Sets for how long to wait for the server. Without, ten seconds.
    pub const fn answer_within(mut self, within: Duration) -> Self {
        self.within = within;
        self
    }

    /// Searches this device only: at once, and with no connection.
    ///
    /// # Errors
    /// As [`Client::search`].
    pub async fn local(&self) -> Result<SearchResults, Error> {
        self.run(false).await
    }

    async fn run(&self, ask: bool) -> Result<SearchResults, Error> {
        let text: SearchText = self.text.parse()?;
        let limit = self.limit.clamp(1, limits::SEARCH_HITS);
        let mut place = self.after.clone();
        if !ask && !place.server.is_end() {
            place.server = Side::End;
            place.said.without_server = Some(None);
        }
        let mut hits = place.ready(limit);
        for _ in 0..ROUNDS {
            let (local, server) = place.wanted();
            if !hits.is_empty() || (local.is_none() && server.is_none()) {
                break;
            }
            let (here, there) = tokio::join!(self.here(local, &text, limit), self.there(server, limit));
            if let Some(page) = here? {
                place.take_local(page);
            }
            match there {
                None => {}
                Some(Ok(answer)) => place.take_server(answer),
                Some(Err(error)) => {
                    place.server = Side::End;
                    place.said.without_server = Some(Some(error));
                }
            }
            hits = place.ready(limit);
        }
        Ok(SearchResults {
            hits,
            not_searched: self.not_searched(place.said.clone()).await,
            next: place.into_next(),
        })
    }

    async fn here(
        &self,
        side: Option<&Side>,
        text: &SearchText,
        limit: usize,
    ) -> Result<Option<SearchPage>, Error> {
        let Some(side) = side else { return Ok(None) };
        let query = SearchQuery {
            channels: self.channels.clone(),
            author: self.author.clone(),
            since: self.since,
            until: self.until,
            after: side.after(),
            ..SearchQuery::new(text.clone(), limit)
        };
        Ok(Some(self.client.store().search(&query).await?))
    }

    async fn there(&self, side: Option<&Side>, limit: usize) -> Option<Result<Answer, Error>> {
        let side = side?;
        let since = self.since.map(|since| field("accepted_at").gte(since));
        let until = self.until.map(|until| field("accepted_at").lte(until));
        let channels = (!self.channels.is_empty()).then(|| field("cid").is_in(&self.channels));
        let json = |filters: Vec<Filter>| {
            if filters.is_empty() {
                return PlainJson::default();
            }
            PlainJson(Filter::and(filters).to_json())
        };
        let search = Search {
            text: self.text.clone(),
            channels: json(channels.into_iter().collect()),
            filter: json(since.into_iter().chain(until).collect()),
            author: self.author.clone(),
            limit: u32::try_from(limit).ok(),
            after: side.after(),
        };
        let question = Question::Search(search);
        let answer = self
            .client
            .commands()
            .ask(|reply| Command::Ask { question, reply });
        let answer = tokio::time::timeout(self.within, answer).await;
        Some(answer.unwrap_or(Err(Error::NoAnswer(self.within))))
    }

    async fn not_searched(&self, said: Said) -> Vec<NotSearched> {
        let mut parts = Vec::new();
        if let Some(error) = said.without_server {
            parts.push(NotSearched::Server { error });
            // Who cannot be asked for the gaps has said so already.
            let known = self.client.commands().ask(|reply| Command::Incomplete { reply });
            let mut channels = known.await.unwrap_or_default();
            channels.retain(|cid| self.channels.is_empty() || self.channels.contains(cid));
            if !channels.is_empty() {
                parts.push(NotSearched::Gaps { channels });
            }
        }
        let Unsearched {
            channels: count,
            next_channels: next,
            messages,
        } = said.there;
        if count > 0 {
            parts.push(NotSearched::Channels { count, next });
        }
        if said.unindexed_here > 0 {
            let messages = said.unindexed_here;
            parts.push(NotSearched::UnindexedHere { messages });
        }
        if messages > 0 {
            parts.push(NotSearched::UnindexedThere { messages });
        }
        parts
    }
}

impl IntoFuture for SearchMessages {
    type Output = Result<SearchResults, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.run(true).await })
    }
}
