//! Accounts.

use async_trait::async_trait;
use ecs_domain::user::User;
use ecs_domain::{Email, UserId};
use ecs_store::sealed::{NewUserRow, UserRow, column};
use ecs_store::{Credentials, KeptAnswer, NewUser, Provision, Provisioned, StoreError, Users};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::PostgresStore;
use crate::column::{get, limit, micros};
use crate::engine::{Call, Fault, Param, Session};
use crate::idempotency::{self, Held};

pub(crate) const BY_ID: &str =
    "SELECT id, email, external_id, created_at, updated_at FROM users WHERE id = $1";
pub(crate) const BY_EXTERNAL_ID: &str =
    "SELECT id, email, external_id, created_at, updated_at FROM users WHERE external_id_index = $1";
pub(crate) const CREDENTIALS: &str =
    "SELECT id, password_hash FROM users WHERE email_index = $1 AND password_hash IS NOT NULL";
/// Waits for whoever is about to take the same address or partner's id, and then makes nobody.
const INSERT: &str = "INSERT INTO users
        (id, email, email_index, password_hash, external_id, external_id_index, created_at, updated_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $7) ON CONFLICT DO NOTHING RETURNING id";
/// Held while something is decided or numbered about a user. Rows that only refer to them may come meanwhile.
pub(crate) const LOCK: &str = "SELECT id FROM users WHERE id = $1 FOR NO KEY UPDATE";
/// The same for several users, always in the same order.
pub(crate) const LOCK_ALL: &str = "SELECT id FROM users WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE";
/// The same for those of them whom nobody else has in hand.
pub(crate) const LOCK_FREE: &str =
    "SELECT id FROM users WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED";
pub(crate) const EMAIL_TAKEN: &str = "SELECT 1 FROM users WHERE email_index = $1";

#[async_trait]
impl Users for PostgresStore {
    async fn register(&self, user: NewUser, answer: Option<KeptAnswer>) -> Result<User, StoreError> {
        let made = as_kept(user.user());
        self.require_free(&made).await?;
        let new = &NewUserRow::seal(&made, &self.keyring).await?;
        let (hash, answer, about) = (Some(user.password_hash.as_str()), answer.as_ref(), [user.id]);
        self.primary
            .run(Call::quick("users.register").about(&about), |session| async move {
                match make(&session, new, hash, answer).await? {
                    true => Ok(()),
                    false => Err(taken(&session, new).await?),
                }
            })
            .await?;
        Ok(made)
    }

