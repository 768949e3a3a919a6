//! The payloads of each version as files. Other systems read and write them, so a change here is a new version.
//!
//! Each file holds the payload in a readable layout. Encoding must give the same keys in the same order with the same
//! digits, and decoding must give the value back.
#![expect(clippy::unwrap_used, reason = "the values are written below, and a wrong one ends the test")]

use bytes::Bytes;
use ecs_bus::payload::{
    Alert, AlertAbout, AlertPayload, ApprovedOffer, Drift, EmotionPayload, EvaluationPayload,
    EvaluationRequest, Fairness, NOBODY, NotificationPayload, OfferPayload, PayloadError, Severity,
    TransactionPayload,
};
use ecs_bus::{Event, Headers, Subject};
use ecs_domain::emotion::{EmotionEvent, EmotionKind, Metrics, Unit};
use ecs_domain::notification::{About, Notification};
use ecs_domain::offer::{CreditType, Terms};
use ecs_domain::transaction::Transaction;
use ecs_domain::{
    DecisionId, EvaluationId, EventId, Money, NotificationId, OfferId, Rate, ReviewId, Timestamp,
    TransactionId, UserId,
};
use uuid::{Uuid, uuid};

const USER: Uuid = uuid!("0198f0a0-0000-7000-8000-000000000001");
const EVENT: Uuid = uuid!("2f6a1f0e-8a53-5c0e-9a3c-6d5a3f2b1c00");
const OFFER: Uuid = uuid!("0198f0a0-0000-7000-8000-000000000003");
const DECISION: Uuid = uuid!("0198f0a0-0000-7000-8000-000000000004");
const REVIEW: Uuid = uuid!("0198f0a0-0000-7000-8000-000000000005");
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

const EMOTION: &str = include_str!("golden/emotion.v1.json");
const TRANSACTION: &str = include_str!("golden/transaction.v1.json");
const OFFER_APPROVED: &str = include_str!("golden/offer_approved.v1.json");
const NOTIFICATION: &str = include_str!("golden/notification.v1.json");
const EVALUATION: &str = include_str!("golden/evaluation.v1.json");
const ALERT: &str = include_str!("golden/alert.v1.json");
const FAIRNESS_ALERT: &str = include_str!("golden/alert_fairness.v1.json");
const CONCLUSION: &str = include_str!("golden/notification.v2.json");

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn unit(billionths: u32) -> Unit {
    Unit::from_billionths(billionths).unwrap()
}

fn emotion() -> EmotionEvent {
    EmotionEvent {
        id: EventId::new(EVENT),
        user: UserId::new(USER),
        occurred_at: at("2025-08-19T14:30:00.25Z"),
        kind: EmotionKind::new("calm".to_owned()).unwrap(),
        metrics: Metrics {
            positivity: unit(810_000_000),
            intensity: unit(400_000_000),
            stress: unit(125_000_000),
        },
    }
}

fn transaction() -> Transaction {
    Transaction {
        id: TransactionId::new(EVENT),
        user: UserId::new(USER),
        amount: Money::from_minor_units(123_450),
        currency: "BRL".parse().unwrap(),
        occurred_at: at("2025-08-19T14:30:00Z"),
        merchant: Some("Livraria São João".to_owned()),
        category: Some("books".to_owned()),
        channel: Some("web".to_owned()),
        client_id: Some("order-42".to_owned()),
    }
}

fn approved_offer() -> ApprovedOffer {
    ApprovedOffer {
        offer: OfferId::new(OFFER),
        user: UserId::new(USER),
        terms: Terms {
            credit_limit: Money::from_minor_units(500_000),
            interest_rate: Rate::from_basis_points(1_425),
            credit_type: CreditType::ShortTerm,
        },
        accepted_at: at("2025-08-20T08:00:00Z"),
    }
}

fn notification() -> Notification {
    Notification {
        id: NotificationId::of_activation(OfferId::new(OFFER)),
        user: UserId::new(USER),
        about: About::Offer(OfferId::new(OFFER)),
        title: "Your credit limit is active".to_owned(),
        message: "A credit limit of 5000.00 at 14.25 % per year is now available to you.".to_owned(),
        created_at: at("2025-08-20T08:00:01Z"),
    }
}

fn conclusion() -> Notification {
    let (review, decision) = (ReviewId::new(REVIEW), DecisionId::new(DECISION));
    Notification::of_conclusion(UserId::new(USER), review, decision, at("2025-08-21T09:00:00Z"))
}

/// The file without the layout that makes it readable. No string in the files holds a line break or two spaces.
fn compact(golden: &str) -> String {
    golden.lines().map(str::trim_start).collect::<String>().replace("\": ", "\":")
}

fn event(subject: Subject, payload: impl Into<Bytes>) -> Event {
    let headers = Headers::current();
    Event { id: EventId::new(EVENT), subject, key: UserId::new(USER), payload: payload.into(), headers }
}

