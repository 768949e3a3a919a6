//! What the chosen roles need of the bus beyond what every transport does, held against the transport at the start.

use anyhow::Context as _;
use ecs_bus::{Capabilities, Needs};

use crate::role::{Role, Roles};

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
