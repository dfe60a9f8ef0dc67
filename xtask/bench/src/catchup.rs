//! P6: what was missed, from a server over a socket until it is stored and observable, by a client with a database.
//!
//! The server and the client are processes of their own. The reference is bare SQLite that inserts the same rows, read
//! from the client's database, a page a commit, with the client's settings.

use crate::clock::Stopwatch;
use crate::device::{CaughtUp, Job};
use crate::figure::{Figure, Plan, Result};
use crate::helper::{Helper, Role};
use crate::rounds::{Compared, median};
use crate::serve::{Past, Place, Posts};
use crate::{echo, sample};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments as _, AssertSqlSafe, Connection as _, Row as _};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use whimbrel::SqliteStore;
use whimbrel_model::limits;
use whimbrel_store::Store as _;

/// Part of bare SQLite's rate that must be left.
const OF_RAW: f64 = 0.5;
/// Times that memory may grow with ten times the backlog.
const OF_MEMORY: f64 = 1.5;
/// Questions for pages that are allowed for each channel that moved.
const OF_PAGES: f64 = 1.01;
/// Rows in one statement of the reference.
const ROWS_PER_STATEMENT: usize = 50;

pub(crate) fn run(plan: &Plan) -> Result<Vec<Figure>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure(plan))
}

async fn measure(plan: &Plan) -> Result<Vec<Figure>> {
    let (mut rates, mut memory) = (Vec::new(), Vec::new());
    // A page a channel, and then as many as there are before it is a snapshot, which is another thing.
    let backlogs = [(50, 200), (150, 200), (500, 200), (500, 900)];
    for (channels, each) in plan.choose(backlogs, [(10, 200), (30, 200), (100, 200), (50, 900)]) {
        let missed = channels * each;
        let run = Backlog::make(plan, channels, each).await?.measure(plan).await?;
        rates.push(rate_figure(missed, run.rate));
        memory.push((missed, run.memory));
    }
    let first = memory[0];
    let memory = memory.into_iter().map(|(missed, value)| {
        let compared = Compared {
            value,
            reference: first.1,
            ratio: value / first.1,
        };
        let figure = Figure::new("P6", "catchup memory", missed, "MB more", compared);
        if missed == 10 * first.0 {
            figure.goal("≤ 1.5 × with ten times as much", compared.ratio <= OF_MEMORY)
        } else {
            figure
        }
    });
    let (mut live, mut pages) = (Vec::new(), Vec::new());
    for channels in plan.choose([50, 500, 5_000], [20, 100, 600]) {
        let run = Backlog::make(plan, channels, 3).await?.measure(plan).await?;
        live.push(Figure::new(
            "P6",
            "catchup channels",
            channels,
            "s until live",
            run.seconds,
        ));
        pages.push(pages_figure(channels, run.last));
    }
    Ok(rates.into_iter().chain(memory).chain(live).chain(pages).collect())
}

fn rate_figure(missed: u64, rate: Compared) -> Figure {
    Figure::new("P6", "catchup rate", missed, "rows/s", rate)
        .goal("≥ 0.5 × bare SQLite, a page a commit", rate.ratio >= OF_RAW)
}

#[expect(clippy::print_stderr, reason = "it says what no figure has a place for")]
fn pages_figure(channels: u64, last: CaughtUp) -> Figure {
    let counts = last.counts;
    eprintln!(
        "   {channels} channels: {} questions for heads, {} for pages, {} bytes both ways, {:.2} s of the client's processor time",
        counts.heads, counts.pages, counts.bytes, last.busy
    );
    let reference = channels as f64;
    let value = (counts.heads + counts.pages) as f64;
    let compared = Compared {
        value,
        reference,
        ratio: value / reference,
    };
    let pages_of_heads = channels.div_ceil(limits::HEADS_PER_PAGE as u64) + 1;
    let is_one_exchange =
        counts.heads <= pages_of_heads + 1 && counts.pages as f64 <= reference * OF_PAGES + 1.0;
    Figure::new("P6", "catchup questions", channels, "frames asked", compared)
        .goal("the pages of heads, and one page a channel", is_one_exchange)
}

/// A server that holds more than a client's database does.
struct Backlog {
    place: Place,
    directory: PathBuf,
    missed: u64,
}

/// What catching up took.
struct Run {
    rate: Compared,
    seconds: Compared,
    memory: f64,
    last: CaughtUp,
}

impl Backlog {
    /// Makes the channels, lets a client catch up with them, and then lets `each` messages be posted in each.
    async fn make(plan: &Plan, channels: u64, each: u64) -> Result<Self> {
        let directory = plan.directory.path().join(format!("catchup-{channels}-{each}"));
        fs::create_dir_all(directory.join("before"))?;
        let place = Place::new(directory.join("server.db"));
        let mut past = Past::new(&place.database);
        let (reader, author) = (sample::user(0)?, sample::user(1)?);
        let mut posts = Vec::new();
        for number in 0..channels {
            posts.push(Posts {
                cid: sample::channel(number)?,
                author: author.clone(),
                members: Some(vec![reader.clone()]),
                messages: 1,
            });
        }
        past.write(&posts).await?;
        let backlog = Self {
            place,
            directory,
            missed: channels * each,
        };
        let mut place = backlog.place.clone();
        let server = place.start().await?;
        backlog.catch_up(&place, "before").await?;
        server.end().await?;
        for posts in &mut posts {
            posts.members = None;
            posts.messages = each;
        }
        past.write(&posts).await?;
        Ok(backlog)
    }

