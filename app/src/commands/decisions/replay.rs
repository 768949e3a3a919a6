//! `ecs decisions replay`: decisions, computed again and compared to the bit.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ecs_domain::DecisionId;
use ecs_store::decision_log::{Left, LoggedDecision, WantedDecisions};
use serde::Serialize;

use super::super::reach::Reach;
use super::super::{Outcome, say};
use super::artefacts::Artefacts;
use super::recompute::{Again, Difference, recompute};
use super::source::{self, Pieces};
use crate::cli::decisions::ReplayArgs;
use crate::settings::Settings;

/// Of how many decisions people are told each difference.
const TOLD: usize = 20;

/// What came of it.
#[derive(Default, Serialize)]
struct Replayed {
    /// How many decisions were asked for and are in the log.
    decisions: u64,
    /// How many came out as they were made, to the bit.
    identical: u64,
    /// How many went with their people.
    erased: u64,
    /// How many went for their age.
    aged: u64,
    /// How many are not there, for no known reason.
    gone: u64,
    /// How many can't be read although the key is there.
    unreadable: u64,
    /// Digests of models that nobody has, and how many decisions name each.
    models_unknown: BTreeMap<String, u64>,
    /// The same of policies.
    policies_unknown: BTreeMap<String, u64>,
    /// Those that came out otherwise.
    different: Vec<Different>,
}

/// A decision that came out otherwise.
#[derive(Serialize)]
struct Different {
    decision: DecisionId,
    differences: Vec<Difference>,
}

pub(super) async fn run(args: &ReplayArgs, settings: &Settings) -> anyhow::Result<Outcome> {
    let (mut artefacts, wanted) = (Artefacts::of(settings)?, source::wanted(args.from, args.to, args.user)?);
    let reach = Reach::of(settings).await?;
    let replayed = to_the_end(&reach, &wanted, &mut artefacts).await;
    reach.close().await?;
    let replayed = replayed?;
    say(&if args.json { serde_json::to_string_pretty(&replayed)? } else { replayed.in_words() });
    Ok(if replayed.all_is_well() { Outcome::Fine } else { Outcome::Off })
}

async fn to_the_end(
    reach: &Reach,
    wanted: &WantedDecisions,
    artefacts: &mut Artefacts,
) -> anyhow::Result<Replayed> {
    let (mut replayed, mut pieces) = (Replayed::default(), Pieces::new(reach, wanted));
    while let Some(piece) = pieces.next().await? {
        for decision in piece {
            if let Left::Whole(whole) = &decision.left {
                artefacts.learn(whole, reach).await?;
            }
            replayed.take(decision, artefacts);
        }
    }
    Ok(replayed)
}

impl Replayed {
    fn take(&mut self, logged: LoggedDecision, artefacts: &Artefacts) {
        self.decisions += 1;
        let decision = match logged.left {
            Left::Whole(decision) => decision,
            Left::Aged => return self.aged += 1,
            Left::Erased => return self.erased += 1,
            Left::Gone => return self.gone += 1,
            Left::Unreadable => return self.unreadable += 1,
        };
        match recompute(&decision, artefacts) {
            Again::Identical => self.identical += 1,
            Again::Differs(differences) => {
                self.different.push(Different { decision: logged.id, differences });
            }
            Again::NoModel(digest) => *self.models_unknown.entry(digest).or_default() += 1,
            Again::NoPolicy(digest) => *self.policies_unknown.entry(digest).or_default() += 1,
        }
    }

    /// What went for its age or with its person is well, too.
    fn all_is_well(&self) -> bool {
        self.decisions == self.identical + self.erased + self.aged
    }

    fn in_words(&self) -> String {
        let Self { decisions, identical, erased, aged, gone, unreadable, different, .. } = self;
        let mut text =
            format!("{decisions} decisions: {identical} identical to the bit, {} different", different.len());
        for (count, what) in [
            (erased, "erased with their people"),
            (aged, "gone for their age"),
            (gone, "GONE for no known reason"),
            (unreadable, "UNREADABLE"),
        ] {
            if *count > 0 {
                let _ = write!(text, ", {count} {what}");
            }
        }
        for (what, unknown) in [("model", &self.models_unknown), ("policy", &self.policies_unknown)] {
            for (digest, count) in unknown {
                let name = if digest.is_empty() { "without a digest" } else { digest };
                let _ = write!(text, "\n{what} unknown: {name}, of {count} decisions");
            }
        }
        for Different { decision, differences } in different.iter().take(TOLD) {
            let _ = write!(text, "\ndecision {decision} comes out otherwise:");
            for Difference { field, stored, recomputed } in differences {
                let _ = write!(text, "\n  {field}: stored {stored}, recomputed {recomputed}");
            }
        }
        if different.len() > TOLD {
            let _ = write!(text, "\nand {} more; --json tells all of them", different.len() - TOLD);
        }
        text
    }
}
