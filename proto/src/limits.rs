//! Every label and every limit of the protocol, in one table.
//!
//! What is signed under a label is worthless under any other; a limit is the largest value that a
//! receiver accepts. Nothing on the wire is unbounded. Changing a line here changes the protocol.

/// Labels: the first line of a seal's external AAD (`docs/protocol.md`, "Seal").
pub mod label {
    /// A request header, by a key bound to the consumer's system.
    pub const REQUEST: &str = "mohawel/request/v1";
    /// An answer header, by a key bound to the provider's system.
    pub const ANSWER: &str = "mohawel/answer/v1";
    /// A dispute about a recorded answer, by a key bound to the consumer's system.
    pub const DISPUTE: &str = "mohawel/dispute/v1";
    /// What the chunks of an answer were, by a key bound to the provider's system.
    pub const TRAILER: &str = "mohawel/trailer/v1";
    /// A request header whose payload follows in chunks, by a key bound to the consumer's system.
    pub const UPLOAD: &str = "mohawel/upload/v1";
    /// What the chunks of a request were, by a key bound to the consumer's system.
    pub const UPLOAD_TRAILER: &str = "mohawel/upload-trailer/v1";
    /// An act on an agreement, by an agency's authority key.
    pub const ACT: &str = "mohawel/act/v1";
    /// Everything else that binds an agency, by its authority key.
    pub const AUTHORITY: &str = "mohawel/authority/v1";
    /// Proof that the holder of a new key asked for its binding, by that key.
    pub const POSSESSION: &str = "mohawel/possession/v1";
    /// A key's own successor, by the key that it follows.
    pub const SUCCESSION: &str = "mohawel/succession/v1";
    /// What an operator does to the registry, by the operator's key.
    pub const OPERATOR: &str = "mohawel/operator/v1";
    /// A delay of what a person's own record shows, by the authority key of a party.
    pub const HOLD: &str = "mohawel/hold/v1";
    /// A statement that something was destroyed, by whoever kept it.
    pub const ERASURE: &str = "mohawel/erasure/v1";
    /// A review of exchanges in which the glass was broken, by the authority key of the agency that was asked.
    pub const REVIEW: &str = "mohawel/review/v1";
    /// An event, by a key bound to the publisher's system.
    pub const EVENT: &str = "mohawel/event/v1";
    /// A subscription, by a key bound to the subscriber's system.
    pub const SUBSCRIPTION: &str = "mohawel/subscription/v1";
    /// The end of one, by a key bound to the subscriber's system.
    pub const SUBSCRIPTION_END: &str = "mohawel/subscription-end/v1";
    /// What became of an event with a subscriber, by a key bound to its system.
    pub const EVENT_RECEIPT: &str = "mohawel/event-receipt/v1";
    /// An act at the border, by an operator's key or by the authority key of the agency that answers.
    pub const BORDER: &str = "mohawel/border/v1";
    /// The key that payloads for a system are sealed to, by its agency's authority key.
    pub const ENCRYPTION_KEY: &str = "mohawel/encryption-key/v1";
    /// The next log key, by the one before it and by itself.
    pub const LOG_KEY: &str = "mohawel/log-key/v1";
    /// Entry 0, by the log key.
    pub const GENESIS: &str = "mohawel/genesis/v1";
}

/// The COSE content type (header parameter 3) of every seal: a tree head over headers.
pub const SEAL_CONTENT_TYPE: &str = "application/vnd.mohawel.seal";

/// Header versions that this code speaks.
pub const HEADER_VERSION: u32 = 1;

/// Headers sealed together at most; a path is therefore at most [`SEAL_PATH_MAX`] hashes.
pub const SEAL_SIZE_MAX: u32 = 64;
/// log2 of [`SEAL_SIZE_MAX`].
pub const SEAL_PATH_MAX: usize = 6;
/// A COSE_Sign1 with our protected header is about 150 bytes; anything longer is not one.
pub const SEAL_BYTES_MAX: usize = 256;
/// Bytes of the salt of a payload commitment.
pub const SALT_BYTES: usize = 32;

/// Bytes of an exchange header (request, answer, dispute). Keeps an entry under [`ENTRY_BYTES_MAX`].
pub const HEADER_BYTES_MAX: usize = 3_072;
/// Bytes of a registry header (a service definition or an agreement's content travels inside).
pub const REGISTRY_HEADER_BYTES_MAX: usize = 56 * 1024;
/// Bytes of the facts of one entry.
pub const FACTS_BYTES_MAX: usize = 512;
/// Bytes of an exchange entry.
pub const ENTRY_BYTES_MAX: usize = 4 * 1024;
/// Bytes of a registry entry; C2SP bundles allow 65,535.
pub const REGISTRY_ENTRY_BYTES_MAX: usize = 60 * 1024;

