//! From where a request comes: the other end of its connection, or who a trusted proxy there says it speaks for.

use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use http::{HeaderMap, HeaderName};

/// Each proxy adds the address that it was called from, at the end.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The other end of a request's connection. The server puts it into each request's extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(IpAddr);

impl Peer {
    /// The peer at this address.
    #[must_use]
    pub fn new(address: IpAddr) -> Self {
        Self(address.to_canonical())
    }

    /// Its address.
    #[must_use]
    pub fn address(self) -> IpAddr {
        self.0
    }
}

/// An address and how many of its leading bits count: `10.0.0.0/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u32,
}

/// It isn't an address, or not with that many bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an address or a network such as 10.0.0.7, 10.0.0.0/8 or fd00::/8")]
pub struct NotANetwork;

impl Network {
    /// Whether the address is one of its.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let (own, given, width) = match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(given)) => (own.to_bits().into(), given.to_bits().into(), 32),
            (IpAddr::V6(own), IpAddr::V6(given)) => (own.to_bits(), given.to_bits(), 128),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return false,
        };
        let differing: u128 = own ^ given;
        differing.checked_shr(width - self.bits).unwrap_or(0) == 0
    }
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(start, bits)| (start, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| NotANetwork)?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => width,
            Some(bits) => bits.parse().ok().filter(|bits| *bits <= width).ok_or(NotANetwork)?,
        };
        Ok(Self { address, bits })
    }
}

/// The proxies whose word counts on whom they speak for. Without any, only connections tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<Network>);

impl TrustedProxies {
    /// Those in these networks.
    #[must_use]
    pub fn new(networks: Vec<Network>) -> Self {
        Self(networks)
    }

    /// The client of a request: the peer, unless it is trusted; then the last address in `X-Forwarded-For` that is not. What
    /// stands further left, the client may have written itself.
    #[must_use]
    pub fn client(&self, peer: Peer, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.address();
        let values: Vec<&str> = if self.trusts(client) {
            headers.get_all(FORWARDED_FOR).iter().map(|value| value.to_str().unwrap_or_default()).collect()
        } else {
            return client;
        };
        for entry in values.iter().rev().flat_map(|value| value.rsplit(',')) {
            let Some(address) = hop(entry.trim()) else { return client };
            client = address;
            if !self.trusts(client) {
                return client;
            }
        }
        client
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }
}

/// An address as proxies write it: some add the port.
fn hop(entry: &str) -> Option<IpAddr> {
    let bare = entry.strip_prefix('[').and_then(|entry| entry.strip_suffix(']')).unwrap_or(entry);
    let address = bare.parse().ok();
    let address = address.or_else(|| entry.parse().ok().map(|socket: std::net::SocketAddr| socket.ip()));
    address.map(|address| address.to_canonical())
}

/// What one customer of a provider has: an IPv4 address, or the first half of an IPv6 address, whose other half each of
/// the customer's machines makes up for itself.
#[must_use]
pub fn subscriber(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).octets(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_holds_the_addresses_that_begin_like_it() {
        let check = |network: &str, address: &str, expect: bool| {
            let network: Network = network.parse().unwrap();
            assert_eq!(network.contains(ip(address)), expect, "{network:?} {address}");
        };
        check("10.0.0.0/8", "10.255.0.1", true);
        check("10.0.0.0/8", "11.0.0.1", false);
        check("10.0.0.7", "10.0.0.7", true);
        check("10.0.0.7", "10.0.0.6", false);
        check("0.0.0.0/0", "203.0.113.9", true);
        check("0.0.0.0/0", "::1", false);
        check("fd00::/8", "fdff::1", true);
        check("fd00::/8", "fe00::1", false);
        check("::/0", "2001:db8::1", true);
        check("::1", "::1", true);
        for wrong in
            ["", "10.0.0.0/33", "::/129", "10.0.0/8", "host", "10.0.0.0/", "10.0.0.0/x", "1.2.3.4/-1"]
        {
            assert_eq!(wrong.parse::<Network>(), Err(NotANetwork), "{wrong}");
        }
    }

    #[test]
    fn the_client_is_the_last_who_is_not_trusted() {
        let trusted = ["10.0.0.0/8", "::1"].map(|network| network.parse().unwrap());
        let trusted = TrustedProxies::new(trusted.to_vec());
        let check = |peer: &str, forwarded: &[&str], expect: &str| {
            let mut headers = HeaderMap::new();
            for value in forwarded {
                headers.append(FORWARDED_FOR, HeaderValue::from_str(value).unwrap());
            }
            assert_eq!(trusted.client(Peer::new(ip(peer)), &headers), ip(expect), "{peer} {forwarded:?}");
        };
        check("203.0.113.9", &["198.51.100.1"], "203.0.113.9");
        check("10.0.0.7", &[], "10.0.0.7");
        check("10.0.0.7", &["198.51.100.1"], "198.51.100.1");
        check("::ffff:10.0.0.7", &["::ffff:198.51.100.1"], "198.51.100.1");
        check("10.0.0.7", &["198.51.100.66, 198.51.100.1, 10.0.0.8"], "198.51.100.1");
        check("10.0.0.7", &["198.51.100.66", "198.51.100.1,10.0.0.8"], "198.51.100.1");
        check("10.0.0.7", &["10.0.0.9, 10.0.0.8"], "10.0.0.9");
        check("10.0.0.7", &["198.51.100.66, nonsense, 10.0.0.8"], "10.0.0.8");
        check("::1", &["198.51.100.1:4711"], "198.51.100.1");
        check("::1", &["[2001:db8::1]:4711"], "2001:db8::1");
        check("::1", &["[2001:db8::1]"], "2001:db8::1");
    }

    #[test]
    fn who_has_one_line_is_one_subscriber() {
        let same = |one: &str, other: &str| subscriber(ip(one)) == subscriber(ip(other));
        assert!(same("2001:db8::1", "2001:db8::ffff:0:0:2"));
        assert!(!same("2001:db8::1", "2001:db8:0:1::1"));
        assert!(!same("192.0.2.1", "192.0.2.2"));
        assert!(same("192.0.2.1", "192.0.2.1"));
    }
}
