//! Which roles run here and where the others are.

use std::collections::BTreeMap;

use super::engines::{BusAt, StoreAt};
use super::reader::Reader;
use crate::role::{Role, Roles};

/// Where the roles of other processes answer: for each, one address or several that share the work.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Services(BTreeMap<Role, Vec<String>>);

impl Services {
    /// The addresses of a role, such as `http://10.0.0.7:9999`; none when nobody named them.
    #[must_use]
    pub fn of(&self, role: Role) -> &[String] {
        self.0.get(&role).map_or(&[], Vec::as_slice)
    }

    /// Whether any of them is called over TLS.
    #[must_use]
    pub fn is_any_encrypted(&self) -> bool {
        self.0.values().flatten().any(|url| url.starts_with("https:"))
    }

    /// One role at one address.
    #[cfg(test)]
    pub(crate) fn naming(role: Role, url: &str) -> Self {
        Self(BTreeMap::from([(role, vec![url.to_owned()])]))
    }

    /// Whether any process beside this one is spoken of; names the setting that does.
    fn first_named(&self) -> Option<&'static str> {
        self.0.keys().find_map(|role| role.service_setting())
    }
}

impl Reader<'_> {
    pub(super) fn services(&mut self) -> Services {
        let mut services = Services::default();
        for role in Role::ALL {
            let Some(name) = role.service_setting() else { continue };
            let list = self.text(name).unwrap_or_default().to_owned();
            let urls: Vec<String> =
                list.split(',').map(str::trim).filter(|url| !url.is_empty()).map(base).collect();
            if !urls.iter().all(|url| is_base(url)) {
                // Not quoted: somebody may have put a password into it.
                self.problem(
                    name,
                    "must be addresses such as http://host:9999 or https://host:9999, separated by commas",
                );
            } else if !urls.is_empty() {
                services.0.insert(role, urls);
            }
        }
        services
    }

    pub(super) fn roles(&mut self) -> Roles {
        let named = self.text("ECS_ROLES").unwrap_or_default().to_owned();
        let mut roles: Vec<Role> = Vec::new();
        for name in named.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            match name.parse() {
                Ok(role) => roles.push(role),
                Err(reason) => self.problem("ECS_ROLES", format!("names {name:?}: {reason}")),
            }
        }
        Roles::chosen(&roles)
    }

    /// Every role that a chosen one calls must run here or be named; and where others are named, they must be able to see the
    /// same data.
    pub(super) fn check_split(&mut self, roles: &Roles, services: &Services, store: &StoreAt, bus: &BusAt) {
        let of_one_process = match (store.is_shared(), bus.is_shared()) {
            (true, true) => None,
            (false, _) => Some("SQLite in the data folder (DATABASE_URL is unset)"),
            (true, false) => Some("the embedded bus in the data folder (BUS_URL names no other)"),
        };
        if let (Some(engine), Some(name)) = (of_one_process, services.first_named()) {
            let message = format!(
                "names a role of another process, and {engine} belongs to one process: roles can be split only over \
                 PostgreSQL and NATS, so set DATABASE_URL and BUS_URL, or run all roles in this process"
            );
            return self.problem(name, message);
        }
        for (caller, called) in roles.missing() {
            if services.of(called).is_empty() {
                self.problem("ECS_ROLES", missing(caller, called, of_one_process));
            }
        }
    }
}

fn missing(caller: Role, called: Role, of_one_process: Option<&str>) -> String {
    let wanting = format!("role {caller} calls {called}, which is not among the chosen roles");
    match (of_one_process, called.service_setting()) {
        (None, Some(setting)) => {
            format!("{wanting}: say with {setting} where it is, or add `--role {called}`")
        }
        (None, None) => format!("{wanting}: add `--role {called}`"),
        (Some(engine), _) => format!(
            "{wanting}; over {engine} all roles run in one process, so add `--role {called}` or choose none to run all"
        ),
    }
}

/// Without the slash at the end, which the paths bring along.
pub(super) fn base(url: &str) -> String {
    url.trim_end_matches('/').to_owned()
}

/// `http://host` or `https://host` with or without a port, and nothing behind it. A user or password has no place in it.
pub(super) fn is_base(url: &str) -> bool {
    let Ok(parsed) = url.parse::<axum::http::Uri>() else { return false };
    let plain = parsed.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    plain
        && matches!(parsed.scheme_str(), Some("http" | "https"))
        && parsed.path() == "/"
        && parsed.query().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_named_by_its_base_address() {
        let check = |url: &str, expect: bool| assert_eq!(is_base(&base(url)), expect, "{url}");
        check("http://emotions:9999", true);
        check("http://10.0.0.7/", true);
        check("http://[::1]:9999", true);
        check("https://emotions:9999", true);
        check("ftp://emotions", false);
        check("http://user:password@emotions", false);
        check("http://emotions/v1", false);
        check("emotions:9999", false);
        check("nonsense", false);
    }
}
