//! Lets the power go under the databases of device and server, again and again, and says what was lost.

#![expect(clippy::print_stdout, reason = "printing is what this program is for")]

use std::process::ExitCode;
use whimbrel_powerloss::{Synchronous, Tally, device, server};

/// Power losses of one database, before the next seed begins with a new one.
const CUTS_PER_SEED: u64 = 5;

#[derive(Debug)]
struct Args {
    cuts: u64,
    seed: u64,
    json: bool,
}

fn args() -> Result<Args, String> {
    let mut args = Args {
        cuts: 1_000,
        seed: 1,
        json: false,
    };
    let mut given = std::env::args().skip(1);
    while let Some(flag) = given.next() {
        let mut number = || {
            let text = given.next().ok_or_else(|| format!("{flag} needs a number"))?;
            text.parse()
                .map_err(|_| format!("{flag} needs a number, not {text}"))
        };
        match flag.as_str() {
            "--cuts" => args.cuts = number()?,
            "--seed" => args.seed = number()?,
            "--json" => args.json = true,
            other => return Err(format!("{other} is not understood: --cuts N, --seed S, --json")),
        }
    }
    Ok(args)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = match args() {
        Ok(args) => args,
        Err(what) => {
            println!("{what}");
            return ExitCode::FAILURE;
        }
    };
    let (mut devices, mut servers, mut failures) = (Tally::default(), Tally::default(), Vec::new());
    let mut seed = args.seed;
    while devices.cuts + servers.cuts < args.cuts && failures.is_empty() {
        for (tally, outcome) in [
            (
                &mut devices,
                device::play(seed, CUTS_PER_SEED, Synchronous::AsAsked).await,
            ),
            (
                &mut servers,
                server::play(seed, CUTS_PER_SEED, Synchronous::AsAsked).await,
            ),
        ] {
            match outcome {
                Ok(played) => tally.add(played),
                Err(failure) => failures.push(failure),
            }
        }
        seed += 1;
    }
    tell(&args, devices, servers, &failures);
    if failures.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn tell(args: &Args, devices: Tally, servers: Tally, failures: &[String]) {
    for failure in failures {
        println!("{failure}");
    }
    for (name, tally) in [("device", devices), ("server", servers)] {
        println!(
            "{name}: {} power losses, {} in the middle of a write ({} of these writes were there), \
             {} acknowledged writes, all of them kept",
            tally.cuts, tally.midway, tally.survived, tally.acknowledged
        );
    }
    if args.json {
        let tally = |tally: Tally| {
            serde_json::json!({
                "cuts": tally.cuts, "midway": tally.midway,
                "survived": tally.survived, "acknowledged": tally.acknowledged,
            })
        };
        let json = serde_json::json!({
            "seed": args.seed, "device": tally(devices), "server": tally(servers), "failures": failures,
        });
        println!("{json}");
    }
}
