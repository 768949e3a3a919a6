//! What the chosen roles use, and what they need of the bus beyond what every transport does, held against the transport at
//! the start.

use anyhow::Context as _;
use ecs_bus::{Capabilities, Needs};

use crate::role::{Role, Roles};

/// Which engines a process opens. What its roles don't use it doesn't connect to: a gateway holds no database's password,
/// and the intake goes on while the store is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Uses {
    pub(super) store: bool,
    pub(super) bus: bool,
    pub(super) cache: bool,
}

impl Uses {
    pub(super) const EVERYTHING: Self = Self { store: true, bus: true, cache: true };
    const NOTHING: Self = Self { store: false, bus: false, cache: false };
    const BUS: Self = Self { bus: true, ..Self::NOTHING };
    const UNCACHED: Self = Self { cache: false, ..Self::EVERYTHING };

    /// What all of these roles use together.
    pub(super) fn of(roles: &Roles) -> Self {
        roles.iter().map(Self::of_one).fold(Self::NOTHING, |all, one| Self {
            store: all.store || one.store,
            bus: all.bus || one.bus,
            cache: all.cache || one.cache,
        })
    }

    fn of_one(role: Role) -> Self {
        match role {
            Role::ApiGateway | Role::CreditAnalysis => Self::NOTHING,
            // Accounts write to the outbox, which the relay of their process publishes.
            Role::UserAndCredit | Role::CreditApplication => Self::EVERYTHING,
            role if role.uses_store() => Self::UNCACHED,
            _ => Self::BUS,
        }
    }
}

/// Refuses a transport that a chosen role can't work with, by the names of both.
pub(super) fn check(roles: &Roles, offered: &Capabilities) -> anyhow::Result<()> {
    for role in roles.iter() {
        offered.require(of(role)).with_context(|| format!("the role {role} can't work with this bus"))?;
    }
    Ok(())
}

fn of(role: Role) -> Needs {
    match role {
        // The books are balanced against what the log says was accepted.
        Role::Operations => Needs { keeps_log: true, ..Needs::default() },
        Role::ApiGateway
        | Role::EmotionIngestion
        | Role::TransactionIngestion
        | Role::EmotionProcessing
        | Role::TransactionProcessing
        | Role::UserAndCredit
        | Role::CreditAnalysis
        | Role::CreditApplication
        | Role::Notification => Needs::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_opens_what_its_roles_use() {
        let check = |roles: &[Role], store: bool, bus: bool, cache: bool| {
            assert_eq!(Uses::of(&Roles::chosen(roles)), Uses { store, bus, cache }, "{roles:?}");
        };
        check(&[], true, true, true);
        check(&[Role::ApiGateway, Role::CreditAnalysis], false, false, false);
        check(&[Role::ApiGateway, Role::EmotionIngestion], false, true, false);
        check(&[Role::EmotionIngestion, Role::UserAndCredit], true, true, true);
        check(&[Role::EmotionProcessing, Role::TransactionProcessing], true, true, false);
        let writers = Role::ALL.into_iter().filter(|role| role.writes_outbox());
        assert!(writers.map(Uses::of_one).all(|uses| uses.store && uses.bus));
    }

    #[test]
    fn a_role_is_refused_a_bus_that_lacks_what_it_needs() {
        let check = |roles: &[Role], keeps_log: bool, expect: Option<&str>| {
            let offered = Capabilities {
                transport: "test",
                stored_once_per_id: false,
                ordered_per_key: false,
                keeps_log,
                shared: false,
            };
            let refusal = super::check(&Roles::chosen(roles), &offered).err();
            assert_eq!(refusal.map(|error| format!("{error:#}")).as_deref(), expect);
        };
        let refusal = "the role operations can't work with this bus: \
                       the test bus does not offer a log that can be read";
        check(&[], true, None);
        check(&[], false, Some(refusal));
        check(&[Role::Operations], false, Some(refusal));
        check(&[Role::EmotionProcessing, Role::Notification], false, None);
    }
}
