//! What is told of a look: alerts of what has changed, and metrics of what is.

use ecs_bus::Headers;
use ecs_bus::payload::{Alert, AlertAbout, AlertPayload, Drift, Fairness as FairnessAlert, Severity};
use ecs_domain::Timestamp;
use ecs_domain::watch::{Finding, GroupShare, Stability, Standing, Verdict};
use ecs_metrics::Metrics;
use ecs_models::shipped_name;
use ecs_store::StoreError;
use ecs_store::watch::{KeptStanding, StandingChange, StandingOf};
use ecs_work::outbox_message;
use uuid::Uuid;

use super::Shown;
use super::drift::{self, Compared, Drifts};
use super::fairness::{self, Attribute, Fairness};
use crate::Deps;

/// Something else than what was told last.
#[derive(Clone)]
pub(super) struct Changed {
    of: StandingOf,
    standing: Standing,
    severity: Severity,
    about: AlertAbout,
    /// How often it had changed before.
    seen: u64,
}

/// What has changed about drift. What was told of, and isn't there to be compared any more, is over.
pub(super) fn of_drift(drifts: &Drifts, kept: &[KeptStanding]) -> Vec<Changed> {
    let found = drifts.compared.iter().filter_map(|compared| {
        let (of, stability) = (compared.of(), &compared.stability);
        let (before, seen) = last(kept, &of);
        let standing = before.after(stability);
        let severity = match stability.verdict {
            _ if standing == Standing::Calm => Severity::Over,
            Verdict::Major => Severity::Critical,
            Verdict::Moderate | Verdict::Calm | Verdict::TooFew => Severity::Warning,
        };
        let about = AlertAbout::Drift(told(compared.model.clone(), compared.measure.as_str(), stability));
        (standing != before).then_some(Changed { of, standing, severity, about, seen })
    });
    let is_there = |it: &KeptStanding| drifts.compared.iter().any(|compared| it.is_of(&compared.of()));
    let gone = alerted(kept, drift::KIND).filter(|it| !is_there(it)).map(|it| {
        let of = StandingOf { kind: drift::KIND, model: it.model.clone(), name: it.name.clone() };
        let about = AlertAbout::Drift(told(it.model.clone(), &it.name, &Stability::NOTHING));
        Changed { of, standing: Standing::Calm, severity: Severity::Over, about, seen: it.changes }
    });
    found.chain(gone).collect()
}

fn told(model: String, measure: &str, stability: &Stability) -> Drift {
    Drift {
        model,
        measure: measure.to_owned(),
        verdict: stability.verdict.as_str().to_owned(),
        index: stability.index,
        critical: stability.critical,
        window: stability.window,
        reference: stability.reference,
    }
}

/// What has changed about groups. Of a group that has become small nothing is told but that it is over.
pub(super) fn of_fairness(fairness: &Fairness, kept: &[KeptStanding]) -> Vec<Changed> {
    let found = fairness.groups().filter_map(|(attribute, share)| {
        let of = attribute.of(&share.group);
        let (before, seen) = last(kept, &of);
        let (standing, severity) = match share.finding {
            Finding::Adverse => (Standing::Alerted, Severity::Warning),
            Finding::Largest | Finding::Unremarkable => (Standing::Calm, Severity::Over),
        };
        let about = AlertAbout::Fairness(told_of(attribute.as_str(), &share.group, Some(share)));
        (standing != before).then_some(Changed { of, standing, severity, about, seen })
    });
    let is_told =
        |it: &KeptStanding| fairness.groups().any(|(attribute, share)| it.is_of(&attribute.of(&share.group)));
    let gone = alerted(kept, fairness::KIND).filter(|it| !is_told(it)).map(|it| {
        let (attribute, group) = it.name.split_once('/').unwrap_or_default();
        let of = StandingOf { kind: fairness::KIND, model: String::new(), name: it.name.clone() };
        let about = AlertAbout::Fairness(told_of(attribute, group, None));
        Changed { of, standing: Standing::Calm, severity: Severity::Over, about, seen: it.changes }
    });
    found.chain(gone).collect()
}

fn told_of(attribute: &str, group: &str, share: Option<&GroupShare<String>>) -> FairnessAlert {
    FairnessAlert {
        attribute: attribute.to_owned(),
        group: group.to_owned(),
        finding: share.map_or(Verdict::TooFew.as_str(), |share| share.finding.as_str()).to_owned(),
        impact: share.and_then(|share| share.impact),
    }
}

/// What stands, and how often that has changed.
pub(super) fn last(kept: &[KeptStanding], of: &StandingOf) -> (Standing, u64) {
    kept.iter().find(|it| it.is_of(of)).map_or((Standing::Calm, 0), |it| (it.standing, it.changes))
}

fn alerted<'a>(kept: &'a [KeptStanding], kind: &'a str) -> impl Iterator<Item = &'a KeptStanding> {
    kept.iter().filter(move |it| it.kind == kind && it.standing == Standing::Alerted)
}

/// Notes what has changed, each with its alert; what another process has noted meanwhile is told by that one.
pub(super) async fn tell(deps: &Deps, changed: Vec<Changed>, now: Timestamp) -> Result<(), StoreError> {
    for Changed { of, standing, severity, about, seen } in changed {
        let alert = Alert { id: id_of(&of, seen), severity, at: now, about };
        let message = outbox_message(&AlertPayload::event(&alert, Headers::current()));
        let change = StandingChange { of, standing, now, seen };
        if deps.store.change_standing(change, message).await? {
            deps.outbox.wake();
        }
    }
    Ok(())
}

/// The same change has the same id, whoever notes it.
fn id_of(of: &StandingOf, seen: u64) -> Uuid {
    let StandingOf { kind, model, name } = of;
    Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("alert:{kind}/{model}/{name}/{}", seen + 1).as_bytes())
}

/// Says it to the metrics, and takes back what was said before and isn't known any more. Of several models without a name of the program's the
/// highest index is said.
pub(super) fn show(metrics: &Metrics, drifts: &Drifts, fairness: &Fairness, before: &Shown) -> Shown {
    let mut shown = Shown::new();
    let told: Vec<&Compared> = drifts.compared.iter().filter(|compared| compared.is_told()).collect();
    let word = |compared: &Compared| shipped_name(&compared.model).unwrap_or("other");
    for compared in &told {
        let labels = (word(compared), compared.measure.as_str());
        let same = told.iter().filter(|other| (word(other), other.measure.as_str()) == labels);
        let highest = same.map(|other| &other.stability).max_by(|a, b| a.index.total_cmp(&b.index));
        if let Some(Stability { index, critical, .. }) = highest {
            metrics.watch_psi(labels.0, labels.1, Some([*index, *critical]));
        }
        shown.insert(labels);
    }
    for (version, measure) in before.difference(&shown) {
        metrics.watch_psi(version, measure, None);
    }
    show_fairness(metrics, fairness);
    shown
}

/// Regions are told by people and are no words of the program, so they are no labels: of them the lowest impact is said.
fn show_fairness(metrics: &Metrics, fairness: &Fairness) {
    for band in ecs_domain::attributes::AgeBand::ALL {
        let group = fairness
            .groups()
            .find(|(attribute, share)| *attribute == Attribute::AgeBand && share.group == band.as_str());
        metrics.watch_approval(band.as_str(), group.map(|(_, share)| share.tally.ratio()));
    }
    for (attribute, found) in &fairness.attributes {
        let lowest = found.groups.iter().filter_map(|share| share.impact).min_by(f64::total_cmp);
        metrics.watch_impact(attribute.as_str(), lowest, found.adverse().count());
    }
}
