//! What the documents promise, as far as a program can tell.

use super::Problem;
use super::repo::{Repo, numbered};
use std::collections::BTreeSet;

const FEATURES: &str = "docs/FEATURES.md";
/// Features are numbered from 1; issues refer to the numbers.
const LAST_FEATURE: u32 = 221;

/// Checks that each feature has one row with a state and a proof or a reason, and that the proofs exist.
pub(super) fn features(repo: &Repo) -> Vec<Problem> {
    let tests = test_names(repo);
    let mut missing: BTreeSet<u32> = (1..=LAST_FEATURE).collect();
    let mut problems = Vec::new();
    for (line, row) in numbered(repo.text(FEATURES)).filter(|(_, line)| line.starts_with("| F")) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let number = cells[0].strip_prefix('F').and_then(|number| number.parse().ok());
        let Some(number) = number.filter(|number| (1..=LAST_FEATURE).contains(number)) else {
            if cells[0] != "F" {
                problems.push(Problem::new(
                    FEATURES,
                    line,
                    format!("there is no feature {}", cells[0]),
                ));
            }
            continue;
        };
        if !missing.remove(&number) {
            problems.push(Problem::new(
                FEATURES,
                line,
                format!("a second row for F{number}: remove one"),
            ));
        }
        if let Some(what) = wrong_row(&cells, &tests) {
            problems.push(Problem::new(FEATURES, line, what));
        }
    }
    problems.extend(
        missing
            .iter()
            .map(|number| Problem::new(FEATURES, 0, format!("no row for F{number}"))),
    );
    problems
}

/// Underscores from which a name is a sentence.
const SENTENCE: usize = 3;

/// Returns the last parts of the paths that stand in backticks.
fn named(proof: &str) -> impl Iterator<Item = &str> {
    let names = proof.split('`').skip(1).step_by(2);
    names.filter_map(|name| name.rsplit("::").next())
}

fn wrong_row(cells: &[&str], tests: &BTreeSet<&str>) -> Option<String> {
    let &[_, _, state, proof] = cells else {
        return Some(
            "a row has four cells: `| F1 | feature | done, partly or absent | test or reason |`".to_owned(),
        );
    };
    if !["done", "partly", "absent"].contains(&state) {
        return Some(format!("`{state}` is not done, partly or absent"));
    }
    if proof.is_empty() {
        return Some("name the test that shows it, or the reason".to_owned());
    }
    let named: Vec<&str> = named(proof).collect();
    // What reads like a sentence is a test, and nothing else is called so.
    let gone = |name: &&&str| name.matches('_').count() >= SENTENCE && !tests.contains(**name);
    if let Some(gone) = named.iter().find(gone) {
        return Some(format!("there is no test `{gone}`"));
    }
    if state != "done" || named.iter().any(|name| tests.contains(name)) {
        return None;
    }
    Some("done, but no test is named in backticks that exists: name one, or say partly".to_owned())
}

/// Lessons are numbered from 1 too.
const LAST_LESSON: u32 = 41;

/// Checks that each lesson has one row, with tests that exist, of which one carries its number, or the reason why not.
pub(super) fn lessons(repo: &Repo) -> Vec<Problem> {
    let tests = test_names(repo);
    let mut missing: BTreeSet<u32> = (1..=LAST_LESSON).collect();
    let mut problems = Vec::new();
    for (line, row) in numbered(repo.text(FEATURES)) {
        let Some((number, cells)) = row.strip_prefix("| U").and_then(|row| row.split_once(" | ")) else {
            continue;
        };
        if number.is_empty() {
            // The head of the table.
            continue;
        }
        let known = number.parse().ok().filter(|number| missing.remove(number));
        let what = match (known, cells.trim_end_matches('|').rsplit_once(" | ")) {
            (None, _) => format!("there is no lesson U{number}, or a second row for it"),
            (_, None) => "a row has three cells: `| U1 | lesson | tests, or absent: the reason |`".to_owned(),
            (Some(number), Some((_, proof))) => match wrong_lesson(number, proof.trim(), &tests) {
                Some(what) => what,
                None => continue,
            },
        };
        problems.push(Problem::new(FEATURES, line, what));
    }
    let absent = missing.iter();
    problems.extend(absent.map(|number| Problem::new(FEATURES, 0, format!("no row for U{number}"))));
    problems
}

