//! Answers of Kafka that will be other ones soon: partitions get their leaders, groups their coordinators.

use std::time::{Duration, Instant};

use rdkafka::error::{KafkaResult, RDKafkaErrorCode};

/// How long to wait before asking again.
const PAUSE: Duration = Duration::from_millis(20);

/// Asks, and asks again within `limit` while the answer is one that passes. Blocks.
pub(crate) fn patiently<T>(limit: Duration, mut ask: impl FnMut() -> KafkaResult<T>) -> KafkaResult<T> {
    let deadline = Instant::now() + limit;
    loop {
        match ask() {
            Err(error) if error.rdkafka_error_code().is_some_and(passes) && Instant::now() < deadline => {
                std::thread::sleep(PAUSE);
            }
            answer => return answer,
        }
    }
}

/// Whether only a broker was asked that leads a partition, or coordinates a group, no longer or not yet; or a group is being dealt
/// out anew.
fn passes(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::NotLeaderForPartition
            | RDKafkaErrorCode::LeaderNotAvailable
            | RDKafkaErrorCode::UnknownTopicOrPartition
            | RDKafkaErrorCode::FencedLeaderEpoch
            | RDKafkaErrorCode::UnknownLeaderEpoch
            | RDKafkaErrorCode::ReplicaNotAvailable
            | RDKafkaErrorCode::CoordinatorLoadInProgress
            | RDKafkaErrorCode::CoordinatorNotAvailable
            | RDKafkaErrorCode::NotCoordinator
            | RDKafkaErrorCode::RebalanceInProgress
            | RDKafkaErrorCode::IllegalGeneration
    )
}

#[cfg(test)]
mod tests {
    use rdkafka::error::KafkaError;

    use super::*;

    #[test]
    fn what_passes_is_asked_again_and_nothing_else() {
        let asked = |limit, code| {
            let mut times = 0;
            let answer = patiently(limit, || {
                times += 1;
                if times < 3 { Err(KafkaError::OffsetFetch(code)) } else { Ok(()) }
            });
            (times, answer.is_ok())
        };
        let long = Duration::from_secs(60);
        assert_eq!(asked(long, RDKafkaErrorCode::NotCoordinator), (3, true));
        assert_eq!(asked(long, RDKafkaErrorCode::NotLeaderForPartition), (3, true));
        assert_eq!(asked(long, RDKafkaErrorCode::TopicAuthorizationFailed), (1, false));
        assert_eq!(asked(Duration::ZERO, RDKafkaErrorCode::NotCoordinator), (1, false));
    }
}
