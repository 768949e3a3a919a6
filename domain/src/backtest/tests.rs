//! By hand, and what must hold whatever was decided.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::attributes::AgeBand;
use crate::features::Features;
use crate::offer::{CreditType, Offer, OfferStatus};
use crate::policy::{Band, Comparison, CoolDown, Exposure, Facts, KnockOut, Rounding, Verdict};
use crate::reason::Reason;
use crate::scorecard::{Assessment, Contribution, Input};
use crate::{Money, OfferId, Rate, Timestamp};

/// What a decision is made from.
#[derive(Debug, Clone)]
struct Case {
    user: u128,
    risk: f64,
    transactions: u64,
    exposure: i64,
    denied_hours_ago: Option<i64>,
}

fn now() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

fn policy(cut_off: f64, bands: &[(f64, i64, u32)]) -> Policy {
    let band = |&(max_risk, limit, rate): &(f64, i64, u32)| Band {
        max_risk,
        credit_limit: Money::from_minor_units(limit),
        interest_rate: Rate::from_basis_points(rate),
        credit_type: CreditType::ShortTerm,
    };
    let policy = Policy {
        version: "draft".to_owned(),
        digest: "ab".to_owned(),
        made_for: Vec::new(),
        knock_outs: Vec::new(),
        cut_off,
        bands: bands.iter().map(band).collect(),
        exposure: None,
        cool_down: None,
        rounding: Rounding::NONE,
    };
    policy.validate().unwrap()
}

/// With every rule that there is.
fn strict(cut_off: f64) -> Policy {
    let [max_total, min_limit] = [100_000, 5_000].map(Money::from_minor_units);
    Policy {
        knock_outs: vec![KnockOut {
            feature: Input::TransactionCount30d,
            comparison: Comparison::Below,
            value: 3.0,
            reason: Reason::FewTransactions,
        }],
        exposure: Some(Exposure { max_total, min_limit }),
        cool_down: Some(CoolDown { days: 30 }),
        ..policy(cut_off, &[(cut_off / 2.0, 80_000, 1_200), (cut_off, 20_000, 1_800)])
    }
}

fn lenient() -> Policy {
    policy(0.6, &[(0.2, 90_000, 1_000), (0.6, 10_000, 2_000)])
}

/// A decision as a policy makes it.
fn decide(policy: &Policy, case: &Case) -> Decision {
    let features = Features {
        transaction_count_30d: case.transactions,
        avg_transaction_value_30d: 50.0,
        days_since_last_transaction: None,
        account_age_days: 400.0,
        emotions: None,
    };
    let contributions = vec![Contribution { input: Input::AccountAgeDays, log_odds: 1.0 }];
    let assessment = Assessment { contributions, ..Assessment::unexplained("test", case.risk) };
    let user = UserId::new(Uuid::from_u128(case.user));
    let ago = |hours| now() - jiff::ToSpan::hours(hours);
    let facts = Facts {
        exposure: Money::from_minor_units(case.exposure),
        last_denied_at: case.denied_hours_ago.map(ago),
    };
    let offer = |terms| Offer {
        id: OfferId::new(Uuid::from_u128(2)),
        user,
        status: OfferStatus::Expired,
        terms,
        created_at: now(),
        expires_at: now(),
        accepted_at: None,
        activated_at: None,
    };
    let outcome = match policy.outcome(&features, &assessment, facts, now()) {
        Verdict::Approved(terms) => Outcome::Approved(offer(terms)),
        Verdict::Denied(denial) => Outcome::Denied(denial),
    };
    Decision {
        id: DecisionId::new(Uuid::from_u128(3)),
        user,
        decided_at: now(),
        features,
        assessment,
        facts,
        policy_version: policy.version.clone(),
        policy_digest: policy.digest.clone(),
        outcome,
        approved_without_emotions: None,
        catalogue_version: 1,
    }
}

fn told(case: &Case) -> Attributes {
    let place = usize::try_from(case.user).unwrap_or(0);
    Attributes { age_band: AgeBand::ALL.get(place % 7).copied(), region: None }
}

fn backtest(draft: Policy, made: &[(Case, Decision)]) -> Backtest {
    let mut backtest = Backtest::new(Arc::new(draft), LossGivenDefault::DEFAULT, true);
    for (case, decision) in made {
        backtest.take(decision, told(case));
    }
    backtest
}

const WELL: Case = Case { user: 1, risk: 0.1, transactions: 10, exposure: 0, denied_hours_ago: None };

