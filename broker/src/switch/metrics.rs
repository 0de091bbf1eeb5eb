//! Figures joined to the switch: read from its parts while it runs.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

use super::{Parts, StartError, Switch};
use crate::metrics::{Sources, serve};

impl Switch {
    /// Where figures can be read; `None` where that is not configured.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_address
    }
}

impl Parts {
    /// Serves figures out of `sources`, where that is configured.
    pub(super) async fn measure(
        &self,
        servers: &TaskTracker,
        sources: impl FnOnce() -> Sources,
    ) -> Result<Option<SocketAddr>, StartError> {
        let Some(config) = &self.config.metrics else {
            return Ok(None);
        };
        let failed = |error| StartError::Metrics {
            listen: config.listen,
            error,
        };
        let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let serving = serve(listener, Arc::new(sources()), self.draining.clone());
        servers.spawn(serving);
        tracing::info!(%address, "figures can be read");
        Ok(Some(address))
    }
}
