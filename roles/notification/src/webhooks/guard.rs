//! Which addresses may be called. Customers name hosts, and nobody may reach through us what only we can reach.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ecs_web::peer::Network;

/// Which addresses webhooks may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reach {
    /// Those of the public internet, over `https://`.
    #[default]
    Public,
    /// All, over `http://`, too: for tests and demonstrations.
    Anywhere,
}

/// What an address is judged by: how far webhooks reach, and which networks they keep out of all the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Guard {
    pub(crate) reach: Reach,
    denied: Arc<[Network]>,
}

impl Guard {
    /// A guard that lets nobody into the `denied` networks, however public they are: whoever runs the platform may have public
    /// addresses that answer it alone.
    pub(crate) fn new(reach: Reach, denied: &[Network]) -> Self {
        Self { reach, denied: denied.into() }
    }

    /// Whether this address may be connected to.
    pub(crate) fn allows(&self, address: IpAddr) -> bool {
        // What is mapped leads to the IPv4 address in it.
        let canonical = address.to_canonical();
        if self.denied.iter().any(|network| network.contains(canonical)) {
            return false;
        }
        match self.reach {
            Reach::Public => is_public(address),
            Reach::Anywhere => true,
        }
    }
}

/// What is no host of the public internet among IPv4: a network and the length of its prefix (IANA's special-purpose registry).
const SPECIAL_V4: [([u8; 4], u32); 16] = [
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 31, 196, 0], 24),
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    ([224, 0, 0, 0], 4),
    ([240, 0, 0, 0], 4),
];

/// What is no host of its own among the global addresses of IPv6: protocols (Teredo and ORCHID among them), documentation, and
/// 6to4, behind which stands an IPv4 address that nobody checked.
const SPECIAL_V6: [([u16; 2], u32); 4] =
    [([0x2001, 0x0000], 23), ([0x2001, 0x0db8], 32), ([0x2002, 0x0000], 16), ([0x3fff, 0x0000], 20)];

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            !SPECIAL_V4.iter().any(|(network, prefix)| is_in_v4(address, *network, *prefix))
        }
        // Only 2000::/3 was ever given out. So loopback, local, mapped (::ffff:0:0/96), translated (64:ff9b::/96) and
        // multicast addresses are out without being named.
        IpAddr::V6(address) => {
            address.segments()[0] >> 13 == 1
                && !SPECIAL_V6.iter().any(|(network, prefix)| is_in_v6(address, *network, *prefix))
        }
    }
}

fn is_in_v4(address: Ipv4Addr, network: [u8; 4], prefix: u32) -> bool {
    (address.to_bits() ^ u32::from_be_bytes(network)) >> (32 - prefix) == 0
}

fn is_in_v6(address: Ipv6Addr, [first, second]: [u16; 2], prefix: u32) -> bool {
    let network = u128::from(first) << 112 | u128::from(second) << 96;
    (address.to_bits() ^ network) >> (128 - prefix) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hosts_of_the_public_internet_are_public() {
        let check = |expect: bool, addresses: &[&str]| {
            for text in addresses {
                let address = text.parse().unwrap();
                assert_eq!(Guard::new(Reach::Public, &[]).allows(address), expect, "{text}");
                assert!(Guard::new(Reach::Anywhere, &[]).allows(address));
            }
        };
        check(
            true,
            &["1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.0", "126.255.255.255", "172.15.0.1"],
        );
        check(true, &["172.32.0.1", "192.167.255.255", "198.17.0.1", "198.20.0.1", "223.255.255.255"]);
        check(false, &["0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255"]);
        check(false, &["127.0.0.1", "127.255.255.254", "169.254.0.1", "169.254.169.254", "172.16.0.1"]);
        check(false, &["172.31.255.255", "192.0.0.8", "192.0.2.1", "192.88.99.1", "192.168.0.1"]);
        check(false, &["198.18.0.1", "198.19.255.255", "198.51.100.7", "203.0.113.7", "224.0.0.1"]);
        check(false, &["239.255.255.255", "240.0.0.1", "255.255.255.255"]);
        check(true, &["2606:4700:4700::1111", "2a00:1450:4001::200e", "2001:4860:4860::8888", "2003::1"]);
        check(false, &["::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::a00:1"]);
        check(false, &["64:ff9b:1::1", "100::1", "2001::1", "2001:20::1", "2001:db8::1", "2002:7f00:1::"]);
        check(false, &["3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1"]);
    }

    #[test]
    fn what_is_denied_is_denied_however_far_webhooks_reach() {
        let denied = ["8.8.8.0/24", "1.1.1.1", "2606:4700::/32"].map(|network| network.parse().unwrap());
        let check = |text: &str, public: bool, anywhere: bool| {
            let address = text.parse().unwrap();
            assert_eq!(Guard::new(Reach::Public, &denied).allows(address), public, "{text}");
            assert_eq!(Guard::new(Reach::Anywhere, &denied).allows(address), anywhere, "{text}");
        };
        check("8.8.8.8", false, false);
        check("8.8.4.4", true, true);
        check("1.1.1.1", false, false);
        check("1.1.1.2", true, true);
        check("2606:4700:4700::1111", false, false);
        check("2001:4860:4860::8888", true, true);
        check("::ffff:8.8.8.8", false, false);
        check("::ffff:8.8.4.4", false, true);
        check("127.0.0.1", false, true);
    }
}
