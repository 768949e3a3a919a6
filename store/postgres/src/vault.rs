//! The vault in a PostgreSQL database of its own.
//!
//! A deleted key is vacuumed at once, so that no statement finds it any more. Its bytes may stay in the table's file until something
//! else is written there, and in the server's log until that is recycled. Whoever copies either has keys that are wrapped.

use std::sync::Arc;

use async_trait::async_trait;
use ecs_domain::{Timestamp, UserId};
use ecs_store::StoreError;
use ecs_vault::{Kept, Tombstone, Vault, VaultError};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::column::{count, get, limit, micros, signed};
use crate::engine::{Call, Fault, Grouped, Primary, Session, Together};
use crate::{Options, at_open, connect};

const TABLES: &str = include_str!("vault.sql");
/// Held by whoever makes the tables: "ecs vault" in a number.
const MAKING: &str = "SELECT pg_advisory_xact_lock(7305808869230371692)";
/// Whether a store is in this database.
const IN_STORE: &str =
    "SELECT to_regclass('schema_migrations') IS NOT NULL AND to_regclass('credit_limits') IS NOT NULL";

const KEPT: &str = "SELECT k.wrapped, t.number IS NOT NULL AS erased FROM unnest($1::uuid[]) WITH ORDINALITY AS asked (id, place)
     LEFT JOIN vault_keys k ON k.user_id = asked.id LEFT JOIN vault_tombstones t ON t.user_id = asked.id ORDER BY asked.place";
/// Keys and tombstones of one person are written one after the other.
const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtextextended($1::uuid::text, 7))";
const KEEP: &str = "INSERT INTO vault_keys (user_id, wrapped)
     SELECT $1, $2 WHERE NOT EXISTS (SELECT 1 FROM vault_tombstones WHERE user_id = $1) ON CONFLICT DO NOTHING";
const DESTROY: &str = "DELETE FROM vault_keys WHERE user_id = $1";
const NUMBERING: &str = "LOCK TABLE vault_tombstones IN SHARE ROW EXCLUSIVE MODE";
const BURY: &str = "INSERT INTO vault_tombstones (number, user_id, at)
     SELECT coalesce(max(number), 0) + 1, $1, $2 FROM vault_tombstones ON CONFLICT DO NOTHING";
const TOMBSTONE: &str = "SELECT number, user_id, at FROM vault_tombstones WHERE user_id = $1";
const SWEEP: &str = "VACUUM vault_keys";
const SWEEP_NAMED: &str = "VACUUM vault_named";
const TOMBSTONES: &str =
    "SELECT number, user_id, at FROM vault_tombstones WHERE number > $1 ORDER BY number LIMIT $2";
const KEYS: &str = "SELECT user_id, wrapped FROM vault_keys WHERE $1::uuid IS NULL OR user_id > $1 ORDER BY user_id LIMIT $2";
const REWRAP: &str = "UPDATE vault_keys SET wrapped = $3 WHERE user_id = $1 AND wrapped = $2";
const NAMED: &str = "SELECT wrapped FROM vault_named WHERE name = $1";
const ALL_NAMED: &str = "SELECT name, wrapped FROM vault_named ORDER BY name";
const KEEP_NAMED: &str = "INSERT INTO vault_named (name, wrapped) VALUES ($1, $2) ON CONFLICT DO NOTHING";
const REPLACE_NAMED: &str = "UPDATE vault_named SET wrapped = $3 WHERE name = $1 AND wrapped = $2";
const DESTROY_NAMED: &str = "DELETE FROM vault_named WHERE starts_with(name, $1) AND name < $2";

/// A vault in a PostgreSQL database.
pub struct PostgresVault {
    primary: Arc<Primary>,
    kept: Grouped<KeptOf>,
}

impl PostgresVault {
    /// Connects, and makes the tables if they aren't there. The database of a store is refused: keys would be in its dumps.
    pub async fn open(options: &Options) -> Result<Self, VaultError> {
        let primary = Arc::new(connect(options, None).map_err(vault_error)?);
        let vault = Self { kept: Grouped::new(KeptOf(Arc::clone(&primary))), primary };
        vault.made().await.map_err(|fault| vault_error(at_open(fault)))?;
        Ok(vault)
    }

