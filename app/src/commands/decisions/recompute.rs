//! One decision, computed again from what it was made from, and compared with what was stored, bit by bit.

use ecs_domain::catalogue::Catalogue;
use ecs_domain::consent::Locale;
use ecs_domain::decision::{Decision, Denial, Outcome};
use ecs_domain::model::{Kind, Model};
use ecs_domain::policy::{Policy, Verdict};
use ecs_domain::scorecard::{Assessment, Contribution, Second};
use ecs_models::MOST_TOLERANCE;
use serde::Serialize;

use super::artefacts::Artefacts;

/// What came of computing a decision again.
#[derive(Debug, PartialEq)]
pub(super) enum Again {
    /// Every field is the same, every number to the last bit.
    Identical,
    /// These fields are not.
    Differs(Vec<Difference>),
    /// Nobody has the model with this digest.
    NoModel(String),
    /// Nobody has the policy with this digest.
    NoPolicy(String),
}

/// A field that comes out otherwise. It tells what somebody was scored by, so it is for the terminal alone.
#[derive(Clone, PartialEq, Serialize)]
pub(super) struct Difference {
    /// Which field.
    pub(super) field: String,
    /// What was stored.
    pub(super) stored: String,
    /// What came out.
    pub(super) recomputed: String,
}

ecs_domain::redacted!(Difference => "Difference");

/// Computes a decision again.
pub(super) fn recompute(decision: &Decision, artefacts: &Artefacts) -> Again {
    match compare(decision, artefacts) {
        Ok(differences) if differences.0.is_empty() => Again::Identical,
        Ok(differences) => Again::Differs(differences.0),
        Err(missing) => missing,
    }
}

fn compare(decision: &Decision, artefacts: &Artefacts) -> Result<Differences, Again> {
    let stored = &decision.assessment;
    let model = |digest: &str| artefacts.model(digest).ok_or_else(|| Again::NoModel(digest.to_owned()));
    let policy = artefacts.policy(&decision.policy_digest);
    let policy = policy.ok_or_else(|| Again::NoPolicy(decision.policy_digest.clone()))?;

    let computed = model(&stored.model_digest)?.assess(&decision.features);
    let second = |second: &Option<Second>, features| match second {
        Some(second) => model(&second.model_digest).map(|model| Some(model.assess(features))),
        None => Ok(None),
    };
    let calm = decision.features.without_emotions();
    let without = second(&stored.without_emotions, &calm)?;
    let challenger = second(&stored.challenger, &decision.features)?;

    let mut differences = Differences::default();
    differences.assessment(stored, &computed);
    differences.presence(decision);
    differences.second("without_emotions", stored.without_emotions.as_ref(), without.as_ref());
    let listens = stored.challenger.as_ref().and_then(|second| artefacts.model(&second.model_digest));
    let challenger = challenger.map(|computed| match (&stored.challenger, listens.map(Model::kind)) {
        (Some(stored), Some(kind)) => {
            Assessment { risk_score: settled(kind, stored.risk_score, computed.risk_score), ..computed }
        }
        _ => computed,
    });
    differences.second("challenger", stored.challenger.as_ref(), challenger.as_ref());
    differences.text("policy_version", &decision.policy_version, &policy.version);
    let computed = Assessment { without_emotions: without.as_ref().map(second_of), ..computed };
    let (approved_without, verdict) = judge(policy, decision, &computed);
    differences.value("approved_without_emotions", &decision.approved_without_emotions, &approved_without);
    differences.outcome(decision, &verdict);
    Ok(differences)
}

/// What counts as computed: of a network whatever comes near enough to what was stored. Its sums are of single precision and in an order
/// that suits the processor, so another one may have other last digits. It decided nothing.
fn settled(kind: Kind, stored: f64, computed: f64) -> f64 {
    let near = kind == Kind::Onnx && (stored - computed).abs() <= MOST_TOLERANCE;
    if near { stored } else { computed }
}

/// What a policy makes of an assessment, without emotions and at all, as whoever decides has it.
fn judge(policy: &Policy, decision: &Decision, assessment: &Assessment) -> (Option<bool>, Verdict) {
    let Decision { features, facts, decided_at, .. } = decision;
    let without = policy.approves_without_emotions(features, assessment, *facts, *decided_at);
    (without, policy.outcome(features, assessment, *facts, *decided_at))
}

fn second_of(assessment: &Assessment) -> Second {
    Second {
        risk_score: assessment.risk_score,
        model_version: assessment.model_version.clone(),
        model_digest: assessment.model_digest.clone(),
    }
}

