//! A backtest's report as JSON: in answers, in the store and in the command's output.

use ecs_domain::backtest::{
    Answers, BandReport, Both, Cause, Flips, GroupReport, Groups, Limits, Report, Rule, Share, Skip,
    Suppressed,
};
use ecs_domain::reason::Reason;
use ecs_domain::{Money, Rate};
use ecs_web::openapi::one_of;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa::openapi::schema::ObjectBuilder;

use crate::words;

/// What a draft would have said of the decisions of some days.
#[derive(Serialize, ToSchema)]
#[schema(as = BacktestReport)]
pub struct BacktestReport {
    /// The draft's version.
    policy: String,
    /// SHA-256 of its file in hexadecimal.
    digest: String,
    /// The part of a limit that is taken to be lost when somebody doesn't pay.
    #[schema(value_type = f64, minimum = 0, maximum = 1)]
    loss_given_default: Box<RawValue>,
    /// How many decisions there were, with those that were skipped.
    decisions: u64,
    /// How many were asked again.
    looked_at: u64,
    /// How many were skipped, and why.
    skipped: Vec<SkippedView>,
    /// What was recorded.
    recorded: AnswersView,
    /// What the draft says.
    draft: AnswersView,
    /// Why the draft denies, whatever was recorded; the most frequent first.
    denied_by: Vec<CauseView>,
    /// Denied then, and approved by the draft; by what denied them then.
    gained: FlipsView,
    /// Approved then, and denied by the draft; by what denies them.
    lost: FlipsView,
    /// Those whom both approve.
    both: BothView,
    /// Scores by the draft's bands, and those above its cut-off last.
    bands: Vec<BandView>,
    /// By what people told of themselves with consent; null where nobody looked.
    #[schema(required)]
    groups: Option<GroupsView>,
}

/// Decisions that can't be asked again.
#[derive(Serialize, ToSchema)]
#[schema(as = BacktestSkipped)]
struct SkippedView {
    /// Why.
    #[schema(schema_with = skips)]
    why: &'static str,
    /// How many.
    count: u64,
}

/// One side's answers.
#[derive(Serialize, ToSchema)]
#[schema(as = BacktestAnswers)]
struct AnswersView {
    /// How many are approved, of those that were asked again.
    approved: ShareView,
    /// Their limits; null without any.
    #[schema(required)]
    limits: Option<LimitsView>,
    /// Their mean rate, rounded down to a hundredth of a percent; null without any.
    #[schema(required, value_type = Option<words::Rate>)]
    mean_rate: Option<Rate>,
    /// Risk × limit × loss given default, summed. It means something only where scores are calibrated.
    #[schema(value_type = words::Money)]
    expected_loss: Box<RawValue>,
}

/// So many of so many.
#[derive(Serialize, ToSchema)]
#[schema(as = BacktestShare)]
struct ShareView {
    /// How many.
    count: u64,
    /// Of how many.
    of: u64,
    /// As a fraction; null of nothing.
    #[schema(required, minimum = 0, maximum = 1)]
    fraction: Option<f64>,
    /// Where Wilson's interval of 95 % begins.
    #[schema(required, minimum = 0, maximum = 1)]
    low: Option<f64>,
    /// Where it ends.
    #[schema(required, minimum = 0, maximum = 1)]
    high: Option<f64>,
}

/// Limits of those who are approved.
#[derive(Serialize, ToSchema)]
#[schema(as = BacktestLimits)]
struct LimitsView {
    /// All together.
    #[schema(value_type = words::Money)]
    sum: Box<RawValue>,
    /// Rounded down to the cent.
    #[schema(value_type = words::Money)]
    mean: Money,
    /// By nearest rank, rounded down to four digits.
    quantiles: Vec<QuantileView>,
}

/// A limit that so many of a hundred don't exceed.
#[derive(Serialize, ToSchema)]
#[schema(as = BacktestQuantile)]
struct QuantileView {
    /// How many of a hundred.
    percent: u8,
    /// The limit.
    #[schema(value_type = words::Money)]
    limit: Money,
}

/// What denied, and how often.
#[derive(Serialize, ToSchema)]
#[schema(as = BacktestCause)]
struct CauseView {
    /// Which part of the policy. A stored denial doesn't tell a knock-out from the cut-off.
    #[schema(schema_with = rules)]
    rule: &'static str,
    /// The weightiest reason; null in decisions from before reasons were kept.
    #[schema(required, schema_with = reasons)]
    reason: Option<&'static str>,
    /// How many.
    count: u64,
}

/// Decisions that flip one way.
#[derive(Serialize, ToSchema)]
#[schema(as = BacktestFlips)]
struct FlipsView {
    /// How many.
    count: u64,
    /// By what denied them, the most frequent first.
    causes: Vec<CauseView>,
}

/// Limits of those whom both approve.
#[derive(Serialize, ToSchema)]
#[schema(as = BacktestBoth)]
struct BothView {
    /// How many the draft gives more.
    raised: u64,
    /// How many it gives less.
    lowered: u64,
    /// How many it gives the same.
    same: u64,
    /// What it gives more in all.
    #[schema(value_type = words::Money)]
    change: Box<RawValue>,
    /// Each on average, rounded down to the cent; null where there are none.
    #[schema(required, value_type = Option<words::Money>)]
    mean_change: Option<Money>,
}

/// Scores of one of the draft's bands.
#[derive(Serialize, ToSchema)]
#[schema(as = BacktestBand)]
struct BandView {
    /// The highest risk of the band; null above the cut-off.
    #[schema(required, minimum = 0, maximum = 1)]
    max_risk: Option<f64>,
    /// Approved then.
    recorded: ShareView,
    /// Approved by the draft.
    draft: ShareView,
}

