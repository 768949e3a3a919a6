//! `ecs audit`

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What to do about the audit log.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Compute its chain again, and hold it against the checkpoints; exits with 1 when something was changed, is missing or was cut off
    Verify(VerifyArgs),
}

/// `ecs audit verify`
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Checkpoints that were kept elsewhere, one a line [default: ECS_AUDIT_CHECKPOINTS_FILE]
    #[arg(long, value_name = "FILE")]
    pub checkpoints: Option<PathBuf>,
    /// The public key of a signer from before SECRET_KEY was changed; repeat it for several
    #[arg(long = "signer", value_name = "HEX")]
    pub signers: Vec<String>,
    /// Print what was found as JSON
    #[arg(long)]
    pub json: bool,
}
