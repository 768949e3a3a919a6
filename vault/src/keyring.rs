//! The keys as those use them who seal and open.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ecs_domain::{Timestamp, UserId};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::seals::random_key;
use crate::{Kept, Memory, SealError, SealKey, Seals, Tombstone, Vault, VaultError};

/// What every sealed text begins with. No JSON and no address begins so.
const SEALED: &str = "~1.";
/// The name of the key under which values are looked up.
const INDEX: &str = "index";
/// How many keys are wrapped anew at once.
const PIECE: usize = 500;

/// The deployment's master keys. They wrap all others, and nothing else.
pub struct MasterKeys(Seals);

impl MasterKeys {
    /// Wraps under `current`, and opens what an older one has wrapped. Each is a text that nobody guesses.
    pub fn new(current: &str, accepted: &[&str]) -> Result<Self, SealError> {
        let keys = std::iter::once(current).chain(accepted.iter().copied()).map(|text| {
            let derived = |what: &str| mac(text.as_bytes(), &["ecs/vault/1", what]);
            SealKey::new(&derived("name"), &derived("key"))
        });
        Ok(Self(Seals::new(keys.collect::<Result<_, _>>()?)))
    }
}

/// Seals and opens what is personal. Cheap to clone.
#[derive(Clone)]
pub struct Keyring(Arc<Inner>);

struct Inner {
    vault: Arc<dyn Vault>,
    master: MasterKeys,
    /// Values are looked up under it, so it stays the same while master keys change.
    index: [u8; 32],
    /// Seals what belongs to nobody in particular.
    common: Seals,
}

impl Inner {
    fn new(vault: Arc<dyn Vault>, master: MasterKeys, index: [u8; 32]) -> Self {
        let derived = |what: &str| mac(&index, &["ecs/vault/common/1", what]);
        let common = Seals::new(SealKey::new(&derived("name"), &derived("key")).into_iter().collect());
        Self { vault, master, index, common }
    }
}

impl Keyring {
    /// The keys of a vault. Makes those of the deployment that it lacks; a vault whose keys another master key has wrapped is refused.
    pub async fn open(vault: Arc<dyn Vault>, master: MasterKeys) -> Result<Self, VaultError> {
        let index = named(vault.as_ref(), &master, INDEX).await?;
        Ok(Self(Arc::new(Inner::new(vault, master, index))))
    }

    /// A keyring over a vault that is gone with it. For tests.
    #[must_use]
    pub fn in_memory() -> Self {
        let master = MasterKeys(Seals::new(SealKey::new(&[7; 32], &[7; 32]).into_iter().collect()));
        Self(Arc::new(Inner::new(Arc::new(Memory::default()), master, [7; 32])))
    }

    /// The vault below.
    #[must_use]
    pub fn vault(&self) -> &dyn Vault {
        self.0.vault.as_ref()
    }

    /// A person's key, made if they have none. [`VaultError::Erased`] when it was destroyed.
    pub async fn person(&self, user: UserId) -> Result<PersonKey, VaultError> {
        let inner = &self.0;
        let kept = match inner.vault.kept(&[user]).await?.pop() {
            Some(kept @ (Kept::Key(_) | Kept::Tombstone)) => kept,
            Some(Kept::Nothing) | None => {
                let fresh = random_key().map_err(out_of_order)?;
                let wrapped = inner.master.0.seal(&about(user), &fresh).map_err(out_of_order)?;
                inner.vault.keep(user, &wrapped).await?
            }
        };
        match kept {
            Kept::Key(wrapped) => inner.unwrap(user, &wrapped),
            Kept::Tombstone => Err(VaultError::Erased),
            Kept::Nothing => Err(VaultError::Corrupt("a key that was kept is not there".to_owned())),
        }
    }

    /// The key under which something of this person's was sealed; `None` when it was destroyed. One that isn't there at all is lost.
    pub async fn existing(&self, user: UserId) -> Result<Option<PersonKey>, VaultError> {
        match self.0.vault.kept(&[user]).await?.pop() {
            Some(Kept::Key(wrapped)) => self.0.unwrap(user, &wrapped).map(Some),
            Some(Kept::Tombstone) => Ok(None),
            Some(Kept::Nothing) | None => {
                Err(VaultError::Corrupt("a key under which something was sealed is not there".to_owned()))
            }
        }
    }

    /// The keys of those of these people who have one, in their order.
    pub async fn known(&self, users: &[UserId]) -> Result<Vec<Option<PersonKey>>, VaultError> {
        self.each(users).await?.into_iter().collect()
    }

    /// The same where a key that can't be opened hides no other.
    pub async fn each(
        &self,
        users: &[UserId],
    ) -> Result<Vec<Result<Option<PersonKey>, VaultError>>, VaultError> {
        let kept = self.0.vault.kept(users).await?;
        let read = |(user, kept): (&UserId, Kept)| match kept {
            Kept::Key(wrapped) => self.0.unwrap(*user, &wrapped).map(Some),
            Kept::Nothing | Kept::Tombstone => Ok(None),
        };
        Ok(users.iter().zip(kept).map(read).collect())
    }

