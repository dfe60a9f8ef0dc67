//! P8: a page of older messages, from the call that asks for it until it is in the observed timeline.
//!
//! The reference is the bare query for the same page.

use crate::clock::Stopwatch;
use crate::echo::{connect, fill, open_client};
use crate::figure::{Figure, Plan, Result};
use crate::rounds::{Compared, median, percentile};
use crate::sample;

/// How much longer than the bare query one page of a hundred may take.
const OVER_BARE: f64 = 3.0;
/// Messages in a page.
const PAGE: usize = 50;

const QUERY: &str = "SELECT id, cid, seq, ver, author, parent, rest FROM messages \
                     WHERE cid = ? AND in_channel = 1 AND ver > 0 AND seq < ? ORDER BY seq DESC LIMIT ?";

pub(crate) fn run(plan: &Plan) -> Result<Vec<Figure>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure(plan))
}

/// Scrolls one channel to its beginning; each figure is of the pages down to a depth.
async fn measure(plan: &Plan) -> Result<Vec<Figure>> {
    let depths: &[usize] = plan.choose(&[1_000, 10_000, 100_000], &[1_000, 10_000]);
    let messages = depths.last().copied().unwrap_or_default() + PAGE;
    let path = plan.directory.path().join("scroll.db");
    let store = fill(&path, messages as u64).await?;
    let client = open_client(store).await?;
    let mut bare = connect(&path).await?;
    let cid = sample::channel(0)?;
    let timeline = client.channel(cid.as_str())?.timeline().await?;
    let (mut medians, mut slowest) = (Vec::new(), Vec::new());
    let mut shown = PAGE;
    for &depth in depths {
        let (mut values, mut references, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        while shown < depth {
            let watch = Stopwatch::start();
            let query = sqlx::query(QUERY)
                .bind(cid.as_str())
                .bind(i64::try_from(messages - shown + 1)?)
                .bind(PAGE as i64);
            let rows = query.fetch_all(&mut bare).await?;
            let reference = watch.seconds() * 1e3;
            let watch = Stopwatch::start();
            timeline.load_older(PAGE).await?;
            let value = watch.seconds() * 1e3;
            shown += PAGE;
            if rows.len() != PAGE || timeline.items().len() != shown {
                return Err(
                    format!("{} messages are shown instead of {shown}", timeline.items().len()).into(),
                );
            }
            values.push(value);
            references.push(reference);
            ratios.push(value / reference);
        }
        let middle = Compared {
            value: median(values.clone()),
            reference: median(references.clone()),
            ratio: median(ratios),
        };
        let (value, reference) = (percentile(values, 0.99), percentile(references, 0.99));
        let slow = Compared {
            value,
            reference,
            ratio: value / reference,
        };
        medians.push(Figure::new("P8", "scroll", depth as u64, "ms p50", middle));
        slowest.push(
            Figure::new("P8", "scroll at worst", depth as u64, "ms p99", slow)
                .goal("≤ 3 × the bare query", slow.ratio <= OVER_BARE),
        );
    }
    client.close().await;
    medians.extend(slowest);
    Ok(medians)
}
