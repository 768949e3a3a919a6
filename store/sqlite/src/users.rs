//! Accounts.

use async_trait::async_trait;
use ecs_domain::user::User;
use ecs_domain::{Email, UserId};
use ecs_store::{Credentials, KeptAnswer, NewUser, Provision, Provisioned, StoreError, Users};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::SqliteStore;
use crate::column::{At, Id, IdText, Word, micros};
use crate::engine::Fault;
use crate::idempotency;

pub(crate) const BY_ID: &str =
    "SELECT id, email, external_id, created_at, updated_at FROM users WHERE id = ?1";
pub(crate) const BY_EXTERNAL_ID: &str =
    "SELECT id, email, external_id, created_at, updated_at FROM users WHERE external_id = ?1";
pub(crate) const CREDENTIALS: &str =
    "SELECT id, password_hash FROM users WHERE email = ?1 AND password_hash IS NOT NULL";
pub(crate) const EMAIL_TAKEN: &str = "SELECT 1 FROM users WHERE email = ?1";
const INSERT: &str = "INSERT INTO users (id, email, password_hash, external_id, created_at, updated_at)
     VALUES (?1, ?2, ?3, ?4, ?5, ?5)";

#[async_trait]
impl Users for SqliteStore {
    async fn register(&self, user: NewUser, answer: Option<KeptAnswer>) -> Result<User, StoreError> {
        self.write("users.register", move |connection| {
            let made = insert(connection, user.user(), Some(&user.password_hash))?;
            idempotency::keep(connection, answer.as_ref())?;
            Ok(made)
        })
        .await
    }

    async fn credentials(&self, email: &Email) -> Result<Option<Credentials>, StoreError> {
        let email = email.clone();
        self.read("users.credentials", move |connection| {
            let mut statement = connection.prepare_cached(CREDENTIALS)?;
            let found = statement.query_row([email.as_str()], |row| {
                Ok(Credentials { user: UserId::new(row.get::<_, Id>(0)?.0), password_hash: row.get(1)? })
            });
            Ok(found.optional()?)
        })
        .await
    }

    async fn provision(
        &self,
        provision: Provision,
        answer: Option<KeptAnswer>,
    ) -> Result<Provisioned, StoreError> {
        self.write("users.provision", move |connection| find_or_make(connection, &provision, answer.as_ref()))
            .await
    }

    async fn user(&self, id: UserId) -> Result<Option<User>, StoreError> {
        self.read("users.user", move |connection| {
            let mut statement = connection.prepare_cached(BY_ID)?;
            Ok(statement.query_row([IdText::new(id.uuid())], user).optional()?)
        })
        .await
    }
}

fn find_or_make(
    connection: &Connection,
    provision: &Provision,
    answer: Option<&KeptAnswer>,
) -> Result<Provisioned, Fault> {
    if let Some(external_id) = &provision.external_id {
        let mut statement = connection.prepare_cached(BY_EXTERNAL_ID)?;
        if let Some(user) = statement.query_row([external_id], user).optional()? {
            return Ok(Provisioned { user, created: false });
        }
    }
    let user = insert(connection, provision.user(), None)?;
    idempotency::keep(connection, answer)?;
    Ok(Provisioned { user, created: true })
}

/// Writes a user, and returns them as the table has them. Nobody else writes meanwhile, so an address that is free here
/// is free at the insert.
fn insert(connection: &Connection, user: User, password_hash: Option<&str>) -> Result<User, Fault> {
    let email = user.email.as_ref().map(Email::as_str);
    if let Some(email) = email
        && connection.prepare_cached(EMAIL_TAKEN)?.exists([email])?
    {
        return Err(StoreError::Taken("email").into());
    }
    connection.prepare_cached(INSERT)?.execute((
        IdText::new(user.id.uuid()),
        email,
        password_hash,
        &user.external_id,
        At(user.created_at),
    ))?;
    Ok(User { created_at: micros(user.created_at), updated_at: micros(user.updated_at), ..user })
}

fn user(row: &Row<'_>) -> rusqlite::Result<User> {
    Ok(User {
        id: UserId::new(row.get::<_, Id>(0)?.0),
        email: row.get::<_, Option<Word<Email>>>(1)?.map(|email| email.0),
        external_id: row.get(2)?,
        created_at: row.get::<_, At>(3)?.0,
        updated_at: row.get::<_, At>(4)?.0,
    })
}
