//! Where settings come from: defaults, then the TOML file, then the environment, then the command line.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::catalogue;
use super::{Problem, Problems};

/// The environment as it was handed in; nothing below reads the process's own.
pub type Environment = BTreeMap<String, String>;

/// What the command line says about settings.
#[derive(Debug, Default, Clone)]
pub struct Flags {
    /// A TOML file.
    pub config: Option<PathBuf>,
    /// `NAME=VALUE` pairs, and the flags that stand for one.
    pub set: Vec<(String, String)>,
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The catalogue.
    Default,
    /// The TOML file.
    File,
    /// The environment.
    Environment,
    /// The command line.
    Flag,
}

/// A value and where it came from.
#[derive(Debug, Clone)]
pub struct Value {
    /// The text as it was set.
    pub text: String,
    /// Who set it.
    pub source: Source,
}

/// Raw values by name; those that nobody set and that have no default are not in it.
pub type Raw = BTreeMap<&'static str, Value>;

/// Merges the sources. Everything that is wrong is reported at once.
pub fn merge(environment: &Environment, flags: &Flags) -> Result<Raw, Problems> {
    let mut merge = Merge { raw: Raw::new(), problems: Vec::new() };
    merge.defaults();
    if let Some(path) = &flags.config {
        merge.file(path);
    }
    merge.environment(environment);
    for (name, text) in &flags.set {
        merge.set(name, text.clone(), Source::Flag);
    }
    if merge.problems.is_empty() { Ok(merge.raw) } else { Err(Problems(merge.problems)) }
}

struct Merge {
    raw: Raw,
    problems: Vec<Problem>,
}

impl Merge {
    fn defaults(&mut self) {
        for setting in catalogue::CATALOGUE.iter().filter(|setting| !setting.default.is_empty()) {
            let value = Value { text: setting.default.to_owned(), source: Source::Default };
            self.raw.insert(setting.name, value);
        }
    }

    fn file(&mut self, path: &Path) {
        let table = std::fs::read_to_string(path)
            .map_err(|error| error.to_string())
            .and_then(|text| text.parse::<toml::Table>().map_err(|error| error.to_string()));
        match table {
            Ok(table) => {
                for (key, value) in table {
                    self.file_entry(&key, value);
                }
            }
            Err(error) => self.problem(&path.display().to_string(), error),
        }
    }

    fn file_entry(&mut self, key: &str, value: toml::Value) {
        let text = match value {
            toml::Value::String(text) => text,
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Float(number) => number.to_string(),
            toml::Value::Boolean(truth) => truth.to_string(),
            toml::Value::Datetime(_) | toml::Value::Array(_) | toml::Value::Table(_) => {
                return self.problem(key, "must be a text or a number");
            }
        };
        if key.chars().any(|c| c.is_ascii_uppercase()) {
            return self.problem(key, "keys of the file are in lower case");
        }
        self.set(&key.to_ascii_uppercase(), text, Source::File);
    }

    /// Other programs' variables are none of our business; those that start with our name must be ours.
    fn environment(&mut self, environment: &Environment) {
        for (name, text) in environment {
            let ours = name.starts_with("ECS_") && !name.starts_with("ECS_TEST_");
            if ours || known(name) || file_of(name).is_some() {
                self.set(name, text.clone(), Source::Environment);
            }
        }
    }

    fn set(&mut self, name: &str, text: String, source: Source) {
        if let Some(setting) = file_of(name) {
            return match std::fs::read_to_string(&text) {
                Ok(secret) => self.set(setting, secret.trim_end().to_owned(), source),
                Err(error) => self.problem(name, format!("{text}: {error}")),
            };
        }
        let name = canonical(name);
        match catalogue::find(name) {
            Some(setting) if text.is_empty() && setting.default.is_empty() => {
                drop(self.raw.remove(setting.name))
            }
            Some(setting) => drop(self.raw.insert(setting.name, Value { text, source })),
            None => self.problem(name, unknown(name)),
        }
    }

    fn problem(&mut self, name: &str, message: impl Into<String>) {
        self.problems.push(Problem { name: name.to_owned(), message: message.into() });
    }
}

fn known(name: &str) -> bool {
    name == ALIAS.0 || catalogue::find(name).is_some()
}

