// SPDX-License-Identifier: GPL-2.0

//! The messages that are sent: replies and events, and their attributes.
//!
//! C header: [`include/net/netlink.h`](srctree/include/net/netlink.h)

use crate::net::bindings;
use core::{
    mem::{
        take,
        MaybeUninit, //
    },
    ptr::NonNull, //
};
use kernel::{
    error::code,
    ffi::c_uint,
    prelude::*, //
};

/// The header of every message in a packet, without its length: `struct nlmsghdr` and
/// `struct genlmsghdr`.
#[derive(Clone, Copy)]
pub(super) struct Header([u8; 16]);

impl Header {
    /// Creates a header.
    pub(super) fn new(
        family: &bindings::genl_family,
        command: u8,
        flags: u16,
        seq: u32,
        port: u32,
    ) -> Self {
        // CAST: The number of a family has 16 bits in messages, and the version is that of this
        // module.
        let (id, version) = (family.id as u16, family.version as u8);
        let ([a, b], [c, d]) = (id.to_ne_bytes(), flags.to_ne_bytes());
        let ([e, f, g, h], [i, j, k, l]) = (seq.to_ne_bytes(), port.to_ne_bytes());
        Self([a, b, c, d, e, f, g, h, i, j, k, l, command, version, 0, 0])
    }

    /// Creates the header of a reply.
    ///
    /// # Safety
    ///
    /// `info` is that of a request.
    pub(super) unsafe fn answer(info: *const bindings::genl_info, flags: u16) -> Self {
        // SAFETY: By the safety requirement; the core keeps the family during a request.
        let (info, family, of) = unsafe { (&*info, &*(*info).family, &*(*info).genlhdr) };
        Self::new(family, of.cmd, flags, info.snd_seq, info.snd_portid)
    }
}

/// A packet of replies.
pub(crate) struct Answers<'a> {
    header: Header,
    to: Writer<'a>,
}

impl Answers<'_> {
    /// Adds a reply, either completely or not at all.
    ///
    /// # Errors
    ///
    /// `EMSGSIZE` if the reply does not fit, or the error of `write`.
    pub(crate) fn add(&mut self, write: impl FnOnce(&mut Writer<'_>) -> Result) -> Result {
        let header = self.header.0.map(MaybeUninit::new);
        self.to.all_or_nothing(|to| {
            let before = to.room.len();
            let len = to.next()?;
            *to.next()? = header;
            write(to)?;
            // CAST: A packet is not that large.
            let written = before.saturating_sub(to.room.len()) as u32;
            *len = written.to_ne_bytes().map(MaybeUninit::new);
            Ok(())
        })
    }
}

/// Appends the replies that `write` adds to a packet, including those before an error.
///
/// # Safety
///
/// The caller has exclusive access to the packet, which has no fragments.
pub(super) unsafe fn append(
    skb: NonNull<bindings::sk_buff>,
    header: Header,
    write: impl FnOnce(&mut Answers<'_>) -> Result,
) -> Result {
    let mut len = 0;
    // SAFETY: By the safety requirement.
    let start = unsafe { bindings::nfto_genl_room(skb.as_ptr(), &raw mut len) };
    // SAFETY: This number of bytes after the end of the packet belongs to it, and they are not used
    // elsewhere meanwhile.
    let room = unsafe { core::slice::from_raw_parts_mut(start.cast(), len as usize) };
    let to = Writer { room };
    let mut answers = Answers { header, to };
    let result = write(&mut answers);
    // CAST: At most `len`.
    let left = answers.to.room.len() as c_uint;
    // SAFETY: By the type invariant of `Writer` the bytes before those that are left were written.
    unsafe { bindings::skb_put(skb.as_ptr(), len.saturating_sub(left)) };
    result
}

/// Writes the attributes of a reply.
///
/// Each method fails with `EMSGSIZE` if there is not enough room, and has then written nothing.
///
/// # Invariants
///
/// When a method that is not private has returned, the bytes before `room` are initialised.
pub(crate) struct Writer<'a> {
    /// The part that is not written yet.
    room: &'a mut [MaybeUninit<u8>],
}

/// Length of the header of an attribute, `struct nlattr`.
const ATTRIBUTE: usize = 4;

/// Returns a `struct nlattr`: the length including the header, and the number.
fn attribute(number: u16, len: u16) -> [MaybeUninit<u8>; ATTRIBUTE] {
    let ([a, b], [c, d]) = (len.to_ne_bytes(), number.to_ne_bytes());
    [a, b, c, d].map(MaybeUninit::new)
}

/// Length of an attribute with a value of at most four bytes.
const WORD: usize = 8;

/// An attribute with a value of at most four bytes. Several of them are written together
/// ([`Writer::words`]).
pub(crate) struct Word([MaybeUninit<u8>; WORD]);

impl Word {
    /// Returns an attribute of `len` bytes including the header. Its value is in the first bytes of
    /// `value`.
    #[inline]
    fn new(number: u16, len: u16, value: [u8; 4]) -> Self {
        let ([a, b, c, d], [e, f, g, h]) = (attribute(number, len), value.map(MaybeUninit::new));
        Self([a, b, c, d, e, f, g, h])
    }

    /// Returns an 8 bit number.
    #[inline]
    pub(crate) fn u8(number: u16, value: u8) -> Self {
        Self::new(number, 5, [value, 0, 0, 0])
    }

    /// Returns a 16 bit number.
    #[inline]
    pub(crate) fn u16(number: u16, value: u16) -> Self {
        Self::be16(number, value.to_ne_bytes())
    }

