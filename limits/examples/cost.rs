//! What a checked limit costs: `cargo run --release -p ecs-limits --example cost`.

use std::io::Write as _;
use std::time::{Duration, Instant};

use ecs_domain::Timestamp;
use ecs_limits::{InProcess, Keys, Limiter as _, Quota};

const CHECKS: u32 = 1_000_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let quota: Quota = "100/s:200".parse()?;
    let mut out = std::io::stdout();
    for (what, subjects) in [("one key", 1), ("1,000 keys", 1_000), ("300,000 keys, more than fit", 300_000)]
    {
        let (limiter, keys) = (InProcess::default(), Keys::new([7; 32]));
        let mut now = Timestamp::UNIX_EPOCH;
        let began = Instant::now();
        for number in 0..CHECKS {
            now += Duration::from_nanos(500);
            let subject = u128::from(number % subjects).to_le_bytes();
            std::hint::black_box(limiter.check(&keys.of(["read", "user"], &subject), &quota, 1, now));
        }
        writeln!(out, "{what}: {:?} per check, its key included", began.elapsed() / CHECKS)?;
    }
    Ok(())
}
