//! The pool of connections to one target.

use std::sync::Arc;
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{
    self, Manager as _, Metrics, Object, PoolError, QueueMode, RecycleError, RecycleResult, TimeoutType,
};

use super::Fault;
use super::connect::{Connection, Target};

/// Connections to a target, made when they are needed.
#[derive(Clone)]
pub(crate) struct Pool {
    pool: managed::Pool<Manager>,
}

pub(crate) struct Manager {
    target: Arc<Target>,
}

impl managed::Manager for Manager {
    type Type = Connection;
    type Error = Fault;

    async fn create(&self) -> Result<Connection, Fault> {
        self.target.connect().await
    }

    async fn recycle(&self, connection: &mut Connection, _: &Metrics) -> RecycleResult<Fault> {
        if connection.client.is_closed() {
            return Err(RecycleError::message("closed"));
        }
        // It lives on, and leads to a server that another one has followed.
        if connection.timeline() < self.target.timeline() {
            return Err(RecycleError::message("deposed"));
        }
        Ok(())
    }
}

impl Pool {
    /// A pool without connections. `wait` limits how long a free one is waited for; an attempt to connect has limits of
    /// its own.
    pub(crate) fn new(target: Arc<Target>, most: usize, wait: Duration) -> Result<Self, Fault> {
        let pool = managed::Pool::builder(Manager { target })
            .max_size(most.max(1))
            .wait_timeout(Some(wait))
            // The one that was used last is the one whose statements are prepared, and the others may go cold.
            .queue_mode(QueueMode::Lifo)
            .runtime(Runtime::Tokio1)
            .build();
        pool.map(|pool| Self { pool }).map_err(|_| Fault::Outage("the pool of connections can't be made"))
    }

    pub(crate) async fn get(&self) -> Result<Object<Manager>, Fault> {
        self.pool.get().await.map_err(|error| match error {
            PoolError::Backend(fault) => fault,
            PoolError::Timeout(TimeoutType::Wait) => Fault::Busy,
            PoolError::Timeout(TimeoutType::Create | TimeoutType::Recycle)
            | PoolError::NoRuntimeSpecified
            | PoolError::PostCreateHook(_) => Fault::Outage("the database can't be connected to"),
            PoolError::Closed => Fault::Outage("the store is closed"),
        })
    }

    /// A connection that the pool doesn't count, for work of its own kind.
    pub(super) async fn extra(&self) -> Result<Connection, Fault> {
        self.pool.manager().create().await
    }

    /// Drops the connections that nobody uses: after an outage, or a change of the primary, none of them can be trusted.
    pub(crate) fn forget_idle(&self) {
        drop(self.pool.retain(|_, _| false));
    }

    /// The highest timeline that a primary was met with.
    pub(super) fn timeline(&self) -> u32 {
        self.pool.manager().target.timeline()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.pool.is_closed()
    }

    /// Lets nobody have a connection any more, and waits until those in use have come back, for `patience` at most.
    pub(crate) async fn close(&self, patience: Duration) {
        self.pool.close();
        let returned = async {
            while self.pool.status().size > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        if tokio::time::timeout(patience, returned).await.is_err() {
            tracing::warn!("the store was closed while queries were still under way");
        }
    }
}
