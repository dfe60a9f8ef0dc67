//! `whimbrel-fuzz seeds DIR` writes a first corpus for every target; `whimbrel-fuzz run TARGET FILE…` runs a target on files,
//! such as those that a fuzzer has kept because they failed.

use std::{env, fs, io, path::Path, process::ExitCode};
use whimbrel_fuzz::{Dice, TARGETS, mutate, run};

/// Changed examples beside the examples themselves.
const CHANGED: u64 = 200;

fn main() -> io::Result<ExitCode> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["seeds", directory] => seeds(Path::new(directory))?,
        ["run", target, files @ ..] if TARGETS.iter().any(|known| known.name == *target) => {
            for file in files {
                run(target, &fs::read(file)?);
            }
        }
        _ => {
            let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
            let usage = format!(
                "seeds DIR, or run TARGET FILE…; the targets are {}",
                names.join(", ")
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, usage));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn seeds(directory: &Path) -> io::Result<()> {
    for target in TARGETS {
        let directory = directory.join(target.name);
        fs::create_dir_all(&directory)?;
        let examples = (target.seeds)();
        let changed = (0..CHANGED).map(|seed| mutate(&examples, &mut Dice(seed)));
        for (number, bytes) in examples.iter().cloned().chain(changed).enumerate() {
            fs::write(directory.join(format!("{number:04}")), bytes)?;
        }
    }
    Ok(())
}
