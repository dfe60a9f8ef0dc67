//! Filters as JSON.

use crate::{
    Endpoint, QueryError, Value, check,
    error::{Pointer, Problem},
    filter::{Node, Term, Test},
    limits,
    operator::{self, Operator},
};
use serde_json::{Map, Value as Json, json};

pub(crate) fn print(node: &Node) -> Json {
    let group = |name: &str, nodes: &[Node]| {
        let inner: Vec<Json> = nodes.iter().map(print).collect();
        json!({ name: inner })
    };
    match node {
        Node::And(nodes) if nodes.is_empty() => json!({}),
        Node::And(nodes) => group("$and", nodes),
        Node::Or(nodes) => group("$or", nodes),
        Node::Nor(nodes) => group("$nor", nodes),
        Node::Term(term) => json!({ &term.field: { term.test.operator().as_str(): operand(&term.test) } }),
    }
}

fn operand(test: &Test) -> Json {
    match test {
        Test::Eq(value)
        | Test::Ne(value)
        | Test::Gt(value)
        | Test::Gte(value)
        | Test::Lt(value)
        | Test::Lte(value)
        | Test::Contains(value) => value.to_json(),
        Test::In(values) | Test::Nin(values) => values.iter().map(Value::to_json).collect(),
        Test::Exists(exists) => (*exists).into(),
        Test::Autocomplete(text) | Test::Q(text) => text.as_str().into(),
    }
}

pub(crate) fn parse(json: &Json, endpoint: Option<&Endpoint>) -> Result<Node, QueryError> {
    let mut parser = Parser {
        endpoint,
        terms: 0,
        depth: 0,
    };
    let node = parser.filter(json, &mut Pointer::default())?;
    // An object of several fields is a group that only the one form shows.
    check::filter(&node, None)?;
    Ok(node)
}

struct Parser<'a> {
    endpoint: Option<&'a Endpoint>,
    terms: usize,
    depth: usize,
}

impl Parser<'_> {
    fn filter(&mut self, json: &Json, pointer: &mut Pointer) -> Result<Node, QueryError> {
        let Json::Object(object) = json else {
            let what = format!("a filter is an object such as {{\"name\": {{\"$eq\": \"x\"}}}}, got {json}");
            return Err(Problem::invalid(shorten(what)).at(pointer));
        };
        let mut nodes = Vec::with_capacity(object.len().min(limits::TERMS));
        for (key, value) in sorted(object) {
            pointer.within(key, |pointer| {
                match key.as_str() {
                    "$and" => nodes.push(Node::and(self.group(value, pointer)?)),
                    "$or" => nodes.push(Node::or(self.group(value, pointer)?)),
                    "$nor" => nodes.push(Node::nor(self.group(value, pointer)?)),
                    operator if operator.starts_with('$') => return Err(misplaced(operator).at(pointer)),
                    field => self.field(field, value, pointer, &mut nodes)?,
                }
                Ok(())
            })?;
        }
        Ok(Node::and(nodes))
    }

    fn group(&mut self, json: &Json, pointer: &mut Pointer) -> Result<Vec<Node>, QueryError> {
        let Json::Array(filters) = json else {
            let what = format!("takes a list of filters, got {json}");
            return Err(Problem::invalid(shorten(what)).at(pointer));
        };
        if self.depth == limits::DEPTH {
            return Err(
                Problem::too_large(self.depth + 1, limits::DEPTH, "groups in each other").at(pointer),
            );
        }
        if filters.is_empty() {
            self.count(pointer)?;
        }
        self.depth += 1;
        let mut nodes = Vec::with_capacity(filters.len().min(limits::TERMS));
        for (index, filter) in filters.iter().enumerate() {
            nodes.push(pointer.within(index, |pointer| {
                if filter.as_object().is_some_and(Map::is_empty) {
                    self.count(pointer)?;
                }
                self.filter(filter, pointer)
            })?);
        }
        self.depth -= 1;
        Ok(nodes)
    }

    /// Reads what is asked of one field: a value, which it has to be, or an object of operators.
    fn field(
        &mut self,
        field: &str,
        json: &Json,
        pointer: &mut Pointer,
        nodes: &mut Vec<Node>,
    ) -> Result<(), QueryError> {
        let Json::Object(tests) = json else {
            let test = read_test(Operator::Eq, json, pointer)?;
            nodes.push(self.term(field, test, pointer)?);
            return Ok(());
        };
        if tests.is_empty() {
            let what = format!("has no operator: add one of {}", operator::list(Operator::ALL));
            return Err(Problem::invalid(what).at(pointer));
        }
        for (name, operand) in sorted(tests) {
            let node = pointer.within(name, |pointer| {
                let Some(operator) = Operator::of(name) else {
                    return Err(unknown_operator(field, name).at(pointer));
                };
                let test = read_test(operator, operand, pointer)?;
                self.term(field, test, pointer)
            })?;
            nodes.push(node);
        }
        Ok(())
    }

    fn term(&mut self, field: &str, test: Test, pointer: &mut Pointer) -> Result<Node, QueryError> {
        self.count(pointer)?;
        check::term(field, &test, self.endpoint, pointer)?;
        let field = field.to_owned();
        Ok(Node::Term(Term {
            field,
            test: test.canonical(),
        }))
    }

    fn count(&mut self, pointer: &Pointer) -> Result<(), QueryError> {
        self.terms += 1;
        if self.terms > limits::TERMS {
            return Err(Problem::too_large(self.terms, limits::TERMS, "terms").at(pointer));
        }
        Ok(())
    }
}

