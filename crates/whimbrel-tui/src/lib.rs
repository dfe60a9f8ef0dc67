//! A terminal chat client for Whimbrel.
