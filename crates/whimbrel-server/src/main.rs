//! The Whimbrel server as a program.

fn main() -> std::process::ExitCode {
    whimbrel_server::run(std::env::args_os())
}