/// Returns the entries by key, however the JSON came: the one form must not depend on it.
fn sorted(object: &Map<String, Json>) -> Vec<(&String, &Json)> {
    let mut entries: Vec<_> = object.iter().collect();
    entries.sort_by_key(|(key, _)| *key);
    entries
}

fn read_test(operator: Operator, json: &Json, pointer: &mut Pointer) -> Result<Test, QueryError> {
    Ok(match operator {
        Operator::Eq => Test::Eq(value(json, pointer)?),
        Operator::Ne => Test::Ne(value(json, pointer)?),
        Operator::Gt => Test::Gt(value(json, pointer)?),
        Operator::Gte => Test::Gte(value(json, pointer)?),
        Operator::Lt => Test::Lt(value(json, pointer)?),
        Operator::Lte => Test::Lte(value(json, pointer)?),
        Operator::Contains => Test::Contains(value(json, pointer)?),
        Operator::In => Test::In(values(json, pointer)?),
        Operator::Nin => Test::Nin(values(json, pointer)?),
        Operator::Exists => match json {
            Json::Bool(exists) => Test::Exists(*exists),
            other => return Err(wrong("true or false", other).at(pointer)),
        },
        Operator::Autocomplete => Test::Autocomplete(text(json, pointer)?),
        Operator::Q => Test::Q(text(json, pointer)?),
    })
}

fn value(json: &Json, pointer: &Pointer) -> Result<Value, QueryError> {
    let problem = || match json {
        Json::Null => Problem::invalid("null is no value: ask for what is missing with {\"$exists\": false}"),
        Json::Array(_) => Problem::invalid("a list is no value: ask for one of several values with $in"),
        other => wrong("true, false, a number or text", other),
    };
    Value::of_json(json).ok_or_else(|| problem().at(pointer))
}

fn values(json: &Json, pointer: &mut Pointer) -> Result<Vec<Value>, QueryError> {
    let Json::Array(list) = json else {
        return Err(wrong("a list of values", json).at(pointer));
    };
    if list.len() > limits::LIST {
        return Err(Problem::too_large(list.len(), limits::LIST, "values").at(pointer));
    }
    let each = list.iter().enumerate();
    each.map(|(index, json)| pointer.within(index, |pointer| value(json, pointer)))
        .collect()
}

fn text(json: &Json, pointer: &Pointer) -> Result<String, QueryError> {
    match json {
        Json::String(text) => Ok(text.clone()),
        other => Err(wrong("text", other).at(pointer)),
    }
}

fn wrong(wanted: &str, got: &Json) -> Problem {
    Problem::invalid(shorten(format!("takes {wanted}, got {got}")))
}

fn misplaced(operator: &str) -> Problem {
    let what = match Operator::of(operator) {
        Some(_) => format!("{operator} stands below a field, as in {{\"name\": {{\"{operator}\": …}}}}"),
        None => format!("{operator} is no group: use $and, $or or $nor, or start with a field"),
    };
    Problem::invalid(shorten(what))
}

fn unknown_operator(field: &str, name: &str) -> Problem {
    let what = if name.starts_with('$') {
        format!(
            "{name} is no operator: use one of {}",
            operator::list(Operator::ALL)
        )
    } else {
        format!(
            "an object below a field holds operators, {name} is none; a field of custom data is written custom.<key>, and {field} cannot be compared with an object"
        )
    };
    Problem::invalid(shorten(what))
}

/// Keeps what a stranger sent from filling a log.
fn shorten(what: String) -> String {
    const LONGEST: usize = 300;
    match what.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &what[..at]),
        None => what,
    }
}