    async fn made(&self) -> Result<(), Fault> {
        let mut connection = self.primary.extra().await?;
        let transaction = connection.client_mut().transaction().await?;
        transaction.batch_execute(MAKING).await?;
        if get::<_, bool>(&transaction.query_one(IN_STORE, &[]).await?, 0)? {
            return Err(Fault::Unfit(
                "the vault must not be in the store's database, whose dumps would hold its keys".to_owned(),
            ));
        }
        transaction.batch_execute(TABLES).await?;
        Ok(transaction.commit().await?)
    }

    /// Takes deleted rows out of the table's file.
    async fn swept(&self, sweep: &'static str) -> Result<(), VaultError> {
        let swept =
            async { Ok::<_, Fault>(self.primary.extra().await?.client().batch_execute(sweep).await?) };
        swept.await.map_err(|fault| vault_error(fault.into()))
    }
}

/// What is kept of people, for those who ask for one each.
struct KeptOf(Arc<Primary>);

impl Together for KeptOf {
    type Call = UserId;
    type Answer = Result<Kept, StoreError>;

    async fn together(&self, users: &[UserId]) -> Result<Vec<Self::Answer>, StoreError> {
        kept(&self.0, users).await
    }
}

async fn kept(primary: &Primary, users: &[UserId]) -> Result<Vec<Result<Kept, StoreError>>, StoreError> {
    let users: &Vec<Uuid> = &users.iter().map(|user| user.uuid()).collect();
    let call = primary.run(Call::quick("vault.kept"), |session| async move {
        let found = session.query(KEPT, &[users]).await?;
        Ok(found.rows.iter().map(|row| read_kept(row).map_err(StoreError::from)).collect())
    });
    call.await
}

#[async_trait]
impl Vault for PostgresVault {
    async fn kept(&self, users: &[UserId]) -> Result<Vec<Kept>, VaultError> {
        let kept = match users {
            [user] => self.kept.ask(*user).await.and_then(|kept| Ok(vec![kept?])),
            users => kept(&self.primary, users).await.and_then(|kept| kept.into_iter().collect()),
        };
        kept.map_err(vault_error)
    }

    async fn keep(&self, user: UserId, wrapped: &[u8]) -> Result<Kept, VaultError> {
        let (id, one) = (&user.uuid(), &vec![user.uuid()]);
        let wrapped = &wrapped;
        let call = self.primary.run(Call::quick("vault.keep"), |session| async move {
            let mut flight = session.flight();
            flight.begin();
            flight.add(LOCK, &[id]);
            flight.add(KEEP, &[id, wrapped]);
            let kept = flight.add(KEPT, &[one]);
            flight.commit();
            let answer = flight.send().await?.take(kept);
            answer.first().map(read_kept).transpose()
        });
        Ok(call.await.map_err(vault_error)?.unwrap_or(Kept::Nothing))
    }

    async fn destroy(&self, user: UserId, now: Timestamp) -> Result<Tombstone, VaultError> {
        let (id, now) = (&user.uuid(), &micros(now));
        let call = self.primary.run(Call::quick("vault.destroy"), |session| async move {
            let mut flight = session.flight();
            flight.begin();
            flight.add(LOCK, &[id]);
            flight.add(NUMBERING, &[]);
            let destroyed = flight.add(DESTROY, &[id]);
            flight.add(BURY, &[id, now]);
            let left = flight.add(TOMBSTONE, &[id]);
            flight.commit();
            let mut answers = flight.send().await?;
            let left = answers.take(left).first().map(tombstone).transpose()?;
            Ok((left, answers.take(destroyed).changed > 0))
        });
        let (left, destroyed) = call.await.map_err(vault_error)?;
        if destroyed {
            self.swept(SWEEP).await?;
        }
        left.ok_or_else(|| VaultError::Corrupt("a tombstone that was made is not there".to_owned()))
    }

    async fn tombstones(&self, after: u64, most: usize) -> Result<Vec<Tombstone>, VaultError> {
        let (after, most) = (&signed(after), &limit(most));
        let call = self.primary.run(Call::quick("vault.tombstones"), |session| async move {
            session.query(TOMBSTONES, &[after, most]).await?.rows.iter().map(tombstone).collect()
        });
        call.await.map_err(vault_error)
    }

