//! Laws of merge and order, on random cases.

mod checks;
mod gen_ops;
mod keep;
mod ops;
mod order;
mod overlay;
mod ranges;
mod rows;
mod values;
