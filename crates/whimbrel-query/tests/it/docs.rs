//! The reference and the code say the same.

use std::fmt::Write as _;
use whimbrel_query::{Endpoint, FieldRule, Operator, limits};

const REFERENCE: &str = include_str!("../../../../docs/QUERY.md");

/// Writes the cells of a field that the code knows, as the reference has them.
fn row(rule: &FieldRule) -> String {
    let yes = |flag: bool| if flag { "yes" } else { "–" };
    let operators: Vec<String> = rule
        .operators
        .iter()
        .map(|operator| format!("`{operator}`"))
        .collect();
    let may = if rule.always {
        "always there"
    } else {
        "may be missing"
    };
    format!(
        "| `{}` | {} | {} | {} | {may} |",
        rule.name,
        rule.kind.as_str(),
        operators.join(" "),
        yes(rule.sortable)
    )
}

#[test]
fn the_reference_has_the_fields_of_each_endpoint_and_no_others() {
    for endpoint in Endpoint::ALL {
        let custom = endpoint.custom.then_some(&FieldRule::CUSTOM);
        let mut wanted = String::new();
        for rule in endpoint.fields.iter().chain(custom) {
            writeln!(wanted, "{}", row(rule)).unwrap();
        }
        let heading = format!("### {}, by `{}`\n", endpoint.name, endpoint.id);
        let section = REFERENCE.split_once(&heading).map_or("", |(_, rest)| rest);
        let section = section.split("\n#").next().unwrap_or_default();
        let mut found = String::new();
        for line in section.lines().filter(|line| line.starts_with("| `")) {
            // The last cell says what the field is: for people.
            let cells: Vec<&str> = line.split('|').collect();
            writeln!(found, "{}|", cells[..6].join("|")).unwrap();
        }
        assert_eq!(found, wanted, "docs/QUERY.md, {heading}");
    }
}

#[test]
fn the_reference_has_every_operator_and_limit() {
    for operator in Operator::ALL {
        assert!(REFERENCE.contains(&format!("\n| `{operator}` |")), "{operator}");
    }
    for (name, limit) in [
        ("DEPTH", limits::DEPTH),
        ("TERMS", limits::TERMS),
        ("LIST", limits::LIST),
        ("TEXT_BYTES", limits::TEXT_BYTES),
        ("FIELD_BYTES", limits::FIELD_BYTES),
        ("WORDS", limits::WORDS),
        ("SORT_KEYS", limits::SORT_KEYS),
        ("CURSOR_BYTES", limits::CURSOR_BYTES),
        ("USUAL_ITEMS", limits::USUAL_ITEMS as usize),
        ("CHANNELS_PER_ANSWER", limits::CHANNELS_PER_ANSWER as usize),
        ("ITEMS_PER_ANSWER", limits::ITEMS_PER_ANSWER as usize),
        ("OFFSET", limits::OFFSET as usize),
        ("USUAL_STATE_ITEMS", limits::USUAL_STATE_ITEMS as usize),
        ("STATE_ITEMS", limits::STATE_ITEMS as usize),
        ("LOOKED_AT", limits::LOOKED_AT),
        ("SEARCH_CHARS", limits::SEARCH_CHARS),
        ("SEARCH_WORDS", limits::SEARCH_WORDS),
        ("WORD_CHARS", limits::WORD_CHARS),
        ("BEGUN_CHARS", limits::BEGUN_CHARS),
        ("SEARCH_HITS", limits::SEARCH_HITS),
        ("USUAL_SEARCH_HITS", limits::USUAL_SEARCH_HITS),
        ("SEARCH_CHANNELS", limits::SEARCH_CHANNELS),
    ] {
        assert!(
            REFERENCE.contains(&format!("\n| `{name}` | {limit} |")),
            "{name} is {limit}"
        );
    }
}