    async fn keys(&self, after: Option<UserId>, most: usize) -> Result<Vec<(UserId, Vec<u8>)>, VaultError> {
        let (after, most) = (&after.map(|after| after.uuid()), &limit(most));
        let read = |row: &Row| Ok((UserId::new(get(row, "user_id")?), get(row, "wrapped")?));
        let call = self.primary.run(Call::quick("vault.keys"), |session| async move {
            session.query(KEYS, &[after, most]).await?.rows.iter().map(read).collect()
        });
        call.await.map_err(vault_error)
    }

    async fn rewrap(&self, user: UserId, from: &[u8], to: &[u8]) -> Result<bool, VaultError> {
        let (id, from, to) = (&user.uuid(), &from, &to);
        let call = self.primary.run(Call::quick("vault.rewrap"), |session| async move {
            Ok(session.query(REWRAP, &[id, from, to]).await?.changed > 0)
        });
        call.await.map_err(vault_error)
    }

    async fn named(&self, name: &str) -> Result<Option<Vec<u8>>, VaultError> {
        let name = &name;
        let call = self.primary.run(Call::quick("vault.named"), |session| async move {
            session.query(NAMED, &[name]).await?.first().map(|row| get(row, "wrapped")).transpose()
        });
        call.await.map_err(vault_error)
    }

    async fn keep_named(
        &self,
        name: &str,
        from: Option<&[u8]>,
        wrapped: &[u8],
    ) -> Result<Vec<u8>, VaultError> {
        let (named, from, wrapped) = (&name, &from, &wrapped);
        let call = self.primary.run(Call::quick("vault.keep_named"), |session| async move {
            match from {
                None => session.query(KEEP_NAMED, &[named, wrapped]).await?,
                Some(from) => session.query(REPLACE_NAMED, &[named, from, wrapped]).await?,
            };
            Ok(())
        });
        call.await.map_err(vault_error)?;
        Ok(self.named(name).await?.unwrap_or_default())
    }

    async fn all_named(&self) -> Result<Vec<(String, Vec<u8>)>, VaultError> {
        let read = |row: &Row| Ok((get(row, "name")?, get(row, "wrapped")?));
        let call = self.primary.run(Call::quick("vault.all_named"), |session| async move {
            session.query(ALL_NAMED, &[]).await?.rows.iter().map(read).collect()
        });
        call.await.map_err(vault_error)
    }

    async fn destroy_named(&self, prefix: &str, before: &str) -> Result<u64, VaultError> {
        let (prefix, before) = (&prefix, &before);
        let call = self.primary.run(Call::quick("vault.destroy_named"), |session| async move {
            Ok(session.query(DESTROY_NAMED, &[prefix, before]).await?.changed)
        });
        let gone = call.await.map_err(vault_error)?;
        if gone > 0 {
            self.swept(SWEEP_NAMED).await?;
        }
        Ok(gone)
    }

    async fn ping(&self) -> Result<(), VaultError> {
        self.primary.run(Call::quick("vault.ping"), ping).await.map_err(vault_error)
    }

    async fn close(&self) -> Result<(), VaultError> {
        self.primary.close().await;
        Ok(())
    }
}

async fn ping(session: std::sync::Arc<Session>) -> Result<(), Fault> {
    session.query("SELECT 1", &[]).await.map(drop)
}

fn read_kept(row: &Row) -> Result<Kept, Fault> {
    if get(row, "erased")? {
        return Ok(Kept::Tombstone);
    }
    Ok(get::<_, Option<Vec<u8>>>(row, "wrapped")?.map_or(Kept::Nothing, Kept::Key))
}

fn tombstone(row: &Row) -> Result<Tombstone, Fault> {
    Ok(Tombstone {
        number: count(row, "number")?,
        user: UserId::new(get(row, "user_id")?),
        at: get(row, "at")?,
    })
}

fn vault_error(error: StoreError) -> VaultError {
    match error {
        StoreError::Unavailable(why) => VaultError::Unavailable(why),
        other => VaultError::Corrupt(other.to_string()),
    }
}
