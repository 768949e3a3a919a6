//! How often callers may call, whose word counts on who they are, and lists of networks.

use ecs_api_gateway::RateLimits;
use ecs_web::peer::{Network, TrustedProxies};

use super::reader::Reader;

impl Reader<'_> {
    pub(super) fn rate_limits(&mut self) -> RateLimits {
        match self.text("ECS_RATE_LIMITS").unwrap_or_default().parse() {
            Ok(limits) => limits,
            Err(error) => {
                self.problem("ECS_RATE_LIMITS", error.to_string());
                RateLimits::default()
            }
        }
    }

    pub(super) fn trusted_proxies(&mut self) -> TrustedProxies {
        TrustedProxies::new(self.networks("ECS_TRUSTED_PROXIES"))
    }

    /// The addresses and networks that a setting lists.
    pub(super) fn networks(&mut self, name: &'static str) -> Vec<Network> {
        let list = self.text(name).unwrap_or_default().to_owned();
        let mut networks = Vec::new();
        for text in list.split(',').map(str::trim).filter(|text| !text.is_empty()) {
            match text.parse::<Network>() {
                Ok(network) => networks.push(network),
                Err(error) => self.problem(name, format!("{text:?} {error}")),
            }
        }
        networks
    }
}
