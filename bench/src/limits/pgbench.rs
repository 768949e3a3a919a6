//! What PostgreSQL's own benchmark does on the same server: `pgbench -N`, one small transaction after the other, each of which reads an
//! account, changes it, notes that it did and is flushed.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use tokio::process::Command;
use tokio_postgres::config::{Config, Host};

/// Makes its tables. An account takes 130 bytes, and a unit of `scale` is 100,000 of them.
pub(crate) async fn fill(program: &Path, url: &str, scale: u32) -> anyhow::Result<()> {
    let scale = scale.to_string();
    // It makes the rows in the server, which is all there is to be fast about.
    run(program, url, &["--initialize", "--init-steps=dtGvp", "--quiet", "--scale", &scale]).await?;
    Ok(())
}

/// Transactions per second of so many clients, with prepared statements, over tables that [`fill`] made.
pub(crate) async fn rate(program: &Path, url: &str, clients: usize, time: Duration) -> anyhow::Result<f64> {
    let threads = std::thread::available_parallelism()?.get().min(clients);
    // It counts whole seconds.
    let seconds = time.as_secs().max(1).to_string();
    let (clients, threads) = (clients.to_string(), threads.to_string());
    let load = ["--client", &clients, "--jobs", &threads, "--time", &seconds];
    let how = ["--skip-some-updates", "--no-vacuum", "--protocol=prepared"];
    let told = run(program, url, &[&how[..], &load[..]].concat()).await?;
    transactions_per_second(&told).with_context(|| format!("pgbench told no rate: {told}"))
}

async fn run(program: &Path, url: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let address: Config = url.parse()?;
    let (Some(Host::Tcp(host)), Some(port)) = (address.get_hosts().first(), address.get_ports().first())
    else {
        anyhow::bail!("the address of PostgreSQL names no host and port");
    };
    let mut command = Command::new(program);
    command.args(arguments).args(["--host", host, "--port", &port.to_string()]);
    command.args(["--username", address.get_user().unwrap_or_default()]);
    command.arg(address.get_dbname().unwrap_or_default()).env_clear().kill_on_drop(true);
    let password = String::from_utf8_lossy(address.get_password().unwrap_or_default()).into_owned();
    let ended = command.env("PGPASSWORD", password).output().await.context("pgbench does not start")?;
    let told = String::from_utf8_lossy(&ended.stdout).into_owned();
    anyhow::ensure!(ended.status.success(), "pgbench failed: {}", String::from_utf8_lossy(&ended.stderr));
    Ok(told)
}

/// The rate that a report of pgbench tells, without the time in which it connected.
fn transactions_per_second(report: &str) -> Option<f64> {
    let line = report.lines().find_map(|line| line.strip_prefix("tps = "))?;
    line.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_read_from_a_report() {
        let check = |report: &str, expect: Option<f64>| {
            assert_eq!(transactions_per_second(report), expect, "{report:?}");
        };
        check(
            "number of clients: 8\nlatency average = 1.6 ms\ntps = 4900.125 (without initial connection time)\n",
            Some(4900.125),
        );
        check("tps = soon\n", None);
        check("pgbench: fatal\n", None);
        check("", None);
    }
}
