//! The law: what the evaluator says, the databases do.

use crate::{
    case::{self, Case},
    engine::{Engine, Page, Sqlite, Stored},
};
use proptest::{
    strategy::Strategy,
    test_runner::{Config, TestCaseError, TestError, TestRunner},
};
use whimbrel_query::{Filter, PageCursor, Query, Sort, Sql};

/// Cases of one law in a normal run.
const CASES: u32 = 400;

/// More on demand: `PROPTEST_CASES=10000`.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(CASES)
}

/// Checks one case on a database.
pub(crate) async fn check<T: Stored>(
    engine: &mut impl Engine<T>,
    case: &Case<T>,
    change: &dyn Fn(Sql) -> Sql,
) -> Result<(), String> {
    let Case { items, query, page } = case;
    let mut wanted: Vec<&T> = items
        .iter()
        .filter(|item| query.filter().matches(&item.as_item()))
        .collect();
    wanted.sort_by(|a, b| query.compare(&a.as_item(), &b.as_item()));
    let ids: Vec<String> = wanted.iter().map(|item| item.id()).collect();

    engine.load(items).await;
    let all = engine.ask(query, Page::All, items.len() + 1, change).await?;
    same("all", &ids, &all)?;

    let mut cursor: Option<PageCursor> = None;
    for (index, expected) in ids.chunks(*page).enumerate() {
        let from = cursor.as_ref().map_or(Page::All, Page::After);
        let got = engine.ask(query, from, *page, change).await?;
        same(&format!("page {index}"), expected, &got)?;
        let last = wanted[(index * page + expected.len()) - 1];
        let text = query.cursor(&last.as_item()).to_string();
        let read: PageCursor = text.parse().map_err(|error| format!("{error}"))?;
        for item in &wanted {
            let is_after = query
                .is_after(&read, &item.as_item())
                .map_err(|error| error.to_string())?;
            let order = query.compare(&last.as_item(), &item.as_item());
            same("after the cursor", &order.is_lt(), &is_after)?;
            let is_before = query.is_before(&read, &item.as_item());
            same("before the cursor", &Ok(order.is_gt()), &is_before)?;
            let places = query.place(&last.as_item()).cmp(&query.place(&item.as_item()));
            same("the order of the places", &order, &places)?;
        }
        let first = wanted[index * page];
        let cursor_of_first = query.cursor(&first.as_item());
        let mut back = engine
            .ask(query, Page::Before(&cursor_of_first), *page, change)
            .await?;
        back.reverse();
        let earlier = &ids[..index * page];
        let expected = &earlier[earlier.len().saturating_sub(*page)..];
        same(&format!("the page before page {index}"), expected, &back)?;
        cursor = Some(read);
    }
    let from = cursor.as_ref().map_or(Page::All, Page::After);
    let none = engine.ask(query, from, items.len() + 1, change).await?;
    if cursor.is_some() {
        same("the page after the last", &Vec::new(), &none)?;
    }
    one_form(query)
}

fn one_form(query: &Query) -> Result<(), String> {
    let filter = Filter::from_json_for(query.endpoint(), &query.filter().to_json());
    same("the filter read again", &filter.as_ref(), &Ok(query.filter()))?;
    let sort = Sort::from_json(&query.sort().to_json());
    same("the sort read again", &sort.as_ref(), &Ok(query.sort()))
}

fn same<T: PartialEq + std::fmt::Debug + ?Sized>(what: &str, expected: &T, got: &T) -> Result<(), String> {
    if expected == got {
        return Ok(());
    }
    Err(format!("{what}: expected {expected:?}, got {got:?}"))
}

/// Returns what runs the cases of a law, others each time. What fails is shown in its smallest form.
pub(crate) fn runner() -> TestRunner {
    TestRunner::new(Config {
        cases: cases(),
        failure_persistence: None,
        max_shrink_iters: 2_000,
        ..Config::default()
    })
}

/// Runs random cases on a database.
pub(crate) fn run<T: Stored, E: Engine<T>>(
    runtime: &tokio::runtime::Runtime,
    engine: &mut E,
    runner: &mut TestRunner,
    strategy: &impl Strategy<Value = Case<T>>,
    change: &dyn Fn(Sql) -> Sql,
) -> Result<(), Box<TestError<Case<T>>>> {
    let engine = std::cell::RefCell::new(engine);
    let test = |case| {
        let mut engine = engine.borrow_mut();
        runtime
            .block_on(check(&mut **engine, &case, change))
            .map_err(TestCaseError::fail)
    };
    runner.run(strategy, test).map_err(Box::new)
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

#[test]
fn sqlite_finds_the_channels_that_the_evaluator_finds_in_its_order_and_pages() {
    let runtime = runtime();
    let mut engine = runtime.block_on(Sqlite::open());
    let strategy = case::case(&whimbrel_query::Endpoint::CHANNELS, case::channels());
    run(&runtime, &mut engine, &mut runner(), &strategy, &|sql| sql).unwrap();
}

#[test]
fn sqlite_finds_the_messages_that_the_evaluator_finds_in_its_order_and_pages() {
    let runtime = runtime();
    let mut engine = runtime.block_on(Sqlite::open());
    let strategy = case::case(&whimbrel_query::Endpoint::MESSAGES, case::messages());
    run(&runtime, &mut engine, &mut runner(), &strategy, &|sql| sql).unwrap();
}
