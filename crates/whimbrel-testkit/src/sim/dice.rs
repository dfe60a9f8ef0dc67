pub(super) use crate::dice::Dice;