/// The words of a denial, from the catalogue that the decision was told with.
fn words(decision: &Decision, denial: &Denial) -> String {
    Catalogue::of(decision.catalogue_version, Locale::En).joined(&denial.reasons)
}

#[derive(Default)]
struct Differences(Vec<Difference>);

impl Differences {
    fn push(&mut self, field: &str, stored: String, recomputed: String) {
        self.0.push(Difference { field: field.to_owned(), stored, recomputed });
    }

    fn text(&mut self, field: &str, stored: &str, recomputed: &str) {
        if stored != recomputed {
            self.push(field, stored.to_owned(), recomputed.to_owned());
        }
    }

    fn value<T: std::fmt::Debug + PartialEq>(&mut self, field: &str, stored: &T, recomputed: &T) {
        if stored != recomputed {
            self.push(field, format!("{stored:?}"), format!("{recomputed:?}"));
        }
    }

    /// Two numbers with the same bits, so that a zero is not the negative one.
    fn number(&mut self, field: &str, stored: f64, recomputed: f64) {
        if stored.to_bits() != recomputed.to_bits() {
            self.push(field, format!("{stored:?}"), format!("{recomputed:?}"));
        }
    }

    fn assessment(&mut self, stored: &Assessment, computed: &Assessment) {
        self.text("model_version", &stored.model_version, &computed.model_version);
        self.number("risk_score", stored.risk_score, computed.risk_score);
        self.number("base_log_odds", stored.base_log_odds, computed.base_log_odds);
        let inputs = |terms: &[Contribution]| {
            let names: Vec<_> = terms.iter().map(|term| term.input.as_str()).collect();
            names.join(" ")
        };
        let (stored, computed) = (&stored.contributions, &computed.contributions);
        self.text("contributions", &inputs(stored), &inputs(computed));
        for (stored, computed) in stored.iter().zip(computed) {
            let field = format!("contributions.{}", stored.input.as_str());
            self.number(&field, stored.log_odds, computed.log_odds);
        }
    }

    /// Whoever consents is told what would have been without emotions, and nobody else is: they are the same people.
    fn presence(&mut self, decision: &Decision) {
        let due = decision.features.emotions.is_some();
        if due != decision.assessment.without_emotions.is_some() {
            let word = |there: bool| if there { "there" } else { "not there" }.to_owned();
            self.push("without_emotions", word(!due), word(due));
        }
    }

    fn second(&mut self, field: &str, stored: Option<&Second>, computed: Option<&Assessment>) {
        if let Some((stored, computed)) = stored.zip(computed) {
            self.text(&format!("{field}.model_version"), &stored.model_version, &computed.model_version);
            self.number(&format!("{field}.risk_score"), stored.risk_score, computed.risk_score);
        }
    }

    fn outcome(&mut self, decision: &Decision, computed: &Verdict) {
        match (&decision.outcome, computed) {
            (Outcome::Approved(offer), Verdict::Approved(terms)) => {
                let offered = offer.terms;
                // As cents and hundredths of a percent: in words neither shows itself.
                let cents = [offered, *terms].map(|terms| terms.credit_limit.minor_units());
                self.value("offer.credit_limit", &cents[0], &cents[1]);
                let rates = [offered, *terms].map(|terms| terms.interest_rate.basis_points());
                self.value("offer.interest_rate", &rates[0], &rates[1]);
                self.value("offer.credit_type", &offered.credit_type, &terms.credit_type);
            }
            (Outcome::Denied(stored), Verdict::Denied(computed)) => {
                self.value("reasons", &stored.reasons, &computed.reasons);
                self.text("reason", &stored.text, &words(decision, computed));
            }
            (Outcome::Approved(_), Verdict::Denied(_)) => self.text("outcome", "approved", "denied"),
            (Outcome::Denied(_), Verdict::Approved(_)) => self.text("outcome", "denied", "approved"),
        }
    }
}

#[cfg(test)]
mod tests {
    use ecs_domain::features::{EmotionFeatures, EmotionMeans, Features};
    use ecs_domain::offer::{Offer, OfferStatus};
    use ecs_domain::policy::Facts;
    use ecs_domain::reason::Reason;
    use ecs_domain::{DecisionId, Money, OfferId, Timestamp, UserId};
    use ecs_models::{Lineup, Plan, Random, Registry};
    use ecs_work::policies::{built_in, default_policy};
    use uuid::Uuid;

    use super::*;
    use crate::settings::{Environment, Flags, Settings, merge};

