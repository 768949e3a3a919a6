//! Base addresses of replicas.

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};

/// Why a role can't be called under an address. The address itself isn't repeated: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    /// There is none.
    #[error("there must be at least one address")]
    Missing,
    /// It can't be read.
    #[error("an address must be like http://host:port")]
    Malformed,
    /// It begins with another scheme.
    #[error("an address must begin with http:// or https://")]
    NotHttp,
    /// It asks for TLS where nobody is trusted.
    #[error("an address begins with https://, and there are no authorities to trust")]
    NobodyTrusted,
    /// It holds credentials, a query or a fragment.
    #[error("an address must not have a user, a password or a query")]
    Decorated,
}

/// Where one replica answers.
#[derive(Debug, Clone)]
pub(super) struct Address {
    scheme: Scheme,
    authority: Authority,
    /// What comes before each path; empty for most.
    prefix: String,
}

impl Address {
    pub(super) fn parse(text: &str) -> Result<Self, BadAddress> {
        let uri: Uri = text.trim().parse().map_err(|_| BadAddress::Malformed)?;
        let scheme = uri.scheme().ok_or(BadAddress::Malformed)?;
        if ![Scheme::HTTP, Scheme::HTTPS].contains(scheme) {
            return Err(BadAddress::NotHttp);
        }
        let authority = uri.authority().ok_or(BadAddress::Malformed)?;
        if authority.as_str().contains('@') || uri.query().is_some() || text.contains('#') {
            return Err(BadAddress::Decorated);
        }
        let prefix = uri.path().trim_end_matches('/').to_owned();
        Ok(Self { scheme: scheme.clone(), authority: authority.clone(), prefix })
    }

    /// Whether it is called over TLS.
    pub(super) fn is_encrypted(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    /// The address of a path there.
    pub(super) fn of(&self, path: &PathAndQuery) -> Result<Uri, http::Error> {
        let uri = Uri::builder().scheme(self.scheme.clone()).authority(self.authority.clone());
        if self.prefix.is_empty() {
            return uri.path_and_query(path.clone()).build();
        }
        uri.path_and_query(format!("{}{path}", self.prefix)).build()
    }

    /// Host and port, for the log.
    pub(super) fn as_str(&self) -> &str {
        self.authority.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_base_without_secrets() {
        let check = |text: &str, expect: Result<&str, BadAddress>| {
            let path = PathAndQuery::from_static("/v1/predict?a=b");
            let uri = Address::parse(text).map(|address| address.of(&path).unwrap().to_string());
            assert_eq!(uri.as_deref(), expect.as_ref().copied(), "{text}");
        };
        check("http://credit:8001", Ok("http://credit:8001/v1/predict?a=b"));
        check(" http://10.0.0.7:8001/ ", Ok("http://10.0.0.7:8001/v1/predict?a=b"));
        check("http://[::1]:8001/credit/", Ok("http://[::1]:8001/credit/v1/predict?a=b"));
        check("https://credit", Ok("https://credit/v1/predict?a=b"));
        check("ftp://credit", Err(BadAddress::NotHttp));
        check("credit:8001", Err(BadAddress::Malformed));
        check("", Err(BadAddress::Malformed));
        check("http://user:secret@credit", Err(BadAddress::Decorated));
        check("http://credit?key=secret", Err(BadAddress::Decorated));
        check("http://credit/#a", Err(BadAddress::Decorated));
    }
}