/// Six applications, decided by the lenient policy and asked again of the strict one.
#[test]
fn a_stricter_draft_is_told_by_hand() {
    let check = |case: Case, expect: Option<(Direction, Rule, &'static str)>| {
        let decision = decide(&lenient(), &case);
        let mut backtest = Backtest::new(Arc::new(strict(0.3)), LossGivenDefault::DEFAULT, false);
        let flip = backtest.take(&decision, Attributes::default());
        let expect = expect.map(|(way, rule, reason)| (way, Cause { rule, reason: Some(reason) }));
        assert_eq!(flip.map(|flip| (flip.direction, flip.cause)), expect, "{case:?}");
        decision
    };
    let lost = |rule, reason| Some((Direction::Lost, rule, reason));
    let made = [
        check(WELL, None),
        check(Case { risk: 0.25, ..WELL }, None),
        check(Case { risk: 0.5, ..WELL }, lost(Rule::CutOff, "NEW_ACCOUNT")),
        check(Case { transactions: 2, ..WELL }, lost(Rule::KnockOut, "FEW_TRANSACTIONS")),
        check(Case { exposure: 96_000, ..WELL }, lost(Rule::Exposure, "EXISTING_CREDIT")),
        check(Case { denied_hours_ago: Some(5), ..WELL }, lost(Rule::CoolDown, "DENIED_RECENTLY")),
        check(Case { risk: 0.9, ..WELL }, None),
    ];
    let made: Vec<_> = made.into_iter().map(|decision| (WELL, decision)).collect();
    let report = backtest(strict(0.3), &made).report();
    assert_eq!((report.decisions, report.looked_at(), report.skipped.len()), (7, 7, 0));
    assert_eq!((report.recorded.approved.count, report.drafted.approved.count), (6, 2));
    assert_eq!((report.gained.count, report.lost.count), (0, 4));
    assert_eq!(report.recorded.limits.unwrap().sum.digits(), "3800.00");
    assert_eq!(report.drafted.limits.unwrap().sum.digits(), "1000.00");
    let Both { raised, lowered, same, change, mean_change } = report.both;
    assert_eq!((raised, lowered, same, change.digits()), (1, 1, 0, "0.00".to_owned()));
    assert_eq!(mean_change, Some(Money::ZERO));
    // 0.1 × 800 + 0.25 × 200, and of that 0.45.
    assert_eq!(report.drafted.expected_loss.digits(), "58.50");
    assert_eq!(report.drafted.mean_rate.unwrap().basis_points(), 1_500);
    let bands: Vec<_> = report.bands.iter().map(|band| (band.recorded.count, band.drafted)).collect();
    let share = |count, of| Share { count, of };
    assert_eq!(bands, [(4, share(1, 4)), (1, share(1, 1)), (1, share(0, 2))]);
}

/// What was denied and would not be is told by what denied it then.
#[test]
fn a_more_lenient_draft_is_told_by_what_denied_then() {
    let check = |case: Case, rule: Rule| {
        let decision = decide(&strict(0.3), &case);
        let mut backtest = Backtest::new(Arc::new(lenient()), LossGivenDefault::DEFAULT, false);
        let flip = backtest.take(&decision, Attributes::default()).unwrap();
        assert_eq!((flip.direction, flip.cause.rule), (Direction::Gained, rule));
        assert_eq!(backtest.report().gained, Flips { count: 1, causes: vec![(flip.cause, 1)] });
    };
    check(Case { exposure: 96_000, ..WELL }, Rule::Exposure);
    check(Case { denied_hours_ago: Some(5), ..WELL }, Rule::CoolDown);
    check(Case { transactions: 2, ..WELL }, Rule::KnockOutOrCutOff);
    check(Case { risk: 0.5, ..WELL }, Rule::KnockOutOrCutOff);
}

/// A cut-off for one model's scores says nothing of another's.
#[test]
fn a_decision_by_another_model_is_skipped() {
    let check = |made_for: &str, expect: &[(Skip, u64)]| {
        let draft = Policy { made_for: vec![made_for.to_owned()], ..strict(0.3) };
        let report = backtest(draft, &[(WELL, decide(&lenient(), &WELL))]).report();
        assert_eq!(report.skipped, expect, "{made_for}");
    };
    check("test", &[]);
    check("another", &[(Skip::OtherModel, 1)]);
}

/// Nobody knows what the policy would have read.
#[test]
fn a_decision_from_before_its_facts_were_kept_is_skipped() {
    let decision = Decision { policy_digest: String::new(), ..decide(&lenient(), &WELL) };
    let mut backtest = backtest(strict(0.3), &[(WELL, decision)]);
    backtest.skip(Skip::Erased);
    let report = backtest.report();
    assert_eq!(report.skipped, [(Skip::Erased, 1), (Skip::FactsUnknown, 1)]);
    assert_eq!((report.decisions, report.looked_at()), (2, 0));
    assert_eq!((report.recorded.limits, report.both.mean_change), (None, None));
}

