//! The door to [`zeo_server::cli::zdrun`].
fn main() -> std::process::ExitCode {
    zeo_server::cli::zdrun::main().into()
}
