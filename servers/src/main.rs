//! Starts the real engines for a demonstration: `ecs-servers up [--replicas] [--bus nats|rabbitmq|kafka] [-- COMMAND …]`.
//!
//! It prints the settings that lead the platform to them and stays until it is stopped. With a command it runs that instead, with
//! those settings in its environment, and ends when the command does. What the servers keep goes with them.
//!
//! `ecs-servers authority FOLDER [NAME …]` makes a development authority and certificates instead, see [`certify`].
#![expect(clippy::print_stdout, reason = "a command line talks to its terminal")]

mod certify;

use std::process::{ExitCode, ExitStatus};

use anyhow::{Context, Result, bail};
use ecs_servers::{Broker, Postgres, PostgresOptions, Redis, RedisOptions, Replication, Transport};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

const USAGE: &str = "usage: ecs-servers up [--replicas] [--bus nats|rabbitmq|kafka] [-- COMMAND ...], or\n       \
                     ecs-servers authority FOLDER [NAME ...]";

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [command, rest @ ..] = arguments.as_slice()
        && command == "authority"
    {
        let (folder, names) = rest.split_first().context(USAGE)?;
        println!("{}", certify::certify(folder.as_ref(), names)?);
        return Ok(ExitCode::SUCCESS);
    }
    let wanted = Wanted::parse(arguments.into_iter())?;
    // Taken over before anything is started: a stop while the servers start is a stop, too.
    let mut stop = Stop::new()?;
    let engines = tokio::select! {
        started = Engines::start(wanted.replicas, wanted.bus) => started?,
        () = stop.requested() => return Ok(ExitCode::SUCCESS),
    };
    let settings = engines.settings();
    let Some((program, arguments)) = wanted.command.split_first() else {
        for (name, value) in &settings {
            println!("export {name}='{value}'");
        }
        stop.requested().await;
        return Ok(ExitCode::SUCCESS);
    };
    let command =
        Command::new(program).args(arguments).envs(settings).spawn().context("can't run the command")?;
    let ended = accompany(command, &mut stop).await?;
    Ok(ended.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Waits for the end of a command, whatever we are told meanwhile: its end is ours.
async fn accompany(mut command: Child, stop: &mut Stop) -> Result<ExitStatus> {
    loop {
        tokio::select! {
            ended = command.wait() => return Ok(ended?),
            // Both of us hear a Ctrl-C at the terminal; told twice, the platform would exit at once.
            _ = stop.interrupt.recv() => {}
            _ = stop.terminate.recv() => {
                if let Some(pid) = command.id().and_then(|id| Pid::from_raw(id.try_into().ok()?)) {
                    kill_process(pid, Signal::TERM)?;
                }
            }
        }
    }
}

/// What the command line asks for.
struct Wanted {
    replicas: bool,
    bus: Transport,
    command: Vec<String>,
}

impl Wanted {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        if arguments.next().as_deref() != Some("up") {
            bail!(USAGE);
        }
        let mut wanted = Self { replicas: false, bus: Transport::Nats, command: Vec::new() };
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--replicas" => wanted.replicas = true,
                "--bus" => wanted.bus = arguments.next().context(USAGE)?.parse()?,
                "--" => wanted.command.extend(arguments.by_ref()),
                _ => bail!(USAGE),
            }
        }
        Ok(wanted)
    }
}

/// The servers, as long as they are wanted.
struct Engines {
    postgres: Postgres,
    replicas: Vec<Postgres>,
    broker: Broker,
    redis: Redis,
}

impl Engines {
    async fn start(with_replicas: bool, bus: Transport) -> Result<Self> {
        let postgres = Postgres::start(PostgresOptions::default()).await?;
        postgres.execute("CREATE DATABASE ecs").await?;
        postgres.execute("CREATE DATABASE vault").await?;
        let mut replicas = Vec::new();
        if with_replicas {
            replicas.push(postgres.replica(Replication::Synchronous).await?);
            replicas.push(postgres.replica(Replication::Asynchronous).await?);
        }
        let broker = Broker::start(bus).await?;
        let redis = Redis::start(RedisOptions::default()).await?;
        Ok(Self { postgres, replicas, broker, redis })
    }

    /// The platform's settings that lead to these servers.
    fn settings(&self) -> Vec<(&'static str, String)> {
        let mut settings = vec![
            ("DATABASE_URL", self.postgres.url("ecs")),
            ("ECS_VAULT_URL", self.postgres.url("vault")),
            ("BUS_URL", self.broker.url().to_owned()),
            ("REDIS_URL", self.redis.url().to_owned()),
        ];
        if !self.replicas.is_empty() {
            let replicas: Vec<String> = self.replicas.iter().map(|replica| replica.url("ecs")).collect();
            settings.push(("DATABASE_READ_URLS", replicas.join(",")));
        }
        settings
    }
}

/// SIGINT, which a Ctrl-C is, or SIGTERM.
struct Stop {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Stop {
    fn new() -> Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn requested(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
