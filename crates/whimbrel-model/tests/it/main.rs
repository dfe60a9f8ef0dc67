//! Laws of merge and order, on random cases.

mod gen_ops;
mod ops;
mod order;
mod overlay;
mod ranges;
mod rows;
mod values;
