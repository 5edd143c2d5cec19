//! The door to [`zeo_server::cli::zdctl`].
fn main() -> std::process::ExitCode {
    zeo_server::cli::zdctl::main().into()
}