/// Bytes of a payload in the whole form. Larger results travel as streams.
pub const PAYLOAD_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of a payload in the sealed form: with all around it, it fits where a whole one does.
pub const SEALED_BYTES_MAX: usize = PAYLOAD_BYTES_MAX - 256;
/// Bytes of one chunk of a payload in the form chunks.
pub const CHUNK_BYTES_MAX: usize = 256 * 1024;
/// Bytes of a chunk when its sender names none.
pub const CHUNK_BYTES_DEFAULT: usize = 64 * 1024;
/// Chunks of one stream that are under way between provider and switch, either way: what the first credit gives.
pub const CHUNK_WINDOW: usize = 8;
/// Items of one exchange; a batch has many.
pub const ITEMS_MAX: usize = 16_384;
/// The longest that a stream runs after its opening, or an upload after its request: an hour.
pub const STREAM_MS_MAX: u64 = 3_600_000;
/// How long a stream may stand still, because the provider sends nothing or the consumer takes nothing.
pub const STREAM_IDLE_MS: u64 = 60_000;
/// Streams of one consumer's system at once, uploads among them.
pub const STREAMS_PER_CONSUMER_MAX: usize = 16;
/// Bytes of a gRPC message: payload, header, seal, receipt and framing.
pub const MESSAGE_BYTES_MAX: usize = PAYLOAD_BYTES_MAX + 64 * 1024;
/// Bytes of a payload's content type (a media type).
pub const CONTENT_TYPE_BYTES_MAX: usize = 127;

/// Fields asked for or returned in one exchange.
pub const FIELDS_MAX: usize = 64;
/// Subjects named in one request header.
pub const SUBJECTS_MAX: usize = 8;
/// Acts in a delegation chain.
pub const DELEGATION_MAX: usize = 4;
/// Bytes of one identifier part (instance, class, agency, system, service, operation, field, purpose).
pub const PART_BYTES_MAX: usize = 64;
/// Bytes of a name shown to people.
pub const DISPLAY_NAME_BYTES_MAX: usize = 256;

/// Operations of one service.
pub const OPERATIONS_MAX: usize = 64;
/// Grants in one agreement.
pub const GRANTS_MAX: usize = 64;
/// Purposes, operations or classes listed in one grant.
pub const GRANT_LIST_MAX: usize = 64;

/// Agencies in a named group of one agreement.
pub const MEMBERS_MAX: usize = 256;
/// Row rules of one grant.
pub const ROW_RULES_MAX: usize = 8;
/// Purposes that genesis may bring.
pub const PURPOSES_MAX: usize = 256;
/// Applications that wait for one agency id, and for all of them together.
pub const APPLICATIONS_MAX: (usize, usize) = (4, 1_024);
/// How long an application waits for an operator: thirty days.
pub const APPLICATION_MS: u64 = 30 * 24 * 3_600_000;
/// How long a replaced authority key still counts, for its agency to object: 72 hours.
pub const REPLACEMENT_MS: u64 = 72 * 3_600_000;

/// How long two log keys may sign side by side: 400 days.
pub const LOG_KEY_OVERLAP_MS_MAX: u64 = 400 * 24 * 3_600_000;

/// Exchanges, or epochs, named by one hold or erasure.
pub const OVERSEEN_MAX: usize = 128;
/// Requests named by one review.
pub const REVIEWED_MAX: usize = 32;
/// How long after a request under a break-glass grant its review may take: seven days.
pub const BREAK_GLASS_REVIEW_MS: u64 = 7 * 24 * 3_600_000;
/// Bytes of the reason that a reader of entries gives.
pub const REASON_BYTES_MAX: usize = 256;

/// How far a request's issued-at may lie from the switch's clock, before or after.
pub const WINDOW_MS: u64 = 30_000;
/// The widest window that a switch can be configured to.
pub const WINDOW_MS_MAX: u64 = 300_000;
/// The longest deadline of a unary exchange.
pub const DEADLINE_MS_MAX: u32 = 120_000;
/// The deadline when the caller names none.
pub const DEADLINE_MS_DEFAULT: u32 = 10_000;
/// Milliseconds for which a submission waits for its answer at most: 30 days. Longer than [`DEADLINE_MS_MAX`] only what is
/// sealed to its receiver may wait.
pub const SUBMISSION_MS_MAX: u32 = 2_592_000_000;

/// Bytes of an event's payload. More than a notice is asked for as a record.
pub const EVENT_BYTES_MAX: usize = 64 * 1024;
/// How long after its record an event can still reach a subscriber: 30 days.
pub const EVENT_KEPT_MS: u64 = 30 * 24 * 3_600_000;
/// How often an event is brought at most to a subscriber that does not acknowledge it.
pub const EVENT_ATTEMPTS_MAX: u32 = 1_000;
/// The longest first pause that a subscriber can ask for: an hour.
pub const EVENT_PAUSE_MS_MAX: u32 = 3_600_000;
/// Subscriptions of one system that have not ended.
pub const SUBSCRIPTIONS_MAX: usize = 256;

/// Verified tree heads remembered per TLS peer.
pub const SEAL_MEMORY_ROOTS: usize = 256;
/// How long a verified tree head is remembered.
pub const SEAL_MEMORY_MS: u64 = 5_000;

/// How long a provider's adapter keeps an answer for a retry (`attempt_of`).
pub const KEPT_ANSWER_MS: u64 = 600_000;
/// Checkpoint sizes reconciled by one request for consistency proofs.
pub const CONSISTENCY_SIZES_MAX: usize = 256;
