//! Before the first commit of a start: does the log extend what its witnesses saw?
//!
//! Takes the open log, whose newest checkpoint is published; gives its cosignatures, or why the switch must not go on. A log
//! that was put back to an older copy with everything in its directory is found here, before it makes a second history.

use std::sync::Arc;
use std::time::Duration;

use audit::log::Log;
use thiserror::Error;

use super::{Against, Outcome, Witnesses};

/// How often all are asked before the quorum counts as absent.
const ATTEMPTS: u32 = 3;
/// Between two attempts: witnesses may be starting, too.
const PAUSE: Duration = Duration::from_millis(500);

impl Witnesses {
    /// Asks every witness about the published checkpoint of `log`, and puts their cosignatures under it.
    ///
    /// # Errors
    /// [`Unwitnessed`]: somebody saw more than the log has, or another history; or no quorum answered.
    pub async fn before_first_commit(&self, log: &Log) -> Result<(), Unwitnessed> {
        let held = log.published().borrow().clone();
        let mut there = vec![false; self.policy.witnesses().len()];
        let mut lines = Vec::new();
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            let mut asked = tokio::task::JoinSet::new();
            for one in self.asked.iter().filter(|one| !there[one.position]) {
                let (one, log, held) = (Arc::clone(one), log.clone(), Arc::clone(&held));
                asked.spawn(async move { (one.position, one.ask(&log, &held).await) });
            }
            while let Some(joined) = asked.join_next().await {
                match joined {
                    Ok((position, Outcome::Cosigned(line))) => {
                        there[position] = true;
                        lines.push(line);
                    }
                    Ok((_, Outcome::Against(against))) => {
                        return Err(Unwitnessed::Against(against));
                    }
                    Ok((_, Outcome::Useless)) | Err(_) => {}
                }
            }
            if self.policy.quorum_of(&there) {
                log.cosign(held.checkpoint.size, lines, true);
                return Ok(());
            }
        }
        // What there is stands under the checkpoint all the same.
        log.cosign(held.checkpoint.size, lines, false);
        Err(Unwitnessed::NoQuorum {
            asked_for: self.policy.quorum_text(),
            silent: self.silent(),
        })
    }
}

/// Why a switch must not begin to record.
#[derive(Debug, Error)]
pub enum Unwitnessed {
    /// A witness holds something against the log.
    #[error("{0}")]
    Against(Against),
    /// Too few answered to say that the log was not put back.
    #[error(
        "no quorum of witnesses says how far it has seen this log; the policy asks for {asked_for} ({silent}). Reach them, or start \
         with --without-witnesses, which is recorded for good"
    )]
    NoQuorum {
        /// The quorum.
        asked_for: String,
        /// Who gave nothing, and why.
        silent: String,
    },
}
