//! What a token or a service key may do beyond its own user's affairs.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// A permission as a type, so that the signature of what needs it can name it: those of [`held`].
pub trait Grant: Send + Sync + 'static {
    /// Which one it is.
    const PERMISSION: Permission;
}

/// Lists every permission once, as a value and as a type.
macro_rules! permissions {
    ($($(#[$about:meta])* $name:ident = $text:literal,)*) => {
        /// A permission, written `resource:action` in tokens.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Permission {
            $($(#[$about])* $name,)*
        }

        impl Permission {
            /// Every permission there is.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The permission string.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }

        /// The permissions as types.
        pub mod held {
            use super::{Grant, Permission};

            $(
                $(#[$about])*
                #[derive(Debug, Clone, Copy)]
                pub struct $name;

                impl Grant for $name {
                    const PERMISSION: Permission = Permission::$name;
                }
            )*
        }
    };
}

permissions! {
    /// Provision users without a password.
    UsersCreate = "users:create",
    /// Read any user's account, consents, decisions, offers and notifications.
    UsersReadAny = "users:read-any",
    /// Send transactions for any user.
    TransactionsWriteAny = "transactions:write-any",
    /// Analyse and accept for any user.
    CreditWriteAny = "credit:write-any",
    /// See which decisions people want reviewed.
    ReviewsRead = "reviews:read",
    /// Take reviews on, and conclude them.
    ReviewsDecide = "reviews:decide",
    /// Read the books and how replays go, and list dead letters without what they hold.
    OperationsRead = "operations:read",
    /// Replay and drop dead letters, see what they hold, and replay aggregates.
    OperationsWrite = "operations:write",
    /// See what anybody may do.
    AccessRead = "access:read",
    /// Change what others may do, as far as one may do it oneself.
    AccessWrite = "access:write",
    /// Follow the changes of what users may do, as other processes of the platform do.
    AccessFollow = "access:follow",
    /// Read the audit log, and the chain of the decision log.
    AuditRead = "audit:read",
    /// Read decisions with all that they were made from, to compute them again.
    DecisionsReplay = "decisions:replay",
    /// Ask for any user's erasure, also of one with credit, and see how far it is.
    PrivacyErase = "privacy:erase",
    /// Export what people did, anonymised.
    ResearchExport = "research:export",
    /// Have an archive made of what is held on any user, and fetch it.
    PrivacyWriteAny = "privacy:write-any",
    /// Read the credit policies, drafts included.
    PoliciesRead = "policies:read",
    /// See whether decisions drift, and how groups are approved.
    WatchRead = "watch:read",
    /// Draft credit policies, and withdraw them before their time.
    PoliciesWrite = "policies:write",
    /// Approve credit policies that somebody else drafted.
    PoliciesApprove = "policies:approve",
    /// Have a credit policy asked of past decisions.
    PoliciesBacktest = "policies:backtest",
    /// Send emotion events of any user.
    EmotionsWriteAny = "emotions:write-any",
    /// Ask the model for the score of given features.
    ModelScore = "model:score",
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Permission {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.iter().copied().find(|permission| permission.as_str() == text).ok_or(())
    }
}

/// A named set of permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Whoever has an account: their own affairs, which need no permission.
    Customer,
    /// Sees figures of groups, never of a person.
    Analyst,
    /// Sees and does for customers what concerns their credit.
    CreditOfficer,
    /// Approves what another has drafted.
    Approver,
    /// Sees what is kept on a person, and who may do what.
    PrivacyOfficer,
    /// Keeps the platform running.
    Operator,
    /// May do everything.
    Admin,
}

impl Role {
    /// Every role there is.
    pub const ALL: [Self; 7] = [
        Self::Customer,
        Self::Analyst,
        Self::CreditOfficer,
        Self::Approver,
        Self::PrivacyOfficer,
        Self::Operator,
        Self::Admin,
    ];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Analyst => "analyst",
            Self::CreditOfficer => "credit-officer",
            Self::Approver => "approver",
            Self::PrivacyOfficer => "privacy-officer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// What it may do.
    #[must_use]
    pub const fn permissions(self) -> &'static [Permission] {
        use Permission::{
            AccessRead, AuditRead, CreditWriteAny, DecisionsReplay, OperationsRead, OperationsWrite,
            PoliciesApprove, PoliciesBacktest, PoliciesRead, PoliciesWrite, PrivacyErase, PrivacyWriteAny,
            ResearchExport, ReviewsDecide, ReviewsRead, UsersCreate, UsersReadAny, WatchRead,
        };
        match self {
            Self::Customer => &[],
            Self::Analyst => &[WatchRead],
            Self::CreditOfficer => &[
                UsersReadAny,
                CreditWriteAny,
                PoliciesRead,
                PoliciesWrite,
                PoliciesBacktest,
                ReviewsRead,
                ReviewsDecide,
                WatchRead,
            ],
            Self::Approver => &[PoliciesRead, PoliciesApprove, PoliciesBacktest],
            Self::PrivacyOfficer => &[
                UsersReadAny,
                AccessRead,
                AuditRead,
                DecisionsReplay,
                PoliciesRead,
                PrivacyWriteAny,
                PrivacyErase,
                ResearchExport,
            ],
            Self::Operator => &[OperationsRead, OperationsWrite, UsersCreate, WatchRead],
            Self::Admin => Permission::ALL,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(())
    }
}

/// What somebody was granted: roles, and permissions of their own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Access {
    /// Named sets. That of customers everybody has, and it is never listed.
    pub roles: BTreeSet<Role>,
    /// Single permissions.
    pub permissions: BTreeSet<Permission>,
}

/// Why an access may not be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Whoever wants to change it doesn't hold this themselves.
    NotHeld(Permission),
    /// Nobody would be left who may do everything.
    LastAdmin,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotHeld(permission) => {
                write!(f, "nobody grants or takes what they don't hold: {permission}")
            }
            Self::LastAdmin => f.write_str("the last admin stays"),
        }
    }
}

