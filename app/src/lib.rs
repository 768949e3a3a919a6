//! The Empathic Credit System: one binary, `ecs`, that runs any set of roles.
//!
//! What is here is the outermost layer: the command line, settings, the data folder, the composition of roles, and the
//! order in which a process starts and stops. Everything else is in the crates it composes.

pub mod cli;
pub mod commands;
pub mod data_dir;
pub mod logging;
pub mod open_files;
pub mod openapi;
pub mod operator;
pub mod platform;
pub mod role;
mod service_keys;
pub mod settings;
