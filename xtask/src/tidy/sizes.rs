//! Nothing grows out of sight.

use super::Problem;
use super::repo::{Repo, numbered};

/// Lines of a file from which it is worth a look.
const LONG: usize = 300;
/// Lines of a file beyond which it has more than one job.
const TOO_LONG: usize = 600;
/// Lines of the `whimbrel` crate: it puts defaults together and does nothing itself.
const FACADE: usize = 300;
/// Methods of a trait: what one person can implement in a day.
const METHODS: usize = 12;

/// Returns the files that are long, and not yet too long.
pub(super) fn long_files(repo: &Repo) -> Vec<Problem> {
    let long = |lines: &usize| (LONG + 1..=TOO_LONG).contains(lines);
    by_length(repo, long, |lines| {
        format!("{lines} lines; about {LONG} is the aim")
    })
}

/// Checks the length of each file.
pub(super) fn files(repo: &Repo) -> Vec<Problem> {
    let too_long = |lines: &usize| *lines > TOO_LONG;
    by_length(repo, too_long, |lines| {
        format!("{lines} lines, at most {TOO_LONG}: split it by job")
    })
}

fn by_length(repo: &Repo, which: fn(&usize) -> bool, what: impl Fn(usize) -> String) -> Vec<Problem> {
    let lengths = repo.rust().map(|file| (file, file.text.lines().count()));
    lengths
        .filter(|(_, lines)| which(lines))
        .map(|(file, lines)| Problem::new(&file.path, 0, what(lines)))
        .collect()
}

/// Checks that the crate of defaults stays thin.
pub(super) fn facade(repo: &Repo) -> Vec<Problem> {
    let sources = repo
        .rust()
        .filter(|file| file.path.starts_with("crates/whimbrel/src/"));
    let lines: usize = sources.map(|file| file.text.lines().count()).sum();
    if lines < FACADE {
        return Vec::new();
    }
    let what =
        format!("{lines} lines in the crate, less than {FACADE} are wanted: move logic into whimbrel-client");
    vec![Problem::new("crates/whimbrel/src/lib.rs", 0, what)]
}

/// Checks that a module is `foo.rs`, with its parts in `foo/`.
pub(super) fn modules(repo: &Repo) -> Vec<Problem> {
    // Cargo finds an integration test by its main.rs; nothing needs a mod.rs.
    let wrong = repo.rust().filter(|file| file.path.ends_with("/mod.rs"));
    wrong
        .map(|file| Problem::new(&file.path, 0, "rename it after its directory, one level up"))
        .collect()
}

/// Checks the number of methods of each trait. It relies on rustfmt's indentation.
pub(super) fn traits(repo: &Repo) -> Vec<Problem> {
    let mut problems = Vec::new();
    for file in repo.rust() {
        let mut open: Option<(usize, &str, usize)> = None;
        for (number, line) in numbered(&file.text) {
            let indent = &line[..line.len() - line.trim_start().len()];
            match open {
                None if opens_trait(line) => open = Some((number, indent, 0)),
                Some((start, outer, methods))
                    if indent == outer && line.trim_end() == format!("{outer}}}") =>
                {
                    if methods > METHODS {
                        let what = format!("a trait of {methods} methods, at most {METHODS}: split it");
                        problems.push(Problem::new(&file.path, start, what));
                    }
                    open = None;
                }
                Some((start, outer, methods)) if indent.len() == outer.len() + 4 && is_method(line) => {
                    open = Some((start, outer, methods + 1));
                }
                _ => {}
            }
        }
    }
    problems
}

fn opens_trait(line: &str) -> bool {
    let line = line.trim_start();
    let line = line.strip_prefix("pub ").unwrap_or(line);
    let line = match line.strip_prefix("pub(").and_then(|rest| rest.split_once(") ")) {
        Some((_, rest)) => rest,
        None => line,
    };
    line.starts_with("trait ") && !line.trim_end().ends_with('}')
}

fn is_method(line: &str) -> bool {
    let line = line.trim_start();
    ["fn ", "async fn ", "const fn ", "unsafe fn "]
        .iter()
        .any(|start| line.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_long_and_then_too_long() {
        let repo = Repo::of(&[
            ("a.rs", &"//\n".repeat(300)),
            ("b.rs", &"//\n".repeat(301)),
            ("c.rs", &"//\n".repeat(600)),
            ("d.rs", &"//\n".repeat(601)),
            ("e.md", &"x\n".repeat(601)),
        ]);
        let names = |problems: Vec<Problem>| problems.into_iter().map(|p| p.file).collect::<Vec<_>>();
        assert_eq!(names(long_files(&repo)), ["b.rs", "c.rs"]);
        assert_eq!(names(files(&repo)), ["d.rs"]);
    }

    #[test]
    fn the_facade_is_counted_as_a_whole() {
        let half = "//\n".repeat(150);
        let paths = [
            "crates/whimbrel/src/lib.rs",
            "crates/whimbrel/src/a.rs",
            "crates/whimbrel-tui/src/lib.rs",
        ];
        assert!(facade(&Repo::of(&[(paths[0], &half), (paths[2], &half)])).is_empty());
        assert_eq!(
            facade(&Repo::of(&[(paths[0], &half), (paths[1], &half)])).len(),
            1
        );
    }

    #[test]
    fn a_module_file_has_the_name_of_its_module() {
        let repo = Repo::of(&[("crates/a/src/b/mod.rs", ""), ("crates/a/tests/it/main.rs", "")]);
        assert_eq!(modules(&repo).len(), 1);
    }

    #[test]
    fn a_trait_of_thirteen_methods_fails() {
        let source = |methods: usize| {
            let body = "    /// Does.\n    async fn f(\n        &self,\n    ) -> u8;\n".repeat(methods);
            format!("pub trait Small {{}}\n\npub(crate) trait Big: Send {{\n{body}}}\n\nfn f() {{}}\n")
        };
        assert!(traits(&Repo::of(&[("a.rs", &source(12))])).is_empty());
        let problems = traits(&Repo::of(&[("a.rs", &source(13))]));
        assert_eq!((problems.len(), problems[0].line), (1, 3));
    }
}
