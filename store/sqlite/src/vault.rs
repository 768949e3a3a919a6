//! The embedded engine of the vault: a SQLite file of its own, in which nothing is left of what was deleted.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use ecs_domain::{Timestamp, UserId};
use ecs_store::StoreError;
use ecs_vault::{Kept, Tombstone, Vault, VaultError};
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};
use tokio::sync::oneshot;

use crate::Options;
use crate::column::{IdBytes, at_from_micros, count, limit};
use crate::engine::{Fault, connect_with};

const TABLES: &str = include_str!("vault.sql");

const KEY: &str = "SELECT wrapped FROM vault_keys WHERE user_id = ?1";
const TOMBSTONE: &str = "SELECT number, user_id, at FROM vault_tombstones WHERE user_id = ?1";
const KEEP: &str = "INSERT INTO vault_keys (user_id, wrapped) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
const DESTROY: &str = "DELETE FROM vault_keys WHERE user_id = ?1";
const BURY: &str = "INSERT INTO vault_tombstones (user_id, at) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
const TOMBSTONES: &str =
    "SELECT number, user_id, at FROM vault_tombstones WHERE number > ?1 ORDER BY number LIMIT ?2";
const KEYS: &str =
    "SELECT user_id, wrapped FROM vault_keys WHERE ?1 IS NULL OR user_id > ?1 ORDER BY user_id LIMIT ?2";
const REWRAP: &str = "UPDATE vault_keys SET wrapped = ?3 WHERE user_id = ?1 AND wrapped = ?2";
const NAMED: &str = "SELECT wrapped FROM vault_named WHERE name = ?1";
const ALL_NAMED: &str = "SELECT name, wrapped FROM vault_named ORDER BY name";
const KEEP_NAMED: &str = "INSERT INTO vault_named (name, wrapped) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
const REPLACE_NAMED: &str = "UPDATE vault_named SET wrapped = ?3 WHERE name = ?1 AND wrapped = ?2";
const DESTROY_NAMED: &str = "DELETE FROM vault_named WHERE substr(name, 1, length(?1)) = ?1 AND name < ?2";

/// A vault in one SQLite file.
///
/// Deleted bytes are overwritten, and the journal is one that ends empty: a write-ahead log would hold them on.
///
/// Whoever asks for keys while the file is in use is answered with all who ask meanwhile, by one transaction.
pub struct SqliteVault(Arc<Shared>);

struct Shared {
    connection: Mutex<Option<Connection>>,
    asking: Mutex<Vec<Asking>>,
}

/// Somebody who asks for keys: of whom, and where the answer goes.
type Asking = (Vec<UserId>, oneshot::Sender<Result<Vec<Kept>, VaultError>>);

impl SqliteVault {
    /// Opens the file, and makes it when it isn't there.
    pub fn open(path: impl AsRef<Path>, options: &Options) -> Result<Self, VaultError> {
        let connection = Mutex::new(Some(opened(path.as_ref(), options).map_err(vault_error)?));
        Ok(Self(Arc::new(Shared { connection, asking: Mutex::default() })))
    }

    /// Runs `work` in a transaction, on a thread that may block.
    async fn call<T, F>(&self, work: F) -> Result<T, VaultError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        let shared = Arc::clone(&self.0);
        // Whoever reads first and writes then would be refused where another process does the same.
        let run = move || transact(&mut shared.connection(), TransactionBehavior::Immediate, work);
        tokio::task::spawn_blocking(run).await.unwrap_or_else(|_| Err(stopped()))
    }
}

