// SPDX-License-Identifier: GPL-2.0

//! Netlink messages and attributes as bytes.
//!
//! Input from the kernel is parsed without any way to panic: truncated input or a wrong length ends
//! the iteration, and a value of the wrong size is treated as absent.

use std::net::IpAddr;

/// The length of `struct nlmsghdr`.
const HEADER: usize = 16;
/// The length of `struct nlattr`.
const ATTRIBUTE: usize = 4;
/// `NLA_TYPE_MASK`: without `NLA_F_NESTED` and `NLA_F_NET_BYTEORDER`.
const TYPE_MASK: u16 = 0x3fff;
/// `NLA_F_NESTED`
const NESTED: u16 = 0x8000;

/// Message types that belong to no family.
pub mod kind {
    /// `NLMSG_ERROR`, which is also an acknowledgement.
    pub const ERROR: u16 = 2;
    /// `NLMSG_DONE`, the end of a dump.
    pub const DONE: u16 = 3;
}

/// Message flags.
pub mod flag {
    /// `NLM_F_REQUEST`
    pub const REQUEST: u16 = 1;
    /// `NLM_F_ACK`
    pub const ACK: u16 = 4;
    /// `NLM_F_DUMP_INTR`: the objects have changed during the dump.
    pub const DUMP_INTR: u16 = 0x10;
    /// `NLM_F_DUMP`
    pub const DUMP: u16 = 0x300;
    /// `NLM_F_CAPPED`: an error does not repeat the request.
    pub const CAPPED: u16 = 0x100;
    /// `NLM_F_ACK_TLVS`: an error has attributes (extack).
    pub const ACK_TLVS: u16 = 0x200;
}

/// Rounds a length up to the alignment of netlink, 4 bytes.
fn align(n: usize) -> usize {
    n.saturating_add(3) & !3
}

/// Reads a `u16` in host byte order at an offset.
fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let field = bytes.get(at..)?.first_chunk::<2>()?;
    Some(u16::from_ne_bytes(*field))
}

/// Reads a `u32` in host byte order at an offset.
fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let field = bytes.get(at..)?.first_chunk::<4>()?;
    Some(u32::from_ne_bytes(*field))
}

/// A received message.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// `nlmsg_type`
    pub kind: u16,
    /// `nlmsg_flags`
    pub flags: u16,
    /// `nlmsg_seq`
    pub seq: u32,
    /// The bytes after the header.
    pub body: &'a [u8],
}

/// Iterates over the messages of a datagram.
///
/// If the rest is not a valid message, the last item is an error.
pub struct Messages<'a>(&'a [u8]);

impl<'a> Messages<'a> {
    /// Returns the iterator over the messages of a datagram.
    pub fn new(datagram: &'a [u8]) -> Self {
        Self(datagram)
    }
}

/// The error for bytes that are not a valid message.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed;

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let rest = std::mem::take(&mut self.0);
        let read = || {
            let len = usize::try_from(u32_at(rest, 0)?).ok()?;
            let message = Message {
                kind: u16_at(rest, 4)?,
                flags: u16_at(rest, 6)?,
                seq: u32_at(rest, 8)?,
                body: rest.get(HEADER..len)?,
            };
            Some((message, rest.get(align(len)..).unwrap_or_default()))
        };
        Some(match read() {
            Some((message, rest)) => {
                self.0 = rest;
                Ok(message)
            }
            None => Err(Malformed),
        })
    }
}

/// A received attribute.
#[derive(Debug, Clone, Copy)]
pub struct Attribute<'a> {
    /// The type of the attribute.
    pub number: u16,
    /// The value.
    pub bytes: &'a [u8],
}

/// Iterates over the attributes of a message, up to the first invalid one.
#[derive(Debug, Clone, Copy)]
pub struct Attributes<'a>(&'a [u8]);

impl<'a> Attributes<'a> {
    /// Returns the attributes after a header of `header` bytes (4 for `struct genlmsghdr`).
    pub fn behind(header: usize, body: &'a [u8]) -> Self {
        Self(body.get(align(header)..).unwrap_or_default())
    }

    /// Finds the first attribute of this type.
    pub fn find(mut self, number: u16) -> Option<Attribute<'a>> {
        self.by_ref().find(|a| a.number == number)
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Attribute<'a>> {
        let rest = std::mem::take(&mut self.0);
        let len = usize::from(u16_at(rest, 0)?);
        let number = u16_at(rest, 2)? & TYPE_MASK;
        let bytes = rest.get(ATTRIBUTE..len)?;
        self.0 = rest.get(align(len)..).unwrap_or_default();
        Some(Attribute { number, bytes })
    }
}

impl<'a> Attribute<'a> {
    /// Reads a `u8`.
    pub fn u8(self) -> Option<u8> {
        self.bytes.first().copied()
    }

