//! Rights of users, and the list of what changed.

use async_trait::async_trait;
use ecs_domain::permission::{Access, Permission, Role};
use ecs_domain::{Timestamp, UserId};
use ecs_store::audit::NewEntry;
use ecs_store::{Change, Changes, Rights, RightsChange, RightsChanged, RightsOfUsers, StoreError};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::PostgresStore;
use crate::audit::{self, EntryRow};
use crate::column::{count, get, limit, micros, signed, unsigned};
use crate::engine::{Call, Fault, Flight, Session};
use crate::{erasures, users};

pub(crate) const OF_USER: &str = "SELECT version, roles, permissions FROM users
     LEFT JOIN user_rights ON user_rights.user_id = users.id WHERE users.id = $1";
pub(crate) const OTHER_ADMINS: &str = "SELECT EXISTS (
     SELECT FROM user_rights WHERE 'admin' = ANY (roles) AND user_id <> $1)";
/// Of the names that were there, those stay that are none of `$6` and `$7`, all that this version knows.
const SET: &str = "INSERT INTO user_rights (user_id, roles, permissions, granted_by, granted_at)
     VALUES ($1, $2, $3, $4, $5) ON CONFLICT (user_id) DO UPDATE SET
        roles = excluded.roles || ARRAY(SELECT name FROM unnest(user_rights.roles) AS name WHERE name <> ALL ($6)),
        permissions = excluded.permissions
            || ARRAY(SELECT name FROM unnest(user_rights.permissions) AS name WHERE name <> ALL ($7)),
        granted_by = excluded.granted_by, granted_at = excluded.granted_at";
/// Waits for whoever is making a change, and makes the others wait. Of a transaction's locks a user's row comes first, then
/// sessions, then this one.
pub(crate) const LOCK_NEWEST: &str = "SELECT number FROM newest_change WHERE one FOR UPDATE";
/// `next_change` of the contract. It takes the same lock.
const ADVANCE: &str = "UPDATE newest_change SET number = greatest(number + 1, $1) WHERE one";
const NEWEST: &str = "SELECT number FROM newest_change WHERE one";
const NOTE: &str = "INSERT INTO changes (number, subject) SELECT number, $1 FROM newest_change WHERE one";
pub(crate) const SET_VERSION: &str =
    "UPDATE users SET version = (SELECT number FROM newest_change WHERE one) WHERE id = $1";
pub(crate) const AFTER: &str =
    "SELECT number, subject FROM changes WHERE number > $1 ORDER BY number LIMIT $2";
/// Several processes may clean up at once: each takes what no other has in hand.
pub(crate) const DROP_OLD: &str = "DELETE FROM changes WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM changes WHERE number < $1 LIMIT $2 FOR UPDATE SKIP LOCKED))";

#[async_trait]
impl RightsOfUsers for PostgresStore {
    async fn rights(&self, user: UserId) -> Result<Option<Rights>, StoreError> {
        self.primary
            .run(Call::quick("rights.rights"), |session| async move { of_user(&session, user).await })
            .await
    }

    async fn change_rights(&self, change: RightsChange) -> Result<RightsChanged, StoreError> {
        let (change, about) = (&change, [change.user]);
        self.primary
            .run(Call::quick("rights.change").about(&about), |session| async move {
                replace(&session, change).await
            })
            .await
    }

    async fn changes(
        &self,
        after: Option<u64>,
        since: Timestamp,
        most: usize,
    ) -> Result<Changes, StoreError> {
        let (after, most) =
            (&after.map_or_else(|| since.as_microsecond().saturating_sub(1), signed), &limit(most));
        self.primary
            .run(Call::quick("rights.changes"), |session| async move {
                let mut flight = session.flight();
                // The newest first: whoever goes on behind it must have been told of all that is not newer.
                let newest = flight.add(NEWEST, &[]);
                let list = flight.add(AFTER, &[after, most]);
                let mut answers = flight.send().await?;
                let changes = answers.take(list).rows.iter().map(read_change).collect::<Result<_, _>>()?;
                Ok(Changes { changes, newest: unsigned(answers.take(newest).only()?) })
            })
            .await
    }
}

async fn of_user(session: &Session, user: UserId) -> Result<Option<Rights>, Fault> {
    session.query(OF_USER, &[&user.uuid()]).await?.first().map(read).transpose()
}