/// Another name of a setting, and the setting.
const ALIAS: (&str, &str) = ("NATS_URL", "BUS_URL");

fn canonical(name: &str) -> &str {
    if name == ALIAS.0 { ALIAS.1 } else { name }
}

/// The secret that `SECRET_FILE` points to.
fn file_of(name: &str) -> Option<&'static str> {
    let setting = catalogue::find(canonical(name.strip_suffix("_FILE")?))?;
    setting.secret.then_some(setting.name)
}

fn unknown(name: &str) -> String {
    let close = catalogue::CATALOGUE
        .iter()
        .map(|setting| (distance(name, setting.name), setting.name))
        .min()
        .filter(|(distance, _)| *distance <= 3);
    match close {
        Some((_, close)) => format!("is not a setting; did you mean {close}?"),
        None => "is not a setting; `ecs config` lists them".to_owned(),
    }
}

/// How many letters to add, drop or change to get from one word to the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, letter) in from.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, other) in row.iter_mut().skip(1).zip(&to) {
            let changed = diagonal + usize::from(letter != *other);
            diagonal = *cell;
            left = changed.min(*cell + 1).min(left + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(environment: &[(&str, &str)], set: &[(&str, &str)]) -> Result<Raw, Problems> {
        let own = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
        };
        merge(&own(environment).into_iter().collect(), &Flags { config: None, set: own(set) })
    }

    #[test]
    fn later_sources_win() {
        let check = |environment: &[(&str, &str)], set: &[(&str, &str)], expect: &str, source| {
            let raw = merged(environment, set).unwrap();
            assert_eq!((raw["ECS_LISTEN"].text.as_str(), &raw["ECS_LISTEN"].source), (expect, &source));
        };
        check(&[], &[], "127.0.0.1:9999", Source::Default);
        check(&[("ECS_LISTEN", "1.1.1.1:1")], &[], "1.1.1.1:1", Source::Environment);
        check(&[("ECS_LISTEN", "1.1.1.1:1")], &[("ECS_LISTEN", "2.2.2.2:2")], "2.2.2.2:2", Source::Flag);
    }

    #[test]
    fn a_wrong_name_is_refused_with_the_right_one() {
        let check = |name: &str, expect: &str| {
            let problems = merged(&[(name, "x")], &[]).unwrap_err().to_string();
            assert!(problems.contains(name) && problems.contains(expect), "{problems}");
        };
        check("ECS_LISTN", "did you mean ECS_LISTEN?");
        check("ECS_SOMETHING_ELSE", "`ecs config` lists them");
        assert!(merged(&[("PATH", "/bin"), ("ECS_TEST_POSTGRES_URL", "x")], &[]).is_ok());
    }

    #[test]
    fn a_file_is_read_and_its_unknown_keys_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ecs.toml");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            merge(&Environment::new(), &Flags { config: Some(path.clone()), set: vec![] })
        };
        let raw = read("ecs_listen = \"1.1.1.1:1\"\necs_cache_mib = 3\n").unwrap();
        assert_eq!((raw["ECS_LISTEN"].text.as_str(), raw["ECS_CACHE_MIB"].text.as_str()), ("1.1.1.1:1", "3"));
        assert!(read("ecs_lisen = \"\"").unwrap_err().to_string().contains("did you mean ECS_LISTEN?"));
        assert!(read("ecs_listen = [1]").unwrap_err().to_string().contains("must be a text or a number"));
        assert!(read("not toml").is_err());
    }

    #[test]
    fn a_secret_may_come_from_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, "0123456789abcdef\n").unwrap();
        for (file, setting) in [
            ("SECRET_KEY_FILE", "SECRET_KEY"),
            ("DATABASE_URL_FILE", "DATABASE_URL"),
            ("NATS_URL_FILE", "BUS_URL"),
        ] {
            let raw = merged(&[(file, path.to_str().unwrap())], &[]).unwrap();
            assert_eq!(raw[setting].text, "0123456789abcdef");
        }
        assert!(
            merged(&[("SECRET_KEY_FILE", "/nowhere")], &[])
                .unwrap_err()
                .to_string()
                .contains("SECRET_KEY_FILE")
        );
    }
}
