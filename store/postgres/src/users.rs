//! Accounts.

use async_trait::async_trait;
use ecs_domain::user::User;
use ecs_domain::{Email, UserId};
use ecs_store::{Credentials, KeptAnswer, NewUser, Provision, Provisioned, StoreError, Users};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::PostgresStore;
use crate::column::{get, micros};
use crate::engine::{Call, Fault, Param, Session};
use crate::idempotency::{self, Held};

pub(crate) const BY_ID: &str =
    "SELECT id, email, external_id, created_at, updated_at FROM users WHERE id = $1";
pub(crate) const BY_EXTERNAL_ID: &str =
    "SELECT id, email, external_id, created_at, updated_at FROM users WHERE external_id = $1";
pub(crate) const CREDENTIALS: &str =
    "SELECT id, password_hash FROM users WHERE email = $1 AND password_hash IS NOT NULL";
/// Waits for whoever is about to take the same address or partner's id, and then makes nobody.
const INSERT: &str = "INSERT INTO users (id, email, password_hash, external_id, created_at, updated_at)
     VALUES ($1, $2, $3, $4, $5, $5) ON CONFLICT DO NOTHING RETURNING id";
/// Held while something is decided or numbered about a user. Rows that only refer to them may come meanwhile.
pub(crate) const LOCK: &str = "SELECT id FROM users WHERE id = $1 FOR NO KEY UPDATE";
/// The same for several users, always in the same order.
pub(crate) const LOCK_ALL: &str = "SELECT id FROM users WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE";
pub(crate) const EMAIL_TAKEN: &str = "SELECT 1 FROM users WHERE email = $1";

#[async_trait]
impl Users for PostgresStore {
    async fn register(&self, user: NewUser, answer: Option<KeptAnswer>) -> Result<User, StoreError> {
        let (new, hash, answer) = (&user.user(), Some(user.password_hash.as_str()), answer.as_ref());
        let about = [user.id];
        self.primary
            .run(Call::quick("users.register").about(&about), |session| async move {
                match make(&session, new, hash, answer).await? {
                    Some(made) => Ok(made),
                    None => Err(taken(&session, new).await?),
                }
            })
            .await
    }

    async fn credentials(&self, email: &Email) -> Result<Option<Credentials>, StoreError> {
        let email = &email.as_str();
        self.primary
            .run(Call::quick("users.credentials"), |session| async move {
                let found = session.query(CREDENTIALS, &[email]).await?;
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
        let (new, answer) = (&provision.user(), answer.as_ref());
        let about = [provision.id];
        self.primary
            .run(Call::quick("users.provision").about(&about), |session| async move {
                if let Some(known) = by_external_id(&session, new).await? {
                    return Ok(Provisioned { user: known, created: false });
                }
                if let Some(made) = make(&session, new, None, answer).await? {
                    return Ok(Provisioned { user: made, created: true });
                }
                // Somebody was faster: with the same partner's id, or with the same address.
                match by_external_id(&session, new).await? {
                    Some(known) => Ok(Provisioned { user: known, created: false }),
                    None => Err(taken(&session, new).await?),
                }
            })
            .await
    }

    async fn user(&self, id: UserId) -> Result<Option<User>, StoreError> {
        let id = &id.uuid();
        self.primary
            .run(Call::quick("users.user"), |session| async move {
                session.query(BY_ID, &[id]).await?.first().map(read).transpose()
            })
            .await
    }
}

async fn by_external_id(session: &Session, new: &User) -> Result<Option<User>, Fault> {
    let Some(external_id) = &new.external_id else { return Ok(None) };
    session.query(BY_EXTERNAL_ID, &[external_id]).await?.first().map(read).transpose()
}

/// Writes a user and what is kept for the request, both or neither, and returns the user as the table has them. `None` when
/// one of their values is taken.
async fn make(
    session: &Session,
    new: &User,
    password_hash: Option<&str>,
    answer: Option<&KeptAnswer>,
) -> Result<Option<User>, Fault> {
    let email = new.email.as_ref().map(Email::as_str);
    let (id, at) = (new.id.uuid(), micros(new.created_at));
    let params: [Param<'_>; 5] = [&id, &email, &password_hash, &new.external_id, &at];
    let made = match answer {
        None => session.query(INSERT, &params).await?,
        Some(answer) => {
            let held = Held::new(answer);
            let mut flight = session.flight();
            flight.begin();
            let claim = held.lock(&mut flight);
            let insert = flight.add(INSERT, &params);
            let mut answers = flight.send().await?;
            let made = answers.take(insert);
            let mut flight = session.flight();
            if made.rows.is_empty() {
                flight.roll_back();
            } else {
                idempotency::require(&answers.take(claim))?;
                held.keep(&mut flight);
                flight.commit();
            }
            flight.send().await?;
            made
        }
    };
    let written = User { created_at: at, updated_at: at, ..new.clone() };
    Ok(made.first().map(|_| written))
}

/// Why nobody was made. When what was in the way is gone again, all of it is worth another try.
async fn taken(session: &Session, new: &User) -> Result<Fault, Fault> {
    let email = new.email.as_ref().map(Email::as_str);
    if !session.query(EMAIL_TAKEN, &[&email]).await?.rows.is_empty() {
        return Ok(StoreError::Taken("email").into());
    }
    let id: Uuid = new.id.uuid();
    if !session.query(BY_ID, &[&id]).await?.rows.is_empty() {
        return Ok(StoreError::Corrupt("a new user has the id of another".to_owned()).into());
    }
    Ok(Fault::Conflict)
}

fn read(row: &Row) -> Result<User, Fault> {
    let email: Option<&str> = get(row, "email")?;
    let unknown = |_| StoreError::Corrupt("the column email holds no address".to_owned());
    Ok(User {
        id: UserId::new(get(row, "id")?),
        email: email.map(str::parse).transpose().map_err(unknown)?,
        external_id: get(row, "external_id")?,
        created_at: get(row, "created_at")?,
        updated_at: get(row, "updated_at")?,
    })
}
