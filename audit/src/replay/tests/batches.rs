//! What the forger records many of: exchanges sealed together, and the odd thing that is wrong.

use proto::digest::leaf_hash;

use super::*;
use crate::log::Appended;
use proto::header::RequestHeader;

impl Forger {
    /// Requests under one seal, recorded one after the other.
    pub(super) async fn requests_together(
        &mut self,
        headers: &[RequestHeader],
    ) -> Vec<(Appended, RequestHeader, Seal)> {
        let bytes: Vec<Bytes> = headers.iter().map(RequestHeader::encode).collect();
        let slices: Vec<&[u8]> = bytes.iter().map(|bytes| &bytes[..]).collect();
        let seals = Seal::batch(label::REQUEST, ORIGIN, &slices, &self.moss).unwrap();
        let mut recorded = Vec::new();
        for ((header, bytes), seal) in headers.iter().zip(bytes).zip(seals) {
            let facts = facts::encode(&self.facts());
            let appended = self
                .append(Kind::Request, facts, bytes, Some(seal.clone()))
                .await;
            recorded.push((appended, header.clone(), seal));
        }
        recorded
    }

    /// Their answers under one seal; with `spoiled`, under one whose signature another key made.
    pub(super) async fn answer_together(
        &mut self,
        requests: &[(Appended, RequestHeader, Seal)],
        spoiled: Option<&TestSigner>,
    ) {
        let bytes: Vec<Bytes> = requests
            .iter()
            .map(|(_, header, seal)| self.answer(header, seal).encode())
            .collect();
        let slices: Vec<&[u8]> = bytes.iter().map(|bytes| &bytes[..]).collect();
        let mut seals = Seal::batch(label::ANSWER, ORIGIN, &slices, &self.civil).unwrap();
        if let Some(signer) = spoiled {
            let other = Seal::batch(label::ANSWER, ORIGIN, &slices, signer).unwrap();
            for (seal, other) in seals.iter_mut().zip(&other) {
                let kept = seal.cose.len() - 64;
                let cose = [&seal.cose[..kept], &other.cose[kept..]].concat();
                seal.cose = cose.into();
            }
        }
        for (((request, ..), bytes), seal) in requests.iter().zip(bytes).zip(seals) {
            let facts = self.closing_facts(request, "answered");
            self.append(Kind::Closing, facts::encode(&facts), bytes, Some(seal))
                .await;
        }
    }

    /// A request whose signature does not hold, closed as abandoned.
    pub(super) async fn broken_request(&mut self) {
        let header = self.header().encode();
        let seal = Seal::one(label::REQUEST, ORIGIN, &header, &self.moss).unwrap();
        let mut cose = seal.cose.to_vec();
        let last = cose.len() - 1;
        cose[last] ^= 1;
        let seal = Seal {
            cose: cose.into(),
            ..seal
        };
        let facts = facts::encode(&self.facts());
        let request = self.append(Kind::Request, facts, header, Some(seal)).await;
        let facts = self.closing_facts(&request, "abandoned");
        self.append(Kind::Closing, facts::encode(&facts), Bytes::new(), None)
            .await;
    }

    /// A second, late answer to a request that has ended.
    pub(super) async fn late_answer(
        &mut self,
        request: &Appended,
        header: &RequestHeader,
        seal: &Seal,
    ) {
        let bytes = self.answer(header, seal).encode();
        let seal = Seal::one(label::ANSWER, ORIGIN, &bytes, &self.civil).unwrap();
        let facts = ExchangeFacts {
            code: String::new(),
            ..self.closing_facts(request, "")
        };
        assert_eq!(request.leaf, leaf_hash(&request.entry.encode().unwrap()));
        self.append(Kind::Late, facts::encode(&facts), bytes, Some(seal))
            .await;
    }
}
