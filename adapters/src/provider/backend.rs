//! A provider as a value: what links hold, whatever type the agency's code has.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;

use super::{Failure, Form, LongReply, Provider, Replies, Reply, Request, Upload};
use crate::events::Told;

/// [`Provider`] as a value: what the link holds.
pub(super) trait Backend: Send + Sync {
    fn operation_of(&self, content_type: &str, payload: &[u8]) -> Option<String>;
    fn form(&self, service: &str) -> Form;
    fn stream(
        self: Arc<Self>,
        request: Request,
    ) -> Pin<Box<dyn Future<Output = Result<Option<LongReply>, Failure>> + Send>>;
    fn upload(
        self: Arc<Self>,
        request: Request,
        upload: Upload,
    ) -> Pin<Box<dyn Future<Output = Result<Reply, Failure>> + Send>>;
    fn items(
        self: Arc<Self>,
        request: Request,
        items: Vec<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Replies> + Send>>;
    fn answer(
        self: Arc<Self>,
        request: Request,
    ) -> Pin<Box<dyn Future<Output = Result<Reply, Failure>> + Send>>;
    fn follows(&self) -> bool;
    fn told(
        self: Arc<Self>,
        event: Told,
    ) -> Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;
}

impl<P: Provider> Backend for P {
    fn operation_of(&self, content_type: &str, payload: &[u8]) -> Option<String> {
        Provider::operation_of(self, content_type, payload)
    }

    fn form(&self, service: &str) -> Form {
        Provider::form(self, service)
    }

    fn stream(
        self: Arc<Self>,
        request: Request,
    ) -> Pin<Box<dyn Future<Output = Result<Option<LongReply>, Failure>> + Send>> {
        Box::pin(async move { Provider::stream(&*self, request).await })
    }

    fn upload(
        self: Arc<Self>,
        request: Request,
        upload: Upload,
    ) -> Pin<Box<dyn Future<Output = Result<Reply, Failure>> + Send>> {
        Box::pin(async move { Provider::upload(&*self, request, upload).await })
    }

    fn items(
        self: Arc<Self>,
        request: Request,
        items: Vec<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Replies> + Send>> {
        Box::pin(async move { Provider::items(&*self, request, items).await })
    }

    fn answer(
        self: Arc<Self>,
        request: Request,
    ) -> Pin<Box<dyn Future<Output = Result<Reply, Failure>> + Send>> {
        Box::pin(async move { Provider::answer(&*self, request).await })
    }

    fn follows(&self) -> bool {
        Provider::follows(self)
    }

    fn told(
        self: Arc<Self>,
        event: Told,
    ) -> Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>> {
        Box::pin(async move { Provider::told(&*self, event).await })
    }
}
