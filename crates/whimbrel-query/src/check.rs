//! What makes a filter a valid one.

use crate::{
    Endpoint, FieldRule, Kind, QueryError, Value,
    error::{Pointer, Problem},
    filter::{Node, Term, Test},
    fold, limits, operator,
    operator::Operator,
    value,
};
use whimbrel_model::MessageId;

/// Checks the whole filter; without an endpoint only what holds for all.
pub(crate) fn filter(node: &Node, endpoint: Option<&Endpoint>) -> Result<(), QueryError> {
    let mut walk = Walk {
        endpoint,
        terms: 0,
        depth: 0,
    };
    walk.node(node, &mut Pointer::default())
}

struct Walk<'a> {
    endpoint: Option<&'a Endpoint>,
    terms: usize,
    depth: usize,
}

impl Walk<'_> {
    fn node(&mut self, node: &Node, pointer: &mut Pointer) -> Result<(), QueryError> {
        match node {
            Node::And(nodes) => self.group("$and", nodes, pointer),
            Node::Or(nodes) => self.group("$or", nodes, pointer),
            Node::Nor(nodes) => self.group("$nor", nodes, pointer),
            Node::Term(Term { field, test }) => {
                let endpoint = self.endpoint;
                self.count(pointer)?;
                pointer.within(field, |pointer| {
                    pointer.within(test.operator(), |pointer| term(field, test, endpoint, pointer))
                })
            }
        }
    }

    fn group(&mut self, name: &str, nodes: &[Node], pointer: &mut Pointer) -> Result<(), QueryError> {
        if nodes.is_empty() {
            return self.count(pointer);
        }
        pointer.within(name, |pointer| {
            if self.depth == limits::DEPTH {
                return Err(
                    Problem::too_large(self.depth + 1, limits::DEPTH, "groups in each other").at(pointer),
                );
            }
            self.depth += 1;
            for (index, node) in nodes.iter().enumerate() {
                pointer.within(index, |pointer| self.node(node, pointer))?;
            }
            self.depth -= 1;
            Ok(())
        })
    }

    fn count(&mut self, pointer: &Pointer) -> Result<(), QueryError> {
        self.terms += 1;
        if self.terms > limits::TERMS {
            return Err(Problem::too_large(self.terms, limits::TERMS, "terms").at(pointer));
        }
        Ok(())
    }
}

/// Checks one term; `pointer` is at its operator.
pub(crate) fn term(
    field: &str,
    test: &Test,
    endpoint: Option<&Endpoint>,
    pointer: &mut Pointer,
) -> Result<(), QueryError> {
    let rule = rule(field, test.operator(), endpoint).map_err(|problem| problem.at(pointer))?;
    let kind = rule.map(|rule| rule.kind);
    match test {
        Test::In(values) | Test::Nin(values) => {
            if values.len() > limits::LIST {
                return Err(Problem::too_large(values.len(), limits::LIST, "values").at(pointer));
            }
            for (index, value) in values.iter().enumerate() {
                pointer.within(index, |pointer| {
                    plain(value, kind).map_err(|problem| problem.at(pointer))
                })?;
            }
            return Ok(());
        }
        Test::Eq(value) | Test::Ne(value) | Test::Contains(value) => plain(value, kind),
        Test::Gt(value) | Test::Gte(value) | Test::Lt(value) | Test::Lte(value) => ordered(value, kind),
        Test::Exists(_) => Ok(()),
        Test::Autocomplete(text) | Test::Q(text) => words(text),
    }
    .map_err(|problem| problem.at(pointer))
}

fn rule<'a>(
    field: &str,
    operator: Operator,
    endpoint: Option<&'a Endpoint>,
) -> Result<Option<&'a FieldRule>, Problem> {
    if field.len() > limits::FIELD_BYTES {
        return Err(Problem::too_large(
            field.len(),
            limits::FIELD_BYTES,
            "bytes of a field's name",
        ));
    }
    let Some(endpoint) = endpoint else { return Ok(None) };
    let rule = endpoint.rule(field)?;
    if rule.operators.contains(&operator) {
        return Ok(Some(rule));
    }
    let what = format!(
        "{field} of {} cannot be asked for with {operator}: use one of {}",
        endpoint.name,
        operator::list(rule.operators)
    );
    Err(Problem::invalid(what))
}

fn ordered(value: &Value, kind: Option<Kind>) -> Result<(), Problem> {
    if matches!(value, Value::Bool(_)) {
        return Err(Problem::invalid(
            "true and false have no order: compare a number or text, or use $eq",
        ));
    }
    plain(value, kind)
}

fn plain(value: &Value, kind: Option<Kind>) -> Result<(), Problem> {
    match value {
        Value::Number(number) if !number.is_finite() => {
            return Err(Problem::invalid(format!("takes a finite number, got {number}")));
        }
        Value::Number(number) if number.fract() == 0.0 && number.abs() > limits::WHOLE_NUMBER => {
            let what = format!(
                "whole numbers are exact up to {}, got {}: keep greater ones as text",
                limits::WHOLE_NUMBER,
                value.to_json()
            );
            return Err(Problem::invalid(what));
        }
        Value::Text(text) => is_text(text)?,
        Value::Number(_) | Value::Bool(_) => {}
    }
    kind.map_or(Ok(()), |kind| of_kind(value, kind))
}

pub(crate) fn of_kind(value: &Value, kind: Kind) -> Result<(), Problem> {
    let fits = match (kind, value) {
        (Kind::Any, _)
        | (Kind::Text | Kind::TextList, Value::Text(_))
        | (Kind::Number, Value::Number(_))
        | (Kind::Bool, Value::Bool(_)) => true,
        (Kind::Time, Value::Number(number)) => value::whole(*number).is_some(),
        (Kind::Uuid, Value::Text(text)) => is_canonical_uuid(text),
        _ => false,
    };
    if fits {
        return Ok(());
    }
    Err(Problem::invalid(format!(
        "takes {}, got {}",
        kind.takes(),
        value.to_json()
    )))
}

/// One id has one text, so that text can be compared.
fn is_canonical_uuid(text: &str) -> bool {
    text.parse::<MessageId>().is_ok_and(|id| id.to_string() == text)
}

pub(crate) fn is_text(text: &str) -> Result<(), Problem> {
    if text.len() > limits::TEXT_BYTES {
        return Err(Problem::too_large(
            text.len(),
            limits::TEXT_BYTES,
            "bytes of text",
        ));
    }
    if text.contains('\0') {
        return Err(Problem::invalid(
            "has a character U+0000, which not every database can hold: leave it out",
        ));
    }
    Ok(())
}

fn words(text: &str) -> Result<(), Problem> {
    is_text(text)?;
    let count = fold::words(text).count();
    if count > limits::WORDS {
        return Err(Problem::too_large(count, limits::WORDS, "words"));
    }
    Ok(())
}
