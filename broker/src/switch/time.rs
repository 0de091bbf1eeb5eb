//! Trusted time joined to the switch: the task that has the log stamped, how it stands, and the limit that ends a switch.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use super::{Parts, StartError, Switch};
use crate::stamping::{Stamping, Standing};

impl Switch {
    /// How trusted time stands; `None` where no authority is configured.
    pub fn trusted_time(&self) -> Option<Standing> {
        self.time.as_ref().map(|time| time.borrow().clone())
    }

    /// Waits until a configured limit says that the switch must end, and gives the reason: it can still end in order.
    pub async fn must_end(&self) -> Arc<str> {
        if let Some(mut time) = self.time.clone()
            && let Ok(standing) = time.wait_for(|standing| standing.must_end.is_some()).await
            && let Some(reason) = &standing.must_end
        {
            return Arc::clone(reason);
        }
        std::future::pending().await
    }
}

impl Parts {
    /// Lets the configured authorities stamp the log, in a task that nothing waits for.
    pub(super) fn stamp(
        &self,
        servers: &TaskTracker,
    ) -> Result<Option<watch::Receiver<Standing>>, StartError> {
        let Some(config) = &self.config.time else {
            return Ok(None);
        };
        let (dir, log) = (self.config.log.dir.clone(), self.log.clone());
        let stamping = Stamping::open(config, dir, log, self.clock.clone());
        let stamping = stamping.map_err(StartError::Time)?;
        let standing = stamping.standing();
        servers.spawn(stamping.run(self.draining.clone()));
        Ok(Some(standing))
    }
}