    /// Under what a value is found without being told: the same for equal values of one `column`, and nothing else can be learned from it
    /// without the vault.
    #[must_use]
    pub fn index(&self, column: &str, value: &str) -> [u8; 32] {
        mac(&self.0.index, &[column, "\0", value])
    }

    /// By what the vault is known to a store that was sealed with its keys. It tells nothing of them.
    #[must_use]
    pub fn mark(&self) -> [u8; 32] {
        self.index("vault", "")
    }

    /// Seals what may be about anybody and is soon forgotten. It outlives the erasure of whomever it is about.
    pub fn seal_common(&self, about: &[u8], plain: &[u8]) -> Result<Vec<u8>, VaultError> {
        self.0.common.seal(about, plain).map_err(out_of_order)
    }

    /// Opens what [`Keyring::seal_common`] made.
    #[must_use]
    pub fn open_common(&self, about: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        self.0.common.open(about, sealed)
    }

    /// A secret of the deployment's, made if there is none.
    pub async fn secret(&self, name: &str) -> Result<[u8; 32], VaultError> {
        named(self.0.vault.as_ref(), &self.0.master, name).await
    }

    /// Destroys a person's key and leaves a tombstone.
    pub async fn destroy(&self, user: UserId, now: Timestamp) -> Result<Tombstone, VaultError> {
        self.0.vault.destroy(user, now).await
    }

    /// Wraps under the current master key what an older one has wrapped. Returns how many keys it was; when it has been done once under
    /// the current one, the older ones may go.
    pub async fn rewrap(&self) -> Result<u64, VaultError> {
        let (vault, master) = (self.0.vault.as_ref(), &self.0.master);
        let mut rewrapped = 0;
        for (name, wrapped) in vault.all_named().await? {
            rewrapped += u64::from(!wrapped.starts_with(master.0.current()));
            named(vault, master, &name).await?;
        }
        let mut after = None;
        loop {
            let keys = vault.keys(after, PIECE).await?;
            let Some((last, _)) = keys.last() else { return Ok(rewrapped) };
            after = Some(*last);
            for (user, wrapped) in keys.iter().filter(|(_, wrapped)| !wrapped.starts_with(master.0.current()))
            {
                let plain = master.0.open(&about(*user), wrapped).ok_or_else(foreign)?;
                let anew = master.0.seal(&about(*user), &plain).map_err(out_of_order)?;
                rewrapped += u64::from(vault.rewrap(*user, wrapped, &anew).await?);
            }
        }
    }
}

impl Inner {
    fn unwrap(&self, user: UserId, wrapped: &[u8]) -> Result<PersonKey, VaultError> {
        let plain = self.master.0.open(&about(user), wrapped).ok_or_else(foreign)?;
        let secret: [u8; 32] = plain.try_into().map_err(|_| foreign())?;
        let key = SealKey::new(&mac(&secret, &["name"]), &secret).map_err(out_of_order)?;
        Ok(PersonKey { user, seals: Arc::new(Seals::new(vec![key])) })
    }
}

/// What is sealed under it only this person's key opens.
#[derive(Clone)]
pub struct PersonKey {
    user: UserId,
    seals: Arc<Seals>,
}

impl PersonKey {
    /// Whose it is.
    #[must_use]
    pub fn user(&self) -> UserId {
        self.user
    }

    /// Seals a value of a column into a text. It is opened as this person's value of this column only.
    pub fn seal(&self, column: &str, plain: &[u8]) -> Result<String, VaultError> {
        Ok(SEALED.to_owned() + &URL_SAFE_NO_PAD.encode(self.seal_bytes(column, plain)?))
    }

    /// Opens what [`PersonKey::seal`] made.
    pub fn open(&self, column: &str, sealed: &str) -> Result<Vec<u8>, VaultError> {
        let bytes = sealed.strip_prefix(SEALED).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        self.open_bytes(column, &bytes.unwrap_or_default())
    }

    /// The same of bytes that stay bytes.
    pub fn seal_bytes(&self, column: &str, plain: &[u8]) -> Result<Vec<u8>, VaultError> {
        self.seals.seal(&self.about(column), plain).map_err(out_of_order)
    }

    /// Opens what [`PersonKey::seal_bytes`] made.
    pub fn open_bytes(&self, column: &str, sealed: &[u8]) -> Result<Vec<u8>, VaultError> {
        let plain = self.seals.open(&self.about(column), sealed);
        plain.ok_or_else(|| VaultError::Corrupt(format!("the column {column} can't be opened")))
    }

    /// The same where the value is a text.
    pub fn open_text(&self, column: &str, sealed: &str) -> Result<String, VaultError> {
        let text = String::from_utf8(self.open(column, sealed)?);
        text.map_err(|_| VaultError::Corrupt(format!("the column {column} holds no text")))
    }

