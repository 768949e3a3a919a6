//! Addresses: what stands in `DATABASE_URL` and `DATABASE_READ_URLS`.

use std::str::FromStr as _;
use std::time::Duration;

use ecs_store::StoreError;
use tokio_postgres::config::{Config, SslMode};

use super::tls::{Tls, TlsMode, TrustedRoots};
use crate::Options;

/// One address, taken apart: a way to each of its hosts.
pub(crate) struct Address {
    /// One configuration per host, in the order of the address.
    pub(crate) hosts: Vec<Config>,
    /// How connections are encrypted.
    pub(crate) tls: Tls,
}

/// How long data that was sent may stay unacknowledged before the connection counts as cut.
const CUT_AFTER: Duration = Duration::from_secs(5);

impl Address {
    /// Reads an address. Its errors name settings, never what is in the address.
    pub(crate) fn parse(url: &str, options: &Options) -> Result<Self, StoreError> {
        let (rest, ssl) = take_ssl_settings(url)?;
        let refused = || refuse("the database's address is not a PostgreSQL address that can be read");
        if !rest.starts_with("postgres://") && !rest.starts_with("postgresql://") {
            return Err(refuse("the database's address must begin with postgres:// or postgresql://"));
        }
        let config = Config::from_str(&rest).map_err(|_| refused())?;
        // It was written so that it wasn't taken out above. What it asks for must not be lost silently.
        if config.get_ssl_mode() != SslMode::Prefer {
            return Err(refuse("sslmode can't be read where it stands in the database's address"));
        }
        if config.get_hosts().is_empty() {
            return Err(refuse("the database's address names no host"));
        }
        let mode = ssl.mode.as_deref().map_or(Ok(TlsMode::Prefer), TlsMode::parse)?;
        let roots = match &ssl.root_certificate {
            Some(path) => TrustedRoots::Only(path),
            None => TrustedRoots::Beside(options.root_certificates.as_deref()),
        };
        let tls = Tls::new(mode, roots)?;
        let hosts = (0..config.get_hosts().len())
            .map(|index| of_host(&config, index, tls.ssl_mode(), options))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(refused)?;
        Ok(Self { hosts, tls })
    }
}

fn refuse(why: &str) -> StoreError {
    StoreError::Corrupt(why.to_owned())
}

/// What an address says about TLS. The driver knows neither `verify-full` nor `sslrootcert`.
#[derive(Default)]
struct SslSettings {
    mode: Option<String>,
    root_certificate: Option<String>,
}

/// Takes the settings out that are ours to look at, and gives back the address without them.
fn take_ssl_settings(url: &str) -> Result<(String, SslSettings), StoreError> {
    let mut ssl = SslSettings::default();
    let Some((base, query)) = url.split_once('?') else { return Ok((url.to_owned(), ssl)) };
    let mut kept = Vec::new();
    for setting in query.split('&').filter(|setting| !setting.is_empty()) {
        let (name, value) = setting.split_once('=').unwrap_or((setting, ""));
        match name {
            "sslmode" => ssl.mode = Some(value.to_owned()),
            "sslrootcert" => ssl.root_certificate = Some(decode(value)?),
            // Which server is wanted is known here: the primary takes writes, and a replica is asked what it is.
            "target_session_attrs" => {}
            _ => kept.push(setting),
        }
    }
    Ok((format!("{base}?{}", kept.join("&")), ssl))
}

/// Undoes percent-encoding.
fn decode(value: &str) -> Result<String, StoreError> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits: Option<[u8; 2]> = rest.next().zip(rest.next()).map(<[u8; 2]>::from);
        let digits = digits.and_then(|digits| u8::from_str_radix(str::from_utf8(&digits).ok()?, 16).ok());
        bytes.push(digits.ok_or_else(|| refuse("sslrootcert is not percent-encoded well"))?);
    }
    String::from_utf8(bytes).map_err(|_| refuse("sslrootcert is not UTF-8"))
}

