//! What the rows of [`super`] send: each request, and each answer of a provider by hand, wrong in one thing only.

use adapters::sealed::{EncryptionKeys, OpeningKey, seal};
use bytes::Bytes;
use prost::Message as _;
use proto::chunks::ChunkPlan;
use proto::commitment::Commitment;
use proto::digest::Digest;
use proto::envelope::Envelope;
use proto::header::{RequestHeader, Subject};
use proto::items::{Manifest, Packed, leaves, pack};
use proto::limits::ITEMS_MAX;
use proto::sealed::{Contents, EncryptionKey, Of};
use proto::wire::exchange::v1 as wire;
use tests::agreements::{Terms, part};
use tests::ground::ORIGIN;
use tests::link::{Delivered, RawProvider};
use tests::raw::{PAYLOAD, RawConsumer, SALT};
use tests::world::World;

/// A world, its consumer by hand, and the keys that there are.
pub(super) struct Bench {
    pub(super) world: World,
    pub(super) consumer: RawConsumer,
    /// The newest of the provider.
    key: EncryptionKey,
    /// Bound to the provider before, and its file lost.
    lost: EncryptionKey,
    /// Bound to the consumer's system.
    others: EncryptionKey,
    /// Bound to nobody.
    nobodys: EncryptionKey,
    restricted: Digest,
}

impl Bench {
    pub(super) async fn new() -> Self {
        let world = World::new().await;
        let switch = &world.switch;
        let lost = world.civil.bind_encryption_key(switch).await;
        std::fs::remove_file(EncryptionKeys::of(&world.civil.home_dir()).path(&lost.kid()))
            .unwrap();
        let key = world.civil.bind_encryption_key(switch).await;
        let others = world.moss.bind_encryption_key(switch).await;
        let terms = Terms {
            sensitivity: Some(part("restricted")),
            ..Terms::for_agency(&world.moss)
        };
        let restricted = world.civil.agree(switch, &world.moss, &terms).await;
        Self {
            consumer: world.raw_consumer().await,
            nobodys: *OpeningKey::generate().unwrap().key(),
            key,
            lost,
            others,
            restricted,
            world,
        }
    }

    pub(super) fn open(&self) -> Envelope {
        self.consumer.envelope(|_| {})
    }

    pub(super) fn in_chunks(&self) -> Envelope {
        let plan = Bytes::from(ChunkPlan::of(4).encode());
        let mut envelope = self.consumer.envelope(|header| {
            header.payload = Commitment::to_chunks("text/plain", None, &plan, &SALT);
        });
        envelope.payload = plan;
        envelope
    }

    /// `payload` as items under `manifest`, which the header commits to.
    pub(super) fn of_items(
        &self,
        packed: &Packed,
        change: impl FnOnce(&mut RequestHeader),
    ) -> Envelope {
        let mut envelope = self.consumer.envelope(|header| {
            header.payload = Commitment::to_items(
                "application/json",
                packed.payload.len(),
                &packed.manifest,
                &SALT,
            );
            change(header);
        });
        envelope.payload = packed.payload.clone();
        envelope
    }

    pub(super) fn items(&self) -> Envelope {
        self.of_items(&two(), |_| {})
    }

    pub(super) fn items_of_a_restricted_grant(&self) -> Envelope {
        self.of_items(&two(), |header| header.agreement = Some(self.restricted))
    }

    pub(super) fn items_with_subjects(&self) -> Envelope {
        self.of_items(&two(), |header| {
            header.subjects = vec![Subject {
                scheme: part("nid"),
                pseudonym: Digest::of(b"somebody"),
            }];
        })
    }

    pub(super) fn items_without_a_salt(&self) -> Envelope {
        Envelope {
            salt: Bytes::new(),
            ..self.items()
        }
    }

    pub(super) fn no_item(&self) -> Envelope {
        self.of_items(&counted(0), |_| {})
    }

    pub(super) fn too_many_items(&self) -> Envelope {
        self.of_items(&counted(ITEMS_MAX + 1), |_| {})
    }

    pub(super) fn other_items(&self) -> Envelope {
        let (honest, mut sent) = (two(), packed(&[b"{\"nid\":\"1\"}", b"{\"nid\":\"3\"}"]));
        sent.manifest = honest.manifest;
        self.of_items(&sent, |_| {})
    }