fn assert_encodes(encoded: &Event, golden: &str) {
    assert_eq!(String::from_utf8_lossy(&encoded.payload), compact(golden));
    assert_eq!(encoded.key, UserId::new(USER));
    assert_eq!(encoded.headers, Headers::current());
}

#[test]
fn an_emotion_is_written_and_read_as_in_its_file() {
    let encoded = EmotionPayload::event(&emotion(), Some("reading-7"), TRACE, Headers::current());
    assert_encodes(&encoded, EMOTION);
    assert_eq!((encoded.id, encoded.subject), (EventId::new(EVENT), Subject::Emotions));
    assert_eq!(EmotionPayload::decode(&event(Subject::Emotions, EMOTION)), Ok(emotion()));
}

#[test]
fn a_transaction_is_written_and_read_as_in_its_file() {
    let encoded = TransactionPayload::event(&transaction(), TRACE, Headers::current());
    assert_encodes(&encoded, TRANSACTION);
    assert_eq!((encoded.id, encoded.subject), (EventId::new(EVENT), Subject::Transactions));
    assert_eq!(TransactionPayload::decode(&event(Subject::Transactions, TRANSACTION)), Ok(transaction()));
}

#[test]
fn an_approved_offer_is_written_and_read_as_in_its_file() {
    let encoded = OfferPayload::event(&approved_offer(), Headers::current());
    assert_encodes(&encoded, OFFER_APPROVED);
    assert_eq!((encoded.id, encoded.subject), (EventId::new(OFFER), Subject::OffersApproved));
    assert_eq!(OfferPayload::decode(&event(Subject::OffersApproved, OFFER_APPROVED)), Ok(approved_offer()));
}

#[test]
fn a_notification_is_written_and_read_as_in_its_file() {
    let encoded = NotificationPayload::event(&notification(), Headers::current());
    assert_encodes(&encoded, NOTIFICATION);
    assert_eq!((encoded.id.uuid(), encoded.subject), (notification().id.uuid(), Subject::Notifications));
    assert_eq!(NotificationPayload::decode(&event(Subject::Notifications, NOTIFICATION)), Ok(notification()));
}

#[test]
fn a_request_for_an_evaluation_is_written_and_read_as_in_its_file() {
    let id = uuid!("0198f0a0-0000-7000-8000-000000000004");
    let request = EvaluationRequest {
        evaluation: EvaluationId::new(id),
        user: UserId::new(USER),
        requested_at: at("2025-08-20T08:00:00Z"),
    };
    let encoded = EvaluationPayload::event(&request, Headers::current());
    assert_encodes(&encoded, EVALUATION);
    assert_eq!((encoded.id, encoded.subject), (EventId::new(id), Subject::Evaluations));
    assert_eq!(EvaluationPayload::decode(&event(Subject::Evaluations, EVALUATION)), Ok(request));
}

#[test]
fn a_conclusion_is_written_and_read_as_in_its_file() {
    let encoded = NotificationPayload::event(&conclusion(), Headers::current());
    assert_eq!(String::from_utf8_lossy(&encoded.payload), compact(CONCLUSION));
    assert_eq!(encoded.headers, Headers { schema_version: 2, ..Headers::current() });
    assert_eq!(NotificationPayload::decode(&encoded), Ok(conclusion()));
    // Neither version speaks of what the other one does.
    for (version, golden) in [(1, CONCLUSION), (2, NOTIFICATION)] {
        let mut event = event(Subject::Notifications, golden);
        event.headers.schema_version = version;
        assert!(matches!(error_of(&event), Some(PayloadError::Malformed(_))), "{version}");
    }
}

#[test]
fn alerts_are_written_and_read_as_in_their_files() {
    let check = |id: Uuid, severity, about: AlertAbout, golden: &'static str| {
        let alert = Alert { id, severity, at: at("2025-08-20T08:00:00Z"), about };
        let encoded = AlertPayload::event(&alert, Headers::current());
        assert_eq!(String::from_utf8_lossy(&encoded.payload), compact(golden));
        assert_eq!((encoded.id, encoded.subject, encoded.key), (EventId::new(id), Subject::Alerts, NOBODY));
        assert_eq!(AlertPayload::decode(&event(Subject::Alerts, golden)), Ok(alert));
    };
    let drift = Drift {
        model: "scorecard-1".to_owned(),
        measure: "avg_stress_7d".to_owned(),
        verdict: "major".to_owned(),
        index: 0.375,
        critical: 0.0625,
        window: 1_000,
        reference: 4_000,
    };
    let fairness = Fairness {
        attribute: "age_band".to_owned(),
        group: "65+".to_owned(),
        finding: "adverse".to_owned(),
        impact: Some(0.5),
    };
    check(uuid!("0198f0a0-0000-7000-8000-000000000005"), Severity::Critical, AlertAbout::Drift(drift), ALERT);
    let (id, about) = (uuid!("0198f0a0-0000-7000-8000-000000000006"), AlertAbout::Fairness(fairness));
    check(id, Severity::Warning, about, FAIRNESS_ALERT);
}

