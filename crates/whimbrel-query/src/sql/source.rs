//! One field as expressions, one for each type that it can have.

use super::{
    Bind, Compiler, Dialect,
    schema::{CustomColumn, Place},
};
use crate::{Kind, Value, endpoint::custom_key, error::Problem, value};
use whimbrel_model::MessageId;

/// The expressions of a field. Each is NULL where the field is missing or of another type; a type that the field never
/// has is absent.
#[derive(Debug, Default)]
pub(super) struct Source {
    pub(super) text: Option<String>,
    pub(super) number: Option<String>,
    pub(super) boolean: Option<String>,
    /// True where the field is there.
    pub(super) present: String,
    pub(super) list: Option<Box<List>>,
    pub(super) folded: Option<String>,
    /// How numbers and uuids are given.
    form: Form,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Form {
    /// As whole numbers where they are, and as text.
    #[default]
    Plain,
    /// Uuids as bytes.
    UuidBytes,
    /// Every number as a double, as JSON has it.
    Json,
}

/// A list: a condition with a place for what holds for an entry.
#[derive(Debug)]
pub(super) struct List {
    having: String,
    pub(super) element: Source,
}

const MATCH: &str = "{match}";

impl List {
    pub(super) fn having(&self, matching: &str) -> String {
        format!("({})", self.having.replace(MATCH, matching))
    }
}

impl Source {
    /// Returns the expression of the type that `value` has.
    pub(super) fn typed(&self, value: &Value) -> Option<&str> {
        match value {
            Value::Text(_) => self.text.as_deref(),
            Value::Number(_) => self.number.as_deref(),
            Value::Bool(_) => self.boolean.as_deref(),
        }
    }
}

impl Compiler<'_> {
    /// Returns the placeholder of a value that is compared with `source`.
    pub(super) fn value(&mut self, source: &Source, value: &Value) -> String {
        match (value, source.form) {
            (Value::Bool(flag), _) => self.bind(Bind::Bool(*flag)),
            (Value::Number(number), Form::Json) => match self.schema.dialect {
                // SQLite is not exact in the last digit when it reads a number of many digits. What it reads the same
                // way is the same.
                Dialect::Sqlite => {
                    let text = self.bind(Bind::Text(value.to_json().to_string()));
                    format!("CAST({text} AS REAL)")
                }
                Dialect::Postgres => self.bind(Bind::Real(*number)),
            },
            (Value::Number(number), _) => match value::whole(*number) {
                Some(whole) => self.bind(Bind::Integer(whole)),
                None => self.bind(Bind::Real(*number)),
            },
            (Value::Text(text), form) => match text.parse::<MessageId>() {
                Ok(id) if form == Form::UuidBytes => self.bind(Bind::Bytes(id.0.as_bytes().to_vec())),
                _ => self.bind(Bind::Text(text.clone())),
            },
        }
    }

    /// Returns the expressions of a field.
    pub(super) fn source(&mut self, field: &str) -> Result<Source, Problem> {
        let schema = self.schema;
        let kind = schema.endpoint.rule(field)?.kind;
        if let Some(key) = custom_key(field) {
            let Some(json) = &schema.custom else {
                return Err(Problem::invalid("these tables have no custom data"));
            };
            return Ok(match schema.dialect {
                Dialect::Sqlite => self.custom_in_sqlite(json, key),
                Dialect::Postgres => self.custom_in_postgres(json, key),
            });
        }
        let column = schema.columns.iter().find(|(name, _)| *name == field);
        let Some((_, column)) = column else {
            let what = format!("{field} cannot be asked for here: the tables have no column for it");
            return Err(Problem::invalid(what));
        };
        Ok(match column.0 {
            Place::Value { value, folded } => built_in(kind, value, folded),
            Place::UuidBytes(value) => Source {
                form: Form::UuidBytes,
                ..built_in(kind, value, None)
            },
            Place::List { having, element } => Source {
                present: format!("({})", having.replace(MATCH, "TRUE")),
                list: Some(Box::new(List {
                    having: having.to_owned(),
                    element: built_in(Kind::Text, element, None),
                })),
                ..Source::default()
            },
        })
    }

    fn custom_in_sqlite(&mut self, json: &CustomColumn<'_>, key: &str) -> Source {
        let mut path = String::from("$");
        for key in json.path.iter().copied().chain([key]) {
            path.push_str(&format!(".\"{key}\""));
        }
        let place = format!("{}, {}", json.doc, self.bind(Bind::Text(path)));
        let kind = format!("json_type({place})");
        Source {
            present: format!("({kind} <> 'null')"),
            list: Some(Box::new(List {
                having: format!(
                    "{kind} = 'array' AND EXISTS (SELECT 1 FROM json_each({place}) AS entry WHERE {MATCH})"
                ),
                element: json_in_sqlite("entry.type", "entry.value"),
            })),
            ..json_in_sqlite(&kind, &format!("json_extract({place})"))
        }
    }

    fn custom_in_postgres(&mut self, json: &CustomColumn<'_>, key: &str) -> Source {
        let keys: Vec<String> = json
            .path
            .iter()
            .copied()
            .chain([key])
            .map(str::to_owned)
            .collect();
        let steps: Vec<String> = keys.into_iter().map(|key| self.bind(Bind::Text(key))).collect();
        let value = format!("({} -> {})", json.doc, steps.join(" -> "));
        Source {
            present: format!("(jsonb_typeof({value}) <> 'null')"),
            list: Some(Box::new(List {
                // Without CASE the list could be taken apart before it is known to be one.
                having: format!(
                    "CASE WHEN jsonb_typeof({value}) = 'array' THEN \
                     EXISTS (SELECT 1 FROM jsonb_array_elements({value}) AS entry(value) WHERE {MATCH}) END"
                ),
                element: json_in_postgres("entry.value"),
            })),
            ..json_in_postgres(&value)
        }
    }
}

fn built_in(kind: Kind, value: &str, folded: Option<&str>) -> Source {
    let source = Source {
        present: format!("({value} IS NOT NULL)"),
        folded: folded.map(str::to_owned),
        ..Source::default()
    };
    let value = Some(value.to_owned());
    match kind {
        Kind::Text | Kind::Uuid | Kind::TextList | Kind::Any => Source {
            text: value,
            ..source
        },
        Kind::Number | Kind::Time => Source {
            number: value,
            ..source
        },
        Kind::Bool => Source {
            boolean: value,
            ..source
        },
    }
}

fn json_in_sqlite(kind: &str, value: &str) -> Source {
    Source {
        text: Some(format!("CASE WHEN {kind} = 'text' THEN {value} END")),
        number: Some(format!(
            "CASE WHEN {kind} IN ('integer', 'real') THEN CAST({value} AS REAL) END"
        )),
        boolean: Some(format!("CASE {kind} WHEN 'true' THEN 1 WHEN 'false' THEN 0 END")),
        form: Form::Json,
        ..Source::default()
    }
}

fn json_in_postgres(value: &str) -> Source {
    let typed = |kind: &str, cast: &str| {
        Some(format!(
            "(CASE WHEN jsonb_typeof({value}) = '{kind}' THEN ({value} #>> '{{}}'){cast} END)"
        ))
    };
    Source {
        text: typed("string", ""),
        number: typed("number", "::float8"),
        boolean: typed("boolean", "::boolean"),
        form: Form::Json,
        ..Source::default()
    }
}
