//! Rights of users, and the list of what changed.

use std::str::FromStr;

use async_trait::async_trait;
use ecs_domain::permission::{Access, Permission, Role};
use ecs_domain::{Timestamp, UserId};
use ecs_store::audit::NewEntry;
use ecs_store::{
    Change, Changes, Rights, RightsChange, RightsChanged, RightsOfUsers, StoreError, next_change,
};
use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use crate::SqliteStore;
use crate::audit;
use crate::column::{IdBytes, IdText, count, limit};
use crate::engine::Fault;
use crate::erasures;

pub(crate) const OF_USER: &str = "SELECT version, roles, permissions FROM users
     LEFT JOIN user_rights ON user_rights.user_id = users.id WHERE users.id = ?1";
const WORDS: &str = "SELECT roles, permissions FROM user_rights WHERE user_id = ?1";
pub(crate) const OTHER_ADMINS: &str =
    "SELECT 1 FROM user_rights WHERE roles LIKE '% admin %' AND user_id <> ?1 LIMIT 1";
const SET: &str = "INSERT INTO user_rights (user_id, roles, permissions, granted_by, granted_at)
     VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (user_id) DO UPDATE SET
        roles = excluded.roles, permissions = excluded.permissions,
        granted_by = excluded.granted_by, granted_at = excluded.granted_at";
pub(crate) const SET_VERSION: &str = "UPDATE users SET version = ?2 WHERE id = ?1";
pub(crate) const NEWEST: &str = "SELECT number FROM changes ORDER BY number DESC LIMIT 1";
const NOTE: &str = "INSERT INTO changes (number, subject) VALUES (?1, ?2)";
pub(crate) const AFTER: &str =
    "SELECT number, subject FROM changes WHERE number > ?1 ORDER BY number LIMIT ?2";
/// The newest one stays: the next one counts on from it.
pub(crate) const DROP_OLD: &str = "DELETE FROM changes WHERE number IN
     (SELECT number FROM changes WHERE number < ?1 AND number < (SELECT max(number) FROM changes) LIMIT ?2)";

#[async_trait]
impl RightsOfUsers for SqliteStore {
    async fn rights(&self, user: UserId) -> Result<Option<Rights>, StoreError> {
        self.read("rights.rights", move |connection| of_user(connection, user)).await
    }

    async fn change_rights(&self, change: RightsChange) -> Result<RightsChanged, StoreError> {
        self.write("rights.change", move |connection| replace(connection, &change)).await
    }

    async fn changes(
        &self,
        after: Option<u64>,
        since: Timestamp,
        most: usize,
    ) -> Result<Changes, StoreError> {
        let after = after.map_or_else(
            || since.as_microsecond().saturating_sub(1),
            |number| i64::try_from(number).unwrap_or(i64::MAX),
        );
        self.read("rights.changes", move |connection| {
            let mut statement = connection.prepare_cached(AFTER)?;
            let read = |row: &Row<'_>| {
                Ok(Change { number: count(row.get(0)?), subject: row.get::<_, IdBytes>(1)?.0 })
            };
            let changes = statement.query_map((after, limit(most)), read)?.collect::<Result<_, _>>()?;
            Ok(Changes { changes, newest: newest(connection)? })
        })
        .await
    }
}

/// Nobody else writes meanwhile, so what it was judged by stands until the end.
fn replace(connection: &Connection, change: &RightsChange) -> Result<RightsChanged, Fault> {
    let Some(rights) = of_user(connection, change.user)? else { return Ok(RightsChanged::Unknown) };
    // Whoever is about to be erased holds nothing any more, and counts for nobody.
    if erasures::is_asked_for(connection, change.user)? {
        return Ok(RightsChanged::Unknown);
    }
    let before = rights.access.clone();
    if before == change.access {
        return Ok(RightsChanged::Done { rights, before });
    }
    let id = IdText::new(change.user.uuid());
    let others = other_admins(connection, change.user)?;
    if let Err(refusal) = before.may_become(&change.access, &change.held, others) {
        return Ok(RightsChanged::Refused(refusal));
    }
    let Access { roles, permissions } = &change.access;
    let [unknown_roles, unknown_permissions] = unknown(connection, &id)?;
    let roles = words(roles.iter().map(ToString::to_string).chain(unknown_roles));
    let permissions = words(permissions.iter().map(ToString::to_string).chain(unknown_permissions));
    let granter = IdText::new(change.granter.uuid());
    let at = change.now.as_microsecond();
    connection.prepare_cached(SET)?.execute(params![id, roles, permissions, granter, at])?;
    let version = note_user(connection, change.user, change.now)?.unwrap_or(rights.version);
    audit::note(connection, &NewEntry::of_rights(change, &before))?;
    Ok(RightsChanged::Done { rights: Rights { access: change.access.clone(), version }, before })
}

