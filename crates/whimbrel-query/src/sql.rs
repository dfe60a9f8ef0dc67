//! Filters and sorts as SQL. What a statement compares is in its values; its text has nothing that a user wrote.

use crate::{
    FieldRule, Filter, PageCursor, Query, QueryError, Value,
    error::{Pointer, Problem},
    filter::{Node, Term, Test},
    fold,
    operator::Operator,
};
use order::Way;
use source::Source;

mod order;
mod schema;
mod source;

pub use schema::{Column, CustomColumn, Dialect, Schema};

/// A value for a placeholder of a statement.
#[derive(Clone, Debug, PartialEq)]
pub enum Bind {
    /// A whole number: `INTEGER`, `bigint`.
    Integer(i64),
    /// A number: `REAL`, `double precision`.
    Real(f64),
    /// True or false.
    Bool(bool),
    /// Text.
    Text(String),
    /// The 16 bytes of a UUID: `BLOB`, `bytea`.
    Bytes(Vec<u8>),
}

/// A filter, a sort and a cursor as parts of a `SELECT`.
#[derive(Clone, Debug, PartialEq)]
pub struct Sql {
    /// What stands after `WHERE`. It can be put in front of an `AND`.
    pub condition: String,
    /// What stands after `ORDER BY`. Empty for a filter alone.
    pub order: String,
    /// The values, for the placeholders `?N` of SQLite or `$N::type` of Postgres, in the order of N. A value can have several
    /// placeholders.
    pub binds: Vec<Bind>,
}

impl Filter {
    /// Compiles the filter for the tables of `schema`.
    ///
    /// `before` is the number of values that the statement has already: the first one here is the next.
    ///
    /// # Errors
    /// [`QueryError`] as [`Filter::validate`], and for what the schema has no column for.
    pub fn to_sql(&self, schema: &Schema<'_>, before: usize) -> Result<Sql, QueryError> {
        self.validate(schema.endpoint)?;
        let mut compiler = Compiler::new(schema, before);
        let condition = compiler.node(&self.0, &mut Pointer::default())?;
        Ok(Sql {
            condition,
            order: String::new(),
            binds: compiler.binds,
        })
    }
}

impl Query {
    /// Compiles the query for the tables of `schema`: the items that the filter wants, after the cursor if there is
    /// one, in the order of the sort. Add a `LIMIT`.
    ///
    /// `before` is the number of values that the statement has already: the first one here is the next.
    ///
    /// # Errors
    /// [`QueryError`] for a cursor of another query, a schema of another endpoint, and for what the schema has no
    /// column for.
    pub fn to_sql(
        &self,
        schema: &Schema<'_>,
        after: Option<&PageCursor>,
        before: usize,
    ) -> Result<Sql, QueryError> {
        self.page_to_sql(schema, after, before, Way::Onward)
    }

    /// Compiles the query backwards: the items that the filter wants that come before the cursor, the last of them first.
    /// Add a `LIMIT`, and turn what was read round.
    ///
    /// `before` is as in [`Query::to_sql`].
    ///
    /// # Errors
    /// As [`Query::to_sql`].
    pub fn to_sql_back(
        &self,
        schema: &Schema<'_>,
        cursor: &PageCursor,
        before: usize,
    ) -> Result<Sql, QueryError> {
        self.page_to_sql(schema, Some(cursor), before, Way::Back)
    }

    fn page_to_sql(
        &self,
        schema: &Schema<'_>,
        cursor: Option<&PageCursor>,
        before: usize,
        way: Way,
    ) -> Result<Sql, QueryError> {
        let mut compiler = Compiler::new(schema, before);
        let mut pointer = Pointer::default();
        self.require(schema.endpoint)?;
        let values = cursor.map(|cursor| cursor.values_for(self)).transpose()?;
        let mut condition = compiler.node(&self.filter().0, &mut pointer)?;
        let order = compiler.order(self, way)?;
        if let Some(values) = values {
            let rest = compiler.beyond(self, values, way)?;
            condition = format!("{condition} AND {rest}");
        }
        Ok(Sql {
            condition,
            order,
            binds: compiler.binds,
        })
    }
}

