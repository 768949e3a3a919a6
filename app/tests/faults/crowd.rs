//! The load: `ecs simulate` as a process, whose journal holds everything that it sent and everything that got its 202.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use ecs_servers::{Broker, Program};
use serde_json::Value;
use tokio::process::Command;

use crate::cluster::Cluster;
use crate::patience::{at_most, eventually};

/// How long a command may take that waits for what is pending.
const VERIFY_WITHIN: Duration = Duration::from_secs(180);

pub(crate) struct Crowd {
    process: Program,
    journal: PathBuf,
    /// How far into the journal the promises are counted, and how many there are. It grows for hours.
    read: Cell<(u64, usize)>,
}

impl Crowd {
    /// A crowd that goes on whatever happens to the platform.
    pub(crate) fn start(cluster: &Cluster, seed: u64) -> Self {
        let seed = seed.to_string();
        let arguments = ["simulate", "--rate", "200", "--users", "40", "--seconds", "86400", "--seed", &seed];
        let arguments =
            [&arguments[..], &["--journeys-every", "0.5", "--journal", "journal", "--quiet"]].concat();
        let (line, settings) = cluster.command(&arguments);
        let process = Program::start("crowd", &line, &settings).unwrap();
        let journal = process.folder().join("journal");
        Self { process, journal, read: Cell::default() }
    }

    /// How many events the journal holds the promise of.
    fn promised(&self) -> usize {
        let (read, promised) = self.read.get();
        let Ok(journal) = File::open(&self.journal) else { return promised };
        let mut news = vec![0; usize::try_from(journal.metadata().unwrap().len() - read).unwrap()];
        journal.read_exact_at(&mut news, read).unwrap();
        // The rest of the last line may not be written yet.
        let whole = news.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let lines = String::from_utf8_lossy(&news[..whole]);
        let more = lines.lines().filter(|line| line.contains("\"accepted\"")).count();
        self.read.set((read + whole as u64, promised + more));
        promised + more
    }

    /// Waits until so many more events have got their 202.
    pub(crate) async fn gets(&self, cluster: &Cluster, more: usize) {
        let wanted = self.promised() + more;
        let is_served = async || {
            assert!(self.process.is_alive(), "the crowd has gone home: {}", self.process.last_words());
            (self.promised() >= wanted).then_some(())
        };
        eventually("the crowd is served", is_served, || cluster.complaints()).await;
    }

    /// Lets a fault last until so many more events have got their 202, but no longer than this. Returns how many have.
    pub(crate) async fn meets(&self, more: usize, at_longest: Duration) -> usize {
        let before = self.promised();
        at_most(at_longest, || self.promised() >= before + more).await;
        self.promised() - before
    }

    /// Holds the crowd still, and its journal against the books: what got its 202 is counted, once.
    pub(crate) async fn balances(&self, cluster: &Cluster, after: &str) -> Value {
        self.process.pause().await.unwrap();
        // A breaker may still keep the operations from their store for its half minute, and then there are no books to read.
        let reason = RefCell::new(String::new());
        let read = async || match self.findings(cluster).await {
            Ok(findings) => Some(findings),
            Err(text) => {
                *reason.borrow_mut() = text;
                None
            }
        };
        let why = || format!("after {after}: {}{}", reason.borrow(), cluster.complaints());
        let findings = eventually("the books can be read", read, why).await;
        let balances = findings["balances"] == true || self.is_only_unlogged(cluster, &findings);
        assert!(balances, "after {after}: {findings:#}\n{}", cluster.complaints());
        let accepted = &findings["journal"]["accepted"];
        assert_eq!(accepted["total"], accepted["counted"], "after {after}: {findings:#}");
        let offers = &findings["books"]["offers"];
        let pending_and_active = (&offers["pending"], &offers["active"]);
        assert_eq!(pending_and_active, (&0.into(), &offers["notified"]), "after {after}: {findings:#}");
        self.process.resume().unwrap();
        findings
    }

    /// Whether nothing is off but what RabbitMQ can't help (docs/rabbitmq.md): the only server of a platform that is killed between its
    /// queue and its log leaves events that are worked off and stand in no log. Nobody may have been promised them, or told that they
    /// were refused.
    fn is_only_unlogged(&self, cluster: &Cluster, findings: &Value) -> bool {
        let journal = std::fs::read_to_string(&self.journal).unwrap();
        let is_unanswered = |event: &Value| {
            let id = event["eventId"].as_str().unwrap();
            let mut facts = journal.lines().filter(|line| line.contains(id)).peekable();
            facts.peek().is_some() && facts.all(|fact| fact.contains("\"sent\""))
        };
        let is_explained = |ledger: &Value| {
            let unlogged = ledger["neverAcceptedExamples"].as_array().unwrap();
            ledger["neverAccepted"] != 0
                && ledger["neverAccepted"] == unlogged.len()
                && unlogged.iter().all(is_unanswered)
        };
        let ledgers = ["emotions", "transactions"].map(|name| is_explained(&findings["books"][name]));
        let unlogged = ledgers.into_iter().filter(|explained| *explained).count();
        matches!(cluster.engines.broker, Broker::RabbitMq(_))
            && findings["complaints"].as_array().is_some_and(|complaints| complaints.len() == unlogged)
    }

    /// What `ecs verify` finds, or why it found out nothing.
    async fn findings(&self, cluster: &Cluster) -> Result<Value, String> {
        let journal = self.journal.display().to_string();
        let (line, settings) = cluster.command(&["verify", "--wait", "120", "--json", "--journal", &journal]);
        let mut command = Command::new(&line[0]);
        command.args(&line[1..]).env_clear().envs(settings).stdin(Stdio::null()).kill_on_drop(true);
        let verified =
            tokio::time::timeout(VERIFY_WITHIN, command.output()).await.expect("it ends in time").unwrap();
        serde_json::from_slice(&verified.stdout)
            .map_err(|_| String::from_utf8_lossy(&verified.stderr).into_owned())
    }

    /// Sends the crowd home once somebody in it has got a credit, and says what it was promised.
    pub(crate) async fn end(self, cluster: &Cluster) -> String {
        // The crowd stands still for each look: books that never come to rest would be waited for in vain.
        let got_one = async || {
            self.gets(cluster, 20).await;
            let findings = self.balances(cluster, "everything").await;
            (findings["books"]["offers"]["active"].as_u64()? > 0).then_some(findings)
        };
        let findings = eventually("somebody gets a credit", got_one, || cluster.complaints()).await;
        self.process.kill().await.unwrap();
        findings["journal"]["accepted"].to_string()
    }
}