    /// Reads a `u16` in host byte order.
    pub fn u16(self) -> Option<u16> {
        u16_at(self.bytes, 0)
    }

    /// Reads a `u16` in network byte order.
    pub fn be16(self) -> Option<u16> {
        Some(u16::from_be_bytes(*self.bytes.first_chunk()?))
    }

    /// Reads a `u32` in host byte order.
    pub fn u32(self) -> Option<u32> {
        u32_at(self.bytes, 0)
    }

    /// Reads a `u32` in network byte order.
    pub fn be32(self) -> Option<u32> {
        Some(u32::from_be_bytes(*self.bytes.first_chunk()?))
    }

    /// Reads a `uint`: 4 or 8 bytes in host byte order.
    pub fn uint(self) -> Option<u64> {
        match self.bytes.first_chunk() {
            Some(long) => Some(u64::from_ne_bytes(*long)),
            None => self.u32().map(u64::from),
        }
    }

    /// Reads a string, up to the first NUL byte. Invalid UTF-8 is replaced.
    pub fn string(self) -> String {
        let end = self.bytes.iter().position(|b| *b == 0);
        let text = self.bytes.get(..end.unwrap_or(self.bytes.len()));
        String::from_utf8_lossy(text.unwrap_or_default()).into_owned()
    }

    /// Reads an address of 4 or 16 bytes.
    pub fn address(self) -> Option<IpAddr> {
        if let Ok(short) = <[u8; 4]>::try_from(self.bytes) {
            return Some(IpAddr::from(short));
        }
        let long = <[u8; 16]>::try_from(self.bytes).ok()?;
        Some(IpAddr::from(long))
    }

    /// Returns the bytes.
    pub fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// Returns the nested attributes.
    pub fn nested(self) -> Attributes<'a> {
        Attributes(self.bytes)
    }
}

/// A message to send.
///
/// It records the names of its attributes, to name the one that the kernel reports as invalid.
#[derive(Debug, Clone)]
pub struct Request {
    bytes: Vec<u8>,
    /// The offset and the name of each attribute.
    names: Vec<(usize, String)>,
    inside: Vec<&'static str>,
}

impl Request {
    /// Creates a message of this type, with the header of its family.
    pub fn new(kind: u16, header: &[u8]) -> Self {
        let mut bytes = vec![0; 4];
        bytes.extend(kind.to_ne_bytes());
        bytes.resize(HEADER, 0);
        bytes.extend(header);
        bytes.resize(align(bytes.len()), 0);
        Self {
            bytes,
            names: Vec::new(),
            inside: Vec::new(),
        }
    }

    /// Creates a message of a generic family.
    pub fn generic(family: u16, command: u8) -> Self {
        Self::new(family, &[command, 1, 0, 0])
    }

    /// Begins an attribute, and returns its offset for [`Request::end`].
    fn begin(&mut self, number: u16, name: &'static str) -> usize {
        let at = self.bytes.len();
        let mut path = self.inside.join(".");
        if !path.is_empty() {
            path.push('.');
        }
        self.names.push((at, path + name));
        self.bytes.extend([0; 2]);
        self.bytes.extend(number.to_ne_bytes());
        at
    }

    /// Ends the attribute at an offset: sets its length and adds the padding.
    fn end(&mut self, at: usize) {
        let len = u16::try_from(self.bytes.len() - at).unwrap_or(u16::MAX);
        for (to, from) in self.bytes.iter_mut().skip(at).zip(len.to_ne_bytes()) {
            *to = from;
        }
        self.bytes.resize(align(self.bytes.len()), 0);
    }

    /// Adds an attribute.
    pub fn put(&mut self, number: u16, name: &'static str, value: &[u8]) {
        let at = self.begin(number, name);
        self.bytes.extend(value);
        self.end(at);
    }

    /// Adds a string, with its terminating NUL byte.
    pub fn put_string(&mut self, number: u16, name: &'static str, value: &str) {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.put(number, name, &bytes);
    }

    /// Adds an address.
    pub fn put_address(&mut self, number: u16, name: &'static str, value: IpAddr) {
        match value {
            IpAddr::V4(short) => self.put(number, name, &short.octets()),
            IpAddr::V6(long) => self.put(number, name, &long.octets()),
        }
    }

    /// Adds an attribute that consists of those that `fill` adds.
    pub fn nest(&mut self, number: u16, name: &'static str, fill: impl FnOnce(&mut Self)) {
        let at = self.begin(number | NESTED, name);
        self.inside.push(name);
        fill(self);
        self.inside.pop();
        self.end(at);
    }

