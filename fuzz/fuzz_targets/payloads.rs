//! What comes from the bus: the first byte chooses the subject. What can be read is written and read again alike.
#![no_main]

use bytes::Bytes;
use ecs_bus::payload::{
    AlertPayload, EmotionPayload, EvaluationPayload, NotificationPayload, OfferPayload, PayloadError, TransactionPayload,
};
use ecs_bus::{Event, Headers, Subject};
use ecs_domain::EventId;
use ecs_fuzz::somebody;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((kind, payload)) = data.split_first() else { return };
    let subject = Subject::ALL[usize::from(*kind) % Subject::ALL.len()];
    let id = EventId::new(uuid::Uuid::from_u128(9));
    let headers = Headers::current();
    let event = Event { id, subject, key: somebody(), payload: Bytes::copy_from_slice(payload), headers };
    let headers = Headers::current;
    match subject {
        Subject::Emotions => again(EmotionPayload::decode(&event), |read| {
            EmotionPayload::decode(&EmotionPayload::event(read, None, "trace", headers()))
        }),
        Subject::Transactions => again(TransactionPayload::decode(&event), |read| {
            TransactionPayload::decode(&TransactionPayload::event(read, "trace", headers()))
        }),
        Subject::OffersApproved => again(OfferPayload::decode(&event), |read| {
            OfferPayload::decode(&OfferPayload::event(read, headers()))
        }),
        Subject::Notifications => again(NotificationPayload::decode(&event), |read| {
            NotificationPayload::decode(&NotificationPayload::event(read, headers()))
        }),
        Subject::Evaluations => again(EvaluationPayload::decode(&event), |read| {
            EvaluationPayload::decode(&EvaluationPayload::event(read, headers()))
        }),
        // Their figures are told to be looked at, and may lose their last bit.
        Subject::Alerts => {
            if let Ok(read) = AlertPayload::decode(&event) {
                assert!(AlertPayload::decode(&AlertPayload::event(&read, headers())).is_ok());
            }
        }
    }
});

fn again<T: PartialEq + std::fmt::Debug>(
    read: Result<T, PayloadError>,
    write_and_read: impl FnOnce(&T) -> Result<T, PayloadError>,
) {
    if let Ok(read) = read {
        assert_eq!(write_and_read(&read), Ok(read));
    }
}
