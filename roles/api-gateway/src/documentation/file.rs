//! Files that are part of the binary, with what lets a browser keep them.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

/// A file as it is sent. Cheap to clone.
#[derive(Clone)]
pub(crate) struct File {
    media_type: &'static str,
    bytes: Bytes,
    gzip: bool,
    /// Changes with the bytes.
    tag: HeaderValue,
}

/// What a file holds.
#[derive(Clone)]
pub(crate) enum Content {
    /// Made at start.
    Made(Bytes),
    /// Part of the binary.
    Plain(&'static [u8]),
    /// Part of the binary, compressed. Every browser takes it; there is no other form of it.
    Gzip(&'static [u8]),
}

impl File {
    pub(crate) fn new(media_type: &'static str, content: Content) -> Self {
        let (bytes, gzip) = match content {
            Content::Made(bytes) => (bytes, false),
            Content::Plain(bytes) => (Bytes::from_static(bytes), false),
            Content::Gzip(bytes) => (Bytes::from_static(bytes), true),
        };
        let tag = tag(&bytes);
        Self { media_type, bytes, gzip, tag }
    }

    /// 200 with the file, or 304 for who has it.
    pub(crate) fn answer(&self, asked: &HeaderMap) -> Response {
        let known = asked.get_all(IF_NONE_MATCH).iter().any(|tags| names(tags, &self.tag));
        let body = if known { Bytes::new() } else { self.bytes.clone() };
        let mut response = body.into_response();
        if known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        let mut set = |name: HeaderName, value| response.headers_mut().insert(name, value);
        set(CONTENT_TYPE, HeaderValue::from_static(self.media_type));
        set(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        // Kept, but asked about each time: the next version of the platform has the same addresses.
        set(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        set(ETAG, self.tag.clone());
        if self.gzip {
            set(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }
}

/// Whether `tags`, a list or the asterisk that means any, name this one. They are compared weakly (RFC 9110, 13.1.2): a
/// proxy that compresses what it passes on makes the tag a weak one, and the browser sends it back as such. Our tags
/// hold no comma.
fn names(tags: &HeaderValue, tag: &HeaderValue) -> bool {
    let mut tags = tags.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    tags.any(|known| known == b"*" || known.strip_prefix(b"W/").unwrap_or(known) == tag.as_bytes())
}

fn tag(bytes: &[u8]) -> HeaderValue {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    let tag = format!("\"{:016x}\"", hasher.finish());
    HeaderValue::from_str(&tag).unwrap_or(HeaderValue::from_static("\"\""))
}
