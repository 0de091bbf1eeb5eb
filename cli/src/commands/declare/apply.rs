//! Carries out what operators can seal: one entry each, proved, in an order in which nothing is more open on the way
//! than before or after. Stops at the first no and says how far it came.
//!
//! All of it is sealed under the policy that stands when its turn comes; the policy itself is changed last, so that a
//! looser one never spares this very run a second seal.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use adapters::enrol::Invitation;
use audit::clock::Clock;
use proto::act::{self, OperatorAct, OperatorDeed, PersonRole, TwoOperators};
use proto::digest::Digest;
use proto::entry::Kind;
use proto::id::{AgencyId, Part};

use super::difference::{Deed, Difference, Plan};
use crate::args::ApplyPlan;
use crate::commands::agency::LIFE_MAX;
use crate::commands::operate::{self, send};
use crate::commands::operator::Operator;
use crate::commands::switch_dir::in_file;
use crate::failure::{Exit, Failure};

/// How long the published log may take to show what was recorded.
const PUBLISHED_WAIT: Duration = Duration::from_secs(30);
/// How often it is looked at.
const PUBLISHED_LOOK: Duration = Duration::from_millis(100);

/// What was done.
#[derive(Clone, Debug)]
pub struct Done {
    /// The difference that it did away with, or will with a second seal.
    pub difference: Difference,
    /// Who sealed it.
    pub by: Part,
    /// What an approval names.
    pub act: Digest,
    /// Its entry.
    pub index: u64,
    /// It waits for a second seal.
    pub waits: bool,
    /// The file of the invitation.
    pub invitation: Option<PathBuf>,
}

/// How far it came.
#[derive(Debug, Default)]
pub struct Outcome {
    /// In order.
    pub done: Vec<Done>,
    /// Acts that were to be sealed, those done included.
    pub planned: usize,
    /// What stopped it.
    pub failure: Option<Failure>,
}

/// What operators can seal of `plan`, in the order of its execution.
///
/// # Errors
/// A usage failure where there is no folder for invitations, or their life cannot be.
pub fn order(plan: &Plan, wish: &ApplyPlan) -> Result<Vec<(Difference, Deed)>, Failure> {
    let mut order: Vec<_> = plan
        .sealed()
        .map(|(difference, deed)| (difference.clone(), deed.clone()))
        .collect();
    order.sort_by_key(|(_, deed)| turn(deed));
    let invites = order
        .iter()
        .any(|(_, deed)| matches!(deed, Deed::Invite(_)));
    if invites {
        life(wish.hours)?;
        if wish.invitations.is_none() {
            return Err(Failure::new(
                Exit::Usage,
                [
                    "new agencies are to be invited, and there is no folder for their invitations",
                    "ستُدعى جهات جديدة ولا مجلد لدعواتها",
                ],
                [
                    "Name one with --invitations FOLDER.",
                    "اذكره بالخيار ‎--invitations FOLDER‎.",
                ],
            ));
        }
    }
    Ok(order)
}

fn life(hours: u32) -> Result<Duration, Failure> {
    let life = Duration::from_secs(u64::from(hours) * 3600);
    if life.is_zero() || life > LIFE_MAX {
        return Err(Failure::usage("an invitation is good for 1 to 720 hours"));
    }
    Ok(life)
}

/// What protects comes first, what needs people who sit comes after them, what takes away comes last.
fn turn(deed: &Deed) -> u8 {
    match deed {
        Deed::Act(OperatorDeed::SuspendAgency { lifted: false, .. }) => 0,
        Deed::Act(OperatorDeed::SetPurpose(_)) => 1,
        Deed::Act(OperatorDeed::SetRole { ended: false, .. }) => 2,
        Deed::Act(OperatorDeed::SetQuota { .. }) => 3,
        Deed::Act(OperatorDeed::SuspendAgency { lifted: true, .. }) => 4,
        Deed::Invite(_) => 5,
        Deed::Act(OperatorDeed::SetRole { ended: true, .. }) => 6,
        Deed::Act(_) => 7,
    }
}

/// Carries out `order` in the operator's name.
pub async fn carry_out(
    operator: &Operator,
    policy: &TwoOperators,
    mut order: Vec<(Difference, Deed)>,
    wish: &ApplyPlan,
) -> Outcome {
    // An operator who ends the own role can do nothing after it.
    let (own, mut rest): (Vec<_>, Vec<_>) = order
        .drain(..)
        .partition(|(_, deed)| ends(deed, &operator.name));
    rest.extend(own);
    let mut policy = policy.clone();
    let mut outcome = Outcome {
        planned: rest.len(),
        ..Outcome::default()
    };
    for (difference, deed) in rest {
        let waits = policy.covers(deed.name());
        let (sealed, invitation) = match &deed {
            Deed::Act(deed) => (seal(operator, deed.clone(), waits).await, None),
            Deed::Invite(agency) => match invite(operator, agency, waits, wish).await {
                Ok((done, file)) => (Ok(done), Some(file)),
                Err(failure) => (Err(failure), None),
            },
        };
        match sealed {
            Ok(done) => outcome.done.push(Done {
                difference,
                by: operator.name.clone(),
                act: done.id,
                index: done.receipt.index,
                waits,
                invitation,
            }),
            Err(failure) => {
                outcome.failure = Some(failure);
                break;
            }
        }
        if let Deed::Act(OperatorDeed::SetPolicy(next)) = deed
            && !waits
        {
            policy = next;
        }
    }
    outcome
}

