//! Writes who defaults and what the platform would have seen of them, as `ecs simulate --outcomes FILE --outcomes-only` does,
//! without the platform having to be built. For training: `make models`.
//!
//! `cargo run --release -p ecs-client --example outcomes SEED USERS FIRST-DAY LAST-DAY FILE`

use std::path::Path;

use anyhow::Context;
use ecs_client::simulate::population::{Mix, Population, Window};
use ecs_client::simulate::{Plan, write_outcomes};

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [seed, users, first, last, file] = arguments.as_slice() else {
        anyhow::bail!("wanted: SEED USERS FIRST-DAY LAST-DAY FILE");
    };
    let window = Window::new(first.parse()?, last.parse()?)?;
    let plan = Plan {
        seed: seed.parse().context("SEED")?,
        users: users.parse().context("USERS")?,
        ..Plan::default()
    };
    let population = Population::new(plan.seed, plan.users as usize, &Mix::default());
    write_outcomes(Path::new(file), &population, window, |number| plan.external_id(number), &[])
}
