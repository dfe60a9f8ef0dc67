//! What every package has, and what the lock file holds.

use super::Problem;
use super::repo::{Repo, numbered};

/// Packages with lints of their own, which are the workspace's and may be more, but for `unsafe`: what it forbids cannot be
/// allowed in one module.
const OWN_LINTS: &[&str] = &["whimbrel-powerloss"];

/// Returns the lints of the workspace that a package with lints of its own leaves out.
fn missing_lints<'a>(repo: &'a Repo, manifest: &str) -> Vec<&'a str> {
    let own: Vec<&str> = lints(repo.text(manifest), "[lints.").collect();
    let common = lints(repo.text("Cargo.toml"), "[workspace.lints.");
    common
        .filter(|lint| !own.contains(lint) && !lint.starts_with("unsafe_code "))
        .collect()
}

/// Returns the lines of the sections whose heads begin with `head`.
fn lints<'a>(manifest: &'a str, head: &'static str) -> impl Iterator<Item = &'a str> {
    let mut inside = false;
    let lines = manifest.lines().map(str::trim);
    lines.filter(move |line| {
        if line.starts_with('[') {
            inside = line.starts_with(head);
            return false;
        }
        inside && line.contains(" = ")
    })
}

/// Checks that each package takes part in the lints and says what it is.
pub(super) fn packages(repo: &Repo) -> Vec<Problem> {
    let mut problems = Vec::new();
    for package in &repo.packages {
        let mut lines = repo.text(&package.manifest).lines().map(str::trim);
        let lints = lines.by_ref().any(|line| line == "[lints]") && lines.next() == Some("workspace = true");
        if !lints && !OWN_LINTS.contains(&package.name.as_str()) {
            let what = "add `[lints]` with `workspace = true`";
            problems.push(Problem::new(&package.manifest, 0, what));
        }
        if OWN_LINTS.contains(&package.name.as_str()) {
            for lint in missing_lints(repo, &package.manifest) {
                let what = format!("the workspace has the lint `{lint}`: add it here");
                problems.push(Problem::new(&package.manifest, 0, what));
            }
        }
        if package.description.trim().is_empty() {
            problems.push(Problem::new(&package.manifest, 0, "add a `description`"));
        }
    }
    problems
}

/// Checks that each library says in its crate doc what always holds.
pub(super) fn crate_docs(repo: &Repo) -> Vec<Problem> {
    let mut problems = Vec::new();
    for path in repo.packages.iter().filter_map(|package| package.lib.as_deref()) {
        let text = repo.text(path);
        let is_doc = |line: &&str| line.starts_with("//!") || line.starts_with("#![doc");
        if !text.lines().any(|line| is_doc(&line)) {
            problems.push(Problem::new(path, 0, "add a crate doc"));
            continue;
        }
        // A library without a line of code has nothing that could hold.
        let has_code = text
            .lines()
            .any(|line| !line.trim().is_empty() && !line.starts_with("//"));
        let invariants = text
            .lines()
            .filter(is_doc)
            .any(|line| line.trim_end() == "//! ## Invariants");
        if has_code && !invariants {
            let what = "add a section `## Invariants` to the crate doc: what always holds, absences included";
            problems.push(Problem::new(path, 0, what));
        }
    }
    problems
}

/// Packages of which the lock file has exactly one version, and which if it must be one.
const ONE_VERSION: &[(&str, Option<&str>, &str)] = &[
    (
        "libsqlite3-sys",
        Some("0.37.0"),
        "it bundles SQLite 3.51.3, the first release without the WAL-reset corruption race",
    ),
    (
        "tungstenite",
        None,
        "axum and whimbrel-transport-ws share one copy",
    ),
];

