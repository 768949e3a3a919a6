//! In which partition a key's records are: murmur2, as Kafka's own clients have it.

const SEED: u32 = 0x9747_b28c;
const FACTOR: u32 = 0x5bd1_e995;
/// The sign of the hash doesn't count.
const POSITIVE: u32 = 0x7fff_ffff;

/// The partition of a key in a topic that has so many.
pub(crate) fn partition(key: &[u8], partitions: i32) -> i32 {
    let partitions = u32::try_from(partitions).unwrap_or_default().max(1);
    i32::try_from((hash(key) & POSITIVE) % partitions).unwrap_or_default()
}

fn hash(key: &[u8]) -> u32 {
    // Keys are short, and what the formula takes of a longer one is its length modulo 2^32.
    let mut hash = SEED ^ (key.len() as u32);
    let (words, rest) = key.as_chunks::<4>();
    for word in words {
        let mut word = u32::from_le_bytes(*word).wrapping_mul(FACTOR);
        word = (word ^ (word >> 24)).wrapping_mul(FACTOR);
        hash = hash.wrapping_mul(FACTOR) ^ word;
    }
    if !rest.is_empty() {
        let tail = rest.iter().rev().fold(0, |tail, byte| (tail << 8) | u32::from(*byte));
        hash = (hash ^ tail).wrapping_mul(FACTOR);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(FACTOR);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Kafka's own client says of these keys.
    #[test]
    fn keys_go_where_other_clients_would_put_them() {
        let check = |key: &str, expect: i32| assert_eq!(hash(key.as_bytes()).cast_signed(), expect, "{key}");
        check("21", -973_932_308);
        check("foobar", -790_332_482);
        check("a-little-bit-long-string", -985_981_536);
        check("a-little-bit-longer-string", -1_486_304_829);
        check("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971);
        check("abc", 479_470_107);
    }

    #[test]
    fn each_partition_is_one_that_is_there() {
        for partitions in [0, 1, 2, 6] {
            let all = (0..100_u8).map(|key| partition(&[key; 36], partitions));
            assert!(all.into_iter().all(|at| (0..partitions.max(1)).contains(&at)), "{partitions}");
        }
    }
}
