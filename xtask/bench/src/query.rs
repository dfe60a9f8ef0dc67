//! P10: the first page of the channels that a filter wants, in an order, from the device's store.
//!
//! The reference is bare SQLite that reads the first page of the usual list, which an index has in its order.

use crate::account::{self, Size};
use crate::clock::Stopwatch;
use crate::coldstart;
use crate::echo::connect;
use crate::figure::{Figure, Plan, Result};
use crate::rounds::in_turns;
use crate::words;
use whimbrel::SqliteStore;
use whimbrel_model::People;
use whimbrel_query::{Endpoint, Filter, Query, Sort, field};
use whimbrel_store::Store as _;
use whimbrel_store::StoreReader as _;

/// Rows of a page.
const ROWS: usize = 30;
/// Messages in each channel.
const MESSAGES: u64 = 10;
/// Milliseconds that a page of 10,000 channels may take.
const GOAL: f64 = 5.0;

/// What someone asks for.
pub(crate) struct Question {
    pub(crate) name: &'static str,
    pub(crate) query: Query,
}

pub(crate) fn run(plan: &Plan) -> Result<Vec<Figure>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure(plan))
}

pub(crate) fn questions() -> Result<Vec<Question>> {
    let newest = || Query::channel_list().sort().clone();
    let has_unread = || Sort::by_descending("has_unread").then_descending("last_updated");
    let pinned = || Sort::by_descending("pinned_at").then_descending("last_message_at");
    let all = Filter::everything;
    let each = [
        ("list", all(), newest()),
        ("type", field("type").eq("direct"), newest()),
        ("by name", all(), Sort::by_ascending("name")),
        (
            "autocomplete",
            field("name").autocomplete(words::word(40)),
            newest(),
        ),
        (
            "autocomplete rare",
            field("name").autocomplete(words::word(40_000)),
            newest(),
        ),
        ("custom", field("custom.team").eq("red"), newest()),
        (
            "custom by name",
            field("custom.priority").gte(90),
            Sort::by_ascending("name"),
        ),
        ("by custom", all(), Sort::by_descending("custom.priority")),
        ("member", field("members").contains("user-77"), newest()),
        ("everyone", field("members").contains("user-0"), newest()),
        ("unread", field("has_unread").eq(true), newest()),
        (
            "pinned",
            field("pinned").eq(true),
            Sort::by_descending("pinned_at"),
        ),
        ("pinned first", field("archived").eq(false), pinned()),
        ("unread first", all(), has_unread()),
    ];
    each.into_iter()
        .map(|(name, filter, sort)| {
            let filter = Filter::and([filter, field("joined").eq(true)]);
            Ok(Question {
                name,
                query: Query::new(&Endpoint::CHANNELS, filter, sort)?,
            })
        })
        .collect()
}

async fn measure(plan: &Plan) -> Result<Vec<Figure>> {
    let sizes: &[u64] = plan.choose(&[100, 1_000, 10_000, 100_000], &[100, 10_000]);
    let mut series: Vec<Vec<Figure>> = questions()?.iter().map(|_| Vec::new()).collect();
    for &channels in sizes {
        let path = plan.directory.path().join(format!("query-{channels}.db"));
        let size = Size {
            channels,
            messages: MESSAGES,
        };
        let store = account::fill(&path, size).await?;
        for (question, figures) in questions()?.into_iter().zip(&mut series) {
            figures.push(at(&store, &path, question, channels, plan).await?);
        }
        store.close().await;
        std::fs::remove_file(&path)?;
    }
    Ok(series.concat())
}

async fn at(
    store: &SqliteStore,
    path: &std::path::Path,
    question: Question,
    channels: u64,
    plan: &Plan,
) -> Result<Figure> {
    let mut bare = connect(path).await?;
    let ask = async || -> Result<f64> {
        let watch = Stopwatch::start();
        store
            .channels(&question.query, None, ROWS, &People::default())
            .await?;
        Ok(watch.seconds() * 1e3)
    };
    let mut list = async || -> Result<f64> {
        let watch = Stopwatch::start();
        let list = sqlx::query(coldstart::QUERY).bind(ROWS as i64);
        list.fetch_all(&mut bare).await?;
        Ok(watch.seconds() * 1e3)
    };
    ask().await?;
    list().await?;
    let compared = in_turns(plan.choose(21, 5), ask, list).await?;
    let figure = Figure::new(
        "P10",
        &format!("query {}", question.name),
        channels,
        "ms",
        compared,
    );
    Ok(match channels {
        10_000 => figure.goal("≤ 5 ms", compared.value <= GOAL),
        _ => figure,
    })
}