impl Schema<'_> {
    /// Returns what the endpoint allows and these columns do not answer: `name: $q`. For a test beside each schema.
    #[must_use]
    pub fn gaps(&self) -> Vec<String> {
        let mut gaps = Vec::new();
        let custom = self.endpoint.custom.then_some(&FieldRule::CUSTOM);
        for rule in self.endpoint.fields.iter().chain(custom) {
            let field = if rule.name == FieldRule::CUSTOM.name {
                "custom.key"
            } else {
                rule.name
            };
            let mut compiler = Compiler::new(self, 0);
            let Ok(source) = compiler.source(field) else {
                gaps.push(rule.name.to_owned());
                continue;
            };
            let searched = [Operator::Autocomplete, Operator::Q];
            if source.folded.is_none() && rule.operators.iter().any(|operator| searched.contains(operator)) {
                gaps.push(format!("{}: {}, {}", rule.name, searched[0], searched[1]));
            }
        }
        gaps
    }
}

/// Gathers the values while the text is written.
struct Compiler<'a> {
    schema: &'a Schema<'a>,
    before: usize,
    binds: Vec<Bind>,
}

impl<'a> Compiler<'a> {
    const fn new(schema: &'a Schema<'a>, before: usize) -> Self {
        Self {
            schema,
            before,
            binds: Vec::new(),
        }
    }

    /// Returns the placeholder of a value. Equal values share one.
    ///
    /// For Postgres with its type: a driver that keeps statements by their text, as sqlx does, would else send the bytes
    /// of a whole number to a statement that was prepared for a double.
    fn bind(&mut self, value: Bind) -> String {
        let sqltype = match &value {
            Bind::Integer(_) => "bigint",
            Bind::Real(_) => "float8",
            Bind::Bool(_) => "boolean",
            Bind::Text(_) => "text",
            Bind::Bytes(_) => "bytea",
        };
        let at = self
            .binds
            .iter()
            .position(|bound| *bound == value)
            .unwrap_or_else(|| {
                self.binds.push(value);
                self.binds.len() - 1
            });
        let number = self.before + at + 1;
        match self.schema.dialect {
            Dialect::Sqlite => format!("?{number}"),
            Dialect::Postgres => format!("${number}::{sqltype}"),
        }
    }

    /// Writes a condition that is true for what matches, and false or NULL for what does not. So a negation is always
    /// `IS NOT TRUE`, and nothing else has to think of NULL.
    fn node(&mut self, node: &Node, pointer: &mut Pointer) -> Result<String, QueryError> {
        match node {
            Node::And(nodes) => self.group("$and", nodes, " AND ", pointer),
            Node::Or(nodes) => self.group("$or", nodes, " OR ", pointer),
            Node::Nor(nodes) => Ok(format!(
                "({} IS NOT TRUE)",
                self.group("$nor", nodes, " OR ", pointer)?
            )),
            Node::Term(Term { field, test }) => pointer.within(field, |pointer| {
                pointer.within(test.operator(), |pointer| {
                    self.term(field, test).map_err(|problem| problem.at(pointer))
                })
            }),
        }
    }

    fn group(
        &mut self,
        name: &str,
        nodes: &[Node],
        between: &str,
        pointer: &mut Pointer,
    ) -> Result<String, QueryError> {
        if nodes.is_empty() {
            let all = if name == "$and" { "TRUE" } else { "FALSE" };
            return Ok(all.to_owned());
        }
        pointer.within(name, |pointer| {
            let each = nodes.iter().enumerate();
            let parts = each.map(|(index, node)| pointer.within(index, |pointer| self.node(node, pointer)));
            Ok(format!(
                "({})",
                parts.collect::<Result<Vec<_>, _>>()?.join(between)
            ))
        })
    }

