//! Generated messages and services. Domain types elsewhere in this crate are what the rest of the
//! house uses; these are the shapes on the wire.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::too_many_lines,
    reason = "generated code"
)]

/// Envelopes, exchanges, links.
pub mod exchange {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("mohawel.exchange.v1");
    }
}

/// Enrolment, acts, agreements.
pub mod registry {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("mohawel.registry.v1");
    }
}

/// The log.
pub mod audit {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("mohawel.audit.v1");
    }
}

/// Events.
pub mod events {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("mohawel.events.v1");
    }
}

/// All schemas as an encoded `FileDescriptorSet`, for gRPC reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