impl Shared {
    fn connection(&self) -> MutexGuard<'_, Option<Connection>> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn asking(&self) -> MutexGuard<'_, Vec<Asking>> {
        self.asking.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn transact<T>(
    held: &mut Option<Connection>,
    behavior: TransactionBehavior,
    work: impl FnOnce(&Connection) -> Result<T, Fault>,
) -> Result<T, VaultError> {
    let connection =
        held.as_mut().ok_or_else(|| VaultError::Unavailable("the vault is closed".to_owned()))?;
    let done = || {
        let transaction = connection.transaction_with_behavior(behavior)?;
        let done = work(&transaction)?;
        transaction.commit()?;
        Ok(done)
    };
    done().map_err(vault_error)
}

/// The duty to answer those who ask. Whoever asks first has it; dropped before it began, as at the end of a runtime, it lets go of all
/// of them.
struct Duty(Option<Arc<Shared>>);

impl Duty {
    /// Takes them once the file is free: until then more may come.
    fn answer(mut self) {
        let Some(shared) = self.0.take() else { return };
        let mut connection = shared.connection();
        let asking = std::mem::take(&mut *shared.asking());
        let read = |connection: &Connection| {
            let of = |users: &Vec<UserId>| users.iter().map(|user| kept(connection, *user)).collect();
            asking.iter().map(|(users, _)| of(users)).collect::<Result<Vec<Vec<Kept>>, Fault>>()
        };
        match transact(&mut connection, TransactionBehavior::Deferred, read) {
            Ok(found) => {
                asking.into_iter().zip(found).for_each(|((_, tell), kept)| drop(tell.send(Ok(kept))))
            }
            Err(error) => asking.into_iter().for_each(|(_, tell)| drop(tell.send(Err(error.clone())))),
        }
    }
}

impl Drop for Duty {
    fn drop(&mut self) {
        if let Some(shared) = &self.0 {
            shared.asking().clear();
        }
    }
}

fn opened(path: &Path, options: &Options) -> Result<Connection, Fault> {
    let connection = connect_with(path, options, "truncate")?;
    connection.pragma_update(None, "synchronous", "extra")?;
    connection.pragma_update(None, "secure_delete", true)?;
    connection.execute_batch(TABLES)?;
    Ok(connection)
}

#[async_trait]
impl Vault for SqliteVault {
    async fn kept(&self, users: &[UserId]) -> Result<Vec<Kept>, VaultError> {
        let (tell, told) = oneshot::channel();
        let is_first = {
            let mut asking = self.0.asking();
            asking.push((users.to_vec(), tell));
            asking.len() == 1
        };
        if is_first {
            let duty = Duty(Some(Arc::clone(&self.0)));
            tokio::task::spawn_blocking(|| duty.answer());
        }
        told.await.unwrap_or_else(|_| Err(stopped()))
    }

    async fn keep(&self, user: UserId, wrapped: &[u8]) -> Result<Kept, VaultError> {
        let wrapped = wrapped.to_vec();
        self.call(move |connection| {
            if kept(connection, user)? == Kept::Nothing {
                connection.prepare_cached(KEEP)?.execute(params![IdBytes(user.uuid()), wrapped])?;
            }
            kept(connection, user)
        })
        .await
    }

    async fn destroy(&self, user: UserId, now: Timestamp) -> Result<Tombstone, VaultError> {
        self.call(move |connection| {
            let id = IdBytes(user.uuid());
            connection.prepare_cached(DESTROY)?.execute([&id])?;
            connection.prepare_cached(BURY)?.execute(params![id, now.as_microsecond()])?;
            Ok(connection.prepare_cached(TOMBSTONE)?.query_row([&id], tombstone)?)
        })
        .await
    }

    async fn tombstones(&self, after: u64, most: usize) -> Result<Vec<Tombstone>, VaultError> {
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        self.call(move |connection| {
            let mut statement = connection.prepare_cached(TOMBSTONES)?;
            Ok(statement.query_map((after, limit(most)), tombstone)?.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn keys(&self, after: Option<UserId>, most: usize) -> Result<Vec<(UserId, Vec<u8>)>, VaultError> {
        self.call(move |connection| {
            let mut statement = connection.prepare_cached(KEYS)?;
            let read = |row: &Row<'_>| Ok((UserId::new(row.get::<_, IdBytes>(0)?.0), row.get(1)?));
            let after = after.map(|after| IdBytes(after.uuid()));
            Ok(statement.query_map((after, limit(most)), read)?.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn rewrap(&self, user: UserId, from: &[u8], to: &[u8]) -> Result<bool, VaultError> {
        let (from, to) = (from.to_vec(), to.to_vec());
        self.call(move |connection| {
            let values = params![IdBytes(user.uuid()), from, to];
            Ok(connection.prepare_cached(REWRAP)?.execute(values)? > 0)
        })
        .await
    }

    async fn named(&self, name: &str) -> Result<Option<Vec<u8>>, VaultError> {
        let name = name.to_owned();
        self.call(move |connection| named(connection, &name)).await
    }

    async fn keep_named(
        &self,
        name: &str,
        from: Option<&[u8]>,
        wrapped: &[u8],
    ) -> Result<Vec<u8>, VaultError> {
        let (name, from, wrapped) = (name.to_owned(), from.map(<[u8]>::to_vec), wrapped.to_vec());
        self.call(move |connection| {
            match from {
                None => connection.prepare_cached(KEEP_NAMED)?.execute(params![name, wrapped])?,
                Some(from) => {
                    connection.prepare_cached(REPLACE_NAMED)?.execute(params![name, from, wrapped])?
                }
            };
            Ok(named(connection, &name)?.unwrap_or_default())
        })
        .await
    }

    async fn all_named(&self) -> Result<Vec<(String, Vec<u8>)>, VaultError> {
        self.call(|connection| {
            let mut statement = connection.prepare_cached(ALL_NAMED)?;
            Ok(statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn destroy_named(&self, prefix: &str, before: &str) -> Result<u64, VaultError> {
        let (prefix, before) = (prefix.to_owned(), before.to_owned());
        self.call(move |connection| {
            Ok(connection.prepare_cached(DESTROY_NAMED)?.execute((prefix, before))? as u64)
        })
        .await
    }

    async fn ping(&self) -> Result<(), VaultError> {
        self.call(|connection| Ok(connection.query_row("SELECT 1", [], |_| Ok(()))?)).await
    }

    async fn close(&self) -> Result<(), VaultError> {
        let shared = Arc::clone(&self.0);
        let close = move || shared.connection().take().map(Connection::close);
        let closed = tokio::task::spawn_blocking(close).await;
        match closed {
            Ok(None | Some(Ok(()))) => Ok(()),
            Ok(Some(Err((_, error)))) => Err(vault_error(error.into())),
            Err(_) => Err(stopped()),
        }
    }
}

fn kept(connection: &Connection, user: UserId) -> Result<Kept, Fault> {
    let id = IdBytes(user.uuid());
    if connection.prepare_cached(TOMBSTONE)?.exists([&id])? {
        return Ok(Kept::Tombstone);
    }
    let key = connection.prepare_cached(KEY)?.query_row([&id], |row| row.get(0)).optional()?;
    Ok(key.map_or(Kept::Nothing, Kept::Key))
}

fn named(connection: &Connection, name: &str) -> Result<Option<Vec<u8>>, Fault> {
    Ok(connection.prepare_cached(NAMED)?.query_row([name], |row| row.get(0)).optional()?)
}

fn tombstone(row: &Row<'_>) -> rusqlite::Result<Tombstone> {
    let user = UserId::new(row.get::<_, IdBytes>(1)?.0);
    Ok(Tombstone { number: count(row.get(0)?), user, at: at_from_micros(row.get(2)?)? })
}

fn stopped() -> VaultError {
    VaultError::Unavailable("the vault's thread stopped".to_owned())
}

fn vault_error(fault: Fault) -> VaultError {
    match StoreError::from(fault) {
        StoreError::Unavailable(why) => VaultError::Unavailable(why),
        other => VaultError::Corrupt(other.to_string()),
    }
}