    fn term(&mut self, field: &str, test: &Test) -> Result<String, Problem> {
        // Nothing is in an empty list. Postgres refuses a value that the text does not use, so none is given.
        match test {
            Test::In(values) if values.is_empty() => return Ok("FALSE".to_owned()),
            Test::Nin(values) if values.is_empty() => return Ok("TRUE".to_owned()),
            _ => {}
        }
        let source = self.source(field)?;
        Ok(match test {
            Test::Eq(value) => self.compare(&source, "=", value),
            Test::Ne(value) => format!("({} IS NOT TRUE)", self.compare(&source, "=", value)),
            Test::Gt(value) => self.compare(&source, ">", value),
            Test::Gte(value) => self.compare(&source, ">=", value),
            Test::Lt(value) => self.compare(&source, "<", value),
            Test::Lte(value) => self.compare(&source, "<=", value),
            Test::In(values) => self.is_in(&source, values),
            Test::Nin(values) => format!("({} IS NOT TRUE)", self.is_in(&source, values)),
            Test::Exists(true) => source.present,
            Test::Exists(false) => format!("({} IS NOT TRUE)", source.present),
            Test::Contains(value) => self.has(&source, std::slice::from_ref(value)),
            Test::Autocomplete(text) => self.finds(field, &source, fold::begun(text))?,
            Test::Q(text) => self.finds(field, &source, fold::words(text).map(|word| fold::whole(&word)))?,
        })
    }

    /// Compares the field as the type of the value. Of another type it is NULL.
    fn compare(&mut self, source: &Source, sign: &str, value: &Value) -> String {
        let Some(typed) = source.typed(value) else {
            return "FALSE".to_owned();
        };
        let typed = if sign == "=" {
            typed.to_owned()
        } else {
            self.ordered(typed, value)
        };
        let bound = self.value(source, value);
        format!("({typed} {sign} {bound})")
    }

    /// Returns text in the order of its bytes. In SQLite it always is.
    fn ordered(&self, typed: &str, value: &Value) -> String {
        match (self.schema.dialect, value) {
            (Dialect::Postgres, Value::Text(_)) => format!("{typed} COLLATE \"C\""),
            _ => typed.to_owned(),
        }
    }

    fn is_in(&mut self, source: &Source, values: &[Value]) -> String {
        let scalar = self.one_of(source, values);
        let list = self.has(source, values);
        match (scalar.as_str(), list.as_str()) {
            (_, "FALSE") => scalar,
            ("FALSE", _) => list,
            _ => format!("({scalar} OR {list})"),
        }
    }

    /// Writes that a single value is one of `values`: one list for each type.
    fn one_of(&mut self, source: &Source, values: &[Value]) -> String {
        let mut parts = Vec::new();
        for same in values.chunk_by(|a, b| a.rank() == b.rank()) {
            if let Some(typed) = same.first().and_then(|value| source.typed(value)) {
                let bound: Vec<String> = same.iter().map(|value| self.value(source, value)).collect();
                parts.push(format!("{typed} IN ({})", bound.join(", ")));
            }
        }
        match parts.len() {
            0 => "FALSE".to_owned(),
            _ => format!("({})", parts.join(" OR ")),
        }
    }

    /// Writes that a list has one of `values`.
    fn has(&mut self, source: &Source, values: &[Value]) -> String {
        let Some(list) = &source.list else {
            return "FALSE".to_owned();
        };
        let matching = self.one_of(&list.element, values);
        if matching == "FALSE" {
            return matching;
        }
        list.having(&matching)
    }

    /// Writes that the folded text has all of `needles`.
    fn finds(
        &mut self,
        field: &str,
        source: &Source,
        needles: impl IntoIterator<Item = String>,
    ) -> Result<String, Problem> {
        let Some(folded) = &source.folded else {
            let what = format!("{field} cannot be searched here: the tables have no folded text of it");
            return Err(Problem::invalid(what));
        };
        let function = match self.schema.dialect {
            Dialect::Sqlite => "instr",
            Dialect::Postgres => "strpos",
        };
        let found = |needle| format!("{function}({folded}, {}) > 0", self.bind(Bind::Text(needle)));
        let parts: Vec<String> = needles.into_iter().map(found).collect();
        match parts.len() {
            0 => Ok("FALSE".to_owned()),
            _ => Ok(format!("({})", parts.join(" AND "))),
        }
    }
}
