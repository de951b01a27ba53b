//! Writing fields.

use crate::rpc::Protocol;

/// What is written, and in which version.
#[derive(Debug, Clone)]
pub(in crate::rpc) struct Writer {
    bytes: Vec<u8>,
    protocol: Protocol,
}

impl Writer {
    pub(in crate::rpc) fn new(protocol: Protocol) -> Self {
        Self { bytes: Vec::new(), protocol }
    }

    pub(in crate::rpc) fn protocol(&self) -> Protocol {
        self.protocol
    }

    pub(in crate::rpc) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    pub(in crate::rpc) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(in crate::rpc) fn u8(&mut self, number: u8) {
        self.bytes.push(number);
    }

    pub(in crate::rpc) fn u16(&mut self, number: u16) {
        self.raw(&number.to_be_bytes());
    }

    pub(in crate::rpc) fn u32(&mut self, number: u32) {
        self.raw(&number.to_be_bytes());
    }

    pub(in crate::rpc) fn u64(&mut self, number: u64) {
        self.raw(&number.to_be_bytes());
    }

    /// A length; nothing here is longer than the protocol can say.
    pub(in crate::rpc) fn length(&mut self, length: usize) {
        self.u32(u32::try_from(length).unwrap_or(u32::MAX));
    }
}