fn wrong_lesson(number: u32, proof: &str, tests: &BTreeSet<&str>) -> Option<String> {
    if let Some(reason) = proof.strip_prefix("absent:") {
        return reason
            .trim()
            .is_empty()
            .then(|| "say why it is absent".to_owned());
    }
    let names: Vec<&str> = named(proof).collect();
    if let Some(gone) = names.iter().find(|name| !tests.contains(*name)) {
        return Some(format!("there is no test `{gone}`"));
    }
    let prefix = format!("u{number:02}_");
    if names.iter().any(|name| name.starts_with(&prefix)) {
        return None;
    }
    Some(format!("name a test `{prefix}…`, or say `absent:` and why"))
}

/// Returns the names of the functions that carry a test attribute or stand in a conformance suite.
fn test_names(repo: &Repo) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    for file in repo.rust() {
        let suite = file.path.starts_with("crates/whimbrel-testkit/src/conformance/");
        let mut marked = false;
        for line in file.text.lines().map(str::trim_start) {
            if line.starts_with("#[") && line.contains("test") {
                marked = true;
            }
            let Some((start, rest)) = line.split_once("fn ") else {
                continue;
            };
            let is_item = [
                "",
                "async ",
                "pub async ",
                "pub ",
                "pub(crate) async ",
                "pub(super) async ",
            ]
            .contains(&start);
            if is_item && (marked || suite) {
                let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
                names.insert(&rest[..end.unwrap_or(rest.len())]);
            }
            marked &= !is_item;
        }
    }
    names
}

const DEPENDENCIES: &str = "docs/DEPENDENCIES.md";

/// Checks that each dependency has a reason, and that no reason is left of one that is gone.
pub(super) fn dependencies(repo: &Repo) -> Vec<Problem> {
    let used = workspace_dependencies(repo.text("Cargo.toml"));
    let mut named = Vec::new();
    for (line, row) in numbered(repo.text(DEPENDENCIES)) {
        let name = row.strip_prefix("| `").and_then(|rest| rest.split_once('`'));
        named.extend(name.map(|(name, _)| (line, name)));
    }
    let mut problems = Vec::new();
    for (line, name) in &used {
        if !named.iter().any(|(_, other)| other == name) {
            let what = format!("add a row for `{name}` to {DEPENDENCIES}, with the reason why it is needed");
            problems.push(Problem::new("Cargo.toml", *line, what));
        }
    }
    for (line, name) in &named {
        if !used.iter().any(|(_, other)| other == name) {
            let what = format!("`{name}` is not in Cargo.toml any more: remove the row");
            problems.push(Problem::new(DEPENDENCIES, *line, what));
        }
    }
    problems
}

