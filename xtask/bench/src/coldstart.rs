//! P7: from a closed database to the first rows of the channel list, in a process that was just started.
//!
//! The reference is bare SQLite, in a process of its own too: it opens the file and reads the same rows with one
//! statement. The file is in the page cache for both.

use crate::account::{self, Size};
use crate::clock::Stopwatch;
use crate::echo::{connect, open_client};
use crate::figure::{Figure, Plan, Result};
use crate::helper::{Helper, Parent, Role};
use crate::rounds::in_turns;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use whimbrel::SqliteStore;

/// Rows that a list begins with.
const ROWS: usize = 30;
/// Messages in each channel.
const MESSAGES: u64 = 100;
/// Milliseconds that it may take.
const GOAL: f64 = 5.0;
/// How much longer than bare SQLite it may take.
const OVER_BARE: f64 = 8.0;
/// How much longer it may take with a hundred times as many channels.
const GROWTH: f64 = 1.3;

pub(crate) const QUERY: &str = "SELECT t.cid, c.row, p.row, r.seq, m.author, m.at, m.rest, h.head_seq, \
     (SELECT count(*) FROM messages u WHERE u.cid = t.cid AND u.in_channel = 1 AND u.ver > 0 AND u.seq > r.seq \
      AND u.author <> s.user AND u.notice > 0), \
     (SELECT count(*) FROM members a WHERE a.cid = t.cid AND a.active = 1) \
     FROM timelines t JOIN session s JOIN channels c ON c.cid = t.cid \
     JOIN memberships p ON p.user = s.user AND p.cid = t.cid JOIN reads r ON r.cid = t.cid AND r.user = s.user AND r.thread = x'' \
     JOIN messages m ON m.id = t.last_id JOIN streams h ON h.stream = 'C:' || t.cid \
     WHERE t.known = 1 AND t.listed = 1 ORDER BY t.last_at DESC, t.cid LIMIT ?";

/// What a process has to open.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    database: PathBuf,
    /// Without the client.
    is_bare: bool,
}

pub(crate) fn run(plan: &Plan) -> Result<Vec<Figure>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure(plan))
}

async fn measure(plan: &Plan) -> Result<Vec<Figure>> {
    let mut figures: Vec<Figure> = Vec::new();
    for channels in plan.choose([100, 1_000, 10_000], [100, 1_000, 2_000]) {
        let database = plan.directory.path().join(format!("account-{channels}.db"));
        let size = Size {
            channels,
            messages: MESSAGES,
        };
        whimbrel_store::Store::close(&account::fill(&database, size).await?).await;
        let open = async |is_bare| {
            let database = database.clone();
            let mut helper = Helper::start(&Role::Opening(Job { database, is_bare }))?;
            let milliseconds: f64 = helper.answer().await?;
            helper.end().await?;
            Ok(milliseconds)
        };
        let compared = in_turns(
            plan.choose(31, 5),
            async || open(false).await,
            async || open(true).await,
        )
        .await?;
        std::fs::remove_file(&database)?;
        let figure = Figure::new("P7", "coldstart", channels, "ms", compared);
        let grown = figures.first().map(|small| compared.value / small.value);
        figures.push(match grown {
            Some(grown) if channels == 10_000 => figure.goal(
                "≤ 5 ms, ≤ 8 × bare SQLite, ≤ 1.3 × with 100 channels",
                compared.value <= GOAL && compared.ratio <= OVER_BARE && grown <= GROWTH,
            ),
            _ => figure,
        });
    }
    Ok(figures)
}

/// Opens, reads the first rows, tells the milliseconds that it took, and closes.
pub(crate) async fn play(job: Job, parent: Parent) -> Result<()> {
    let watch = Stopwatch::start();
    let rows = if job.is_bare {
        let mut connection = connect(&job.database).await?;
        let rows = sqlx::query(QUERY)
            .bind(ROWS as i64)
            .fetch_all(&mut connection)
            .await?;
        parent.tell(&(watch.seconds() * 1e3))?;
        rows.len()
    } else {
        let client = open_client(SqliteStore::open(&job.database).await?).await?;
        let channels = client.channels().await?;
        parent.tell(&(watch.seconds() * 1e3))?;
        let rows = channels.items().len();
        client.close().await;
        rows
    };
    if rows == ROWS {
        Ok(())
    } else {
        Err(format!("{rows} rows were read").into())
    }
}
