use super::ConfigError;
use figment::{
    Provider,
    providers::{Format, Toml},
    value::{Num, Value},
};
use std::{collections::BTreeMap, fmt, path::Path};

/// Where a setting came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A command line flag.
    Flag,
    /// An environment variable.
    Environment,
    /// The configuration file at this path.
    File(String),
    /// Nobody set it.
    Default,
}

/// The settings as texts, each with its source: flags win over the environment, that over the file.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings(BTreeMap<&'static str, (String, Source)>);

impl Settings {
    /// Gathers every one of `keys` from the three sources.
    pub(super) fn gather(
        keys: &[&'static str],
        flags: &BTreeMap<&'static str, String>,
        environment: &dyn Fn(&str) -> Option<String>,
        file: Option<&Path>,
    ) -> Result<Self, ConfigError> {
        let mut from_file = file.map(read_file).transpose()?.unwrap_or_default();
        let mut settings = BTreeMap::new();
        for key in keys {
            let in_file = from_file.remove(*key);
            let found = flags
                .get(key)
                .map(|text| (text.clone(), Source::Flag))
                .or_else(|| environment(&variable(key)).map(|text| (text, Source::Environment)))
                .or_else(|| in_file.map(|text| (text, Source::File(file_name(file)))));
            if let Some(found) = found {
                settings.insert(*key, found);
            }
        }
        if let Some(unknown) = from_file.keys().next() {
            let problem = format!("is not a setting; the settings are {}", keys.join(", "));
            return Err(ConfigError::new(unknown, &Source::File(file_name(file)), problem));
        }
        Ok(Self(settings))
    }

    /// Returns the text of `key`.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(|(text, _)| text.as_str())
    }

    /// Parses `key`, or returns `default`.
    pub(super) fn parse<T, E: fmt::Display>(
        &self,
        key: &'static str,
        default: T,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<T, ConfigError> {
        match self.text(key) {
            None => Ok(default),
            Some(text) => parse(text).map_err(|problem| self.error(key, problem.to_string())),
        }
    }

    /// Makes an error about `key` that names its source.
    pub(super) fn error(&self, key: &'static str, problem: impl Into<String>) -> ConfigError {
        let source = self.0.get(key).map_or(&Source::Default, |(_, source)| source);
        ConfigError::new(key, source, problem)
    }
}

/// Returns the name of the environment variable of `key`.
pub(super) fn variable(key: &str) -> String {
    format!("WHIMBREL_{}", key.to_ascii_uppercase())
}

fn file_name(path: Option<&Path>) -> String {
    path.map(|path| path.display().to_string()).unwrap_or_default()
}

fn read_file(path: &Path) -> Result<BTreeMap<String, String>, ConfigError> {
    let source = Source::File(path.display().to_string());
    let text = std::fs::read_to_string(path)
        .map_err(|error| ConfigError::new("config", &source, format!("cannot be read: {error}")))?;
    let data = Toml::string(&text)
        .data()
        .map_err(|error| ConfigError::new("config", &source, not_toml(&error.to_string())))?;
    let mut settings = BTreeMap::new();
    for (key, value) in data.into_values().flatten() {
        let text = scalar(&value).ok_or_else(|| {
            ConfigError::new(
                &key,
                &source,
                "must be a text, a number, a boolean or a list of texts",
            )
        })?;
        settings.insert(key, text);
    }
    Ok(settings)
}

/// Says where a file is no TOML. Only that: the rest of what the parser says shows the line, and a secret may be on it.
fn not_toml(said: &str) -> String {
    format!("is not TOML: {}", said.lines().next().unwrap_or_default())
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(_, text) => Some(text.clone()),
        Value::Bool(_, flag) => Some(flag.to_string()),
        Value::Num(_, Num::I64(number)) => Some(number.to_string()),
        Value::Num(_, number) => number.to_u128().map(|number| number.to_string()),
        Value::Array(_, items) => Some(items.iter().map(scalar).collect::<Option<Vec<_>>>()?.join(",")),
        _ => None,
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("the command line"),
            Self::Environment => f.write_str("the environment"),
            Self::File(path) => write!(f, "the file {path}"),
            Self::Default => f.write_str("the defaults"),
        }
    }
}
