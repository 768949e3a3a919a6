//! Nothing is left of the servers when their owner is gone, however it went.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ecs_servers::{Engine, did_not_run, unavailable_privately};
use rustix::process::{Pid, Signal, kill_process};

/// The database, where keys are kept, the bus, the cache, and the replicas of the database.
const SETTINGS: usize = 5;
/// The replicas are two, and the keys are in the database's server.
const ADDRESSES: usize = 6;
const SOON: Duration = Duration::from_secs(30);

/// The engines of a process of their own, in a temporary folder of their own.
struct Owner {
    process: Child,
    folder: tempfile::TempDir,
    addresses: Vec<String>,
}

impl Owner {
    fn start() -> Self {
        let folder =
            tempfile::Builder::new().permissions(std::fs::Permissions::from_mode(0o755)).tempdir().unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_ecs-servers"))
            .args(["up", "--replicas"])
            .env("TMPDIR", folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines().take(SETTINGS).map(Result::unwrap);
        let addresses = lines.flat_map(|line| addresses(&line)).collect();
        Self { process, folder, addresses }
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.process.id().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }
}

/// Host and port of every address in a line.
fn addresses(line: &str) -> Vec<String> {
    let urls = line.split("://").skip(1);
    let hosts = urls.filter_map(|url| url.split_once('@')?.1.split(['/', '\'', ',']).next());
    hosts.map(str::to_owned).collect()
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).unwrap().next().is_none()
}

/// Why the program under test can't start its servers.
fn no_engines() -> Option<String> {
    [Engine::Postgres, Engine::Nats, Engine::Redis].into_iter().find_map(unavailable_privately)
}

fn everything_goes_after(signal: Signal) {
    if let Some(reason) = no_engines() {
        return did_not_run("everything goes with the owner", &reason);
    }
    let mut owner = Owner::start();
    assert_eq!(owner.addresses.len(), ADDRESSES, "{:?}", owner.addresses);
    for address in &owner.addresses {
        TcpStream::connect(address).unwrap();
    }
    assert!(!is_empty(owner.folder.path()));
    owner.signal(signal);
    owner.process.wait().unwrap();
    let deadline = Instant::now() + SOON;
    while !is_empty(owner.folder.path()) || owner.addresses.iter().any(|it| TcpStream::connect(it).is_ok()) {
        assert!(Instant::now() < deadline, "servers or their folders are left");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn servers_and_folders_go_when_their_owner_is_killed() {
    everything_goes_after(Signal::KILL);
}

#[test]
fn servers_and_folders_go_when_their_owner_is_stopped() {
    everything_goes_after(Signal::TERM);
}

#[test]
fn a_command_gets_the_addresses_and_its_end_is_the_end() {
    if let Some(reason) = no_engines() {
        return did_not_run("a command gets the addresses", &reason);
    }
    let script = r#"test -n "$DATABASE_URL" -a -n "$BUS_URL" -a -n "$REDIS_URL" -a -z "$DATABASE_READ_URLS" && exit 7"#;
    let ended =
        Command::new(env!("CARGO_BIN_EXE_ecs-servers")).args(["up", "--", "sh", "-c", script]).status();
    assert_eq!(ended.unwrap().code(), Some(7));
}

#[test]
fn the_bus_is_the_one_that_was_asked_for() {
    let check = |engine, options: &[&str], scheme: &str| {
        if let Some(reason) = no_engines().or_else(|| unavailable_privately(engine)) {
            return did_not_run(&format!("the bus over {engine}"), &reason);
        }
        let script = format!(r#"case "$BUS_URL" in {scheme}://*@127.0.0.1:*) exit 7;; esac"#);
        let mut command = Command::new(env!("CARGO_BIN_EXE_ecs-servers"));
        let ended = command.arg("up").args(options).args(["--", "sh", "-c", &script]).status();
        assert_eq!(ended.unwrap().code(), Some(7), "{options:?}");
    };
    check(Engine::Nats, &[], "nats");
    check(Engine::Nats, &["--bus", "nats"], "nats");
    check(Engine::RabbitMq, &["--bus", "rabbitmq"], "amqp");
    check(Engine::Kafka, &["--bus", "kafka"], "kafka");
    let refused =
        Command::new(env!("CARGO_BIN_EXE_ecs-servers")).args(["up", "--bus", "pulsar"]).output().unwrap();
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("\"pulsar\""));
}

#[test]
fn a_stop_is_handed_on_to_the_command() {
    if let Some(reason) = no_engines() {
        return did_not_run("a stop is handed on to the command", &reason);
    }
    let script = "trap 'exit 9' TERM; echo ready; while :; do sleep 0.01; done";
    let mut process = Command::new(env!("CARGO_BIN_EXE_ecs-servers"))
        .args(["up", "--", "sh", "-c", script])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    kill_process(Pid::from_raw(process.id().try_into().unwrap()).unwrap(), Signal::TERM).unwrap();
    assert_eq!(process.wait().unwrap().code(), Some(9));
}
