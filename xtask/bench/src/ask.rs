//! P10 on the server: the first page of the channels of a user that a filter wants, in an order, from the storage.
//!
//! The reference is the page of the usual list, with no filter: what is more is the filter's.

use crate::clock::Stopwatch;
use crate::figure::{Figure, Plan, Result};
use crate::query::{Question, questions};
use crate::rounds::in_turns;
use crate::{account, sample, words};
use std::path::Path;
use std::sync::Arc;
use tokio::task::JoinSet;
use whimbrel_hub::{Hub, HubConfig, Storage as _, SystemClock};
use whimbrel_model::{Custom, MessageBody, MessageId, MessageKind, Op, OpEnvelope, OpId, Timestamp};
use whimbrel_protocol::{Answer, FindChannels, Outcome};
use whimbrel_server::SqliteStorage;

/// Rows of a page.
const ROWS: u32 = 30;
/// Messages in each channel.
const MESSAGES: u64 = 5;
/// Users who make channels, at once.
const WRITERS: u64 = 16;
/// Milliseconds that a page of 10,000 channels may take.
const GOAL: f64 = 5.0;

pub(crate) fn run(plan: &Plan) -> Result<Vec<Figure>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure(plan))
}

async fn measure(plan: &Plan) -> Result<Vec<Figure>> {
    let sizes: &[u64] = plan.choose(&[100, 1_000, 10_000], &[100, 1_000]);
    let mut series: Vec<Vec<Figure>> = questions()?.iter().map(|_| Vec::new()).collect();
    for &channels in sizes {
        let path = plan.directory.path().join(format!("ask-{channels}.db"));
        fill(&path, channels).await?;
        let storage = SqliteStorage::open(&path).await?;
        for (question, figures) in questions()?.into_iter().zip(&mut series) {
            figures.push(at(&storage, question, channels, plan).await?);
        }
        storage.close().await;
        std::fs::remove_file(&path)?;
    }
    Ok(series.concat())
}

async fn at(storage: &SqliteStorage, question: Question, channels: u64, plan: &Plan) -> Result<Figure> {
    let me = sample::user(0)?;
    let ask = async |find: FindChannels| -> Result<f64> {
        let find = whimbrel_protocol::Question::Channels(find);
        let watch = Stopwatch::start();
        let _: Answer = storage.ask(&me, &find, Timestamp::default()).await?;
        Ok(watch.seconds() * 1e3)
    };
    let mut of_list = FindChannels::default();
    of_list.window.limit = Some(ROWS);
    let find = FindChannels {
        filter: question.query.filter().to_json().into(),
        sort: question.query.sort().to_json().into(),
        ..of_list.clone()
    };
    ask(find.clone()).await?;
    let compared = in_turns(
        plan.choose(21, 5),
        async || ask(find.clone()).await,
        async || ask(of_list.clone()).await,
    )
    .await?;
    let figure = Figure::new("P10", &format!("ask {}", question.name), channels, "ms", compared);
    Ok(match channels {
        10_000 => figure.goal("≤ 5 ms", compared.value <= GOAL),
        _ => figure,
    })
}

/// Makes the database of a server with the channels of one user.
async fn fill(path: &Path, channels: u64) -> Result<()> {
    let storage = Arc::new(SqliteStorage::open(path).await?);
    let hub = Hub::start(storage.clone(), Arc::new(SystemClock), HubConfig::default());
    let mut tasks = JoinSet::new();
    for writer in 0..WRITERS {
        let hub = hub.clone();
        tasks.spawn(async move {
            for number in (writer..channels).step_by(WRITERS as usize) {
                let author = account::member(number, 1)?;
                let mut results = hub.ops(&author, ops(number)?).await;
                // In one channel of four there is something to read.
                if !number.is_multiple_of(4) {
                    results.extend(hub.ops(&sample::user(0)?, vec![read(number)?]).await);
                }
                for result in results {
                    if !matches!(result.outcome, Outcome::Accepted { .. }) {
                        return Err(format!("the server did not take it: {:?}", result.outcome).into());
                    }
                }
            }
            Result::Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    hub.close().await;
    storage.close().await;
    Ok(())
}

/// Makes the operation that reads all of a channel.
fn read(number: u64) -> Result<OpEnvelope> {
    let op = Op::MarkRead {
        cid: account::channel(number)?,
        thread: None,
        epoch: 0,
        seq: MESSAGES,
    };
    Ok(OpEnvelope {
        id: OpId(sample::id((1 << 40) + number)),
        op,
        composed_at: sample::written(),
        after: None,
    })
}

/// Makes the operations that make a channel, by its second member.
fn ops(number: u64) -> Result<Vec<OpEnvelope>> {
    let cid = account::channel(number)?;
    let others = [0, 2, 3, 4].map(|place| account::member(number, place));
    let create = Op::CreateChannel {
        cid: cid.clone(),
        name: words::name(number),
        image: String::new(),
        custom: Custom::from(account::custom(number)),
        members: others.into_iter().collect::<Result<_>>()?,
    };
    let first = number * (MESSAGES + 1) + 1;
    let messages = (1..=MESSAGES).map(|at| Op::SendMessage {
        cid: cid.clone(),
        id: MessageId(sample::id(first + at)),
        body: MessageBody::text(words::text(first + at)),
        parent: None,
        show_in_channel: false,
        quoted: None,
        kind: MessageKind::Regular,
        silent: false,
    });
    let all = [create].into_iter().chain(messages).zip(first..);
    Ok(all
        .map(|(op, id)| OpEnvelope {
            id: OpId(sample::id(id)),
            op,
            composed_at: sample::written(),
            after: None,
        })
        .collect())
}