    /// A sealed request with what `made` puts under its header.
    pub(super) fn sealed_by(&self, made: impl FnOnce(&[u8]) -> Bytes) -> Envelope {
        let open = self
            .consumer
            .envelope(|header| header.payload = header.payload.clone().sealed());
        Envelope {
            salt: Bytes::new(),
            payload: made(&open.header),
            ..open
        }
    }

    pub(super) fn sealed_to(&self, key: EncryptionKey) -> Envelope {
        self.sealed_by(|header| asked(key, header, PAYLOAD))
    }

    pub(super) fn sealed(&self) -> Envelope {
        self.sealed_to(self.key)
    }

    pub(super) fn sealed_with_a_salt(&self) -> Envelope {
        Envelope {
            salt: Bytes::copy_from_slice(&SALT.0),
            ..self.sealed()
        }
    }

    pub(super) fn sealed_in_another_suite(&self) -> Envelope {
        self.sealed_by(|header| {
            let made = asked(self.key, header, PAYLOAD);
            let mut wire = wire::SealedPayload::decode(made).unwrap();
            wire.suite += 1;
            wire.encode_to_vec().into()
        })
    }

    pub(super) fn sealed_longer(&self) -> Envelope {
        self.sealed_by(|header| asked(self.key, header, b"{\"nid\":\"290010199000111\"}"))
    }

    pub(super) fn sealed_to_nobodys_key(&self) -> Envelope {
        self.sealed_to(self.nobodys)
    }

    pub(super) fn sealed_to_another_system(&self) -> Envelope {
        self.sealed_to(self.others)
    }

    pub(super) fn sealed_to_a_lost_key(&self) -> Envelope {
        self.sealed_to(self.lost)
    }

    pub(super) fn sealed_under_another_header(&self) -> Envelope {
        self.sealed_by(|_| asked(self.key, b"another header", PAYLOAD))
    }
}

fn packed(items: &[&[u8]]) -> Packed {
    pack(items, &leaves(items, &SALT), &[], None).unwrap()
}

fn two() -> Packed {
    packed(&[b"{\"nid\":\"1\"}", b"{\"nid\":\"2\"}"])
}

/// So many items under a manifest that says so, whether so many may be or not.
fn counted(count: usize) -> Packed {
    let items = vec![&b"{}"[..]; count];
    let manifest = Manifest {
        count: u32::try_from(count).unwrap(),
        root: proto::digest::tree_head(&leaves(&items, &SALT)),
        subjects: None,
        place: None,
    };
    let manifest = Bytes::from(manifest.encode());
    let payload = wire::Items {
        manifest: manifest.clone(),
        items: items
            .iter()
            .map(|item| Bytes::from_static(&item[..]))
            .collect(),
        subjects: Vec::new(),
    };
    Packed {
        payload: payload.encode_to_vec().into(),
        manifest,
    }
}

fn asked(key: EncryptionKey, header: &[u8], payload: &'static [u8]) -> Bytes {
    let contents = Contents {
        salt: SALT,
        answer_key: Some(*OpeningKey::generate().unwrap().key()),
        payload: Bytes::from_static(payload),
    };
    seal(&key, Of::Request, ORIGIN, header, &contents).unwrap()
}

pub(super) fn chunks(link: &RawProvider, delivered: &Delivered) -> Envelope {
    let plan = Bytes::from(ChunkPlan::of(4).encode());
    let mut answer = link.answer(delivered, |header| {
        header.payload = Commitment::to_chunks("text/plain", None, &plan, &SALT);
    });
    answer.payload = plan;
    answer
}

pub(super) fn whole(link: &RawProvider, delivered: &Delivered) -> Envelope {
    link.answer(delivered, |_| {})
}

pub(super) fn results(link: &RawProvider, delivered: &Delivered) -> Envelope {
    let packed = packed(&[b"\x08\x02"]);
    let mut answer = link.answer(delivered, |header| {
        let length = packed.payload.len();
        header.payload = Commitment::to_items("application/json", length, &packed.manifest, &SALT);
    });
    answer.payload = packed.payload;
    answer
}

pub(super) fn sealed_answer(link: &RawProvider, delivered: &Delivered) -> Envelope {
    let open = link.answer(delivered, |header| {
        header.payload = header.payload.clone().sealed();
    });
    let contents = Contents {
        salt: SALT,
        answer_key: None,
        payload: open.payload.clone(),
    };
    let key = *OpeningKey::generate().unwrap().key();
    Envelope {
        salt: Bytes::new(),
        payload: seal(&key, Of::Answer, ORIGIN, &open.header, &contents).unwrap(),
        ..open
    }
}