    async fn credentials(&self, email: &Email) -> Result<Option<Credentials>, StoreError> {
        let index = self.keyring.index(column::EMAIL, email.as_str());
        let index = &index.as_slice();
        self.primary
            .run(Call::quick("users.credentials"), |session| async move {
                let found = session.query(CREDENTIALS, &[index]).await?;
                let read =
                    |row| Ok(Credentials { user: UserId::new(get(row, 0)?), password_hash: get(row, 1)? });
                found.first().map(read).transpose()
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
        let new = &NewUserRow::seal(&made, &self.keyring).await?;
        let (answer, about) = (answer.as_ref(), [provision.id]);
        let call = Call::quick("users.provision").about(&about);
        let known = self
            .primary
            .run(call, |session| async move { find_or_make(&session, new, answer).await })
            .await?;
        match known {
            None => Ok(Provisioned { user: made, created: true }),
            Some(known) => self.provisioned(known).await,
        }
    }

    async fn user(&self, id: UserId) -> Result<Option<User>, StoreError> {
        let id = &id.uuid();
        let found = self.primary.run(Call::quick("users.user"), |session| async move {
            session.query(BY_ID, &[id]).await?.first().map(read).transpose()
        });
        match found.await? {
            Some(row) => row.open(&self.keyring).await,
            None => Ok(None),
        }
    }
}

/// What is looked at before a key is made for somebody who may not be new. The insert looks again.
impl PostgresStore {
    async fn require_free(&self, user: &User) -> Result<(), StoreError> {
        let Some(email) = &user.email else { return Ok(()) };
        let index = self.keyring.index(column::EMAIL, email.as_str());
        let index = &index.as_slice();
        let taken = self.primary.run(Call::quick("users.taken"), |session| async move {
            Ok(!session.query(EMAIL_TAKEN, &[index]).await?.rows.is_empty())
        });
        if taken.await? { Err(StoreError::Taken("email")) } else { Ok(()) }
    }

    async fn named_by_partner(&self, user: &User) -> Result<Option<UserRow>, StoreError> {
        let Some(external_id) = &user.external_id else { return Ok(None) };
        let index = self.keyring.index(column::EXTERNAL_ID, external_id);
        let index = &index.as_slice();
        self.primary
            .run(Call::quick("users.by_external_id"), |session| async move {
                session.query(BY_EXTERNAL_ID, &[index]).await?.first().map(read).transpose()
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
async fn find_or_make(
    session: &Session,
    new: &NewUserRow,
    answer: Option<&KeptAnswer>,
) -> Result<Option<UserRow>, Fault> {
    if let Some(known) = by_external_id(session, new).await? {
        return Ok(Some(known));
    }
    if make(session, new, None, answer).await? {
        return Ok(None);
    }
    // Somebody was faster: with the same partner's id, or with the same address.
    match by_external_id(session, new).await? {
        Some(known) => Ok(Some(known)),
        None => Err(taken(session, new).await?),
    }
}

async fn by_external_id(session: &Session, new: &NewUserRow) -> Result<Option<UserRow>, Fault> {
    let Some(index) = &new.external_id_index else { return Ok(None) };
    session.query(BY_EXTERNAL_ID, &[&index.as_slice()]).await?.first().map(read).transpose()
}

/// Writes a user and what is kept for the request, both or neither. Returns false when one of their values is taken.
async fn make(
    session: &Session,
    new: &NewUserRow,
    password_hash: Option<&str>,
    answer: Option<&KeptAnswer>,
) -> Result<bool, Fault> {
    let NewUserRow { row, email_index, external_id_index } = new;
    let [email_index, external_id_index] =
        [email_index, external_id_index].map(|index| index.as_ref().map(<[u8; 32]>::as_slice));
    let id = row.id.uuid();
    let params: [Param<'_>; 7] = [
        &id,
        &row.email,
        &email_index,
        &password_hash,
        &row.external_id,
        &external_id_index,
        &row.created_at,
    ];
    let Some(answer) = answer else {
        return Ok(!session.query(INSERT, &params).await?.rows.is_empty());
    };
    let held = Held::new(answer);
    let mut flight = session.flight();
    flight.begin();
    let claim = held.lock(&mut flight);
    let insert = flight.add(INSERT, &params);
    let mut answers = flight.send().await?;
    let made = !answers.take(insert).rows.is_empty();
    let mut flight = session.flight();
    if made {
        idempotency::require(&answers.take(claim))?;
        held.keep(&mut flight);
        flight.commit();
    } else {
        flight.roll_back();
    }
    flight.send().await?;
    Ok(made)
}

/// Why nobody was made. When what was in the way is gone again, all of it is worth another try.
async fn taken(session: &Session, new: &NewUserRow) -> Result<Fault, Fault> {
    let index = new.email_index.as_ref().map(<[u8; 32]>::as_slice);
    if !session.query(EMAIL_TAKEN, &[&index]).await?.rows.is_empty() {
        return Ok(StoreError::Taken("email").into());
    }
    let id: Uuid = new.row.id.uuid();
    if !session.query(BY_ID, &[&id]).await?.rows.is_empty() {
        return Ok(StoreError::Corrupt("a new user has the id of another".to_owned()).into());
    }
    Ok(Fault::Conflict)
}

fn read(row: &Row) -> Result<UserRow, Fault> {
    Ok(UserRow {
        id: UserId::new(get(row, "id")?),
        email: get(row, "email")?,
        external_id: get(row, "external_id")?,
        created_at: get(row, "created_at")?,
        updated_at: get(row, "updated_at")?,
    })
}

/// What was written before there were keys.
pub(crate) const PLAIN: &str = "SELECT id, email, external_id, created_at, updated_at FROM users
     WHERE (email IS NOT NULL AND email_index IS NULL) OR (external_id IS NOT NULL AND external_id_index IS NULL) LIMIT $1";
/// Of several who seal at once, the first does.
const SEAL: &str = "UPDATE users SET email = $2, email_index = $3, external_id = $4, external_id_index = $5
     WHERE id = $1 AND email_index IS NULL AND external_id_index IS NULL";

/// Seals a piece of what was written before there were keys. Returns how many rows.
pub(crate) async fn seal_plain(store: &PostgresStore, most: usize) -> Result<u64, StoreError> {
    let most = &limit(most);
    let plain = store.primary.run(Call::long("users.plain"), |session| async move {
        session.query(PLAIN, &[most]).await?.rows.iter().map(read).collect::<Result<Vec<_>, _>>()
    });
    let mut sealed = Vec::new();
    for row in plain.await? {
        sealed.push(NewUserRow::seal(&row.plain()?, &store.keyring).await?);
    }
    let sealed = &sealed;
    store
        .primary
        .run(Call::long("users.seal"), |session| async move {
            for NewUserRow { row, email_index, external_id_index } in sealed {
                let [email_index, external_id_index] =
                    [email_index, external_id_index].map(|index| index.as_ref().map(<[u8; 32]>::as_slice));
                let params: [Param<'_>; 5] =
                    [&row.id.uuid(), &row.email, &email_index, &row.external_id, &external_id_index];
                session.query(SEAL, &params).await?;
            }
            Ok(())
        })
        .await?;
    Ok(sealed.len() as u64)
}
