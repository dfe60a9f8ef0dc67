//! The program `whimbrel-tui`.

fn main() -> std::process::ExitCode {
    whimbrel_tui::run(std::env::args_os())
}