    /// Returns a 16 bit number that is in network order.
    #[inline]
    pub(crate) fn be16(number: u16, [a, b]: [u8; 2]) -> Self {
        Self::new(number, 6, [a, b, 0, 0])
    }

    /// Returns a 32 bit number.
    #[inline]
    pub(crate) fn u32(number: u16, value: u32) -> Self {
        Self::new(number, 8, value.to_ne_bytes())
    }

    /// Returns four bytes.
    #[inline]
    pub(crate) fn bytes(number: u16, value: [u8; 4]) -> Self {
        Self::new(number, 8, value)
    }
}

impl<'a> Writer<'a> {
    /// Returns the next bytes, which the caller must write.
    #[inline]
    fn slice(&mut self, len: usize) -> Result<&'a mut [MaybeUninit<u8>]> {
        if len > self.room.len() {
            return Err(code::EMSGSIZE);
        }
        let (next, room) = take(&mut self.room)
            .split_at_mut_checked(len)
            .ok_or(code::EMSGSIZE)?;
        self.room = room;
        Ok(next)
    }

    /// Returns the next bytes, as [`Writer::slice`].
    #[inline]
    fn next<const N: usize>(&mut self) -> Result<&'a mut [MaybeUninit<u8>; N]> {
        self.slice(N)?.first_chunk_mut().ok_or(code::EMSGSIZE)
    }

    /// Keeps the output of `write`, unless `write` fails.
    #[inline]
    fn all_or_nothing(&mut self, write: impl FnOnce(&mut Writer<'_>) -> Result) -> Result {
        let mut to = Writer { room: self.room };
        write(&mut to)?;
        let left = to.room.len();
        let written = self.room.len().saturating_sub(left);
        self.slice(written).map(drop)
    }

    /// Writes short attributes, all of them or none.
    #[inline]
    pub(crate) fn words<const N: usize>(&mut self, words: [Word; N]) -> Result {
        let room = self.slice(const { N * WORD })?;
        for (to, Word(word)) in room.chunks_exact_mut(WORD).zip(words) {
            *to.first_chunk_mut().ok_or(code::EMSGSIZE)? = word;
        }
        Ok(())
    }

    /// Writes 64 bit numbers as [`Writer::uint`], all of them or none.
    #[inline]
    pub(crate) fn uints<const N: usize>(&mut self, numbers: [(u16, u64); N]) -> Result {
        if numbers.iter().all(|(_, value)| *value >> u32::BITS == 0) {
            // CAST: The high half is zero.
            return self.words(numbers.map(|(number, value)| Word::u32(number, value as u32)));
        }
        self.all_or_nothing(|to| {
            let mut all = numbers.iter();
            all.try_for_each(|(number, value)| to.uint(*number, *value))
        })
    }

    /// Writes an attribute with `zeros` zero bytes after its value.
    #[inline]
    fn put(&mut self, number: u16, value: &[u8], zeros: usize) -> Result {
        let len = ATTRIBUTE.saturating_add(value.len()).saturating_add(zeros);
        let short = u16::try_from(len).map_err(|_| code::EMSGSIZE)?;
        let room = self.slice(len.next_multiple_of(4))?;
        let mut to = Writer { room };
        *to.next()? = attribute(number, short);
        for (to, from) in to.slice(value.len())?.iter_mut().zip(value) {
            to.write(*from);
        }
        to.room.fill(MaybeUninit::new(0));
        Ok(())
    }

    /// Writes a binary value.
    #[inline]
    pub(crate) fn bytes(&mut self, number: u16, value: &[u8]) -> Result {
        self.put(number, value, 0)
    }

    /// Writes an 8 bit number.
    #[inline]
    pub(crate) fn u8(&mut self, number: u16, value: u8) -> Result {
        self.words([Word::u8(number, value)])
    }

    /// Writes a 16 bit number.
    #[inline]
    pub(crate) fn u16(&mut self, number: u16, value: u16) -> Result {
        self.words([Word::u16(number, value)])
    }

    /// Writes a 32 bit number.
    #[inline]
    pub(crate) fn u32(&mut self, number: u16, value: u32) -> Result {
        self.words([Word::u32(number, value)])
    }

    /// Writes a 64 bit number, in four bytes if it fits (`nla_put_uint`).
    #[inline]
    pub(crate) fn uint(&mut self, number: u16, value: u64) -> Result {
        match u32::try_from(value) {
            Ok(value) => self.u32(number, value),
            Err(_) => self.bytes(number, &value.to_ne_bytes()),
        }
    }

    /// Writes a flag.
    pub(crate) fn flag(&mut self, number: u16) -> Result {
        self.bytes(number, &[])
    }

    /// Writes a zero-terminated string.
    pub(crate) fn string(&mut self, number: u16, text: &[u8]) -> Result {
        /// Longer than any name or text.
        const MAX: usize = 4096;
        self.put(number, text.get(..MAX).unwrap_or(text), 1)
    }

    /// Writes an attribute with the nested attributes that `write` writes.
    #[inline]
    pub(crate) fn nest(
        &mut self,
        number: u16,
        write: impl FnOnce(&mut Writer<'_>) -> Result,
    ) -> Result {
        /// `NLA_F_NESTED`.
        const NESTED: u16 = 1 << 15;
        self.all_or_nothing(|to| {
            let before = to.room.len();
            let head = to.next()?;
            write(to)?;
            let len = before.saturating_sub(to.room.len());
            let len = u16::try_from(len).map_err(|_| code::EMSGSIZE)?;
            *head = attribute(NESTED | number, len);
            Ok(())
        })
    }
}
