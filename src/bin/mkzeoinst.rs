//! The door to [`zeo_server::cli::mkzeoinst`].
fn main() -> std::process::ExitCode {
    zeo_server::cli::mkzeoinst::main().into()
}
