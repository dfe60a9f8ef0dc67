//! P11: the newest messages with some words in them, from the device's store.
//!
//! The reference is bare FTS5 that finds the same rows and reads them, without asking who may see them or what the index does
//! not have yet.

use crate::account::{self, Size};
use crate::clock::Stopwatch;
use crate::echo::connect;
use crate::figure::{Figure, Plan, Result};
use crate::rounds::{Compared, median, percentile};
use crate::words;
use sqlx::SqliteConnection;
use std::time::Duration;
use whimbrel::SqliteStore;
use whimbrel_query::{SearchQuery, SearchText};
use whimbrel_store::{Store as _, StoreReader as _};

/// Messages of a page.
const ROWS: usize = 20;
/// Messages in each channel.
const MESSAGES: u64 = 100;
/// Milliseconds that 19 of 20 searches in 1,000,000 messages may take.
const GOAL: f64 = 20.0;
/// Seconds that a message takes at most to get into the index.
const MILLIS_TO_INDEX: u64 = 2;

const BARE: &str = "SELECT m.id, m.cid, m.author, m.at, m.rest FROM words w \
     CROSS JOIN messages m ON m.rowid = (w.rowid & 4194303) \
     WHERE w.words MATCH ? ORDER BY w.rowid DESC LIMIT ?";

/// A kind of search, and what is typed.
struct Kind {
    name: &'static str,
    typed: Vec<String>,
}

pub(crate) fn run(plan: &Plan) -> Result<Vec<Figure>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure(plan))
}

/// Returns `count` searches of each kind.
fn kinds(count: u64) -> Vec<Kind> {
    let of = |name, typed: &dyn Fn(u64) -> String| Kind {
        name,
        typed: (0..count).map(typed).collect(),
    };
    let whole = |rank| format!("{} ", words::word(rank));
    let begun = |rank| {
        let mut word = words::word(rank);
        word.pop();
        word
    };
    vec![
        of("search common", &whole),
        of("search rare", &|n| whole(20_000 + n * 37)),
        of("search two words", &|n| {
            format!("{} {} ", words::word(n), words::word(500 + n))
        }),
        of("search two common", &|n| {
            format!("{} {} ", words::word(n), words::word(n + 1))
        }),
        of("search begun", &|n| begun(3_000 + n * 17)),
        of("search begun common", &|n| begun(64 + n)),
        of("search chinese", &|n| {
            format!("{}{}", words::character(1 + n % 9), words::character(2 + n % 7))
        }),
        of("search missing", &|n| format!("missing{n} ")),
    ]
}

async fn measure(plan: &Plan) -> Result<Vec<Figure>> {
    let sizes: &[u64] = plan.choose(&[10_000, 100_000, 1_000_000], &[10_000, 100_000]);
    let searches = plan.choose(40, 10);
    let mut series: Vec<Vec<Figure>> = (0..=kinds(searches).len()).map(|_| Vec::new()).collect();
    for &messages in sizes {
        let path = plan.directory.path().join(format!("search-{messages}.db"));
        let size = Size {
            channels: messages / MESSAGES,
            messages: MESSAGES,
        };
        let store = account::fill(&path, size).await?;
        series[0].push(indexed(&store, messages).await?);
        let mut bare = connect(&path).await?;
        for (kind, figures) in kinds(searches).into_iter().zip(&mut series[1..]) {
            figures.push(at(&store, &mut bare, kind, messages).await?);
        }
        store.close().await;
        std::fs::remove_file(&path)?;
    }
    Ok(series.concat())
}

/// Waits until all is in the index, and tells the seconds that it took after the last write.
async fn indexed(store: &SqliteStore, messages: u64) -> Result<Figure> {
    let watch = Stopwatch::start();
    let text: SearchText = "missing ".parse()?;
    let most = 60.0 + (messages * MILLIS_TO_INDEX) as f64 / 1e3;
    while store.search(&SearchQuery::new(text.clone(), 1)).await?.unindexed > 0 {
        if watch.seconds() > most {
            return Err("the index does not come behind".into());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let seconds = watch.seconds();
    let compared = Compared {
        value: seconds,
        reference: seconds,
        ratio: 1.0,
    };
    Ok(Figure::new("P11", "search index", messages, "s", compared))
}

async fn at(store: &SqliteStore, bare: &mut SqliteConnection, kind: Kind, messages: u64) -> Result<Figure> {
    let (mut values, mut references, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for typed in kind.typed {
        let text: SearchText = typed.parse()?;
        let (words, query) = (text.for_index(&[]), SearchQuery::new(text, ROWS));
        let watch = Stopwatch::start();
        let rows = sqlx::query(BARE)
            .bind(words)
            .bind(ROWS as i64)
            .fetch_all(&mut *bare)
            .await?;
        let reference = watch.seconds() * 1e3;
        let watch = Stopwatch::start();
        let page = store.search(&query).await?;
        let value = watch.seconds() * 1e3;
        if page.messages.len() != rows.len() {
            let (found, there) = (page.messages.len(), rows.len());
            return Err(format!("{}: {found} of {there} were found for {typed:?}", kind.name).into());
        }
        ratios.push(value / reference);
        values.push(value);
        references.push(reference);
    }
    let compared = Compared {
        value: percentile(values, 0.95),
        reference: percentile(references, 0.95),
        ratio: median(ratios),
    };
    let figure = Figure::new("P11", kind.name, messages, "ms p95", compared);
    Ok(match messages {
        1_000_000 => figure.goal("≤ 20 ms", compared.value <= GOAL),
        _ => figure,
    })
}
