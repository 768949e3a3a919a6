//! Parameters of statements, which no log may show.

use std::error::Error;
use std::fmt;

use bytes::BytesMut;
use tokio_postgres::types::{Format, IsNull, ToSql, Type};

/// A parameter of a statement.
pub(crate) type Param<'a> = &'a (dyn ToSql + Sync);

/// A parameter as the driver gets it. At its level `debug` the driver logs every parameter as it shows itself; these hold
/// addresses, hashes of passwords and what people feel.
pub(super) struct Hidden<'a>(pub(super) Param<'a>);

impl fmt::Debug for Hidden<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl ToSql for Hidden<'_> {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        self.0.to_sql_checked(kind, out)
    }

    /// What is inside says for itself what it accepts, when it is checked.
    fn accepts(_: &Type) -> bool {
        true
    }

    fn to_sql_checked(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        self.0.to_sql_checked(kind, out)
    }

    fn encode_format(&self, kind: &Type) -> Format {
        self.0.encode_format(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_does_not_show_itself() {
        assert_eq!(format!("{:?}", Hidden(&"ana@example.com")), "…");
    }

    #[test]
    fn a_parameter_of_another_type_is_refused() {
        let mut out = BytesMut::new();
        assert!(Hidden(&"ana").to_sql_checked(&Type::TEXT, &mut out).is_ok());
        assert!(Hidden(&"ana").to_sql_checked(&Type::INT8, &mut out).is_err());
    }
}
