//! Which engines are in this binary: each is a crate behind a cargo feature of the same name.

/// An engine that this version knows, built in or not.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Engine {
    name: &'static str,
    feature: &'static str,
    is_built: bool,
}

pub(crate) const SQLITE: Engine =
    Engine { name: "the store over SQLite", feature: "sqlite", is_built: cfg!(feature = "sqlite") };
pub(crate) const POSTGRES: Engine =
    Engine { name: "the store over PostgreSQL", feature: "postgres", is_built: cfg!(feature = "postgres") };
pub(crate) const EMBEDDED_BUS: Engine =
    Engine { name: "the embedded bus", feature: "embedded", is_built: cfg!(feature = "embedded") };
pub(crate) const NATS: Engine =
    Engine { name: "the bus over NATS", feature: "nats", is_built: cfg!(feature = "nats") };
pub(crate) const KAFKA: Engine =
    Engine { name: "the bus over Kafka", feature: "kafka", is_built: cfg!(feature = "kafka") };
pub(crate) const RABBITMQ: Engine =
    Engine { name: "the bus over RabbitMQ", feature: "rabbitmq", is_built: cfg!(feature = "rabbitmq") };
pub(crate) const REDIS: Engine =
    Engine { name: "the cache over Redis", feature: "redis", is_built: cfg!(feature = "redis") };

impl Engine {
    /// Refuses an engine that isn't here, by its name.
    pub(crate) fn require(self) -> Result<(), String> {
        if self.is_built {
            return Ok(());
        }
        let Self { name, feature, .. } = self;
        Err(format!("needs {name}, which is not built into this binary (cargo feature {feature:?})"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_that_is_not_built_in_answers_with_its_name() {
        let engine = Engine { name: "the bus over pigeons", feature: "pigeons", is_built: false };
        let refusal = engine.require().unwrap_err();
        assert!(refusal.contains("the bus over pigeons") && refusal.contains("\"pigeons\""), "{refusal}");
        assert_eq!(Engine { is_built: true, ..engine }.require(), Ok(()));
    }
}