#[test]
fn names_are_read_as_they_are_written() {
    for direction in Direction::ALL {
        assert_eq!(direction.as_str().parse(), Ok(direction));
    }
    assert_eq!("up".parse::<Direction>(), Err(()));
}

fn cases() -> impl Strategy<Value = Vec<Case>> {
    let case = (0_u128..40, 0.0..=1.0_f64, 0_u64..8, 0_i64..150_000, prop::option::of(0_i64..2_000));
    let case = case.prop_map(|(user, risk, transactions, exposure, denied_hours_ago)| Case {
        user,
        risk,
        transactions,
        exposure,
        denied_hours_ago,
    });
    prop::collection::vec(case, 0..120)
}

/// Decisions, each by one of two policies.
fn made(cases: Vec<Case>) -> Vec<(Case, Decision)> {
    let policies = [lenient(), strict(0.4)];
    let decide = |case: Case| {
        let policy = &policies[usize::from(case.transactions.is_multiple_of(2))];
        let decision = decide(policy, &case);
        (case, decision)
    };
    cases.into_iter().map(decide).collect()
}

proptest! {
    /// A draft that is the policy that decided changes nothing, to the cent.
    #[test]
    fn the_same_policy_flips_nobody(cases in cases(), cut_off in 0.1..=1.0_f64) {
        let policy = strict(cut_off);
        let made: Vec<_> = cases.into_iter().map(|case| { let decision = decide(&policy, &case); (case, decision) }).collect();
        let report = backtest(policy, &made).report();
        prop_assert_eq!((report.gained.count, report.lost.count), (0, 0));
        prop_assert_eq!(report.recorded, report.drafted);
        prop_assert_eq!(report.both.same, report.recorded.approved.count);
        prop_assert_eq!((report.both.raised, report.both.lowered, report.both.change), (0, 0, Sum::default()));
    }

    /// Whatever is told of parts adds up to what is told of the whole.
    #[test]
    fn the_parts_add_up_to_the_whole(cases in cases(), cut_off in 0.1..=1.0_f64) {
        let report = backtest(strict(cut_off), &made(cases)).report();
        let (recorded, drafted) = (report.recorded.approved, report.drafted.approved);
        let Both { raised, lowered, same, .. } = report.both;
        let count = |causes: &[(Cause, u64)]| causes.iter().map(|(_, count)| count).sum::<u64>();
        prop_assert_eq!(recorded.count + report.gained.count, drafted.count + report.lost.count);
        prop_assert_eq!(raised + lowered + same + report.lost.count, recorded.count);
        prop_assert_eq!(raised + lowered + same + report.gained.count, drafted.count);
        prop_assert_eq!(count(&report.denied_by) + drafted.count, drafted.of);
        prop_assert_eq!(count(&report.lost.causes), report.lost.count);
        prop_assert_eq!(count(&report.gained.causes), report.gained.count);
        prop_assert_eq!(report.bands.iter().map(|band| band.drafted.of).sum::<u64>(), drafted.of);
        prop_assert_eq!(report.bands.iter().map(|band| band.drafted.count).sum::<u64>(), drafted.count);
        prop_assert_eq!(report.bands.last().map(|above| above.drafted.count), Some(0));
        let groups = report.groups.unwrap();
        for (told, suppressed) in
            [(groups.ages, groups.ages_suppressed), (groups.regions, groups.regions_suppressed)]
        {
            prop_assert_eq!(told.iter().map(|it| it.recorded.of).sum::<u64>() + suppressed.decisions, drafted.of);
            prop_assert!(told.iter().all(|it| it.recorded.count + it.gained == it.drafted.count + it.lost));
        }
        let (low, high) = drafted.interval().unwrap_or((0.0, 1.0));
        prop_assert!(drafted.fraction().is_none_or(|share| (low..=high).contains(&share)));
    }

    /// Two parts, whichever way they are cut, make the same as one.
    #[test]
    fn parts_that_are_merged_are_the_whole(cases in cases(), cut in 0_usize..120) {
        let made = made(cases);
        let (first, second) = made.split_at(cut.min(made.len()));
        let [mut first, mut second] = [first, second].map(|part| backtest(strict(0.5), part));
        first.skip(Skip::Aged);
        second.skip(Skip::Erased);
        let mut whole = backtest(strict(0.5), &made);
        whole.skip(Skip::Erased);
        whole.skip(Skip::Aged);
        let mut other_way = second.clone();
        other_way.merge(first.clone());
        first.merge(second);
        prop_assert_eq!(&first, &whole);
        prop_assert_eq!(other_way, whole);
    }
}
