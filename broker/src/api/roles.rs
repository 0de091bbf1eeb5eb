//! Who may call what: one table of every RPC and every role, and the one function that every handler asks.
//!
//! `docs/operating.md` shows the same table; a test holds both against each other and calls every RPC as every role.
//! The table opens a door and no more: what somebody may do behind it (whose agency, whose seal, which agreement) is
//! judged there.

use std::fmt;

use proto::Code;
use proto::act::PersonRole;
use proto::registry::Registry;

use crate::door::Peer;
use crate::door::standing::{Standing, standing};

/// What somebody is to the switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Runs the switch.
    Operator,
    /// Puts the second seal.
    Approver,
    /// Checks the log.
    Auditor,
    /// Data-protection officer.
    Dpo,
    /// Carries the acts of one agency.
    Administrator,
    /// A system of an agency.
    System,
    /// Everybody else: without a certificate, or with one that says nothing to the registry.
    Nobody,
}

impl Role {
    /// Every role, in the order of the table's columns.
    pub const ALL: [Self; 7] = [
        Self::Operator,
        Self::Approver,
        Self::Auditor,
        Self::Dpo,
        Self::Administrator,
        Self::System,
        Self::Nobody,
    ];

    /// The column's head.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Approver => "approver",
            Self::Auditor => "auditor",
            Self::Dpo => "dpo",
            Self::Administrator => "administrator",
            Self::System => "system",
            Self::Nobody => "nobody",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl From<&Standing> for Role {
    fn from(standing: &Standing) -> Self {
        match standing {
            Standing::System(_) => Self::System,
            Standing::Administrator(..) => Self::Administrator,
            Standing::Person(PersonRole::Operator, _) => Self::Operator,
            Standing::Person(PersonRole::Approver, _) => Self::Approver,
            Standing::Person(PersonRole::Auditor, _) => Self::Auditor,
            Standing::Person(PersonRole::Dpo, _) => Self::Dpo,
        }
    }
}

/// Generates the list of RPCs with their paths and with who may call them.
macro_rules! rpcs {
    ($($(#[$doc:meta])* $rpc:ident = $path:literal: $($role:ident)|*;)*) => {
        /// Every RPC of the switch.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Rpc {
            $($(#[$doc])* $rpc,)*
        }

        impl Rpc {
            /// Every RPC, in the order of the table's rows.
            pub const ALL: &[Self] = &[$(Self::$rpc,)*];

            /// `package.Service/Method`.
            #[must_use]
            pub fn path(self) -> &'static str {
                match self { $(Self::$rpc => $path,)* }
            }

            /// Who may call it.
            fn callers(self) -> &'static [Role] {
                match self { $(Self::$rpc => &[$(Role::$role),*],)* }
            }
        }
    };
}

rpcs! {
    /// Ask a provider.
    Call = "mohawel.exchange.v1.Exchange/Call": System;
    /// Ask on a stream.
    Calls = "mohawel.exchange.v1.Exchange/Calls": System;
    /// Ask, and take the answer in chunks.
    Stream = "mohawel.exchange.v1.Exchange/Stream": System;
    /// Ask with a payload in chunks.
    Upload = "mohawel.exchange.v1.Exchange/Upload": System;
    /// Object to an answer.
    Dispute = "mohawel.exchange.v1.Exchange/Dispute": System;
    /// Leave a request that may wait.
    LeaveRequest = "mohawel.exchange.v1.Exchange/Submit": System;
    /// The answer to it.
    Collect = "mohawel.exchange.v1.Exchange/Collect": System;
    /// How one's own stand.
    Submissions = "mohawel.exchange.v1.Exchange/Submissions": System;
    /// Take one back.
    Withdraw = "mohawel.exchange.v1.Exchange/Withdraw": System;
    /// Tell what happened.
    Publish = "mohawel.events.v1.Events/Publish": System;
    /// Begin to be told, or end it.
    Subscribe = "mohawel.events.v1.Events/Subscribe": System;
    /// Who is told of what.
    Subscriptions = "mohawel.events.v1.Events/Subscriptions": System;
    /// Take what is due.
    Pull = "mohawel.events.v1.Events/Pull": System;
    /// Acknowledge it.
    Acknowledge = "mohawel.events.v1.Events/Acknowledge": System;
    /// How events stand.
    EventStatus = "mohawel.events.v1.Events/Status": System;
    /// Bring again what was given up.
    Redeliver = "mohawel.events.v1.Events/Redeliver": System;
    /// Serve as a provider.
    Attach = "mohawel.exchange.v1.Link/Attach": System;
    /// Carry an act of one's own agency.
    Submit = "mohawel.registry.v1.Agencies/Submit": Administrator | System;
    /// A new certificate for oneself.
    Renew = "mohawel.registry.v1.Agencies/Renew": Administrator | System;
    /// Act on the registry; an approver puts second seals only.
    Operate = "mohawel.registry.v1.Operations/Operate": Operator | Approver;
    /// The latest checkpoint.
    Checkpoint = "mohawel.audit.v1.Log/Checkpoint":
        Operator | Approver | Auditor | Dpo | Administrator | System;
    /// Consistency proofs.
    Consistency = "mohawel.audit.v1.Log/Consistency":
        Operator | Approver | Auditor | Dpo | Administrator | System;
    /// Registry entries.
    Registry = "mohawel.audit.v1.Log/Registry":
        Operator | Approver | Auditor | Dpo | Administrator | System;
    /// Hash tiles.
    Tile = "mohawel.audit.v1.Log/Tile":
        Operator | Approver | Auditor | Dpo | Administrator | System;
    /// Time-stamped checkpoints.
    Times = "mohawel.audit.v1.Log/Times":
        Operator | Approver | Auditor | Dpo | Administrator | System;
    /// Entries: all for those who check the log, their own for systems.
    Entries = "mohawel.audit.v1.Log/Entries": Auditor | Dpo | System;
    /// Record a hold, an erasure or a review.
    Oversee = "mohawel.audit.v1.Log/Oversee": Administrator | System;
    /// What waits for a review, of one's own agency.
    Reviews = "mohawel.audit.v1.Log/Reviews": Administrator | System;
    /// Whether the switch serves.
    HealthCheck = "grpc.health.v1.Health/Check":
        Operator | Approver | Auditor | Dpo | Administrator | System;
    /// The same, as it changes.
    HealthWatch = "grpc.health.v1.Health/Watch":
        Operator | Approver | Auditor | Dpo | Administrator | System;
    /// The schemas, where `switch.reflection` is true.
    Reflection = "grpc.reflection.v1.ServerReflection/ServerReflectionInfo":
        Operator | Approver | Auditor | Dpo | Administrator | System;
    /// Whom a newcomer would join. The enrolment door asks nobody for a certificate.
    Describe = "mohawel.registry.v1.Enrolment/Describe":
        Operator | Approver | Auditor | Dpo | Administrator | System | Nobody;
    /// Use an invitation.
    Enrol = "mohawel.registry.v1.Enrolment/Enrol":
        Operator | Approver | Auditor | Dpo | Administrator | System | Nobody;
    /// Ask to be invited.
    Apply = "mohawel.registry.v1.Enrolment/Apply":
        Operator | Approver | Auditor | Dpo | Administrator | System | Nobody;
    /// How an application stands.
    ApplicationStatus = "mohawel.registry.v1.Enrolment/ApplicationStatus":
        Operator | Approver | Auditor | Dpo | Administrator | System | Nobody;
    /// A further system, adapter or administrator.
    Join = "mohawel.registry.v1.Enrolment/Join":
        Operator | Approver | Auditor | Dpo | Administrator | System | Nobody;
}

impl Rpc {
    /// Whether `role` may call it.
    #[must_use]
    pub fn allows(self, role: Role) -> bool {
        self.callers().contains(&role)
    }
}

impl Rpc {
    /// Whether a suspended agency's systems may call it: to see the registry, and to bring acts that only take away
    /// or object. Which acts those are, the fold says.
    #[must_use]
    pub fn is_open_to_the_suspended(self) -> bool {
        matches!(
            self,
            Self::Submit
                | Self::Checkpoint
                | Self::Consistency
                | Self::Registry
                | Self::Tile
                | Self::Times
        )
    }
}

/// The table as Markdown, as `docs/operating.md` shows it.
#[must_use]
pub fn table() -> String {
    let cells = |first: &str, cell: &dyn Fn(Role) -> String| {
        let cells: Vec<String> = Role::ALL.into_iter().map(cell).collect();
        format!("| {first} | {} |\n", cells.join(" | "))
    };
    let mut table = cells("call", &|role| role.name().to_owned());
    table.push_str(&format!("|---|{}\n", "---|".repeat(Role::ALL.len())));
    for rpc in Rpc::ALL {
        table.push_str(&cells(&format!("`{}`", rpc.path()), &|role| {
            let word = if rpc.allows(role) { "yes" } else { "–" };
            word.to_owned()
        }));
    }
    table
}

/// Who `peer` is, if it may call `rpc` now.
///
/// # Errors
/// [`Denied`].
pub fn permit(registry: &Registry, peer: &Peer, rpc: Rpc) -> Result<Standing, Denied> {
    let standing = match (standing(registry, peer), &peer.system) {
        (Err(Code::AgencySuspended), Some(system)) if rpc.is_open_to_the_suspended() => {
            Standing::System(system.clone())
        }
        (standing, _) => standing.map_err(Denied::Nobody)?,
    };
    let role = Role::from(&standing);
    if rpc.allows(role) {
        Ok(standing)
    } else {
        Err(Denied::Role { role, rpc })
    }
}

/// Why somebody may not call something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// The registry knows no such peer, or no longer.
    Nobody(Code),
    /// It is for others.
    Role {
        /// What the peer is.
        role: Role,
        /// What it called.
        rpc: Rpc,
    },
}

impl Denied {
    /// The refusal's code in an exchange, where only systems speak.
    #[must_use]
    pub fn code(self) -> Code {
        match self {
            Self::Nobody(code) => code,
            Self::Role { .. } => Code::UnknownPeer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `package.Service/Method` of every method in a schema.
    fn methods(schema: &str) -> Vec<String> {
        let (mut package, mut service, mut methods) = (String::new(), String::new(), Vec::new());
        for line in schema.lines().map(str::trim) {
            let name = |text: &str| text.split([' ', ';', '(']).next().unwrap().to_owned();
            if let Some(rest) = line.strip_prefix("package ") {
                package = name(rest);
            } else if let Some(rest) = line.strip_prefix("service ") {
                service = name(rest);
            } else if let Some(rest) = line.strip_prefix("rpc ") {
                methods.push(format!("{package}.{service}/{}", name(rest)));
            }
        }
        methods
    }

    #[test]
    fn every_method_of_every_schema_has_a_row_and_no_row_is_of_another() {
        let schemas = concat!(env!("CARGO_MANIFEST_DIR"), "/../proto/mohawel");
        let mut methods: Vec<String> = Vec::new();
        for package in std::fs::read_dir(schemas).unwrap() {
            for file in std::fs::read_dir(package.unwrap().path().join("v1")).unwrap() {
                methods.extend(self::methods(
                    &std::fs::read_to_string(file.unwrap().path()).unwrap(),
                ));
            }
        }
        assert!(methods.len() > 10, "{methods:?}");
        // Not our schemas, and served beside them.
        methods.extend(
            [
                "grpc.health.v1.Health/Check",
                "grpc.health.v1.Health/Watch",
                "grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            ]
            .map(str::to_owned),
        );
        let mut rows: Vec<_> = Rpc::ALL.iter().map(|rpc| rpc.path().to_owned()).collect();
        methods.sort();
        rows.sort();
        assert_eq!(rows, methods);
    }

    #[test]
    fn nobody_comes_in_by_the_members_door() {
        for rpc in Rpc::ALL {
            let newcomers = rpc.path().starts_with("mohawel.registry.v1.Enrolment/");
            assert_eq!(rpc.allows(Role::Nobody), newcomers, "{}", rpc.path());
        }
    }
}