/// Whether somebody else may do everything.
pub(crate) fn other_admins(connection: &Connection, user: UserId) -> Result<bool, Fault> {
    Ok(connection.prepare_cached(OTHER_ADMINS)?.exists([IdText::new(user.uuid())])?)
}

pub(crate) fn of_user(connection: &Connection, user: UserId) -> Result<Option<Rights>, Fault> {
    let mut statement = connection.prepare_cached(OF_USER)?;
    Ok(statement.query_row([IdText::new(user.uuid())], |row| read(row, 0)).optional()?)
}

/// Rights from three columns, of which the first is the one with this index. What a newer version granted and this one doesn't know
/// permits nothing here.
pub(crate) fn read(row: &Row<'_>, first: usize) -> rusqlite::Result<Rights> {
    let [roles, permissions] =
        [row.get::<_, Option<String>>(first + 1)?, row.get(first + 2)?].map(Option::unwrap_or_default);
    let roles = roles.split_whitespace().filter_map(|name| name.parse().ok());
    let permissions = permissions.split_whitespace().filter_map(|name| name.parse().ok());
    Ok(Rights { access: Access::of(roles, permissions), version: count(row.get(first)?) })
}

/// What a newer version granted and this one doesn't know: names of roles, and of permissions.
fn unknown(connection: &Connection, user: &IdText) -> Result<[Vec<String>; 2], Fault> {
    let read = |row: &Row<'_>| {
        let [roles, permissions] = [row.get::<_, String>(0)?, row.get(1)?];
        Ok([strangers::<Role>(&roles), strangers::<Permission>(&permissions)])
    };
    Ok(connection.prepare_cached(WORDS)?.query_row([user], read).optional()?.unwrap_or_default())
}

/// The names that are none of these.
fn strangers<T: FromStr>(words: &str) -> Vec<String> {
    words.split_whitespace().filter(|name| name.parse::<T>().is_err()).map(ToOwned::to_owned).collect()
}

/// The form in which `LIKE '% name %'` finds a name.
fn words(names: impl IntoIterator<Item = String>) -> String {
    names.into_iter().fold(" ".to_owned(), |words, name| words + &name + " ")
}

fn newest(connection: &Connection) -> Result<u64, Fault> {
    let found = connection.prepare_cached(NEWEST)?.query_row([], |row| row.get(0)).optional()?;
    Ok(count(found.unwrap_or_default()))
}

/// Notes a change of a user's, and returns its number; `None` when there is no such user.
pub(crate) fn note_user(connection: &Connection, user: UserId, now: Timestamp) -> Result<Option<u64>, Fault> {
    let number = next_change(newest(connection)?, now);
    let column = i64::try_from(number).unwrap_or(i64::MAX);
    if connection.prepare_cached(SET_VERSION)?.execute(params![IdText::new(user.uuid()), column])? == 0 {
        return Ok(None);
    }
    connection.prepare_cached(NOTE)?.execute(params![column, IdBytes(user.uuid())])?;
    Ok(Some(number))
}

/// Notes the change that is a session's end.
pub(crate) fn note_session(connection: &Connection, session: Uuid, now: Timestamp) -> Result<(), Fault> {
    let number = i64::try_from(next_change(newest(connection)?, now)).unwrap_or(i64::MAX);
    connection.prepare_cached(NOTE)?.execute(params![number, IdBytes(session)])?;
    Ok(())
}

/// Drops up to `most` changes from before `since`. Returns how many went.
pub(crate) fn drop_old(connection: &Connection, since: Timestamp, most: i64) -> Result<u64, Fault> {
    Ok(connection.prepare_cached(DROP_OLD)?.execute(params![since.as_microsecond(), most])? as u64)
}
