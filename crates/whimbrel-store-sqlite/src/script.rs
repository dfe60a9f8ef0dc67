use sqlx::{Arguments as _, Encode, Sqlite, Type, sqlite::SqliteArguments};
use whimbrel_store::StoreError;

/// Rows in one `INSERT`. A few fixed sizes, so that the statements of any delta are among those prepared before: with
/// 200 rows that is twice as fast as a statement of exactly 200 rows, and ten times as fast as one statement a row.
const CHUNKS: [usize; 4] = [1, 4, 16, 50];

/// One transaction as text and arguments. It goes to the database in one piece: a delta costs one hop to the
/// connection's thread, whatever it writes.
#[derive(Debug)]
pub(crate) struct Script {
    sql: String,
    args: Args,
}

/// The arguments of a [`Script`], in order of appearance.
#[derive(Debug, Default)]
pub(crate) struct Args {
    values: SqliteArguments,
    error: Option<StoreError>,
}

impl Script {
    pub(crate) fn new() -> Self {
        Self {
            sql: "BEGIN IMMEDIATE;\n".to_owned(),
            args: Args::default(),
        }
    }

    /// Adds one statement; `bind` adds an argument for each `?` of it.
    pub(crate) fn statement(&mut self, sql: &str, bind: impl FnOnce(&mut Args)) {
        self.sql.push_str(sql);
        self.sql.push_str(";\n");
        bind(&mut self.args);
    }

    /// Adds statements of the form `head (?, …), (?, …), … tail`, which together have a tuple of `columns` values for
    /// each of `rows`, in order.
    ///
    /// A chunk that is not full is filled up with copies of its last row: the statement has to be one that does
    /// nothing with a row that it has just written.
    pub(crate) fn rows<T>(
        &mut self,
        rows: &[T],
        (head, columns, tail): (&str, usize, &str),
        bind: impl Fn(&mut Args, &T),
    ) {
        let full = CHUNKS[CHUNKS.len() - 1];
        for chunk in rows.chunks(full) {
            let size = CHUNKS
                .into_iter()
                .find(|&size| size >= chunk.len())
                .unwrap_or(full);
            self.sql.push_str(head);
            let tuple = format!("(?{})", ", ?".repeat(columns - 1));
            self.sql.push_str(&vec![tuple; size].join(", "));
            self.sql.push_str(tail);
            self.sql.push_str(";\n");
            for row in (0..size).filter_map(|at| chunk.get(at).or(chunk.last())) {
                bind(&mut self.args, row);
            }
        }
    }

    /// Returns the text and its arguments.
    ///
    /// # Errors
    /// A value that the database cannot hold.
    pub(crate) fn finish(mut self) -> Result<(String, SqliteArguments), StoreError> {
        self.sql.push_str("COMMIT");
        match self.args.error {
            Some(error) => Err(error),
            None => Ok((self.sql, self.args.values)),
        }
    }
}

impl Args {
    /// Adds a value that SQLite has a type for.
    pub(crate) fn add<'q, T: Encode<'q, Sqlite> + Type<Sqlite>>(&mut self, value: T) {
        if let Err(error) = self.values.add(value) {
            self.fail(format!("a value could not be encoded: {error}"));
        }
    }

    /// Adds an unsigned number. SQLite's are signed: what is above cannot be ordered, and is refused.
    pub(crate) fn number(&mut self, number: u64) {
        match i64::try_from(number) {
            Ok(number) => self.add(number),
            Err(_) => self.fail(format!(
                "the number {number} is larger than the database can hold"
            )),
        }
    }

    /// Adds an unsigned number, or NULL.
    pub(crate) fn opt_number(&mut self, number: Option<u64>) {
        match number {
            Some(number) => self.number(number),
            None => self.add(None::<i64>),
        }
    }

    /// Adds `value` as JSON.
    pub(crate) fn json(&mut self, value: &impl serde::Serialize) {
        match serde_json::to_string(value) {
            Ok(text) => self.add(text),
            Err(error) => self.fail(format!("a row could not be written as JSON: {error}")),
        }
    }

    fn fail(&mut self, message: String) {
        self.error.get_or_insert(StoreError::Engine(message));
    }
}
