//! The door to [`zeo_server::cli::runzeo`].
fn main() -> std::process::ExitCode {
    zeo_server::cli::runzeo::main()
}
