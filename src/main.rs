//! The `truceline` binary.

fn main() -> std::process::ExitCode {
    truceline::cli::main()
}