#[test]
fn what_need_not_be_there_may_be_missing() {
    let without = |golden: &str, keys: &[&str]| {
        let mut payload: serde_json::Map<String, serde_json::Value> = serde_json::from_str(golden).unwrap();
        for key in keys {
            assert!(payload.remove(*key).is_some(), "{key}");
        }
        serde_json::Value::Object(payload).to_string()
    };
    let payload = without(EMOTION, &["clientId"]);
    assert_eq!(EmotionPayload::decode(&event(Subject::Emotions, payload)), Ok(emotion()));
    let payload = without(TRANSACTION, &["merchant", "category", "channel", "clientId"]);
    let bare =
        Transaction { merchant: None, category: None, channel: None, client_id: None, ..transaction() };
    assert_eq!(TransactionPayload::decode(&event(Subject::Transactions, payload)), Ok(bare.clone()));
    let encoded = TransactionPayload::event(&bare, TRACE, Headers::current());
    assert!(!String::from_utf8_lossy(&encoded.payload).contains("null"));
}

/// Decodes as the subject says, and gives the error.
fn error_of(event: &Event) -> Option<PayloadError> {
    match event.subject {
        Subject::Emotions => EmotionPayload::decode(event).err(),
        Subject::Transactions => TransactionPayload::decode(event).err(),
        Subject::OffersApproved => OfferPayload::decode(event).err(),
        Subject::Notifications => NotificationPayload::decode(event).err(),
        Subject::Evaluations => EvaluationPayload::decode(event).err(),
        Subject::Alerts => AlertPayload::decode(event).err(),
    }
}

const ALL: [(Subject, &str); 6] = [
    (Subject::Emotions, EMOTION),
    (Subject::Transactions, TRANSACTION),
    (Subject::OffersApproved, OFFER_APPROVED),
    (Subject::Notifications, NOTIFICATION),
    (Subject::Evaluations, EVALUATION),
    (Subject::Alerts, ALERT),
];

#[test]
fn a_version_that_is_not_known_is_refused_before_the_payload_is_read() {
    for (subject, golden) in ALL {
        for version in [0, 3, u16::MAX] {
            let mut event = event(subject, golden);
            event.headers.schema_version = version;
            assert_eq!(error_of(&event), Some(PayloadError::UnknownVersion(version)), "{subject}");
        }
    }
}

#[test]
fn what_is_cut_off_or_not_json_is_malformed() {
    for (subject, golden) in ALL {
        let cut = golden.len() / 2;
        for payload in ["", "null", "[]", "{}", "\u{0}", &golden[..cut]] {
            let error = error_of(&event(subject, payload.to_owned()));
            assert!(matches!(error, Some(PayloadError::Malformed(_))), "{subject}: {payload}");
        }
        let error = error_of(&event(subject, vec![0xff, 0xfe, b'{']));
        assert!(matches!(error, Some(PayloadError::Malformed(_))), "{subject}");
    }
}

#[test]
fn an_error_never_tells_a_value() {
    let check = |subject, golden: &str, from: &str, to: &str| {
        assert!(golden.contains(from), "{from}");
        let payload = golden.replace(from, to);
        let error = error_of(&event(subject, payload));
        let Some(PayloadError::Malformed(text)) = error else { panic!("{subject}: {to} gave {error:?}") };
        for secret in ["5ecret", "77", "1.5", "-3"] {
            assert!(!text.contains(secret), "{text}");
        }
    };
    check(Subject::Emotions, EMOTION, "\"calm\"", "[\"5ecret\"]");
    check(Subject::Emotions, EMOTION, "\"calm\"", "\"\"");
    check(Subject::Emotions, EMOTION, "0.81", "\"5ecret\"");
    check(Subject::Emotions, EMOTION, "0.81", "1.5");
    check(Subject::Emotions, EMOTION, "0.125", "-3");
    check(Subject::Emotions, EMOTION, &USER.to_string(), "5ecret");
    check(Subject::Emotions, EMOTION, "2025-08-19T14:30:00.25Z", "5ecret");
    check(Subject::Transactions, TRANSACTION, "1234.50", "\"5ecret\"");
    check(Subject::Transactions, TRANSACTION, "1234.50", "-3");
    check(Subject::Transactions, TRANSACTION, "1234.50", "77.777");
    check(Subject::Transactions, TRANSACTION, "\"BRL\"", "\"5ecret\"");
    check(Subject::OffersApproved, OFFER_APPROVED, "SHORT_TERM", "5ecret");
    check(Subject::OffersApproved, OFFER_APPROVED, "14.25", "77777");
    check(Subject::Notifications, NOTIFICATION, "CREDIT_LIMIT_APPLIED", "5ecret");
    check(Subject::Evaluations, EVALUATION, &USER.to_string(), "5ecret");
    check(Subject::Alerts, ALERT, "critical\",", "5ecret\",");
}
