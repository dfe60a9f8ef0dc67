/// What a number of power losses came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Power losses.
    pub cuts: u64,
    /// Those that fell into a write that nobody was told the outcome of.
    pub midway: u64,
    /// Of these: writes that turned out to be there, as a whole.
    pub survived: u64,
    /// Writes that were acknowledged.
    pub acknowledged: u64,
}

impl Tally {
    /// Adds another one.
    pub fn add(&mut self, other: Self) {
        self.cuts += other.cuts;
        self.midway += other.midway;
        self.survived += other.survived;
        self.acknowledged += other.acknowledged;
    }
}
