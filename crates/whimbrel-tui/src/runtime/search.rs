//! A search: what is here at once, and what the server has when the typing pauses.

use crate::app::{Event, Feed, Results, terms};
use std::time::Duration;
use tokio::{sync::mpsc::Sender, time::sleep};
use whimbrel::{Client, Error, SearchMessages, SearchResults};

/// Hits that are shown.
const HITS: usize = 50;

/// How long the typing pauses before the server is asked.
const PAUSE: Duration = Duration::from_millis(400);

/// Searches, and tells twice. The task is ended when something else is searched for.
pub(super) async fn run(client: Client, typed: String, news: Sender<Event>) {
    if typed.trim().is_empty() {
        return;
    }
    let search = match search(&client, &typed) {
        Ok(search) => search,
        Err(problem) => return tell(&news, failed(typed, problem)).await,
    };
    match search.local().await {
        Ok(here) => tell(&news, results(&typed, here, false)).await,
        Err(error) => return tell(&news, failed(typed, error.to_string())).await,
    }
    sleep(PAUSE).await;
    let all: Result<_, Error> = search.await;
    let all = all.map_or_else(
        |error| failed(typed.clone(), error.to_string()),
        |all| results(&typed, all, true),
    );
    tell(&news, all).await;
}

fn search(client: &Client, typed: &str) -> Result<SearchMessages, String> {
    let terms = terms(typed)?;
    let mut search = client.search(terms.text).limit(HITS);
    for cid in terms.channels {
        search = search.in_channel(cid);
    }
    if let Some(author) = terms.by {
        search = search.by(author);
    }
    Ok(search)
}

fn results(typed: &str, found: SearchResults, done: bool) -> Results {
    Results {
        text: typed.to_owned(),
        hits: found.hits,
        not_searched: found.not_searched,
        more: found.next.is_some(),
        done,
        problem: None,
    }
}

fn failed(text: String, problem: String) -> Results {
    Results {
        text,
        problem: Some(problem),
        done: true,
        ..Results::default()
    }
}

async fn tell(news: &Sender<Event>, results: Results) {
    // Nobody listens any more when the program ends.
    let _ = news.send(Event::Feed(Feed::Found(results))).await;
}
