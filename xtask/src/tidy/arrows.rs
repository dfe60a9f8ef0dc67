//! Who may depend on whom. This table and the one in `docs/ARCHITECTURE.md` say the same.

use super::Problem;
use super::repo::{Package, Repo, numbered};

/// What one package depends on, of the packages in this workspace.
struct Arrows {
    package: &'static str,
    /// What it depends on. One that is missing is a row that no longer holds.
    needs: &'static [&'static str],
    /// What it may depend on beside.
    may: &'static [&'static str],
    /// What its tests may depend on beside; [`ANY_TEST`] goes without saying.
    tests: &'static [&'static str],
}

/// What the tests of every package may depend on.
const ANY_TEST: &str = "whimbrel-testkit";

const NOTHING: Arrows = Arrows {
    package: "",
    needs: &[],
    may: &[],
    tests: &[],
};

/// The arrows, from the bottom up. An arrow points to a package above its own row.
const TABLE: &[Arrows] = &[
    Arrows {
        package: "whimbrel-model",
        ..NOTHING
    },
    Arrows {
        package: "whimbrel-transport",
        ..NOTHING
    },
    Arrows {
        package: "whimbrel-archive",
        needs: &["whimbrel-model"],
        ..NOTHING
    },
    Arrows {
        package: "whimbrel-protocol",
        needs: &["whimbrel-model"],
        ..NOTHING
    },
    Arrows {
        package: "whimbrel-query",
        needs: &["whimbrel-model"],
        ..NOTHING
    },
    Arrows {
        package: "whimbrel-transport-ws",
        needs: &["whimbrel-transport"],
        ..NOTHING
    },
    Arrows {
        package: "whimbrel-store",
        needs: &["whimbrel-model", "whimbrel-query"],
        ..NOTHING
    },
    Arrows {
        package: "whimbrel-state",
        needs: &["whimbrel-model", "whimbrel-query"],
        ..NOTHING
    },
    Arrows {
        package: "whimbrel-sync",
        needs: &["whimbrel-model", "whimbrel-protocol"],
        ..NOTHING
    },
    Arrows {
        package: "whimbrel-hub",
        needs: &["whimbrel-model", "whimbrel-protocol", "whimbrel-query"],
        ..NOTHING
    },
    Arrows {
        package: "whimbrel-store-sqlite",
        needs: &["whimbrel-model", "whimbrel-query", "whimbrel-store"],
        ..NOTHING
    },
    Arrows {
        package: "whimbrel-client",
        needs: &[
            "whimbrel-archive",
            "whimbrel-model",
            "whimbrel-protocol",
            "whimbrel-query",
            "whimbrel-state",
            "whimbrel-store",
            "whimbrel-sync",
            "whimbrel-transport",
        ],
        // Calls are given up over a store with a thread of its own.
        tests: &["whimbrel-store-sqlite"],
        ..NOTHING
    },
    Arrows {
        package: "whimbrel-server",
        needs: &[
            "whimbrel-hub",
            "whimbrel-model",
            "whimbrel-protocol",
            "whimbrel-query",
        ],
        ..NOTHING
    },
    Arrows {
        package: "whimbrel",
        needs: &[
            "whimbrel-client",
            "whimbrel-store-sqlite",
            "whimbrel-transport-ws",
        ],
        ..NOTHING
    },
    Arrows {
        package: "whimbrel-testkit",
        needs: &[
            "whimbrel-hub",
            "whimbrel-model",
            "whimbrel-protocol",
            "whimbrel-query",
            "whimbrel-store",
            "whimbrel-transport",
        ],
        may: &["whimbrel-client", "whimbrel-state", "whimbrel-sync"],
        ..NOTHING
    },
    Arrows {
        package: "whimbrel-powerloss",
        needs: &[
            "whimbrel-hub",
            "whimbrel-model",
            "whimbrel-protocol",
            "whimbrel-server",
            "whimbrel-store",
            "whimbrel-store-sqlite",
            "whimbrel-testkit",
        ],
        ..NOTHING
    },
    Arrows {
        package: "whimbrel-tui",
        needs: &["whimbrel"],
        tests: &["whimbrel-server"],
        ..NOTHING
    },
    Arrows {
        package: "whimbrel-e2e",
        needs: &["whimbrel", "whimbrel-server", "whimbrel-testkit"],
        may: &[
            "whimbrel-client",
            "whimbrel-model",
            "whimbrel-protocol",
            "whimbrel-store",
            "whimbrel-store-sqlite",
        ],
        ..NOTHING
    },
    Arrows {
        package: "whimbrel-fuzz",
        needs: &[
            "whimbrel-archive",
            "whimbrel-hub",
            "whimbrel-model",
            "whimbrel-protocol",
            "whimbrel-query",
            "whimbrel-server",
            "whimbrel-store",
            "whimbrel-store-sqlite",
            "whimbrel-sync",
            "whimbrel-transport-ws",
        ],
        ..NOTHING
    },
    Arrows {
        package: "xtask",
        ..NOTHING
    },
    Arrows {
        package: "whimbrel-bench",
        needs: &[
            "whimbrel",
            "whimbrel-hub",
            "whimbrel-model",
            "whimbrel-protocol",
            "whimbrel-query",
            "whimbrel-server",
            "whimbrel-state",
            "whimbrel-store",
            "whimbrel-transport",
        ],
        ..NOTHING
    },
];

