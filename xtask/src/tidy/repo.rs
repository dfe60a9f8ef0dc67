//! What the checks look at: the files of the checkout and what cargo says about its packages.

use crate::process::{Cargo, Failure};
use crate::workspace;
use serde::Deserialize;
use std::{fs, io, path::Path};

/// Directories that hold no sources.
const SKIPPED: &[&str] = &[".git", ".demo", "target"];

/// The checkout.
#[derive(Debug, Default)]
pub(super) struct Repo {
    /// Every text file, by path.
    pub(super) files: Vec<File>,
    /// Every package of the workspace.
    pub(super) packages: Vec<Package>,
}

/// One text file.
#[derive(Debug)]
pub(super) struct File {
    /// Path from the root, with `/`.
    pub(super) path: String,
    /// What it holds.
    pub(super) text: String,
}

/// One package, as far as the checks need it.
#[derive(Debug, Default)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) description: String,
    /// Path of its `Cargo.toml` from the root.
    pub(super) manifest: String,
    /// Path of its `lib.rs` from the root, if it has one.
    pub(super) lib: Option<String>,
    pub(super) dependencies: Vec<Dependency>,
}

/// One dependency of a package.
#[derive(Debug, Deserialize)]
pub(super) struct Dependency {
    pub(super) name: String,
    /// Absent: a normal one. Else `dev` or `build`.
    pub(super) kind: Option<String>,
}

impl Dependency {
    pub(super) fn is_dev(&self) -> bool {
        self.kind.as_deref() == Some("dev")
    }
}

impl Repo {
    /// Reads the checkout.
    ///
    /// # Errors
    /// When a directory cannot be read, or cargo does not understand the workspace.
    pub(super) fn read() -> Result<Self, Failure> {
        let root = workspace::root();
        let mut files = Vec::new();
        read_into(&root, &root, &mut files).map_err(|error| {
            Failure::new(format!("cannot read the checkout: {error}"), "cargo xtask tidy")
        })?;
        files.sort_by(|a: &File, b| a.path.cmp(&b.path));
        let metadata = Cargo::new(["metadata", "--format-version", "1", "--no-deps"]).output()?;
        let packages = packages(&metadata, &root).map_err(|error| {
            Failure::new(
                format!("cannot read what cargo says: {error}"),
                "cargo metadata --no-deps",
            )
        })?;
        Ok(Self { files, packages })
    }

    /// Returns the text of the file at `path`. Empty: there is none.
    pub(super) fn text(&self, path: &str) -> &str {
        let file = self.files.iter().find(|file| file.path == path);
        file.map_or("", |file| &file.text)
    }

    /// Iterates over the Rust files.
    pub(super) fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.path.ends_with(".rs"))
    }
}

fn read_into(root: &Path, dir: &Path, files: &mut Vec<File>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            if !SKIPPED.iter().any(|skipped| entry.file_name() == *skipped) {
                read_into(root, &path, files)?;
            }
            continue;
        }
        // A file that vanished meanwhile, or is not text, is not for the checks.
        if let Ok(text) = fs::read_to_string(&path) {
            files.push(File {
                path: relative(root, &path),
                text,
            });
        }
    }
    Ok(())
}

fn relative(root: &Path, path: &Path) -> String {
    let path = path.strip_prefix(root).unwrap_or(path);
    path.to_string_lossy().replace('\\', "/")
}

fn packages(metadata: &str, root: &Path) -> serde_json::Result<Vec<Package>> {
    #[derive(Deserialize)]
    struct Metadata {
        packages: Vec<Raw>,
    }
    #[derive(Deserialize)]
    struct Raw {
        name: String,
        description: Option<String>,
        manifest_path: String,
        targets: Vec<Target>,
        dependencies: Vec<Dependency>,
    }
    #[derive(Deserialize)]
    struct Target {
        kind: Vec<String>,
        src_path: String,
    }
    let metadata: Metadata = serde_json::from_str(metadata)?;
    let package = |raw: Raw| Package {
        lib: raw
            .targets
            .iter()
            .find(|target| target.kind.iter().any(|kind| kind == "lib"))
            .map(|target| relative(root, Path::new(&target.src_path))),
        name: raw.name,
        description: raw.description.unwrap_or_default(),
        manifest: relative(root, Path::new(&raw.manifest_path)),
        dependencies: raw.dependencies,
    };
    Ok(metadata.packages.into_iter().map(package).collect())
}

/// Iterates over the lines of a text with their numbers.
pub(super) fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line))
}

#[cfg(test)]
impl Repo {
    /// Builds a repository of these files.
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let file = |&(path, text): &(&str, &str)| File {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        Self {
            files: files.iter().map(file).collect(),
            packages: Vec::new(),
        }
    }

    /// Adds a package with these dependencies; a name with `dev ` before it is a dev-dependency.
    pub(super) fn with(mut self, name: &str, dependencies: &[&str]) -> Self {
        let dependency = |text: &&str| match text.split_once(' ') {
            Some((kind, name)) => Dependency {
                name: name.to_owned(),
                kind: Some(kind.to_owned()),
            },
            None => Dependency {
                name: (*text).to_owned(),
                kind: None,
            },
        };
        self.packages.push(Package {
            name: name.to_owned(),
            description: "Something.".to_owned(),
            manifest: format!("crates/{name}/Cargo.toml"),
            lib: Some(format!("crates/{name}/src/lib.rs")),
            dependencies: dependencies.iter().map(dependency).collect(),
        });
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_checkout_is_read_whole() {
        let repo = Repo::read().unwrap();
        assert!(repo.text("Cargo.toml").contains("[workspace]"));
        let xtask = repo
            .packages
            .iter()
            .find(|package| package.name == "xtask")
            .unwrap();
        assert_eq!((xtask.manifest.as_str(), &xtask.lib), ("xtask/Cargo.toml", &None));
        let model = repo
            .packages
            .iter()
            .find(|package| package.name == "whimbrel-model")
            .unwrap();
        assert_eq!(model.lib.as_deref(), Some("crates/whimbrel-model/src/lib.rs"));
        assert!(model.dependencies.iter().any(|dependency| dependency.is_dev()));
    }
}
