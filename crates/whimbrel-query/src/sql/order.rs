//! The order of a sort, and what comes after a cursor in it.

use super::{Bind, Compiler, Dialect, source::Source};
use crate::{
    Direction, Kind, Query, QueryError, Value,
    error::{Pointer, Problem},
};

/// In which way an order is read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Way {
    /// From the first to the last.
    Onward,
    /// From the last to the first.
    Back,
}

/// One expression to order by. A field of custom data needs several.
struct Step {
    expression: String,
    direction: Direction,
    /// Whether it can be NULL, which comes last.
    nullable: bool,
}

impl Step {
    fn term(&self, way: Way) -> String {
        let direction = match (self.direction, way) {
            (Direction::Ascending, Way::Onward) | (Direction::Descending, Way::Back) => "ASC",
            (Direction::Descending, Way::Onward) | (Direction::Ascending, Way::Back) => "DESC",
        };
        // An index in plain order serves only an order that says nothing of NULL.
        let nulls = match way {
            _ if !self.nullable => "",
            Way::Onward => " NULLS LAST",
            Way::Back => " NULLS FIRST",
        };
        format!("{} {direction}{nulls}", self.expression)
    }

    /// Returns the sign between what is further on that way and a value.
    const fn sign(&self, way: Way) -> &'static str {
        match (self.direction, way) {
            (Direction::Ascending, Way::Onward) | (Direction::Descending, Way::Back) => ">",
            (Direction::Descending, Way::Onward) | (Direction::Ascending, Way::Back) => "<",
        }
    }

    /// Writes what is further on that way than a value; where it is equal, `rest` decides.
    fn beyond(&self, value: Option<&str>, rest: &str, way: Way) -> String {
        let expression = &self.expression;
        let (further, equal) = match (value, way) {
            // Nothing comes after what is missing, and everything else before it.
            (None, Way::Onward) => (None, format!("{expression} IS NULL")),
            (None, Way::Back) => (
                Some(format!("{expression} IS NOT NULL")),
                format!("{expression} IS NULL"),
            ),
            (Some(value), _) => {
                let missing = if self.nullable && way == Way::Onward {
                    format!(" OR {expression} IS NULL")
                } else {
                    String::new()
                };
                let further = format!("{expression} {} {value}{missing}", self.sign(way));
                (Some(further), format!("{expression} = {value}"))
            }
        };
        match (further, rest) {
            (None, rest) => format!("({equal} AND {rest})"),
            (Some(further), "FALSE") => format!("({further})"),
            (Some(further), rest) => format!("({further} OR ({equal} AND {rest}))"),
        }
    }
}

impl Compiler<'_> {
    pub(super) fn order(&mut self, query: &Query, way: Way) -> Result<String, QueryError> {
        let mut terms = Vec::new();
        for (index, (field, direction)) in query.keys().enumerate() {
            let steps = self
                .steps(field, direction)
                .map_err(|problem| at_key(problem, index))?;
            terms.extend(steps.iter().map(|step| step.term(way)));
        }
        Ok(terms.join(", "))
    }

    /// Writes the condition of what is beyond the item with these values of the keys.
    pub(super) fn beyond(
        &mut self,
        query: &Query,
        values: &[Option<Value>],
        way: Way,
    ) -> Result<String, QueryError> {
        let mut steps = Vec::new();
        for (index, ((field, direction), value)) in query.keys().zip(values).enumerate() {
            let place = |problem| at_key(problem, index);
            let source = self.source(field).map_err(place)?;
            self.check(value.as_ref()).map_err(place)?;
            let all = self.steps(field, direction).map_err(place)?;
            steps.extend(self.placed(all, &source, value.as_ref(), direction));
        }
        let mut rest = "FALSE".to_owned();
        for (step, value) in steps.iter().rev() {
            rest = step.beyond(value.as_deref(), &rest, way);
        }
        // The same once more about the first key alone: this an index can start from.
        if let Some((step, Some(value))) = steps.first()
            && (!step.nullable || way == Way::Back)
        {
            rest = format!("({} {}= {value} AND {rest})", step.expression, step.sign(way));
        }
        Ok(rest)
    }

    fn check(&self, value: Option<&Value>) -> Result<(), Problem> {
        match value {
            Some(Value::Text(text)) if self.schema.dialect == Dialect::Postgres && text.contains('\0') => {
                Err(Problem::invalid(
                    "the cursor has a text that cannot be here: start without one",
                ))
            }
            _ => Ok(()),
        }
    }

    /// Pairs the steps of one key with the value that each has in the cursor. Of a custom field, the steps of the
    /// types that the value does not have say nothing once the rank is equal.
    fn placed(
        &mut self,
        steps: Vec<Step>,
        source: &Source,
        value: Option<&Value>,
        direction: Direction,
    ) -> Vec<(Step, Option<String>)> {
        let mut steps = steps.into_iter();
        let is_single = steps.len() == 1;
        let Some(first) = steps.next() else {
            return Vec::new();
        };
        if is_single {
            let value = value.map(|value| self.value(source, value));
            return vec![(first, value)];
        }
        let Some(value) = value else {
            let last = self.bind(Bind::Integer(LAST_RANK));
            return vec![(first, Some(last))];
        };
        let rank = self.bind(Bind::Integer(in_direction(value.rank().into(), direction)));
        let typed = steps.nth(value.rank().into());
        let typed = typed.map(|step| (step, Some(self.value(source, value))));
        [Some((first, Some(rank))), typed].into_iter().flatten().collect()
    }

    fn steps(&mut self, field: &str, direction: Direction) -> Result<Vec<Step>, Problem> {
        let rule = self.schema.endpoint.rule(field)?;
        let source = self.source(field)?;
        let nullable = !rule.always;
        let text = source
            .text
            .as_deref()
            .map(|text| self.ordered(text, &Value::Text(String::new())));
        if rule.kind != Kind::Any {
            let expression = text.or(source.number).or(source.boolean);
            let expression = expression
                .ok_or_else(|| Problem::invalid(format!("{field} cannot be sorted by here: it is a list")))?;
            return Ok(vec![Step {
                expression,
                direction,
                nullable,
            }]);
        }
        let typed = [source.number.clone(), text, source.boolean.clone()]
            .into_iter()
            .flatten();
        let typed = typed.map(|expression| Step {
            expression,
            direction,
            nullable,
        });
        let ranks = Step {
            expression: rank_expression(&source, direction),
            direction: Direction::Ascending,
            nullable: false,
        };
        Ok([ranks].into_iter().chain(typed).collect())
    }
}

/// Returns what tells the types of a custom field apart, in the order of a direction; what has no order comes last.
fn rank_expression(source: &Source, direction: Direction) -> String {
    let by_type = [&source.number, &source.text, &source.boolean];
    let cases = by_type.into_iter().flatten().zip(0..).map(|(expression, rank)| {
        format!(
            " WHEN {expression} IS NOT NULL THEN {}",
            in_direction(rank, direction)
        )
    });
    format!("(CASE{} ELSE {LAST_RANK} END)", cases.collect::<String>())
}

/// The rank of what is missing, a list or an object.
const LAST_RANK: i64 = 3;

const fn in_direction(rank: i64, direction: Direction) -> i64 {
    match direction {
        Direction::Ascending => rank,
        Direction::Descending => LAST_RANK - 1 - rank,
    }
}

fn at_key(problem: Problem, index: usize) -> QueryError {
    Pointer::default().within(index, |pointer| problem.at(pointer))
}