/// What the draft means for groups of people.
#[derive(Serialize, ToSchema)]
#[schema(as = BacktestGroups)]
struct GroupsView {
    /// By age band.
    ages: Vec<GroupView>,
    /// Those by age that are not told.
    ages_suppressed: SuppressedView,
    /// By region.
    regions: Vec<GroupView>,
    /// Those by region that are not told.
    regions_suppressed: SuppressedView,
}

/// What the draft means for a group of ten people or more.
#[derive(Serialize, ToSchema)]
#[schema(as = BacktestGroup)]
struct GroupView {
    /// What they told of themselves, or `unknown`.
    group: String,
    /// Approved then.
    recorded: ShareView,
    /// Approved by the draft.
    draft: ShareView,
    /// Denied then, and approved by the draft.
    gained: u64,
    /// Approved then, and denied by the draft.
    lost: u64,
}

/// Groups of too few people, and those without which these could be told from the whole.
#[derive(Serialize, ToSchema)]
#[schema(as = BacktestSuppressed)]
struct SuppressedView {
    /// How many groups.
    groups: u64,
    /// How many decisions were about people in them.
    decisions: u64,
}

fn skips() -> ObjectBuilder {
    one_of(Skip::ALL.map(Skip::as_str)).description(Some("Why."))
}

fn rules() -> ObjectBuilder {
    one_of(Rule::ALL.map(Rule::as_str)).description(Some("Which part of the policy."))
}

fn reasons() -> ObjectBuilder {
    use utoipa::openapi::schema::{SchemaType, Type};
    let codes: Vec<Option<&str>> = Reason::ALL.into_iter().map(|it| Some(it.code())).chain([None]).collect();
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
        .enum_values(Some(codes))
        .description(Some("The weightiest reason; null in decisions from before reasons were kept."))
}

impl BacktestReport {
    /// The report as JSON.
    ///
    /// # Errors
    /// Never: digits are JSON, which serde can't know.
    pub fn of(report: &Report) -> serde_json::Result<Self> {
        Ok(Self {
            policy: report.policy.clone(),
            digest: report.digest.clone(),
            loss_given_default: RawValue::from_string(report.loss_given_default.digits())?,
            decisions: report.decisions,
            looked_at: report.looked_at(),
            skipped: report
                .skipped
                .iter()
                .map(|&(why, count)| SkippedView { why: why.as_str(), count })
                .collect(),
            recorded: AnswersView::of(&report.recorded)?,
            draft: AnswersView::of(&report.drafted)?,
            denied_by: report.denied_by.iter().map(CauseView::of).collect(),
            gained: FlipsView::of(&report.gained),
            lost: FlipsView::of(&report.lost),
            both: BothView::of(report.both)?,
            bands: report.bands.iter().map(BandView::of).collect(),
            groups: report.groups.as_ref().map(GroupsView::of),
        })
    }
}

impl AnswersView {
    fn of(answers: &Answers) -> serde_json::Result<Self> {
        Ok(Self {
            approved: answers.approved.into(),
            limits: answers.limits.as_ref().map(LimitsView::of).transpose()?,
            mean_rate: answers.mean_rate,
            expected_loss: RawValue::from_string(answers.expected_loss.digits())?,
        })
    }
}

impl From<Share> for ShareView {
    fn from(share: Share) -> Self {
        let (low, high) = share.interval().unzip();
        Self { count: share.count, of: share.of, fraction: share.fraction(), low, high }
    }
}

impl LimitsView {
    fn of(limits: &Limits) -> serde_json::Result<Self> {
        let quantiles = limits.quantiles.map(|(percent, limit)| QuantileView { percent, limit });
        let sum = RawValue::from_string(limits.sum.digits())?;
        Ok(Self { sum, mean: limits.mean, quantiles: quantiles.into() })
    }
}

impl CauseView {
    fn of(&(Cause { rule, reason }, count): &(Cause, u64)) -> Self {
        Self { rule: rule.as_str(), reason, count }
    }
}

impl FlipsView {
    fn of(flips: &Flips) -> Self {
        Self { count: flips.count, causes: flips.causes.iter().map(CauseView::of).collect() }
    }
}

impl BothView {
    fn of(both: Both) -> serde_json::Result<Self> {
        let Both { raised, lowered, same, change, mean_change } = both;
        Ok(Self { raised, lowered, same, change: RawValue::from_string(change.digits())?, mean_change })
    }
}

impl BandView {
    fn of(band: &BandReport) -> Self {
        Self { max_risk: band.max_risk, recorded: band.recorded.into(), draft: band.drafted.into() }
    }
}

impl GroupsView {
    fn of(groups: &Groups) -> Self {
        Self {
            ages: groups.ages.iter().map(GroupView::of).collect(),
            ages_suppressed: groups.ages_suppressed.into(),
            regions: groups.regions.iter().map(GroupView::of).collect(),
            regions_suppressed: groups.regions_suppressed.into(),
        }
    }
}

impl GroupView {
    fn of(it: &GroupReport) -> Self {
        let group = it.group.name().to_owned();
        Self {
            group,
            recorded: it.recorded.into(),
            draft: it.drafted.into(),
            gained: it.gained,
            lost: it.lost,
        }
    }
}

impl From<Suppressed> for SuppressedView {
    fn from(Suppressed { groups, decisions }: Suppressed) -> Self {
        Self { groups, decisions }
    }
}
