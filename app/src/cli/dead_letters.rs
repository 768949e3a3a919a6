//! `ecs dead-letters`

use clap::{Args, Subcommand};
use ecs_domain::dead_letter::{DeadLetterKind, DeadLetterState};
use ecs_domain::{EventId, Timestamp, UserId};

/// What to do with events that were given up.
#[derive(Debug, Subcommand)]
pub enum DeadLettersCommand {
    /// List them, newest first, with the reasons
    List(ListArgs),
    /// Count them by subject, group, kind of trouble and state
    Count(CountArgs),
    /// Show all of one, with the history of its attempts
    Show(ShowArgs),
    /// Publish their events again, under the old ids; exits with 1 when one of them could not be
    Replay(ReplayArgs),
    /// Give them up for good and forget what they said; exits with 1 when one of them could not be
    Drop(DropArgs),
}

/// `ecs dead-letters list`
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Which ones.
    #[command(flatten)]
    pub filter: FilterArgs,
    /// Only those in this state: waiting, replayed or dropped
    #[arg(long)]
    pub state: Option<DeadLetterState>,
    /// At most so many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=500))]
    pub limit: u16,
    /// Only those with lower numbers: the next page
    #[arg(long, value_name = "ID")]
    pub before: Option<i64>,
    /// Print them as JSON
    #[arg(long)]
    pub json: bool,
}

/// `ecs dead-letters count`
#[derive(Debug, Args)]
pub struct CountArgs {
    /// Print the counts as JSON
    #[arg(long)]
    pub json: bool,
}

/// `ecs dead-letters show`
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Its number
    pub id: i64,
    /// Show what the event said, too: what somebody felt or bought
    #[arg(long)]
    pub payload: bool,
    /// Print it as JSON
    #[arg(long)]
    pub json: bool,
}

/// `ecs dead-letters replay`
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// Which ones.
    #[command(flatten)]
    pub choice: ChoiceArgs,
}

/// `ecs dead-letters drop`
#[derive(Debug, Args)]
pub struct DropArgs {
    /// Which ones.
    #[command(flatten)]
    pub choice: ChoiceArgs,
    /// Don't ask
    #[arg(long)]
    pub yes: bool,
}

/// Numbers, or all that match.
#[derive(Debug, Args)]
pub struct ChoiceArgs {
    /// Numbers or all.
    #[command(flatten)]
    pub which: WhichArgs,
    /// What they have in common.
    #[command(flatten)]
    pub filter: FilterArgs,
    /// Print what was done as JSON
    #[arg(long)]
    pub json: bool,
}

/// Exactly one of the two.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct WhichArgs {
    /// Their numbers
    #[arg(conflicts_with_all = ["subject", "group", "kind", "reason", "user", "event", "since", "until"])]
    pub ids: Vec<i64>,
    /// All that wait and match
    #[arg(long)]
    pub all: bool,
}

/// What letters have in common.
#[derive(Debug, Args)]
pub struct FilterArgs {
    /// Only those of this subject
    #[arg(long)]
    pub subject: Option<String>,
    /// Only those that this group of workers gave up
    #[arg(long)]
    pub group: Option<String>,
    /// Only those with trouble of this kind: unknown-user, undecodable, refused, gave-up or unspecified
    #[arg(long)]
    pub kind: Option<DeadLetterKind>,
    /// Only those with this text in the reason
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Only those of this user
    #[arg(long, value_name = "ID")]
    pub user: Option<UserId>,
    /// Only those of this event
    #[arg(long, value_name = "ID")]
    pub event: Option<EventId>,
    /// Only those given up at or after this time, such as 2026-11-20T14:30:00Z
    #[arg(long, value_name = "TIME")]
    pub since: Option<Timestamp>,
    /// Only those given up before this time
    #[arg(long, value_name = "TIME")]
    pub until: Option<Timestamp>,
}