/// Checks the arrows between the packages of the workspace against the table, both ways.
pub(super) fn inner(repo: &Repo) -> Vec<Problem> {
    let mut problems = Vec::new();
    for package in &repo.packages {
        match TABLE.iter().find(|row| row.package == package.name) {
            Some(row) => problems.extend(compare(repo, package, row)),
            None => problems.push(Problem::new(
                &package.manifest,
                0,
                format!(
                    "{} has no row in the table of arrows: add one, here and in docs/ARCHITECTURE.md",
                    package.name
                ),
            )),
        }
    }
    // A repository of a test that is not about packages has none.
    let gone = TABLE.iter().filter(|row| {
        !repo.packages.is_empty() && !repo.packages.iter().any(|package| package.name == row.package)
    });
    problems.extend(gone.map(|row| {
        let what = format!(
            "the table of arrows has a row for {}, which is gone: remove it",
            row.package
        );
        Problem::new("Cargo.toml", 0, what)
    }));
    problems
}

fn compare(repo: &Repo, package: &Package, row: &Arrows) -> Vec<Problem> {
    let inside = |name: &str| TABLE.iter().any(|row| row.package == name);
    let mut problems = Vec::new();
    for dependency in package
        .dependencies
        .iter()
        .filter(|dependency| inside(&dependency.name))
    {
        let name = dependency.name.as_str();
        let allowed = row.needs.contains(&name)
            || row.may.contains(&name)
            || (dependency.is_dev() && (name == ANY_TEST || row.tests.contains(&name)));
        if !allowed {
            let kind = if dependency.is_dev() { "tests of " } else { "" };
            let what = format!(
                "{kind}{} may not depend on {name}: arrows only point down the table",
                package.name
            );
            problems.push(at(repo, package, name, what));
        }
    }
    for needed in row.needs {
        let holds = |dependency: &super::repo::Dependency| dependency.name == *needed && !dependency.is_dev();
        if !package.dependencies.iter().any(holds) {
            let what = format!(
                "{} does not depend on {needed} any more: correct the table of arrows, here and in docs/ARCHITECTURE.md",
                package.name
            );
            problems.push(Problem::new(&package.manifest, 0, what));
        }
    }
    problems
}

/// Who alone may depend on what from outside.
struct Outer {
    dependencies: &'static [&'static str],
    packages: &'static [&'static str],
    tests: &'static [&'static str],
}

const OUTER: &[Outer] = &[
    Outer {
        dependencies: &["axum", "hyper", "hyper-util"],
        packages: &["whimbrel-server"],
        tests: &[],
    },
    Outer {
        dependencies: &["sqlx", "libsqlite3-sys"],
        // A bench compares with bare SQLite; the disk that loses its power is a file system of SQLite.
        packages: &[
            "whimbrel-server",
            "whimbrel-store-sqlite",
            "whimbrel-bench",
            "whimbrel-powerloss",
        ],
        // Its tests ask the databases whether they agree with it.
        tests: &["whimbrel-query"],
    },
    Outer {
        dependencies: &["tokio-tungstenite"],
        packages: &["whimbrel-transport-ws"],
        tests: &["whimbrel-e2e", "whimbrel-server", "whimbrel-testkit"],
    },
];

