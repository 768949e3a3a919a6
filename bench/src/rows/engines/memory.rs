//! What each role's process takes: idle, and after it has had something to do.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use super::{Group, Measure, Row, Unit, Values};
use crate::bench::Bench;
use crate::engines::{Deployment, RATED, ROLES};
use crate::load::{self, Affairs, Applicants, Emotions, Plan, Transactions};
use crate::{platform, process};

const CONNECTIONS: u32 = 256;
/// Customers who ask for decisions, and as many who pay for something.
const CUSTOMERS: usize = 8;

pub(super) fn group() -> Group {
    let measures = ROLES.iter().flat_map(|(role, _)| {
        let loaded =
            Measure::new(format!("memory.{role}"), format!("memory of {role}, after load"), Unit::Mebibytes);
        let idle =
            Measure::new(format!("memory.{role}.idle"), format!("memory of {role}, idle"), Unit::Mebibytes);
        [loaded, idle]
    });
    let rows =
        ROLES.iter().map(|(role, _)| Row::of(&format!("memory.{role}"), &format!("memory.{role}.idle")));
    Group {
        name: "memory per role".to_owned(),
        measures: measures.collect(),
        rows: rows.collect(),
        take: Box::new(take),
    }
}

fn take(bench: &Bench, values: &mut Values) -> anyhow::Result<()> {
    let platform = Deployment::start(bench)?;
    std::thread::sleep(bench.settings.idle());
    note(values, &platform, ".idle")?;
    let address = platform.gateway()?;
    let accepted = emotions(bench, address)?;
    customers(bench, address)?;
    platform.await_counted(accepted)?;
    note(values, &platform, "")?;
    platform.finish(accepted)
}

fn note(values: &mut Values, platform: &Deployment<'_>, when: &str) -> anyhow::Result<()> {
    for (role, server) in platform.servers() {
        values.insert(format!("memory.{role}{when}"), process::memory(server.pid())?.resident);
    }
    Ok(())
}

/// The rated load of emotion events. Returns how many were accepted.
fn emotions(bench: &Bench, address: std::net::SocketAddr) -> anyhow::Result<u64> {
    let every = Duration::from_secs_f64(f64::from(CONNECTIONS) / f64::from(RATED));
    let plan = Plan { every: Some(every), ..bench.plan(CONNECTIONS as usize, bench.settings.short()) };
    let measured = load::run(address, plan, |number| Emotions::new(&bench.population, address, number))?;
    Ok(measured.accepted)
}

/// Decisions, reads and payments.
fn customers(bench: &Bench, address: std::net::SocketAddr) -> anyhow::Result<()> {
    let plan = bench.plan(CUSTOMERS, bench.settings.limit());
    let (tokens, users) = (platform::tokens()?, bench.population.users());
    load::run(address, plan, |number| {
        let user = *users.get(usize::try_from(number)?).ok_or_else(|| anyhow::anyhow!("too few users"))?;
        Transactions::new(user, &platform::token(&tokens, user)?, address, number)
    })?;
    let applicants = Arc::new(Applicants::new(users)?);
    let next = Arc::new(AtomicUsize::new(0));
    load::run(address, plan, |_| Affairs::new(&applicants, address, &next))?;
    Ok(())
}
