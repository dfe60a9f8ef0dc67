//! `cargo xtask server`.

use crate::process::{Cargo, Failure};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Arguments of the server; `--help` shows them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let fixed = ["run", "--package", "whimbrel-server", "--"].map(str::to_owned);
    Cargo::new(fixed.into_iter().chain(args.args.iter().cloned())).run()
}
