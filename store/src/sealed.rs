//! What stands sealed in the tables, as every engine writes and reads it: under the key that its person alone has.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry::{Occupied, Vacant};

use ecs_domain::user::User;
use ecs_domain::{Timestamp, UserId};
use ecs_vault::{Keyring, PersonKey, VaultError, is_sealed};
use uuid::Uuid;

use crate::audit::Entry;
use crate::{StoreError, Studied, parse_attributes};

/// The columns that are sealed, by the names under which they are.
pub mod column {
    /// An address of `users`.
    pub const EMAIL: &str = "email";
    /// A partner's id of `users`.
    pub const EXTERNAL_ID: &str = "external_id";
    /// What a decision read.
    pub const FEATURES: &str = "features";
    /// Why a decision was a denial.
    pub const REASON: &str = "reason";
    /// What else is kept of a decision.
    pub const RECORD: &str = "record";
    /// What a person says who wants a decision reviewed.
    pub const COMMENT: &str = "comment";
    /// What an officer says of a review.
    pub const EXPLANATION: &str = "explanation";
    /// What each feature had to say in a decision.
    pub const CONTRIBUTIONS: &str = "contributions";
    /// What somebody's features were when an evaluation was last asked for.
    pub const BASELINE: &str = "baseline";
    /// What a person told of themselves.
    pub const ATTRIBUTES: &str = "attributes";
    /// The bytes of an archive.
    pub const ARCHIVE: &str = "archive";
    /// What was before an entry of the audit log.
    pub const WAS: &str = "was";
    /// What was after it.
    pub const BECAME: &str = "became";
}

/// A row of `users` as it stands in the table.
#[derive(Debug, Clone)]
pub struct UserRow {
    /// Whose it is.
    pub id: UserId,
    /// Their address, sealed.
    pub email: Option<String>,
    /// The partner's id, sealed.
    pub external_id: Option<String>,
    /// When the account was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// A new row of `users`, with what it is found by.
#[derive(Debug, Clone)]
pub struct NewUserRow {
    /// What stands in the table.
    pub row: UserRow,
    /// By what the address is found.
    pub email_index: Option<[u8; 32]>,
    /// By what the partner's id is found.
    pub external_id_index: Option<[u8; 32]>,
}

impl NewUserRow {
    /// Seals a user. Makes their key if they have none.
    pub async fn seal(user: &User, keyring: &Keyring) -> Result<Self, StoreError> {
        let email = user.email.as_ref().map(ecs_domain::Email::as_str);
        let external_id = user.external_id.as_deref();
        let key = match (email, external_id) {
            (None, None) => None,
            _ => Some(keyring.person(user.id).await?),
        };
        let sealed = |column, value: Option<&str>| {
            let both = key.as_ref().zip(value);
            both.map(|(key, value)| key.seal(column, value.as_bytes())).transpose()
        };
        let row = UserRow {
            id: user.id,
            email: sealed(column::EMAIL, email)?,
            external_id: sealed(column::EXTERNAL_ID, external_id)?,
            created_at: user.created_at,
            updated_at: user.updated_at,
        };
        Ok(Self {
            row,
            email_index: email.map(|email| keyring.index(column::EMAIL, email)),
            external_id_index: external_id.map(|id| keyring.index(column::EXTERNAL_ID, id)),
        })
    }
}

impl UserRow {
    /// The user of a row from before there were keys.
    pub fn plain(self) -> Result<User, StoreError> {
        let Self { id, email, external_id, created_at, updated_at } = self;
        let email = email.map(|text| text.parse()).transpose().map_err(no_address)?;
        Ok(User { id, email, external_id, created_at, updated_at })
    }

    /// The user that stands there; `None` when their key was destroyed, and nothing of them can be told any more.
    pub async fn open(self, keyring: &Keyring) -> Result<Option<User>, StoreError> {
        let Self { id, email, external_id, created_at, updated_at } = self;
        let mut user = User { id, email: None, external_id: None, created_at, updated_at };
        if email.is_none() && external_id.is_none() {
            return Ok(Some(user));
        }
        let Some(key) = keyring.existing(id).await? else { return Ok(None) };
        let opened =
            |column, sealed: Option<String>| sealed.map(|sealed| key.open_text(column, &sealed)).transpose();
        user.email =
            opened(column::EMAIL, email)?.map(|text| text.parse()).transpose().map_err(no_address)?;
        user.external_id = opened(column::EXTERNAL_ID, external_id)?;
        Ok(Some(user))
    }
}

/// By what whoever asked for somebody's erasure finds it. Nobody guesses it, and it is the same after a restore.
#[must_use]
pub fn receipt_of(user: UserId, keyring: &Keyring) -> Uuid {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, ..] = keyring.index("erasure", &user.to_string());
    uuid::Builder::from_custom_bytes([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]).into_uuid()
}

/// The text is not told: it could be one.
fn no_address(_: Cow<'static, str>) -> StoreError {
    StoreError::Corrupt("the column email holds no address".to_owned())
}

/// Seals one text of a person's.
pub fn seal(key: &PersonKey, column: &str, text: &str) -> Result<String, StoreError> {
    Ok(key.seal(column, text.as_bytes())?)
}

/// Opens one text of a person's. One from before there were keys is as it is.
pub fn open(key: Option<&PersonKey>, column: &str, text: String) -> Result<String, StoreError> {
    match key {
        _ if !is_sealed(&text) => Ok(text),
        Some(key) => Ok(key.open_text(column, &text)?),
        None => Err(StoreError::Corrupt(format!("the key to the column {column} is not there"))),
    }
}