    /// All that there is, once the decision's models are looked up.
    fn artefacts(decision: &Decision) -> Artefacts {
        let raw = merge(&Environment::default(), &Flags::default()).unwrap();
        let mut artefacts = Artefacts::of(&Settings::from_raw(&raw).unwrap()).unwrap();
        artefacts.learn_models(decision).unwrap();
        artefacts
    }

    const FELT: EmotionFeatures = EmotionFeatures {
        means_7d: Some(EmotionMeans { positivity: 2.0 / 3.0, intensity: 0.1, stress: 0.3 }),
        stress_events_7d: 1,
        stress_events_30d: 2,
    };
    const SILENCE: EmotionFeatures =
        EmotionFeatures { means_7d: None, stress_events_7d: 0, stress_events_30d: 0 };

    fn features(transactions: u64, emotions: Option<EmotionFeatures>) -> Features {
        Features {
            transaction_count_30d: transactions,
            avg_transaction_value_30d: 1_000.0 / 3.0,
            days_since_last_transaction: Some(0.1 + 0.7),
            account_age_days: std::f64::consts::PI,
            emotions,
        }
    }

    /// A decision as the scorecard and the first policy made it.
    fn decision(transactions: u64) -> Decision {
        let seat = "champion = \"scorecard-1\"\nchallenger = \"scorecard-1\"";
        let plan = Plan::parse(&format!("[financial]\n{seat}\n[empathic]\n{seat}")).unwrap();
        let lineup = Lineup::gather(&plan, &Registry::default(), Random::Refused).unwrap();
        let policy = &built_in().unwrap()[0].policy;
        made(features(transactions, Some(FELT)), &lineup, policy)
    }

    /// A decision as it is made by default.
    fn by_default(emotions: Option<EmotionFeatures>) -> Decision {
        let policy = default_policy().unwrap().policy;
        made(features(40, emotions), &Lineup::built_in().unwrap(), &policy)
    }

    fn made(features: Features, lineup: &Lineup, policy: &Policy) -> Decision {
        let assessment = lineup.assess(&features);
        let (user, at) = (UserId::new(Uuid::from_u128(1)), Timestamp::UNIX_EPOCH);
        let verdict = policy.outcome(&features, &assessment, Facts::NONE, at);
        let approved_without_emotions =
            policy.approves_without_emotions(&features, &assessment, Facts::NONE, at);
        let offer = |terms| Offer {
            id: OfferId::new(Uuid::from_u128(2)),
            user,
            status: OfferStatus::Active,
            terms,
            created_at: at,
            expires_at: at,
            accepted_at: Some(at),
            activated_at: Some(at),
        };
        Decision {
            id: DecisionId::new(Uuid::from_u128(3)),
            user,
            decided_at: at,
            features,
            assessment,
            facts: Facts::NONE,
            policy_version: policy.version.clone(),
            policy_digest: policy.digest.clone(),
            outcome: match verdict {
                Verdict::Approved(terms) => Outcome::Approved(offer(terms)),
                Verdict::Denied(denial) => Outcome::Denied(denial),
            },
            approved_without_emotions,
            catalogue_version: Catalogue::newest(),
        }
    }

    #[test]
    fn what_the_model_and_the_policy_said_comes_out_again() {
        let outcomes = [0, 40].map(|transactions| {
            let decision = decision(transactions);
            assert_eq!(recompute(&decision, &artefacts(&decision)), Again::Identical, "{transactions}");
            decision.outcome.as_str()
        });
        assert_eq!(outcomes, ["denied", "approved"]);
    }

    #[test]
    fn whoever_decided_it_comes_out_again() {
        let check = |emotions, model: &str, without: Option<&str>| {
            let decision = by_default(emotions);
            let told = &decision.assessment;
            let second = told.without_emotions.as_ref().map(|second| second.model_version.as_str());
            assert_eq!((told.model_version.as_str(), second), (model, without));
            assert_eq!(recompute(&decision, &artefacts(&decision)), Again::Identical, "{model} {without:?}");
        };
        check(Some(FELT), "empathic-1", Some("financial-1"));
        check(Some(SILENCE), "financial-1", Some("financial-1"));
        check(None, "financial-1", None);
    }

