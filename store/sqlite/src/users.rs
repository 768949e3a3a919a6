//! Accounts.

use async_trait::async_trait;
use ecs_domain::user::User;
use ecs_domain::{Email, UserId};
use ecs_store::sealed::{NewUserRow, UserRow, column};
use ecs_store::{Credentials, KeptAnswer, NewUser, Provision, Provisioned, StoreError, Users};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::SqliteStore;
use crate::column::{At, Id, IdText, limit, micros};
use crate::engine::Fault;
use crate::idempotency;

pub(crate) const BY_ID: &str =
    "SELECT id, email, external_id, created_at, updated_at FROM users WHERE id = ?1";
pub(crate) const BY_EXTERNAL_ID: &str =
    "SELECT id, email, external_id, created_at, updated_at FROM users WHERE external_id_index = ?1";
pub(crate) const CREDENTIALS: &str =
    "SELECT id, password_hash FROM users WHERE email_index = ?1 AND password_hash IS NOT NULL";
pub(crate) const EMAIL_TAKEN: &str = "SELECT 1 FROM users WHERE email_index = ?1";
const INSERT: &str = "INSERT INTO users
        (id, email, email_index, password_hash, external_id, external_id_index, created_at, updated_at)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)";

#[async_trait]
impl Users for SqliteStore {
    async fn register(&self, user: NewUser, answer: Option<KeptAnswer>) -> Result<User, StoreError> {
        let made = as_kept(user.user());
        self.require_free(&made).await?;
        let new = NewUserRow::seal(&made, &self.keyring).await?;
        self.write("users.register", move |connection| {
            insert(connection, &new, Some(&user.password_hash))?;
            idempotency::keep(connection, answer.as_ref())
        })
        .await?;
        Ok(made)
    }

    async fn credentials(&self, email: &Email) -> Result<Option<Credentials>, StoreError> {
        let index = self.keyring.index(column::EMAIL, email.as_str());
        self.read("users.credentials", move |connection| {
            let mut statement = connection.prepare_cached(CREDENTIALS)?;
            let found = statement.query_row([index], |row| {
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
        let made = as_kept(provision.user());
        if let Some(known) = self.named_by_partner(&made).await? {
            return self.provisioned(known).await;
        }
        self.require_free(&made).await?;
        let new = NewUserRow::seal(&made, &self.keyring).await?;
        let known = self
            .write("users.provision", move |connection| find_or_make(connection, &new, answer.as_ref()))
            .await?;
        match known {
            None => Ok(Provisioned { user: made, created: true }),
            Some(known) => self.provisioned(known).await,
        }
    }

    async fn user(&self, id: UserId) -> Result<Option<User>, StoreError> {
        let found = self.read("users.user", move |connection| {
            let mut statement = connection.prepare_cached(BY_ID)?;
            Ok(statement.query_row([IdText::new(id.uuid())], read).optional()?)
        });
        match found.await? {
            Some(row) => row.open(&self.keyring).await,
            None => Ok(None),
        }
    }
}

/// What is looked at before a key is made for somebody who may not be new. The insert looks again.
impl SqliteStore {
    async fn require_free(&self, user: &User) -> Result<(), StoreError> {
        let Some(email) = &user.email else { return Ok(()) };
        let index = self.keyring.index(column::EMAIL, email.as_str());
        let taken = self.read("users.taken", move |connection| {
            Ok(connection.prepare_cached(EMAIL_TAKEN)?.exists([index])?)
        });
        if taken.await? { Err(StoreError::Taken("email")) } else { Ok(()) }
    }

    async fn named_by_partner(&self, user: &User) -> Result<Option<UserRow>, StoreError> {
        let Some(external_id) = &user.external_id else { return Ok(None) };
        let index = self.keyring.index(column::EXTERNAL_ID, external_id);
        self.read("users.by_external_id", move |connection| {
            Ok(connection.prepare_cached(BY_EXTERNAL_ID)?.query_row([index], read).optional()?)
        })
        .await
    }

    async fn provisioned(&self, known: UserRow) -> Result<Provisioned, StoreError> {
        let user = known.open(&self.keyring).await?.ok_or_else(gone)?;
        Ok(Provisioned { user, created: false })
    }
}

/// The user as they are read again: with whole microseconds.
fn as_kept(user: User) -> User {
    User { created_at: micros(user.created_at), updated_at: micros(user.updated_at), ..user }
}

/// Somebody is erased just now.
fn gone() -> StoreError {
    StoreError::Unavailable("the user is being erased".to_owned())
}

/// Whom the partner's id already names; `None` when the user was made.
fn find_or_make(
    connection: &Connection,
    new: &NewUserRow,
    answer: Option<&KeptAnswer>,
) -> Result<Option<UserRow>, Fault> {
    if let Some(index) = &new.external_id_index {
        let mut statement = connection.prepare_cached(BY_EXTERNAL_ID)?;
        if let Some(known) = statement.query_row([index], read).optional()? {
            return Ok(Some(known));
        }
    }
    insert(connection, new, None)?;
    idempotency::keep(connection, answer)?;
    Ok(None)
}

/// Nobody else writes meanwhile, so an address that is free here is free at the insert.
fn insert(connection: &Connection, new: &NewUserRow, password_hash: Option<&str>) -> Result<(), Fault> {
    if let Some(index) = &new.email_index
        && connection.prepare_cached(EMAIL_TAKEN)?.exists([index])?
    {
        return Err(StoreError::Taken("email").into());
    }
    let NewUserRow { row, email_index, external_id_index } = new;
    connection.prepare_cached(INSERT)?.execute((
        IdText::new(row.id.uuid()),
        &row.email,
        email_index,
        password_hash,
        &row.external_id,
        external_id_index,
        At(row.created_at),
    ))?;
    Ok(())
}

fn read(row: &Row<'_>) -> rusqlite::Result<UserRow> {
    Ok(UserRow {
        id: UserId::new(row.get::<_, Id>(0)?.0),
        email: row.get(1)?,
        external_id: row.get(2)?,
        created_at: row.get::<_, At>(3)?.0,
        updated_at: row.get::<_, At>(4)?.0,
    })
}

/// What was written before there were keys.
pub(crate) const PLAIN: &str = "SELECT id, email, external_id, created_at, updated_at FROM users
     WHERE (email IS NOT NULL AND email_index IS NULL) OR (external_id IS NOT NULL AND external_id_index IS NULL) LIMIT ?1";
const SEAL: &str =
    "UPDATE users SET email = ?2, email_index = ?3, external_id = ?4, external_id_index = ?5 WHERE id = ?1";

/// Seals a piece of what was written before there were keys. Returns how many rows.
pub(crate) async fn seal_plain(store: &SqliteStore, most: usize) -> Result<u64, StoreError> {
    let plain: Vec<UserRow> = store
        .read("users.plain", move |connection| {
            let mut statement = connection.prepare_cached(PLAIN)?;
            Ok(statement.query_map([limit(most)], read)?.collect::<Result<_, _>>()?)
        })
        .await?;
    let mut sealed = Vec::with_capacity(plain.len());
    for row in plain {
        sealed.push(NewUserRow::seal(&row.plain()?, &store.keyring).await?);
    }
    let rows = sealed.len() as u64;
    store
        .write("users.seal", move |connection| {
            for NewUserRow { row, email_index, external_id_index } in &sealed {
                let id = IdText::new(row.id.uuid());
                let values = params![id, row.email, email_index, row.external_id, external_id_index];
                connection.prepare_cached(SEAL)?.execute(values)?;
            }
            Ok(())
        })
        .await?;
    Ok(rows)
}