/// The locks are taken before anything is looked at, so what it is judged by stands until the end.
async fn replace(session: &Session, change: &RightsChange) -> Result<RightsChanged, Fault> {
    let user = change.user.uuid();
    let mut flight = session.flight();
    flight.begin();
    flight.add(users::LOCK, &[&user]);
    flight.add(LOCK_NEWEST, &[]);
    let leaves = flight.add(erasures::IS_ASKED_FOR, &[&user]);
    let rights = flight.add(OF_USER, &[&user]);
    let others = flight.add(OTHER_ADMINS, &[&user]);
    let mut answers = flight.send().await?;
    let Some(rights) = answers.take(rights).first().map(read).transpose()? else {
        return undo(session, RightsChanged::Unknown).await;
    };
    // Whoever is about to be erased holds nothing any more, and counts for nobody.
    if answers.take(leaves).only()? {
        return undo(session, RightsChanged::Unknown).await;
    }
    let before = rights.access.clone();
    if before == change.access {
        return undo(session, RightsChanged::Done { rights, before }).await;
    }
    if let Err(refusal) = before.may_become(&change.access, &change.held, answers.take(others).only()?) {
        return undo(session, RightsChanged::Refused(refusal)).await;
    }
    let version = write(session, change, &before).await?;
    Ok(RightsChanged::Done { rights: Rights { access: change.access.clone(), version }, before })
}

async fn undo(session: &Session, changed: RightsChanged) -> Result<RightsChanged, Fault> {
    let mut flight = session.flight();
    flight.roll_back();
    flight.send().await?;
    Ok(changed)
}

/// Writes what was found good, and returns the number of the change.
async fn write(session: &Session, change: &RightsChange, before: &Access) -> Result<u64, Fault> {
    let roles_of =
        |roles: &mut dyn Iterator<Item = &Role>| roles.map(|role| role.as_str()).collect::<Vec<_>>();
    let permissions_of = |permissions: &mut dyn Iterator<Item = &Permission>| {
        permissions.map(|permission| permission.as_str()).collect::<Vec<_>>()
    };
    let (roles, known_roles) = (roles_of(&mut change.access.roles.iter()), roles_of(&mut Role::ALL.iter()));
    let permissions = permissions_of(&mut change.access.permissions.iter());
    let known_permissions = permissions_of(&mut Permission::ALL.iter());
    let (user, granter) = (change.user.uuid(), change.granter.uuid());
    let (now, number) = (micros(change.now), change.now.as_microsecond());
    let entry = NewEntry::of_rights(change, before);
    let entry = EntryRow::new(&entry);
    let mut flight = session.flight();
    audit::note(&mut flight, &entry);
    flight.add(SET, &[&user, &roles, &permissions, &granter, &now, &known_roles, &known_permissions]);
    note_user(&mut flight, &user, &number);
    let newest = flight.add(NEWEST, &[]);
    flight.commit();
    Ok(unsigned(flight.send().await?.take(newest).only()?))
}

fn read_change(row: &Row) -> Result<Change, Fault> {
    Ok(Change { number: count(row, "number")?, subject: get(row, "subject")? })
}

/// Rights from the columns of [`OF_USER`]. What a newer version granted and this one doesn't know permits nothing here.
pub(crate) fn read(row: &Row) -> Result<Rights, Fault> {
    let names = |column| get::<_, Option<Vec<&str>>>(row, column).map(Option::unwrap_or_default);
    let roles = names("roles")?.into_iter().filter_map(|name| name.parse().ok());
    let permissions = names("permissions")?.into_iter().filter_map(|name| name.parse().ok());
    Ok(Rights { access: Access::of(roles, permissions), version: count(row, "version")? })
}

/// Notes a change of a user's, whose row is locked. `now` is in microseconds.
pub(crate) fn note_user<'a>(flight: &mut Flight<'a>, user: &'a Uuid, now: &'a i64) {
    note(flight, user, now);
    flight.add(SET_VERSION, &[user]);
}

/// Notes a change of whatever has this id. From here to the commit nobody else makes one.
pub(crate) fn note<'a>(flight: &mut Flight<'a>, subject: &'a Uuid, now: &'a i64) {
    flight.add(ADVANCE, &[now]);
    flight.add(NOTE, &[subject]);
}

/// Drops up to `most` changes from before `since`. Returns how many went.
pub(crate) async fn drop_old(session: &Session, since: Timestamp, most: i64) -> Result<u64, Fault> {
    Ok(session.query(DROP_OLD, &[&since.as_microsecond(), &most]).await?.changed)
}