/// Checks that what is big or dangerous from outside stays behind one door.
pub(super) fn outer(repo: &Repo) -> Vec<Problem> {
    let mut problems = Vec::new();
    for package in &repo.packages {
        for dependency in &package.dependencies {
            let name = dependency.name.as_str();
            let Some(rule) = OUTER.iter().find(|rule| rule.dependencies.contains(&name)) else {
                continue;
            };
            let owner = package.name.as_str();
            let allowed =
                rule.packages.contains(&owner) || (dependency.is_dev() && rule.tests.contains(&owner));
            if !allowed {
                let what = format!("only {} may depend on {name}", rule.packages.join(" and "));
                problems.push(at(repo, package, name, what));
            }
        }
    }
    problems
}

/// Makes a problem at the line of the manifest that names `dependency`.
fn at(repo: &Repo, package: &Package, dependency: &str, what: String) -> Problem {
    let names = |line: &str| {
        let rest = line.strip_prefix(dependency);
        rest.is_some_and(|rest| rest.starts_with(['.', ' ', '=']))
    };
    let line = numbered(repo.text(&package.manifest)).find(|(_, line)| names(line));
    Problem::new(&package.manifest, line.map_or(0, |(number, _)| number), what)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns what `check` says about one package, of all that is said.
    fn about(name: &str, check: fn(&Repo) -> Vec<Problem>, repo: &Repo) -> Vec<String> {
        let file = format!("crates/{name}/Cargo.toml");
        let problems = check(repo).into_iter().filter(|problem| problem.file == file);
        problems.map(|problem| problem.to_string()).collect()
    }

    #[test]
    fn an_arrow_that_the_table_does_not_have_fails() {
        let manifest = "[dependencies]\nwhimbrel-model.workspace = true\nwhimbrel-store.workspace = true\n";
        let repo = Repo::of(&[("crates/whimbrel-hub/Cargo.toml", manifest)]).with(
            "whimbrel-hub",
            &[
                "whimbrel-model",
                "whimbrel-protocol",
                "whimbrel-query",
                "whimbrel-store",
            ],
        );
        let problems = about("whimbrel-hub", inner, &repo);
        assert_eq!(problems.len(), 1);
        assert!(
            problems[0].starts_with(
                "crates/whimbrel-hub/Cargo.toml:3: whimbrel-hub may not depend on whimbrel-store"
            )
        );
    }

    #[test]
    fn an_arrow_that_is_gone_fails() {
        let repo = Repo::default().with("whimbrel-sync", &["whimbrel-model", "dev whimbrel-protocol"]);
        let problems = about("whimbrel-sync", inner, &repo);
        assert_eq!(problems.len(), 1);
        assert!(problems[0].contains("does not depend on whimbrel-protocol any more"));
    }

    #[test]
    fn a_package_that_is_gone_or_new_fails() {
        let repo = Repo::default().with("whimbrel-blobs", &[]);
        assert!(about("whimbrel-blobs", inner, &repo)[0].contains("no row"));
        assert!(
            inner(&repo)
                .iter()
                .any(|problem| problem.what.contains("whimbrel-hub, which is gone"))
        );
    }

    #[test]
    fn tests_have_arrows_of_their_own() {
        let good = Repo::default().with(
            "whimbrel-tui",
            &["whimbrel", "dev whimbrel-server", "dev whimbrel-testkit"],
        );
        assert!(about("whimbrel-tui", inner, &good).is_empty());
        let bad = Repo::default().with("whimbrel-tui", &["whimbrel", "whimbrel-server"]);
        assert_eq!(about("whimbrel-tui", inner, &bad).len(), 1);
        let bad = Repo::default().with("whimbrel-model", &["dev whimbrel-client"]);
        assert!(about("whimbrel-model", inner, &bad)[0].contains("tests of whimbrel-model"));
    }

    #[test]
    fn every_arrow_points_up_the_list() {
        for (index, row) in TABLE.iter().enumerate() {
            for name in row.needs.iter().chain(row.may).chain(row.tests) {
                let above = TABLE[..index].iter().any(|other| other.package == *name);
                assert!(above, "{} -> {name}", row.package);
            }
        }
    }

    #[test]
    fn the_outer_arrows_have_one_door() {
        for (package, dependency) in [
            ("whimbrel-hub", "axum"),
            ("whimbrel-client", "sqlx"),
            ("whimbrel-client", "dev tokio-tungstenite"),
            ("whimbrel-server", "tokio-tungstenite"),
        ] {
            let repo = Repo::default().with(package, &[dependency]);
            assert_eq!(about(package, outer, &repo).len(), 1, "{package} -> {dependency}");
        }
        let repo = Repo::default().with("whimbrel-server", &["axum", "sqlx", "dev tokio-tungstenite"]);
        assert!(about("whimbrel-server", outer, &repo).is_empty());
    }
}