/// Checks the versions that must be what they are.
pub(super) fn lock(repo: &Repo) -> Vec<Problem> {
    let text = repo.text("Cargo.lock");
    if text.is_empty() {
        return Vec::new();
    }
    let mut problems = Vec::new();
    for (name, wanted, why) in ONE_VERSION {
        let found = versions(text, name);
        let holds = found.len() == 1 && wanted.is_none_or(|wanted| found[0].1 == wanted);
        if holds {
            continue;
        }
        let list: Vec<&str> = found.iter().map(|(_, version)| *version).collect();
        let what = format!(
            "{name} must be there once{}, found [{}]: {why}",
            wanted.map(|wanted| format!(" as {wanted}")).unwrap_or_default(),
            list.join(", ")
        );
        problems.push(Problem::new(
            "Cargo.lock",
            found.first().map_or(0, |(line, _)| *line),
            what,
        ));
    }
    problems
}

fn versions<'a>(lock: &'a str, name: &str) -> Vec<(usize, &'a str)> {
    let wanted = format!("name = \"{name}\"");
    let lines: Vec<(usize, &str)> = numbered(lock).collect();
    lines
        .windows(2)
        .filter(|pair| pair[0].1 == wanted)
        .filter_map(|pair| {
            let version = pair[1].1.strip_prefix("version = \"")?.strip_suffix('"')?;
            Some((pair[1].0, version))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "crates/a/Cargo.toml";
    const LIB: &str = "crates/a/src/lib.rs";

    #[test]
    fn a_package_without_lints_or_description_fails() {
        let good = Repo::of(&[(MANIFEST, "[package]\n\n[lints]\nworkspace = true\n")]).with("a", &[]);
        assert!(packages(&good).is_empty());
        let mut bad = Repo::of(&[(MANIFEST, "[package]\n")]).with("a", &[]);
        bad.packages[0].description.clear();
        assert_eq!(packages(&bad).len(), 2);
    }

    #[test]
    fn own_lints_are_those_of_the_workspace() {
        let common = "[workspace.lints.rust]\nunsafe_code = \"forbid\"\nmissing_docs = \"warn\"\n\n[profile.dev]\ndebug = \"x\"\n";
        let check = |own: &str| {
            let manifest = "crates/whimbrel-powerloss/Cargo.toml";
            let repo = Repo::of(&[("Cargo.toml", common), (manifest, own)]);
            packages(&repo.with("whimbrel-powerloss", &[])).len()
        };
        let good = "[lints.rust]\nunsafe_code = \"deny\"\nmissing_docs = \"warn\"\nmore = \"warn\"\n";
        assert_eq!(check(good), 0);
        assert_eq!(check(&good.replace("missing_docs = \"warn\"", "")), 1);
        assert_eq!(
            check(&good.replace("missing_docs = \"warn\"", "missing_docs = \"allow\"")),
            1
        );
        assert_eq!(check(&good.replace("[lints.rust]", "[features]")), 1);
    }

    #[test]
    fn a_library_without_invariants_fails() {
        for (text, expected) in [
            (
                "//! Does.\n//!\n//! ## Invariants\n//!\n//! - It does.\nmod a;\n",
                0,
            ),
            ("//! Only tests.\n", 0),
            ("//! Does.\nmod a;\n", 1),
            ("mod a;\n", 1),
        ] {
            let repo = Repo::of(&[(LIB, text)]).with("a", &[]);
            assert_eq!(crate_docs(&repo).len(), expected, "{text}");
        }
    }

    #[test]
    fn a_second_or_a_wrong_version_fails() {
        let entry = |name: &str, version: &str| {
            format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n\n")
        };
        let tungstenite = entry("tungstenite", "0.29.0");
        let good = entry("libsqlite3-sys", "0.37.0") + &tungstenite;
        assert!(lock(&Repo::of(&[("Cargo.lock", &good)])).is_empty());
        let old = entry("libsqlite3-sys", "0.30.1") + &tungstenite;
        assert_eq!(lock(&Repo::of(&[("Cargo.lock", &old)]))[0].line, 3);
        let twice = good.clone() + &entry("tungstenite", "0.28.0");
        assert_eq!(lock(&Repo::of(&[("Cargo.lock", &twice)])).len(), 1);
        assert_eq!(lock(&Repo::of(&[("Cargo.lock", &tungstenite)])).len(), 1);
    }
}