    #[test]
    fn a_decision_with_consent_that_does_not_say_what_it_would_have_been_is_different() {
        let check = |emotions, change: &dyn Fn(&mut Assessment)| {
            let mut decision = by_default(emotions);
            change(&mut decision.assessment);
            let Again::Differs(found) = recompute(&decision, &artefacts(&decision)) else {
                panic!("it lacks it")
            };
            assert_eq!(found[0].field, "without_emotions");
            assert_ne!(found[0].stored, found[0].recomputed);
        };
        check(Some(FELT), &|assessment| assessment.without_emotions = None);
        check(Some(SILENCE), &|assessment| assessment.without_emotions = None);
        check(None, &|assessment| assessment.without_emotions = Some(second_of(assessment)));
        // Nor when whoever left it out left out what follows from it, too.
        let mut decision = by_default(Some(FELT));
        (decision.assessment.without_emotions, decision.approved_without_emotions) = (None, None);
        let found = recompute(&decision, &artefacts(&decision));
        assert!(matches!(&found, Again::Differs(found) if found.len() == 1), "{found:?}");
    }

    #[test]
    fn one_bit_is_a_difference_and_is_named() {
        let next = |number: &mut f64| *number = f64::from_bits(number.to_bits() ^ 1);
        let check = |transactions, change: &dyn Fn(&mut Decision), expect: &[&str]| {
            let mut decision = decision(transactions);
            change(&mut decision);
            let Again::Differs(found) = recompute(&decision, &artefacts(&decision)) else {
                panic!("{expect:?}")
            };
            let fields: Vec<_> = found.iter().map(|difference| difference.field.as_str()).collect();
            assert_eq!(fields, expect);
            assert!(found.iter().all(|difference| difference.stored != difference.recomputed));
        };
        check(40, &|d| next(&mut d.assessment.risk_score), &["risk_score"]);
        check(40, &|d| next(&mut d.assessment.base_log_odds), &["base_log_odds"]);
        check(40, &|d| d.assessment.model_version = "x".to_owned(), &["model_version"]);
        check(
            40,
            &|d| next(&mut d.assessment.contributions[0].log_odds),
            &["contributions.transaction_count_30d"],
        );
        check(40, &|d| d.assessment.contributions.truncate(3), &["contributions"]);
        check(
            40,
            &|d| next(&mut d.assessment.without_emotions.as_mut().unwrap().risk_score),
            &["without_emotions.risk_score"],
        );
        check(
            40,
            &|d| next(&mut d.assessment.challenger.as_mut().unwrap().risk_score),
            &["challenger.risk_score"],
        );
        check(40, &|d| d.policy_version = "x".to_owned(), &["policy_version"]);
        check(40, &|d| d.approved_without_emotions = None, &["approved_without_emotions"]);
        check(40, &|d| offer(d).terms.credit_limit = Money::from_minor_units(1), &["offer.credit_limit"]);
        let denied = |reasons, text: &str| Outcome::Denied(Denial { reasons, text: text.to_owned() });
        check(40, &|d| d.outcome = denied(vec![Reason::NewAccount], "new"), &["outcome"]);
        check(0, &|d| d.outcome = denied(vec![], ""), &["reasons", "reason"]);
    }

    #[test]
    fn only_a_network_may_come_near() {
        let check = |kind, computed: f64, expect: f64| assert_eq!(settled(kind, 0.25, computed), expect);
        check(Kind::Onnx, 0.25, 0.25);
        check(Kind::Onnx, 0.25005, 0.25);
        check(Kind::Onnx, 0.2502, 0.2502);
        assert!(settled(Kind::Onnx, 0.25, f64::NAN).is_nan());
        for kind in [Kind::Scorecard, Kind::Additive, Kind::Trees, Kind::Random] {
            check(kind, 0.25005, 0.25005);
        }
    }

    #[test]
    fn another_input_is_not_what_led_to_this() {
        let mut decision = decision(40);
        decision.features.account_age_days += 100.0;
        assert!(
            matches!(recompute(&decision, &artefacts(&decision)), Again::Differs(found) if found.len() >= 3)
        );
    }

    #[test]
    fn without_its_model_or_its_policy_nothing_is_computed() {
        let check = |change: &dyn Fn(&mut Decision), expect: Again| {
            let mut decision = decision(40);
            change(&mut decision);
            assert_eq!(recompute(&decision, &artefacts(&decision)), expect);
        };
        let unknown = || "00".repeat(32);
        check(&|d| d.assessment.model_digest = unknown(), Again::NoModel(unknown()));
        check(&|d| d.assessment.model_digest.clear(), Again::NoModel(String::new()));
        check(&|d| d.policy_digest = unknown(), Again::NoPolicy(unknown()));
        check(
            &|d| d.assessment.challenger.as_mut().unwrap().model_digest = unknown(),
            Again::NoModel(unknown()),
        );
    }

    fn offer(decision: &mut Decision) -> &mut Offer {
        match &mut decision.outcome {
            Outcome::Approved(offer) => offer,
            Outcome::Denied(_) => panic!("not approved"),
        }
    }
}
