use super::{AskPlace, AskPlan, Found};
use crate::feed::{PAGE_BYTES, encoded_len};
use whimbrel_model::Row;
use whimbrel_protocol::Answer;

/// The items of one answer, in their order, and what else fits beside them.
#[derive(Clone, Debug)]
pub struct AnswerPage {
    found: Vec<Found>,
    next: Option<String>,
    previous: Option<String>,
}

impl AnswerPage {
    pub(super) fn new(plan: &AskPlan, mut found: Vec<Found>) -> Self {
        let (query, is_back) = (plan.query(), plan.is_back());
        let fits = fitting(&found).min(plan.limit);
        let more = found.len() > fits;
        found.truncate(fits);
        if is_back {
            found.reverse();
        }
        let has_earlier = match plan.place() {
            AskPlace::Offset(offset) => *offset > 0,
            AskPlace::After(_) => true,
            AskPlace::Before(_) => more,
        };
        let cursor = |found: &Found| found.cursor(query).to_string();
        Self {
            next: found.last().filter(|_| is_back || more).map(cursor),
            previous: found.first().filter(|_| has_earlier).map(cursor),
            found,
        }
    }

    /// Says where to go on after what was looked at and left out: the server looked at as much as it may.
    pub(super) fn or_resume(mut self, plan: &AskPlan, last: Option<&Found>) -> Self {
        let cursor = last.map(|found| found.cursor(plan.query()).to_string());
        if plan.is_back() {
            self.previous = self.previous.or(cursor);
        } else {
            self.next = self.next.or(cursor);
        }
        self
    }

    /// Returns the items.
    #[must_use]
    pub fn found(&self) -> &[Found] {
        &self.found
    }

    /// Builds the answer, with as many of the rows beside as a frame holds. Its `id` is the caller's to fill.
    #[must_use]
    pub fn answer(self, beside: impl IntoIterator<Item = Row>) -> Answer {
        let mut rows = Vec::new();
        let mut of_each = Vec::new();
        for found in self.found {
            let (row, more) = found.into_rows();
            rows.extend(row);
            of_each.extend(more);
        }
        let mut bytes: usize = rows.iter().map(encoded_len).sum();
        let beside = of_each.into_iter().chain(beside);
        rows.extend(beside.take_while(|row| {
            bytes += encoded_len(row);
            bytes <= PAGE_BYTES
        }));
        Answer {
            rows,
            next: self.next,
            previous: self.previous,
            ..Answer::default()
        }
    }
}

/// Returns how many of them fit in a frame: at least one, which is how large a row can be.
fn fitting(found: &[Found]) -> usize {
    let mut bytes = 0;
    let fits = |found: &&Found| {
        let (row, beside) = (*found).clone().into_rows();
        bytes += row.iter().chain(&beside).map(encoded_len).sum::<usize>();
        bytes <= PAGE_BYTES
    };
    found.iter().take_while(fits).count().max(1)
}
