//! Words that must not be in a finished file. They are written in two halves here, so that this file may be.

use super::Problem;
use super::repo::{File, Repo, numbered};

/// What says that something is not finished.
const UNFINISHED: &[&str] = &[
    concat!("to", "do!("),
    concat!("unimple", "mented!("),
    concat!("#[ig", "nore"),
    concat!("FIX", "ME"),
    concat!("TO", "DO"),
];

/// Checks that nothing is marked as unfinished.
pub(super) fn unfinished(repo: &Repo) -> Vec<Problem> {
    let code = |file: &&File| {
        [".rs", ".toml", ".yml", ".sql", ".sh", ".ci/run"]
            .iter()
            .any(|end| file.path.ends_with(end))
    };
    let mut problems = Vec::new();
    for file in repo.files.iter().filter(code) {
        for (number, line) in numbered(&file.text) {
            if let Some(mark) = UNFINISHED.iter().find(|mark| holds_word(line, mark)) {
                let what = format!("`{mark}`: finish it, or open an issue and remove the mark");
                problems.push(Problem::new(&file.path, number, what));
            }
        }
    }
    problems
}

/// What allows a sleep on its line; the reason follows.
const ALLOW_SLEEP: &str = "tidy: allow sleep: ";

/// Checks that no test sleeps.
pub(super) fn sleeps(repo: &Repo) -> Vec<Problem> {
    let call = concat!("sle", "ep(");
    let mut problems = Vec::new();
    for file in repo.rust() {
        let mut is_test = is_test_file(&file.path);
        for (number, line) in numbered(&file.text) {
            is_test |= line.trim() == "#[cfg(test)]";
            let calls = holds_word(line, call) && !line.contains(concat!("fn sle", "ep("));
            let excused = line.trim_start().starts_with("//")
                || line
                    .split_once(ALLOW_SLEEP)
                    .is_some_and(|(_, reason)| !reason.trim().is_empty());
            if is_test && calls && !excused {
                let what = format!(
                    "a test does not sleep: wait for a condition with a deadline, or move the time by hand \
                     (where it must: `// {ALLOW_SLEEP}<reason>`)"
                );
                problems.push(Problem::new(&file.path, number, what));
            }
        }
    }
    problems
}

fn is_test_file(path: &str) -> bool {
    path.contains("/tests/")
        || path.starts_with("crates/whimbrel-testkit/")
        || path.starts_with("crates/whimbrel-e2e/")
}

/// Where checkouts and homes are on the machines of those who work here.
const MACHINE_PATHS: &[&str] = &[
    concat!("/ho", "me/"),
    concat!("/ro", "ot/"),
    concat!("/Us", "ers/"),
    concat!("/wo", "rk/"),
    concat!("/fa", "rm/"),
    concat!("/t", "mp/"),
];

/// Checks that no file names a place of one machine.
pub(super) fn machine_paths(repo: &Repo) -> Vec<Problem> {
    let mut problems = Vec::new();
    for file in &repo.files {
        for (number, line) in numbered(&file.text) {
            if let Some(path) = MACHINE_PATHS.iter().find(|path| starts_path(line, path)) {
                let what =
                    format!("`{path}` is a path of one machine: make it relative, or take it as an argument");
                problems.push(Problem::new(&file.path, number, what));
            }
        }
    }
    problems
}

/// Returns whether an absolute path in `line` begins with `start`.
fn starts_path(line: &str, start: &str) -> bool {
    line.match_indices(start).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|c| !c.is_alphanumeric() && !"_-./}$~*".contains(c))
    })
}

/// Returns whether `line` holds `word`, and not as a part of a longer one.
fn holds_word(line: &str, word: &str) -> bool {
    let in_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let ends_open = !word.ends_with(in_word) || !after.is_some_and(in_word);
        !before.is_some_and(in_word) && ends_open
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unfinished_code_fails() {
        for mark in UNFINISHED {
            let problems = unfinished(&Repo::of(&[("a.rs", &format!("fn f() {{\n    {mark}\n}}\n"))]));
            assert_eq!((problems.len(), problems[0].line), (1, 2), "{mark}");
        }
        let fine = Repo::of(&[("a.rs", "const AUTODOC: u8 = 1;"), ("a.md", UNFINISHED[4])]);
        assert!(unfinished(&fine).is_empty());
    }

    #[test]
    fn a_sleep_in_a_test_fails() {
        let sleep = concat!("tokio::time::sle", "ep(second).await;");
        let excused = format!("{sleep} // {ALLOW_SLEEP}the kernel has no event for it");
        let tests = "crates/a/tests/it/main.rs";
        for (path, text, expected) in [
            (tests, sleep.to_owned(), 1),
            (tests, excused, 0),
            (tests, format!("{sleep} // {ALLOW_SLEEP}"), 1),
            (tests, format!("// {sleep}"), 0),
            ("crates/a/src/lib.rs", sleep.to_owned(), 0),
            (
                "crates/a/src/lib.rs",
                format!("#[cfg(test)]\nmod tests {{\n{sleep}\n}}"),
                1,
            ),
            ("crates/whimbrel-testkit/src/lib.rs", sleep.to_owned(), 1),
            (tests, sleep.replace("ep(", "ep_until("), 0),
        ] {
            assert_eq!(
                sleeps(&Repo::of(&[(path, &text)])).len(),
                expected,
                "{path}: {text}"
            );
        }
    }

    #[test]
    fn a_path_of_one_machine_fails() {
        for start in MACHINE_PATHS {
            let absolute = format!("see `{start}ada/x`");
            assert_eq!(
                machine_paths(&Repo::of(&[("a.md", &absolute)])).len(),
                1,
                "{absolute}"
            );
            let relative = format!("see `target{start}x` and {{root}}{start}x");
            assert!(
                machine_paths(&Repo::of(&[("a.md", &relative)])).is_empty(),
                "{relative}"
            );
        }
    }
}