    /// Completes the header, and returns the bytes to send.
    pub fn finish(&mut self, flags: u16, seq: u32) -> &[u8] {
        let len = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        let header = [len.to_ne_bytes(), [0; 4], seq.to_ne_bytes()].concat();
        for (i, (to, from)) in self.bytes.iter_mut().zip(header).enumerate() {
            // The type is already set.
            if !(4..8).contains(&i) {
                *to = from;
            }
        }
        for (to, from) in self.bytes.iter_mut().skip(6).zip(flags.to_ne_bytes()) {
            *to = from;
        }
        &self.bytes
    }

    /// Returns the name of the attribute at an offset.
    pub fn name_at(&self, offset: u32) -> Option<&str> {
        let offset = usize::try_from(offset).ok()?;
        let found = self.names.iter().find(|(at, _)| *at == offset)?;
        Some(&found.1)
    }
}

/// The contents of an error, or of the end of a dump.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// The error as a positive number; 0 for success.
    pub errno: u32,
    /// The kernel's message.
    pub text: Option<String>,
    /// The offset in the request of the attribute that the kernel reports as invalid.
    pub offset: Option<u32>,
    /// The type of an attribute that is missing.
    pub missing: Option<u32>,
}

impl Verdict {
    /// Reads a message of the type [`kind::ERROR`] or [`kind::DONE`].
    pub fn read(message: &Message<'_>) -> Self {
        // A dump that ends without an error number has succeeded.
        let errno = u32_at(message.body, 0).unwrap_or(match message.kind {
            kind::DONE => 0,
            _ => 5,
        });
        let mut verdict = Self {
            errno: i32::from_ne_bytes(errno.to_ne_bytes()).unsigned_abs(),
            ..Self::default()
        };
        if message.flags & flag::ACK_TLVS == 0 {
            return verdict;
        }
        let header = match message.kind {
            kind::DONE => 4,
            _ if message.flags & flag::CAPPED != 0 => 4 + HEADER,
            _ => {
                let len = u32_at(message.body, 4).and_then(|n| usize::try_from(n).ok());
                len.unwrap_or(HEADER).max(HEADER).saturating_add(4)
            }
        };
        for attribute in Attributes::behind(header, message.body) {
            match attribute.number {
                1 => verdict.text = Some(attribute.string()),
                2 => verdict.offset = attribute.u32(),
                5 => verdict.missing = attribute.u32(),
                _ => {}
            }
        }
        verdict
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_request_reads_back() {
        let mut request = Request::generic(21, 2);
        request.put(5, "protocol", &[17]);
        request.nest(14, "original", |to| {
            to.put_address(1, "source", IpAddr::from([10, 0, 1, 2]));
        });
        let bytes = request.finish(flag::REQUEST | flag::DUMP, 7).to_vec();
        let message = Messages::new(&bytes).next().unwrap().unwrap();
        assert_eq!((message.kind, message.flags, message.seq), (21, 0x301, 7));
        let attributes = Attributes::behind(4, message.body);
        assert_eq!(attributes.find(5).unwrap().u8(), Some(17));
        let inner = attributes.find(14).unwrap().nested().find(1).unwrap();
        assert_eq!(inner.address(), Some(IpAddr::from([10, 0, 1, 2])));
        assert_eq!(request.name_at(20), Some("protocol"));
        assert_eq!(request.name_at(32), Some("original.source"));
        assert_eq!(request.name_at(21), None);
    }

    #[test]
    fn an_error_says_what_is_wrong() {
        let mut body = (-22i32).to_ne_bytes().to_vec();
        body.resize(20, 0);
        body.extend([8, 0, 1, 0, b'n', b'o', 0, 0]);
        body.extend([8, 0, 2, 0, 20, 0, 0, 0]);
        let message = Message {
            kind: kind::ERROR,
            flags: flag::CAPPED | flag::ACK_TLVS,
            seq: 1,
            body: &body,
        };
        let verdict = Verdict::read(&message);
        assert_eq!(verdict.errno, 22);
        assert_eq!(verdict.text.as_deref(), Some("no"));
        #[cfg(target_endian = "little")]
        assert_eq!(verdict.offset, Some(20));
    }

    #[test]
    fn a_length_beyond_the_end_is_malformed() {
        let bytes = [0xff; 24];
        let all: Vec<_> = Messages::new(&bytes).collect();
        assert_eq!(all.len(), 1);
        assert!(all[0].is_err());
        assert_eq!(Attributes(&bytes).count(), 0);
        assert_eq!(Attributes(&[2, 0, 1, 0, 4, 0, 1, 0]).count(), 0);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for message in Messages::new(&bytes).flatten() {
                Verdict::read(&message);
                for a in Attributes::behind(4, message.body) {
                    let _ = (a.u8(), a.u16(), a.be16(), a.u32(), a.be32(), a.uint(), a.string(), a.address());
                    a.nested().count();
                }
            }
        }
    }
}
