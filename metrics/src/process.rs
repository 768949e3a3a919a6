//! The process itself: what it is, and what it uses. Read when somebody asks.

use std::fmt;
use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use rustix::time::{ClockId, clock_gettime};

use crate::Metrics;
use crate::families::{Count, Described, Families, Kind, Series};

pub(crate) struct Process {
    roles: Series<1, Count>,
}

impl Process {
    pub(crate) fn register(families: &mut Families) -> Self {
        let builds: Series<1, Gauge> =
            families.gauge("ecs_build_info", &["version"], "Always 1; the label says which version runs");
        builds.of([env!("CARGO_PKG_VERSION")]).set(1);
        let roles =
            families.gauge("ecs_role_running", &["role"], "1 for each role that runs in this process");
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        families.collected(&USED, Used { started });
        Self { roles }
    }
}

impl Metrics {
    /// A role runs in this process.
    pub fn role_runs(&self, role: &'static str) {
        self.0.process.roles.of([role]).set(1);
    }
}

const fn used(name: &'static str, kind: Kind) -> Described {
    Described { name, kind, labels: &[] }
}

const CPU: Described = used("process_cpu_seconds_total", Kind::Counter);
const RESIDENT: Described = used("process_resident_memory_bytes", Kind::Gauge);
const VIRTUAL: Described = used("process_virtual_memory_bytes", Kind::Gauge);
const THREADS: Described = used("process_threads", Kind::Gauge);
const OPEN_FILES: Described = used("process_open_fds", Kind::Gauge);
const STARTED: Described = used("process_start_time_seconds", Kind::Gauge);
const USED: [Described; 6] = [CPU, RESIDENT, VIRTUAL, THREADS, OPEN_FILES, STARTED];

/// Reads what the process uses, under the names that every exporter gives it. What can't be read is left out.
#[derive(Debug)]
struct Used {
    /// Since 1970.
    started: Duration,
}

impl Collector for Used {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        count(&mut encoder, CPU, "Time on processors", cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9)?;
        gauge(&mut encoder, STARTED, "When it started, since 1970", self.started.as_secs_f64())?;
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let kibibytes = |key| field(&status, key).map(|kibibytes| kibibytes * 1024.0);
        let files = fs::read_dir("/proc/self/fd").ok().map(|files| files.count() as f64);
        let read = [
            (RESIDENT, "Memory in use", kibibytes("VmRSS:")),
            (VIRTUAL, "Memory that is mapped", kibibytes("VmSize:")),
            (THREADS, "Threads", field(&status, "Threads:")),
            (OPEN_FILES, "Open files and connections", files),
        ];
        for (described, help, value) in read {
            if let Some(value) = value {
                gauge(&mut encoder, described, help, value)?;
            }
        }
        Ok(())
    }
}

/// The number behind a key of `/proc/self/status`.
fn field(status: &str, key: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse().ok()
}

fn count(encoder: &mut DescriptorEncoder<'_>, described: Described, help: &str, value: f64) -> fmt::Result {
    let (name, unit) = described.parts();
    let counter = ConstCounter::new(value);
    counter.encode(encoder.encode_descriptor(name, help, unit.as_ref(), counter.metric_type())?)
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, described: Described, help: &str, value: f64) -> fmt::Result {
    let (name, unit) = described.parts();
    let gauge = ConstGauge::new(value);
    gauge.encode(encoder.encode_descriptor(name, help, unit.as_ref(), gauge.metric_type())?)
}