/// People's months, with what they told of themselves. Of those who were erased meanwhile that is nothing.
pub async fn open_studied(
    found: Vec<(Studied, Option<String>)>,
    keyring: &Keyring,
) -> Result<Vec<Studied>, StoreError> {
    let users: Vec<UserId> = found.iter().map(|(studied, _)| studied.user).collect();
    let keys = keyring.known(&users).await?;
    let open = |((mut studied, told), key): ((Studied, Option<String>), Option<PersonKey>)| {
        if let Some((key, told)) = key.zip(told) {
            studied.attributes = parse_attributes(&open(Some(&key), column::ATTRIBUTES, told)?)?;
        }
        Ok(studied)
    };
    found.into_iter().zip(keys).map(open).collect()
}

/// Whom an entry of the audit log is about, if it is a person.
#[must_use]
pub fn person_of(entry: &Entry) -> Option<UserId> {
    entry.subject.parse().ok()
}

/// Entries of the audit log that are to make the next batch.
#[derive(Debug, Default)]
pub struct NextBatch {
    /// As they are to stand in it: what they say of a person sealed under that person's key. Of whoever was erased nothing is said.
    pub entries: Vec<Entry>,
    /// How many were met that wait for a key.
    pub withheld: usize,
}

/// The oldest entries that can be sealed. `unsealed` tells some of those that stand in no batch yet, in their order, with numbers above
/// one; from 0 on, the oldest.
///
/// **An entry whose person's key can't be opened here waits as it is**, for a process that was given the master key, or for an erasure:
/// in the clear it would stay readable for good, and without its words it would be another one. Nobody else's entry waits with it.
pub async fn next_batch<F, Told>(unsealed: F, keyring: &Keyring) -> Result<NextBatch, StoreError>
where
    F: Fn(u64) -> Told,
    Told: Future<Output = Result<Vec<Entry>, StoreError>>,
{
    let mut next = NextBatch::default();
    let mut after = 0;
    while next.entries.is_empty() {
        let page = unsealed(after).await?;
        let Some(last) = page.last() else { break };
        after = last.number;
        let met = page.len();
        next.entries = seal_entries(page, keyring).await?;
        next.withheld += met - next.entries.len();
    }
    Ok(next)
}

/// With what an entry about a person is sealed.
enum Sealer {
    Key(PersonKey),
    /// Their key was destroyed.
    Erased,
    /// Their key is there, and can't be opened with the master keys of this process.
    Withheld,
}

impl Sealer {
    async fn of(person: UserId, keyring: &Keyring) -> Result<Self, StoreError> {
        match keyring.person(person).await {
            Ok(key) => Ok(Self::Key(key)),
            Err(VaultError::Erased) => Ok(Self::Erased),
            Err(VaultError::Corrupt(_)) => Ok(Self::Withheld),
            Err(error @ VaultError::Unavailable(_)) => Err(error.into()),
        }
    }

    /// The text as it is to stand in a batch; `None` while nobody knows.
    fn seal(&self, column: &str, text: &str) -> Result<Option<String>, StoreError> {
        match self {
            Self::Key(key) => seal(key, column, text).map(Some),
            Self::Erased => Ok(Some(NOTHING.to_owned())),
            Self::Withheld => Ok(None),
        }
    }
}

/// Those that can be sealed, and are.
async fn seal_entries(entries: Vec<Entry>, keyring: &Keyring) -> Result<Vec<Entry>, StoreError> {
    let mut sealers: BTreeMap<UserId, Sealer> = BTreeMap::new();
    let mut sealed = Vec::with_capacity(entries.len());
    for entry in entries {
        let says_nothing = entry.before == NOTHING && entry.after == NOTHING;
        let Some(person) = person_of(&entry).filter(|_| !says_nothing) else {
            sealed.push(entry);
            continue;
        };
        let sealer = match sealers.entry(person) {
            Occupied(known) => known.into_mut(),
            Vacant(free) => free.insert(Sealer::of(person, keyring).await?),
        };
        let before = sealer.seal(column::WAS, &entry.before)?;
        let after = sealer.seal(column::BECAME, &entry.after)?;
        sealed.extend(before.zip(after).map(|(before, after)| Entry { before, after, ..entry }));
    }
    Ok(sealed)
}

/// What entries say, opened as far as those whom they are about have keys. Of the others nothing is said.
pub async fn open_entries(mut entries: Vec<Entry>, keyring: &Keyring) -> Result<Vec<Entry>, StoreError> {
    let mut people: Vec<UserId> = entries.iter().filter_map(person_of).collect();
    people.sort_unstable();
    people.dedup();
    let keys = keyring.each(&people).await?;
    for entry in &mut entries {
        let Some(person) = person_of(entry) else { continue };
        let key = people.binary_search(&person).ok().and_then(|place| keys.get(place));
        for (column, text) in [(column::WAS, &mut entry.before), (column::BECAME, &mut entry.after)] {
            if is_sealed(text) {
                *text = match key {
                    Some(Ok(Some(key))) => {
                        key.open_text(column, text).unwrap_or_else(|_| UNREADABLE.to_owned())
                    }
                    // One entry that can't be read must not hide the others.
                    Some(Err(_)) => UNREADABLE.to_owned(),
                    Some(Ok(None)) | None => NOTHING.to_owned(),
                };
            }
        }
    }
    Ok(entries)
}

/// What JSON says nothing with.
const NOTHING: &str = "null";
/// What is said in JSON of what was sealed under a key that is lost, or can't be opened here.
const UNREADABLE: &str = "\"unreadable\"";
