//! Tokens that only we can make: what they tell, and a MAC over it, in hexadecimal behind a prefix.

use std::fmt::Write as _;

use hmac::{Hmac, Mac as _};
use sha2::Sha256;

/// How long the MAC behind a token's content is.
const MAC: usize = 32;

/// Seals and opens tokens that tell `N` bytes.
#[derive(Clone)]
pub(super) struct Opaque<const N: usize> {
    prefix: &'static str,
    /// What seals comes first; each of them opens.
    macs: Vec<Hmac<Sha256>>,
}

impl<const N: usize> Opaque<N> {
    pub(super) fn new(prefix: &'static str, macs: Vec<Hmac<Sha256>>) -> Self {
        Self { prefix, macs }
    }

    pub(super) fn seal(&self, told: &[u8; N]) -> String {
        let mac = self.macs.first().map(|mac| mac.clone().chain_update(told).finalize().into_bytes());
        let mut text = self.prefix.to_owned();
        for byte in told.iter().chain(mac.iter().flatten()) {
            // Writing to a string can't fail.
            let _ = write!(text, "{byte:02x}");
        }
        text
    }

    /// What a token tells that one of the MACs has sealed.
    pub(super) fn open(&self, text: &str) -> Option<[u8; N]> {
        let bytes = unhex(text.strip_prefix(self.prefix)?).filter(|bytes| bytes.len() == N + MAC)?;
        let (told, mac) = bytes.split_at(N);
        self.macs.iter().find(|key| (*key).clone().chain_update(told).verify_slice(mac).is_ok())?;
        told.try_into().ok()
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let bytes = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
    if rest.is_empty() { bytes } else { None }
}