    /// Lets a client catch up whose database is in the directory `name`.
    async fn catch_up(&self, place: &Place, name: &str) -> Result<CaughtUp> {
        let mut device = Helper::start(&Role::Device(Job {
            user: sample::user(0)?,
            server: place.listen,
            database: self.directory.join(name).join("client.db"),
        }))?;
        let caught_up = device.answer().await?;
        device.end().await?;
        Ok(caught_up)
    }

    async fn measure(self, plan: &Plan) -> Result<Run> {
        let mut place = self.place.clone();
        let server = place.start().await?;
        let (mut subject, mut bare, mut memory) = (Vec::new(), Vec::new(), Vec::new());
        let mut last = None;
        for _ in 0..plan.choose(5, 2) {
            copy(&self.directory.join("before"), &self.directory.join("after"))?;
            let caught_up = self.catch_up(&place, "after").await?;
            subject.push(caught_up.seconds);
            memory.push(caught_up.grown / 1e6);
            last = Some(caught_up);
            bare.push(self.insert().await?);
        }
        server.end().await?;
        let ratios = subject.iter().zip(&bare).map(|(subject, bare)| subject / bare);
        let seconds = Compared {
            ratio: median(ratios.collect()),
            value: median(subject),
            reference: median(bare),
        };
        fs::remove_dir_all(&self.directory)?;
        Ok(Run {
            rate: Compared {
                value: self.missed as f64 / seconds.value,
                reference: self.missed as f64 / seconds.reference,
                ratio: 1.0 / seconds.ratio,
            },
            seconds,
            memory: median(memory),
            last: last.ok_or("no round was run")?,
        })
    }

    /// Inserts what the client has caught up with into a new database. Returns the seconds.
    async fn insert(&self) -> Result<f64> {
        let path = self.directory.join("bare.db");
        remove(&path)?;
        SqliteStore::open(&path).await?.close().await;
        let mut from = echo::connect(&self.directory.join("after/client.db")).await?;
        let mut to = echo::connect(&path).await?;
        let (mut after, mut inserted, mut seconds) = (0, 0, 0.0);
        loop {
            let rows = sqlx::query(AssertSqlSafe(format!(
                "SELECT rowid, {COLUMNS} FROM messages WHERE seq > 1 AND rowid > ? ORDER BY rowid LIMIT {}",
                limits::PAGE_ROWS
            )));
            let rows = rows.bind(after).fetch_all(&mut from).await?;
            let Some(last) = rows.last() else { break };
            after = last.try_get::<i64, _>(0)?;
            inserted += rows.len() as u64;
            let (script, arguments) = insertion(&rows)?;
            let watch = Stopwatch::start();
            let commit = sqlx::query_with(AssertSqlSafe(script), arguments);
            commit.execute(&mut to).await?;
            seconds += watch.seconds();
        }
        to.close().await?;
        from.close().await?;
        if inserted == self.missed {
            Ok(seconds)
        } else {
            Err(format!(
                "{} messages were missed, and the client has {inserted}",
                self.missed
            )
            .into())
        }
    }
}

/// The columns of a message in the client's database.
const COLUMNS: &str = "id, cid, seq, ver, author, parent, in_channel, deleted, at, rest";

/// Returns a transaction that inserts `rows`, in statements of few sizes, so that they are prepared once.
fn insertion(rows: &[SqliteRow]) -> Result<(Arc<str>, SqliteArguments)> {
    let mut script = "BEGIN IMMEDIATE;\n".to_owned();
    let mut arguments = SqliteArguments::default();
    for chunk in rows.chunks(ROWS_PER_STATEMENT) {
        let lines = vec!["(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"; chunk.len()].join(", ");
        script.push_str(&format!("INSERT INTO messages ({COLUMNS}) VALUES {lines};\n"));
        for row in chunk {
            arguments.add(row.try_get::<Vec<u8>, _>(1)?)?;
            arguments.add(row.try_get::<String, _>(2)?)?;
            arguments.add(row.try_get::<i64, _>(3)?)?;
            arguments.add(row.try_get::<i64, _>(4)?)?;
            arguments.add(row.try_get::<String, _>(5)?)?;
            arguments.add(row.try_get::<Option<Vec<u8>>, _>(6)?)?;
            arguments.add(row.try_get::<i64, _>(7)?)?;
            arguments.add(row.try_get::<i64, _>(8)?)?;
            arguments.add(row.try_get::<i64, _>(9)?)?;
            arguments.add(row.try_get::<String, _>(10)?)?;
        }
    }
    script.push_str("COMMIT");
    Ok((script.into(), arguments))
}

/// Copies the files of one directory into another one, which has no others then.
fn copy(from: &Path, to: &Path) -> Result<()> {
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    fs::create_dir_all(to)?;
    for file in fs::read_dir(from)? {
        let file = file?;
        fs::copy(file.path(), to.join(file.file_name()))?;
    }
    Ok(())
}

/// Removes a database and what lies beside it.
fn remove(path: &Path) -> Result<()> {
    let directory = path.parent().ok_or("the database is in no directory")?;
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    for file in fs::read_dir(directory)? {
        let file = file?;
        if file.file_name().to_string_lossy().starts_with(&name) {
            fs::remove_file(file.path())?;
        }
    }
    Ok(())
}
