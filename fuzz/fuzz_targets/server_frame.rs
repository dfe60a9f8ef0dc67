#![no_main]

whimbrel_fuzz_targets::target!("server_frame");
