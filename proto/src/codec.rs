//! How messages become bytes: prost's own codec with small buffers.
//!
//! tonic takes 8 KiB for each direction of each call before the first byte. An adapter keeps two streams open for days and most of
//! our messages are smaller than that, so a call begins with [`BUFFER_BYTES`] and grows when it has to.

use std::marker::PhantomData;

use prost::Message;
use tonic::codec::{BufferSettings, Codec};
use tonic_prost::ProstCodec;

/// What a call takes at first in each direction, and by how much it grows.
const BUFFER_BYTES: usize = 2 << 10;
/// Messages of a stream that are ready together share frames up to this size.
const TOGETHER_BYTES: usize = 32 << 10;

/// The codec of every generated service and client.
#[derive(Clone, Copy, Debug)]
pub struct Small<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for Small<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for Small<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = <ProstCodec<T, U> as Codec>::Encoder;
    type Decoder = <ProstCodec<T, U> as Codec>::Decoder;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<T, U>::raw_encoder(settings())
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstCodec::<T, U>::raw_decoder(settings())
    }
}

fn settings() -> BufferSettings {
    BufferSettings::new(BUFFER_BYTES, TOGETHER_BYTES)
}
