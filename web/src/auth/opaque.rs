//! Tokens that only we can make: what they tell, and a MAC over it, in hexadecimal behind a prefix.

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
        let mac = mac.as_ref().map_or(&[][..], |mac| mac);
        [self.prefix, &hex::encode(told), &hex::encode(mac)].concat()
    }

    /// What a token tells that one of the MACs has sealed.
    pub(super) fn open(&self, text: &str) -> Option<[u8; N]> {
        let bytes =
            hex::decode(text.strip_prefix(self.prefix)?).ok().filter(|bytes| bytes.len() == N + MAC)?;
        let (told, mac) = bytes.split_at(N);
        self.macs.iter().find(|key| (*key).clone().chain_update(told).verify_slice(mac).is_ok())?;
        told.try_into().ok()
    }
}