    fn about(&self, column: &str) -> Vec<u8> {
        [self.user.uuid().as_bytes(), column.as_bytes()].concat()
    }
}

impl fmt::Debug for PersonKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PersonKey({})", self.user)
    }
}

/// Whether a text of a column is a sealed one.
#[must_use]
pub fn is_sealed(text: &str) -> bool {
    text.starts_with(SEALED)
}

async fn named(vault: &dyn Vault, master: &MasterKeys, name: &str) -> Result<[u8; 32], VaultError> {
    let about = name.as_bytes();
    let kept = match vault.named(name).await? {
        Some(kept) => kept,
        None => {
            let fresh = random_key().map_err(out_of_order)?;
            vault.keep_named(name, None, &master.0.seal(about, &fresh).map_err(out_of_order)?).await?
        }
    };
    let plain = master.0.open(about, &kept).ok_or_else(foreign)?;
    if !kept.starts_with(master.0.current()) {
        let anew = master.0.seal(about, &plain).map_err(out_of_order)?;
        vault.keep_named(name, Some(&kept), &anew).await?;
    }
    plain.try_into().map_err(|_| foreign())
}

/// What a wrapped key is about.
fn about(user: UserId) -> [u8; 16] {
    user.uuid().into_bytes()
}

fn mac(key: &[u8], parts: &[&str]) -> [u8; 32] {
    // HMAC takes keys of any length, so there is nothing that could fail.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 32] };
    parts.iter().for_each(|part| mac.update(part.as_bytes()));
    mac.finalize().into_bytes().into()
}

fn foreign() -> VaultError {
    VaultError::Corrupt(
        "a key is wrapped under a master key that is neither the current nor an accepted one".to_owned(),
    )
}

fn out_of_order(error: SealError) -> VaultError {
    VaultError::Unavailable(error.to_string())
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn user(n: u128) -> UserId {
        UserId::new(Uuid::from_u128(n))
    }

    async fn keyring(vault: &Arc<Memory>, current: &str, accepted: &[&str]) -> Result<Keyring, VaultError> {
        Keyring::open(vault.clone(), MasterKeys::new(current, accepted).unwrap()).await
    }

    #[tokio::test]
    async fn what_is_sealed_is_opened_by_its_person_and_column_only() {
        let keys = Keyring::in_memory();
        let ana = keys.person(user(1)).await.unwrap();
        let sealed = ana.seal("email", b"ana@example.org").unwrap();
        assert!(is_sealed(&sealed) && !sealed.contains("ana"));
        assert_eq!(
            keys.person(user(1)).await.unwrap().open_text("email", &sealed).unwrap(),
            "ana@example.org"
        );
        assert!(ana.open("external_id", &sealed).is_err());
        assert!(keys.person(user(2)).await.unwrap().open("email", &sealed).is_err());
        assert!(ana.open("email", "ana@example.org").is_err());
    }

    #[tokio::test]
    async fn nobody_gets_a_key_back() {
        let keys = Keyring::in_memory();
        keys.person(user(1)).await.unwrap();
        let tombstone = keys.destroy(user(1), Timestamp::UNIX_EPOCH).await.unwrap();
        assert_eq!((tombstone.number, tombstone.user), (1, user(1)));
        assert_eq!(keys.person(user(1)).await.unwrap_err(), VaultError::Erased);
        let known = keys.known(&[user(1), user(2)]).await.unwrap();
        assert!(known.iter().all(Option::is_none));
    }

    #[tokio::test]
    async fn master_keys_change_and_nothing_is_lost() {
        let vault = Arc::new(Memory::default());
        let old = keyring(&vault, "old", &[]).await.unwrap();
        let sealed = old.person(user(1)).await.unwrap().seal("email", b"x").unwrap();
        let (index, salt) = (old.index("email", "x"), old.secret("salt").await.unwrap());
        assert!(keyring(&vault, "new", &[]).await.is_err(), "nobody opens it without the old one");

        let during = keyring(&vault, "new", &["old"]).await.unwrap();
        assert_eq!(
            during.rewrap().await.unwrap(),
            2,
            "a person's, and the salt; that of the index was at the start"
        );
        assert_eq!(during.secret("salt").await.unwrap(), salt);
        assert_eq!(during.rewrap().await.unwrap(), 0);

        let after = keyring(&vault, "new", &[]).await.unwrap();
        assert_eq!(after.person(user(1)).await.unwrap().open("email", &sealed).unwrap(), b"x");
        assert_eq!((after.index("email", "x"), after.secret("salt").await.unwrap()), (index, salt));
        assert!(keyring(&vault, "old", &[]).await.is_err());
    }

    #[tokio::test]
    async fn an_index_tells_equal_values_of_one_column() {
        let keys = Keyring::in_memory();
        assert_eq!(keys.index("email", "a"), keys.index("email", "a"));
        assert_ne!(keys.index("email", "a"), keys.index("email", "b"));
        assert_ne!(keys.index("email", "a"), keys.index("external_id", "a"));
    }
}