fn ends(deed: &Deed, operator: &Part) -> bool {
    matches!(deed, Deed::Act(OperatorDeed::SetRole { role: PersonRole::Operator, name, ended: true, .. }) if name == operator)
}

async fn seal(
    operator: &Operator,
    deed: OperatorDeed,
    waits: bool,
) -> Result<operate::Done, Failure> {
    let header = OperatorAct {
        operator: operator.name.clone(),
        issued_at_ms: Clock::System.now_ms(),
        deed,
    }
    .encode();
    send(operator, Kind::OperatorAct, header, waits).await
}

/// Invites an agency. The file stands before the entry: an invitation that is recorded and that nobody can read would
/// be worth nothing.
async fn invite(
    operator: &Operator,
    agency: &AgencyId,
    waits: bool,
    wish: &ApplyPlan,
) -> Result<(operate::Done, PathBuf), Failure> {
    let folder = wish.invitations.as_deref().unwrap_or(Path::new("."));
    certs::key_files::private_dir(folder).map_err(Failure::usage)?;
    let path = folder.join(format!("{}.invitation", file_name(agency)));
    let now_ms = Clock::System.now_ms();
    let invitation = match written(&path, operator, agency, now_ms)? {
        Some(invitation) => invitation,
        None => {
            let invitation = Invitation {
                agency: agency.clone(),
                token: Invitation::new_token().map_err(Failure::unavailable)?,
                // At most thirty days.
                expires_at_ms: now_ms.saturating_add(life(wish.hours)?.as_millis() as u64),
                root_sha256: Digest::of(&operator.root),
                genesis_sha256: operator.genesis,
                enrol: operator.addresses.enrol.clone(),
            };
            let text = invitation.encode().map_err(Failure::usage)?;
            certs::key_files::write_private(&path, format!("{text}\n").as_bytes())
                .map_err(Failure::usage)?;
            invitation
        }
    };
    let header = act::Invitation {
        agency: agency.clone(),
        token: invitation.token_sha256(),
        expires_at_ms: invitation.expires_at_ms,
        issued_at_ms: now_ms,
        authority_kid: None,
    }
    .encode();
    match send(operator, Kind::Invitation, header, waits).await {
        Ok(done) => Ok((done, path)),
        Err(failure) => {
            // Without an answer it may have been recorded: then the file is the only one that can use it.
            if failure.exit == Exit::Refused {
                let _ = fs::remove_file(&path);
            }
            Err(failure)
        }
    }
}

/// The invitation that a run before this one wrote and may not have had recorded. One that ran out is removed.
fn written(
    path: &Path,
    operator: &Operator,
    agency: &AgencyId,
    now_ms: u64,
) -> Result<Option<Invitation>, Failure> {
    if fs::symlink_metadata(path).is_err() {
        return Ok(None);
    }
    let bytes = certs::key_files::read_private(path).map_err(Failure::usage)?;
    let found = std::str::from_utf8(&bytes)
        .ok()
        .and_then(|text| Invitation::parse(text.trim()).ok())
        .filter(|found| found.agency == *agency && found.genesis_sha256 == operator.genesis);
    match found {
        None => Err(in_file(
            path,
            "it is no invitation of this agency to this switch: move it away",
        )),
        Some(found) if found.expires_at_ms > now_ms => Ok(Some(found)),
        Some(_) => {
            fs::remove_file(path).map_err(|error| in_file(path, error))?;
            Ok(None)
        }
    }
}

/// An agency's name as a file's: `~` stands in no name, so two agencies never share a file.
pub(super) fn file_name(agency: &AgencyId) -> String {
    agency.as_str().replace('/', "~")
}

/// Waits until the log published in `dir` shows entry `index`; false when it does not in good time.
pub async fn published(dir: &Path, index: u64) -> bool {
    let checkpoint = dir.join("checkpoint");
    let shows = || {
        // Only its size, to know when to look; whoever reads the registry verifies it.
        let note = fs::read(&checkpoint).ok()?;
        let size = audit::checkpoint::read_unverified(&note).ok()?.size;
        Some(size > index)
    };
    let until = tokio::time::Instant::now() + PUBLISHED_WAIT;
    while shows() != Some(true) {
        if tokio::time::Instant::now() >= until {
            return false;
        }
        tokio::time::sleep(PUBLISHED_LOOK).await;
    }
    true
}
