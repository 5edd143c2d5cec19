//! The door to [`zeo_server::cli::mkzeoinst`].
#![cfg_attr(all(target_os = "linux", target_env = "gnu"), no_main)]
zeo_server::program!(zeo_server::cli::mkzeoinst::main);
