//! A risk that has nothing to do with the person: the mock that the platform was once designed with.
//!
//! It is drawn from a hash of what is known of them, so that even such a decision can be made again to the last bit. It is for tests only,
//! which see to it that production refuses it.

use super::Row;

/// Log-odds of a risk that is spread evenly between 0 and 1.
#[must_use]
pub fn log_odds(row: &Row, width: usize) -> f64 {
    let seed = (0..width).fold(0, |seed, feature| mix(seed ^ row.at(feature).to_bits()));
    // The upper 52 bits in the middle of their step, so that neither 0 nor 1 comes out.
    #[expect(clippy::cast_precision_loss, reason = "52 bits fit")]
    let unit = ((seed >> 12) as f64 + 0.5) / (1_u64 << 52) as f64;
    (unit / (1.0 - unit)).ln()
}

/// The step of SplitMix64, by Steele, Lea and Flood.
fn mix(state: u64) -> u64 {
    let state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}