/// The way to one host. The driver would try several by itself, but a host that accepts connections and then says
/// nothing, as a stopped one does, would hold it for ever: its time limit ends with the TCP handshake.
fn of_host(config: &Config, index: usize, ssl: SslMode, options: &Options) -> Option<Config> {
    use tokio_postgres::config::Host;
    let mut one = Config::new();
    match config.get_hosts().get(index)? {
        Host::Tcp(name) => one.host(name),
        #[cfg(unix)]
        Host::Unix(path) => one.host_path(path),
    };
    if let Some(address) = config.get_hostaddrs().get(index) {
        one.hostaddr(*address);
    }
    let ports = config.get_ports();
    one.port(ports.get(index).or_else(|| ports.first()).copied().unwrap_or(5432));
    if let Some(user) = config.get_user() {
        one.user(user);
    }
    if let Some(password) = config.get_password() {
        one.password(password);
    }
    if let Some(database) = config.get_dbname() {
        one.dbname(database);
    }
    one.application_name(config.get_application_name().unwrap_or("ecs"));
    one.options(session_settings(config.get_options(), options));
    one.ssl_mode(ssl).channel_binding(config.get_channel_binding());
    one.connect_timeout(options.connect_timeout).tcp_user_timeout(CUT_AFTER);
    one.keepalives_idle(CUT_AFTER).keepalives_interval(Duration::from_secs(1)).keepalives_retries(3);
    Some(one)
}

/// Settings that hold for the whole session. What the address says comes last and wins.
fn session_settings(given: Option<&str>, options: &Options) -> String {
    let statement = options.statement_timeout.as_millis();
    // Between two statements of a transaction nobody thinks for long. A process that was stopped there holds locks.
    let idle = 2 * statement;
    let ours = format!(
        "-c TimeZone=UTC -c statement_timeout={statement} -c idle_in_transaction_session_timeout={idle}"
    );
    given.map_or_else(|| ours.clone(), |given| format!("{ours} {given}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Address, StoreError> {
        Address::parse(url, &Options::new(url))
    }

    #[test]
    fn each_host_gets_a_way_of_its_own() {
        let check = |url: &str, expect: &[(&str, u16)]| {
            let address = parse(url).unwrap();
            let found: Vec<_> = address
                .hosts
                .iter()
                .map(|one| (format!("{:?}", one.get_hosts()), one.get_ports().to_vec()))
                .collect();
            let expect: Vec<_> =
                expect.iter().map(|(host, port)| (format!("[{host}]"), vec![*port])).collect();
            assert_eq!(found, expect, "{url}");
        };
        check("postgres://ana:secret@one/ecs", &[("Tcp(\"one\")", 5432)]);
        check("postgresql://one:1,two:2/ecs?sslmode=disable", &[("Tcp(\"one\")", 1), ("Tcp(\"two\")", 2)]);
        check("postgres://ana@/ecs?host=/run/postgresql&port=7", &[("Unix(\"/run/postgresql\")", 7)]);
    }

    #[test]
    fn settings_of_ours_are_taken_out() {
        let url = "postgres://one/ecs?sslmode=verify-full&application_name=x&target_session_attrs=any&sslrootcert=%2Fa%20b";
        let (rest, ssl) = take_ssl_settings(url).unwrap();
        assert_eq!(rest, "postgres://one/ecs?application_name=x");
        assert_eq!(
            (ssl.mode.as_deref(), ssl.root_certificate.as_deref()),
            (Some("verify-full"), Some("/a b"))
        );
    }

    #[test]
    fn errors_say_nothing_of_what_the_address_holds() {
        for url in [
            "postgres://ana:hunter2@one/ecs?hunter2=hunter2",
            "postgres://ana:hunter2@one:hunter2/ecs",
            "hunter2",
            "postgres://ana:hunter2@one/ecs?sslmode=hunter2",
            "postgres://ana:hunter2@one/ecs?sslmode=require&sslrootcert=/hunter2",
            "postgres:///ecs?user=hunter2",
        ] {
            let refused = parse(url).err().map(|error| error.to_string());
            let refused = refused.unwrap_or_else(|| panic!("{url} was taken"));
            assert!(!refused.contains("hunter2"), "{refused}");
        }
    }

    /// The driver reads more than URLs, and would be told later to encrypt only where it can.
    #[test]
    fn encryption_that_is_asked_for_is_never_lost() {
        for url in [
            "host=one user=ana dbname=ecs sslmode=require",
            "host=one user=ana dbname=ecs",
            "postgres://ana@one/ecs?ssl%6Dode=require",
            "postgres://ana@one/ecs?SSLMODE=require",
        ] {
            assert!(parse(url).is_err(), "{url}");
        }
        let ssl_mode = |url| parse(url).unwrap().hosts[0].get_ssl_mode();
        assert_eq!(ssl_mode("postgres://ana@one/ecs?sslmode=disable"), SslMode::Disable);
        assert_eq!(ssl_mode("postgres://ana@one/ecs"), SslMode::Prefer);
    }

    #[test]
    fn options_show_no_address() {
        let mut options = Options::new("postgres://ana:hunter2@one/ecs");
        options.read_urls.push("postgres://ana:hunter2@two/ecs".to_owned());
        assert!(!format!("{options:?}").contains("hunter2"));
    }
}