/// Returns what `[workspace.dependencies]` takes from outside the workspace.
fn workspace_dependencies(manifest: &str) -> Vec<(usize, &str)> {
    numbered(manifest)
        .skip_while(|(_, line)| *line != "[workspace.dependencies]")
        .skip(1)
        .take_while(|(_, line)| !line.starts_with('['))
        .filter(|(_, line)| !line.starts_with('#') && !line.contains("path = "))
        .filter_map(|(number, line)| Some((number, line.split_once(" = ")?.0)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(change: impl Fn(u32) -> Option<String>) -> String {
        let row =
            |number| change(number).unwrap_or_else(|| format!("| F{number} | It | absent | Not yet. |\n"));
        format!(
            "| F | feature | state | proof |\n|---|---|---|---|\n{}",
            (1..=LAST_FEATURE).map(row).collect::<String>()
        )
    }

    fn check(number: u32, row: &str) -> Vec<Problem> {
        let table = table(|other| (other == number).then(|| row.to_owned()));
        let source = "#[tokio::test]\nasync fn it_works() {}\n\nfn helper() {}\n";
        features(&Repo::of(&[
            (FEATURES, &table),
            ("crates/a/tests/it/main.rs", source),
            ("crates/whimbrel-testkit/src/server.rs", "pub fn support() {}\n"),
            (
                "crates/whimbrel-testkit/src/conformance/server/ops.rs",
                "pub(super) async fn a_case_of_a_suite() {}\n",
            ),
        ]))
    }

    #[test]
    fn each_feature_has_one_row() {
        assert!(check(1, "| F1 | It | absent | Not yet. |\n").is_empty());
        assert_eq!(check(7, "").len(), 1);
        assert_eq!(check(7, "| F8 | It | absent | Not yet. |\n").len(), 2);
        assert_eq!(
            check(7, "| F7 | It | absent | x |\n| F222 | It | absent | x |\n").len(),
            1
        );
    }

    #[test]
    fn a_row_says_what_and_why() {
        for (row, expected) in [
            ("| F7 | It | mostly | Not yet. |\n", 1),
            ("| F7 | It | absent |\n", 1),
            ("| F7 | It | partly | Only half. |\n", 0),
            ("| F7 | It | done | Believe me. |\n", 1),
            ("| F7 | It | done | `it::gone` |\n", 1),
            ("| F7 | It | done | `helper` |\n", 1),
            ("| F7 | It | done | `support` |\n", 1),
            ("| F7 | It | done | `a_case_of_a_suite` |\n", 0),
            (
                "| F7 | It | done | `it_works`, `it_does_not_work_any_more` |\n",
                1,
            ),
            ("| F7 | It | partly | `it_does_not_work_any_more` |\n", 1),
            ("| F7 | It | done | `it_works`, with `a_helper` |\n", 0),
            ("| F7 | It | done | e2e `it::it_works` |\n", 0),
        ] {
            assert_eq!(check(7, row).len(), expected, "{row}");
        }
    }

    #[test]
    fn each_lesson_has_a_test_with_its_number_or_a_reason() {
        let check = |number: u32, row: &str| {
            let rows = (1..=LAST_LESSON).map(|other| match other == number {
                true => row.to_owned(),
                false => format!("| U{other} | It | absent: not yet. |\n"),
            });
            let source = "#[tokio::test]\nasync fn u07_it_works() {}\n\n#[test]\nfn it_works() {}\n";
            lessons(&Repo::of(&[
                (FEATURES, &rows.collect::<String>()),
                ("crates/a/tests/it/main.rs", source),
            ]))
        };
        for (row, expected) in [
            ("| U7 | It | `it::u07_it_works` |\n", 0),
            ("| U7 | It | absent: later. |\n", 0),
            ("| U7 | It | absent: |\n", 1),
            ("| U7 | It | `it_works` |\n", 1),
            ("| U7 | It | `u07_it_works`, `gone` |\n", 1),
            ("| U7 | Believe me. |\n", 1),
            ("| U42 | It | absent: later. |\n", 2),
            ("| U7 | It | absent: a |\n| U7 | It | absent: b |\n", 1),
            ("", 1),
        ] {
            assert_eq!(check(7, row).len(), expected, "{row}");
        }
    }

    #[test]
    fn each_dependency_has_a_reason() {
        let manifest = "[workspace.dependencies]\nwhimbrel = { path = \"x\" }\n\n# Why.\nbytes = \"1\"\nserde = { version = \"1\" }\n\n[profile.dev]\ndebug = \"x\"\n";
        let docs = |rows: &str| format!("| crate | reason |\n|---|---|\n{rows}");
        let check = |rows: &str| {
            dependencies(&Repo::of(&[
                ("Cargo.toml", manifest),
                (DEPENDENCIES, &docs(rows)),
            ]))
        };
        assert!(check("| `bytes` | a |\n| `serde` | b |\n").is_empty());
        assert_eq!(check("| `bytes` | a |\n")[0].line, 6);
        assert_eq!(
            check("| `bytes` | a |\n| `serde` | b |\n| `rand` | c |\n")[0].file,
            DEPENDENCIES
        );
    }
}
