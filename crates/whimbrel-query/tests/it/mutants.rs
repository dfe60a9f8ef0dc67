//! The law can fail: what a compiler could get wrong is noticed.

use crate::{
    case::{self, Case, ChannelRow},
    engine::Sqlite,
    law::{run, runtime},
};
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};
use whimbrel_query::{Bind, Endpoint, Sql};

/// Cases within which each is found.
const CASES: u32 = 10_000;

/// Runs the law with every statement changed.
fn mutant(change: &dyn Fn(Sql) -> Sql) -> Result<(), Box<TestError<Case<ChannelRow>>>> {
    let runtime = runtime();
    let mut engine = runtime.block_on(Sqlite::open());
    let strategy = case::case(&Endpoint::CHANNELS, case::channels());
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        max_shrink_iters: 0,
        ..Config::default()
    };
    // Always the same cases: what is noticed once is noticed always.
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, rng);
    run(&runtime, &mut engine, &mut runner, &strategy, change)
}

/// Changes the text of every statement.
fn text(from: &'static str, to: &'static str) -> impl Fn(Sql) -> Sql {
    move |sql| Sql {
        condition: sql.condition.replace(from, to),
        order: sql.order.replace(from, to),
        ..sql
    }
}

macro_rules! mutants {
    ($($name:ident: $change:expr;)*) => {$(
        #[test]
        fn $name() {
            let found = mutant(&$change).expect_err("nothing was noticed");
            assert!(matches!(*found, TestError::Fail(..)), "{found}");
        }
    )*};
}

mutants! {
    a_negation_that_forgets_what_is_missing_is_noticed: text("IS NOT TRUE", "IS FALSE");
    missing_first_is_noticed: text("NULLS LAST", "NULLS FIRST");
    a_page_that_starts_with_the_last_item_of_the_one_before_is_noticed: text("c.cid > ", "c.cid >= ");
    a_page_that_leaves_out_what_is_missing_is_noticed: text(" OR t.last_at IS NULL", "");
    text_that_counts_as_a_number_is_noticed: text("('integer', 'real')", "('integer', 'real', 'text')");
    an_object_that_is_taken_apart_like_a_list_is_noticed: text("= 'array' AND", "<> 'true' AND");
    a_null_that_exists_is_noticed: text("<> 'null'", "<> 'nothing'");
    one_that_left_is_a_member_is_noticed: text("m.active = 1 AND", "");
    a_type_out_of_order_is_noticed: text("IS NOT NULL THEN 0", "IS NOT NULL THEN 2");
    greater_that_is_greater_or_equal_is_noticed: text(" > ?", " >= ?");
    a_search_within_words_is_noticed: |mut sql: Sql| {
        for bind in &mut sql.binds {
            if let Bind::Text(text) = bind && text.starts_with(' ') {
                *text = text.trim().to_owned();
            }
        }
        sql
    };
}
