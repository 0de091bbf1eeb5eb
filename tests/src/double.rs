//! A switch that lies to providers: the real registry of a real log, and deliveries of the scenario's choice.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use audit::log::{Appended, Log};
use bytes::Bytes;
use certs::tls::{self, Trust};
use certs::{Identity, ReloadableIdentity};
use proto::entry::{Draft, Kind};
use proto::envelope::Envelope;
use proto::facts::{self, ExchangeFacts};
use proto::header::AnswerHeader;
use proto::wire::audit::v1 as audit_wire;
use proto::wire::audit::v1::log_server::{self, LogServer};
use proto::wire::exchange::v1 as wire;
use proto::wire::exchange::v1::attach_request::Message as Out;
use proto::wire::exchange::v1::attach_response::Message as In;
use proto::wire::exchange::v1::link_server::{self, LinkServer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tokio_stream::{Stream, StreamExt as _};
use tokio_util::task::AbortOnDropHandle;
use tonic::{Request, Response, Status, Streaming};

use crate::ground::{Ground, loopback, time_of};
use crate::soon;

/// The liar. It shows the broker's own certificate.
#[derive(Debug)]
pub struct Double {
    /// Where providers attach.
    pub address: SocketAddr,
    /// The log that it shows.
    pub log: Log,
    deliveries: mpsc::Sender<wire::AttachResponse>,
    answers: mpsc::Receiver<wire::Answer>,
    _tasks: [AbortOnDropHandle<()>; 2],
}

#[derive(Clone)]
struct Services {
    log: Log,
    deliveries: Arc<Mutex<Option<mpsc::Receiver<wire::AttachResponse>>>>,
    answers: mpsc::Sender<wire::Answer>,
}

impl Double {
    /// Stands where the switch of `ground`, which has stopped, stood.
    pub async fn start(ground: &Ground) -> Self {
        let log = Log::open(ground.log_config(), ground.log_signer())
            .await
            .unwrap();
        let (deliveries, delivered) = mpsc::channel(16);
        let (answers_in, answers) = mpsc::channel(16);
        let services = Services {
            log: log.clone(),
            deliveries: Arc::new(Mutex::new(Some(delivered))),
            answers: answers_in,
        };
        let plain = TcpListener::bind(loopback()).await.unwrap();
        let inside = plain.local_addr().unwrap();
        let server = tonic::transport::Server::builder()
            .add_service(LogServer::new(services.clone()))
            .add_service(LinkServer::new(services))
            .serve_with_incoming(TcpListenerStream::new(plain));
        let outside = TcpListener::bind(loopback()).await.unwrap();
        let address = outside.local_addr().unwrap();
        let acceptor = acceptor(ground);
        let tasks = [
            AbortOnDropHandle::new(tokio::spawn(async move { server.await.unwrap() })),
            AbortOnDropHandle::new(tokio::spawn(unwrap_tls(outside, acceptor, inside))),
        ];
        Self {
            address,
            log,
            deliveries,
            answers,
            _tasks: tasks,
        }
    }

    /// Records `envelope` as the switch would.
    pub async fn record(&self, envelope: &Envelope, facts: ExchangeFacts) -> Appended {
        record_in(&self.log, envelope, facts).await
    }

    /// Delivers `envelope` with `receipt` and gives the provider's sealed answer.
    pub async fn deliver(
        &mut self,
        envelope: &Envelope,
        receipt: Option<audit_wire::Receipt>,
    ) -> AnswerHeader {
        self.send(envelope, receipt).await;
        let answer = soon("the provider answers the double", self.answers.recv())
            .await
            .unwrap();
        let envelope = Envelope::from_wire(answer.envelope).unwrap();
        AnswerHeader::open(&envelope.header).unwrap()
    }

    /// Delivers `envelope` with `receipt`, whatever comes of it.
    pub async fn send(&self, envelope: &Envelope, receipt: Option<audit_wire::Receipt>) {
        let deliver = wire::Deliver {
            takes_chunks: false,
            envelope: Some(envelope.to_wire()),
            receipt,
            remaining_ms: 10_000,
            traceparent: String::new(),
        };
        let message = wire::AttachResponse {
            message: Some(In::Deliver(deliver)),
        };
        self.deliveries.send(message).await.unwrap();
    }
}

/// Records `envelope` as a request in `log`.
pub async fn record_in(log: &Log, envelope: &Envelope, facts: ExchangeFacts) -> Appended {
    let draft = Draft {
        kind: Kind::Request,
        facts: facts::encode(&facts),
        header: envelope.header.clone(),
        seal: Some(envelope.seal.clone()),
    };
    log.append(draft, None).await.unwrap()
}

fn acceptor(ground: &Ground) -> TlsAcceptor {
    let authority = ground.authority();
    let trust = Trust::new(
        authority.trust_domain().clone(),
        std::slice::from_ref(authority.root()),
    )
    .unwrap();
    let identity = Identity::load(
        &ground.dir().join("tls/broker.pem"),
        &ground.dir().join("tls/broker.key"),
    )
    .unwrap();
    let config = tls::server_config(
        &ReloadableIdentity::new(identity),
        &trust,
        time_of(&ground.clock),
    )
    .unwrap();
    TlsAcceptor::from(config)
}

/// Takes TLS off and passes the bytes on to `inside`.
async fn unwrap_tls(outside: TcpListener, acceptor: TlsAcceptor, inside: SocketAddr) {
    while let Ok((tcp, _)) = outside.accept().await {
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let mut tls = acceptor.accept(tcp).await.ok()?;
            let mut plain = TcpStream::connect(inside).await.ok()?;
            tokio::io::copy_bidirectional(&mut tls, &mut plain)
                .await
                .ok()
        });
    }
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl log_server::Log for Services {
    type RegistryStream = Answers<audit_wire::RegistryResponse>;
    type EntriesStream = Answers<audit_wire::EntriesResponse>;
    type TimesStream = Answers<audit_wire::TimesResponse>;

    async fn checkpoint(
        &self,
        _: Request<audit_wire::CheckpointRequest>,
    ) -> Result<Response<audit_wire::CheckpointResponse>, Status> {
        let checkpoint = self.log.published().borrow().note.clone();
        Ok(Response::new(audit_wire::CheckpointResponse {
            checkpoint,
            minimum_index: 0,
            log_keys: Vec::new(),
        }))
    }

    async fn consistency(
        &self,
        request: Request<audit_wire::ConsistencyRequest>,
    ) -> Result<Response<audit_wire::ConsistencyResponse>, Status> {
        let request = request.into_inner();
        let proofs = self.log.consistency(request.from_sizes, request.to_size);
        let proofs = proofs.await.unwrap().into_iter().map(|proof| {
            let hashes = proof
                .iter()
                .map(|hash| Bytes::copy_from_slice(hash.as_bytes()));
            audit_wire::ConsistencyProof {
                hashes: hashes.collect(),
            }
        });
        let proofs = proofs.collect();
        Ok(Response::new(audit_wire::ConsistencyResponse { proofs }))
    }

    async fn registry(
        &self,
        request: Request<audit_wire::RegistryRequest>,
    ) -> Result<Response<Self::RegistryStream>, Status> {
        let from = usize::try_from(request.into_inner().from).unwrap();
        let entries = self.log.entries(0..self.log.head().size()).await.unwrap();
        let registry: Vec<_> = entries
            .into_iter()
            .filter(|(_, entry)| Kind::from_byte(entry[0]).unwrap().is_registry())
            .collect();
        let registry_size = registry.len() as u64;
        let said = move |(index, entry)| {
            Ok(audit_wire::RegistryResponse {
                index,
                entry,
                registry_size,
            })
        };
        let entries: Vec<_> = registry.into_iter().skip(from).map(said).collect();
        // What comes later never comes: the stream stays open, as the real one does.
        let stream = tokio_stream::iter(entries).chain(tokio_stream::pending());
        Ok(Response::new(Box::pin(stream)))
    }

    async fn tile(
        &self,
        _: Request<audit_wire::TileRequest>,
    ) -> Result<Response<audit_wire::TileResponse>, Status> {
        Err(Status::unimplemented(
            "no adapter asks the double for tiles",
        ))
    }

    async fn times(
        &self,
        _: Request<audit_wire::TimesRequest>,
    ) -> Result<Response<Self::TimesStream>, Status> {
        Err(Status::unimplemented(
            "no adapter asks the double for time-stamps",
        ))
    }

    async fn entries(
        &self,
        _: Request<audit_wire::EntriesRequest>,
    ) -> Result<Response<Self::EntriesStream>, Status> {
        Err(Status::unimplemented(
            "no adapter asks the double for entries",
        ))
    }

    async fn oversee(
        &self,
        _: Request<audit_wire::OverseeRequest>,
    ) -> Result<Response<audit_wire::OverseeResponse>, Status> {
        Err(Status::unimplemented("the double records no oversight"))
    }

    async fn reviews(
        &self,
        _: Request<audit_wire::ReviewsRequest>,
    ) -> Result<Response<audit_wire::ReviewsResponse>, Status> {
        Err(Status::unimplemented("nothing waits at the double"))
    }
}

#[tonic::async_trait]
impl link_server::Link for Services {
    type AttachStream = Answers<wire::AttachResponse>;

    async fn attach(
        &self,
        request: Request<Streaming<wire::AttachRequest>>,
    ) -> Result<Response<Self::AttachStream>, Status> {
        let mut messages = request.into_inner();
        let answers = self.answers.clone();
        tokio::spawn(async move {
            while let Ok(Some(message)) = messages.message().await {
                if let Some(Out::Answer(answer)) = message.message {
                    answers.send(answer).await.unwrap();
                }
            }
        });
        let deliveries = self.deliveries.lock().unwrap().take();
        let deliveries =
            deliveries.ok_or_else(|| Status::unavailable("the double takes one link"))?;
        let attached = wire::AttachResponse {
            message: Some(In::Attached(wire::Attached { link_id: 1 })),
        };
        let stream = tokio_stream::once(attached)
            .chain(ReceiverStream::new(deliveries))
            .map(Ok);
        Ok(Response::new(Box::pin(stream)))
    }
}
