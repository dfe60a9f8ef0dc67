#![no_main]

whimbrel_fuzz_targets::target!("archive");
