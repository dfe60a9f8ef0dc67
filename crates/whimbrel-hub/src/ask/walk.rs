use super::{AnswerPage, AskPlace, AskPlan, Found};
use crate::StorageError;
use whimbrel_model::Message;
use whimbrel_protocol::{FindMessages, Question};
use whimbrel_query::{Sort, Value, limits};

/// How many messages a storage reads at a time.
const CHUNK: usize = 500;

/// Messages of one channel by their `seq`: read one after the other along an index, until enough of them match.
///
/// However few match, it looks at no more than [`limits::LOOKED_AT`]: then the page is short, and its cursor goes on from
/// there.
#[derive(Debug)]
pub struct MessageWalk<'a> {
    plan: &'a AskPlan,
    up: bool,
    /// The sequence beyond which the next message is.
    beyond: Option<u64>,
    skip: usize,
    looked_at: usize,
    found: Vec<Found>,
    last: Option<Found>,
}

impl<'a> MessageWalk<'a> {
    /// Starts a walk, if the question is one that can be answered so.
    ///
    /// # Errors
    /// [`StorageError::Refused`] for a cursor of another question.
    pub fn new(plan: &'a AskPlan, question: &Question) -> Result<Option<Self>, StorageError> {
        let in_one = matches!(question, Question::Messages(FindMessages { cid: Some(_), .. }));
        let sort = plan.query().sort();
        let (up, down) = (
            *sort == Sort::by_ascending("seq"),
            *sort == Sort::by_descending("seq"),
        );
        if !in_one || !(up || down) {
            return Ok(None);
        }
        let (skip, cursor) = match plan.place() {
            AskPlace::Offset(offset) => (*offset, None),
            AskPlace::After(cursor) | AskPlace::Before(cursor) => (0, Some(cursor)),
        };
        let beyond = cursor.map(|cursor| plan.query().first_value_of(cursor));
        let beyond = beyond.transpose().map_err(|error| super::at("/window", &error))?;
        Ok(Some(Self {
            plan,
            up: up != plan.is_back(),
            beyond: beyond.flatten().and_then(sequence),
            skip,
            looked_at: 0,
            found: Vec::new(),
            last: None,
        }))
    }

    /// Returns whether to read towards newer messages.
    #[must_use]
    pub const fn is_up(&self) -> bool {
        self.up
    }

    /// Returns the sequence beyond which to read. Absent: from the end.
    #[must_use]
    pub const fn beyond(&self) -> Option<u64> {
        self.beyond
    }

    /// Returns how many messages to read next, at most. 0: enough were seen.
    #[must_use]
    pub fn chunk(&self) -> usize {
        if self.found.len() >= self.plan.fetch() {
            return 0;
        }
        CHUNK.min(limits::LOOKED_AT - self.looked_at)
    }

    /// Takes the next message.
    pub fn look(&mut self, message: Message) {
        self.beyond = Some(message.seq);
        self.looked_at += 1;
        let item = Found::Message(Box::new(message));
        if item.matches(self.plan.query()) {
            if self.skip > 0 {
                self.skip -= 1;
            } else if self.found.len() < self.plan.fetch() {
                self.found.push(item.clone());
            }
        }
        self.last = Some(item);
    }

    /// Makes the page, once a chunk was not full or no more are to be read.
    ///
    /// # Errors
    /// [`StorageError::Refused`] when so few match that not even those were found that are to be left out.
    pub fn page(self) -> Result<AnswerPage, StorageError> {
        let gave_up = self.looked_at >= limits::LOOKED_AT && self.found.len() < self.plan.fetch();
        if gave_up && self.skip > 0 {
            return Err(super::too_many());
        }
        let page = self.plan.page(self.found);
        Ok(page.or_resume(self.plan, self.last.as_ref().filter(|_| gave_up)))
    }
}

fn sequence(value: &Value) -> Option<u64> {
    match value {
        // A cursor that was tampered with is another place in the same order.
        Value::Number(number) if *number >= 0.0 => Some(*number as u64),
        Value::Number(_) => Some(0),
        _ => None,
    }
}