impl Access {
    /// These roles and permissions.
    #[must_use]
    pub fn of(
        roles: impl IntoIterator<Item = Role>,
        permissions: impl IntoIterator<Item = Permission>,
    ) -> Self {
        let roles = roles.into_iter().filter(|role| *role != Role::Customer);
        Self { roles: roles.collect(), permissions: permissions.into_iter().collect() }
    }

    /// Everything that it permits.
    #[must_use]
    pub fn held(&self) -> BTreeSet<Permission> {
        let of_roles = self.roles.iter().flat_map(|role| role.permissions()).copied();
        of_roles.chain(self.permissions.iter().copied()).collect()
    }

    /// Whether somebody who holds `granter` may change it to `wanted`; `other_admins` tells whether somebody else is admin. What is
    /// taken counts like what is granted: else the least could disarm the others.
    pub fn may_become(
        &self,
        wanted: &Self,
        granter: &BTreeSet<Permission>,
        other_admins: bool,
    ) -> Result<(), Refusal> {
        let roles = self.roles.symmetric_difference(&wanted.roles);
        let of_roles = roles.flat_map(|role| role.permissions());
        let mut changed = of_roles.chain(self.permissions.symmetric_difference(&wanted.permissions));
        if let Some(lacking) = changed.find(|permission| !granter.contains(permission)) {
            return Err(Refusal::NotHeld(*lacking));
        }
        let leaves = self.roles.contains(&Role::Admin) && !wanted.roles.contains(&Role::Admin);
        if leaves && !other_admins { Err(Refusal::LastAdmin) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for permission in Permission::ALL {
            assert_eq!(permission.to_string().parse(), Ok(*permission));
            assert_eq!(permission.as_str().matches(':').count(), 1, "{permission}");
        }
        for role in Role::ALL {
            assert_eq!(role.to_string().parse(), Ok(role));
        }
        assert_eq!("users:read".parse::<Permission>(), Err(()));
        assert_eq!("Admin".parse::<Role>(), Err(()));
    }

    #[test]
    fn an_access_permits_what_its_parts_do() {
        let access = Access::of([Role::Customer, Role::CreditOfficer], [Permission::OperationsRead]);
        let mut expect: BTreeSet<_> = Role::CreditOfficer.permissions().iter().copied().collect();
        expect.insert(Permission::OperationsRead);
        assert_eq!(access.held(), expect);
        assert_eq!(access.roles, [Role::CreditOfficer].into());
        assert_eq!(Access::of([Role::Admin], []).held().len(), Permission::ALL.len());
        assert_eq!(Access::default().held(), BTreeSet::new());
    }

    #[test]
    fn nobody_grants_or_takes_what_they_do_not_hold() {
        use Permission::{CreditWriteAny, OperationsRead, UsersReadAny};
        let officer = Role::CreditOfficer.permissions();
        let check = |from: &Access, to: &Access, granter: &[Permission], expect: Result<(), Refusal>| {
            let granter = granter.iter().copied().collect();
            assert_eq!(from.may_become(to, &granter, true), expect, "{from:?} to {to:?}");
        };
        let none = Access::default();
        let as_officer = Access::of([Role::CreditOfficer], []);
        let reads = Access::of([], [OperationsRead]);
        check(&none, &as_officer, officer, Ok(()));
        check(&as_officer, &none, officer, Ok(()));
        check(&as_officer, &none, &[UsersReadAny], Err(Refusal::NotHeld(CreditWriteAny)));
        check(&none, &as_officer, &[UsersReadAny], Err(Refusal::NotHeld(CreditWriteAny)));
        check(&none, &reads, officer, Err(Refusal::NotHeld(OperationsRead)));
        check(&reads, &none, officer, Err(Refusal::NotHeld(OperationsRead)));
        // What stays is nobody's business.
        check(&reads, &Access::of([Role::CreditOfficer], [OperationsRead]), officer, Ok(()));
        // Who holds each permission by itself is no admin, and nobody makes one of them but an admin.
        check(&none, &Access::of([Role::Admin], []), Permission::ALL, Ok(()));
        check(&none, &Access::of([Role::Admin], []), officer, Err(Refusal::NotHeld(Permission::UsersCreate)));
    }

    #[test]
    fn the_last_admin_stays() {
        let admin = Access::of([Role::Admin], []);
        let all = admin.held();
        let operator = Access::of([Role::Operator], []);
        assert_eq!(admin.may_become(&operator, &all, false), Err(Refusal::LastAdmin));
        assert_eq!(admin.may_become(&operator, &all, true), Ok(()));
        assert_eq!(admin.may_become(&Access::of([Role::Admin, Role::Operator], []), &all, false), Ok(()));
        assert_eq!(operator.may_become(&Access::default(), &all, false), Ok(()));
    }
}
