// SPDX-License-Identifier: GPL-2.0

//! Generic netlink: a family, its commands, their requests and replies.
//!
//! A command has one reply ([`Do`]) or a list of replies ([`Dump`]). The core validates a request
//! strictly against the policy of the command before the command is called: an attribute that is
//! not in the policy is rejected.
//!
//! C header: [`include/net/genetlink.h`](srctree/include/net/genetlink.h)

use crate::{
    net::{
        bindings,
        netdevice::Netns, //
    },
    uapi, //
};
use core::{
    marker::PhantomData,
    mem::{
        size_of,
        take,
        MaybeUninit, //
    },
    ptr::{
        null_mut,
        NonNull, //
    }, //
};
use kernel::{
    alloc::KBox,
    error::{
        code,
        from_result,
        to_result, //
    },
    ffi::{
        c_int,
        c_uint, //
    },
    prelude::*,
    str::CStr,
    sync::atomic::{
        Acquire,
        Atomic,
        Relaxed,
        Release, //
    },
    types::Opaque,
    ThisModule, //
};

// --- policies ---------------------------------------------------------------------------------

/// The policy of an attribute: the type and the range of its value.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Policy(bindings::nla_policy);

type Check = bindings::nla_policy__bindgen_ty_1;

impl Policy {
    /// Rejects the attribute.
    pub(crate) const NONE: Self = Self::new(bindings::NLA_UNSPEC, 0);
    /// An 8 bit number.
    pub(crate) const U8: Self = Self::new(bindings::NLA_U8, 0);
    /// A 16 bit number in network order.
    pub(crate) const BE16: Self = Self::new(bindings::NLA_BE16, 0);
    /// A number of 32 or 64 bits in native byte order.
    pub(crate) const UINT: Self = Self::new(bindings::NLA_UINT, 0);
    /// A 32 bit number in native byte order.
    pub(crate) const U32: Self = Self::new(bindings::NLA_U32, 0);
    /// A 16 bit number in native byte order.
    pub(crate) const U16: Self = Self::new(bindings::NLA_U16, 0);

    /// A flag, which is set if the attribute is present.
    pub(crate) const FLAG: Self = Self::new(bindings::NLA_FLAG, 0);

    const fn new(kind: c_uint, len: u16) -> Self {
        Self::checked(
            kind,
            bindings::nla_policy_validation_NLA_VALIDATE_NONE,
            len,
            Check {
                nested_policy: core::ptr::null(),
            },
        )
    }

    const fn checked(kind: c_uint, validation: c_uint, len: u16, check: Check) -> Self {
        // CAST: The kernel's own constants, which are small.
        Self(bindings::nla_policy {
            type_: kind as u8,
            validation_type: validation as u8,
            len,
            __bindgen_anon_1: check,
        })
    }

    const fn range(kind: c_uint, validation: c_uint, min: i16, max: i16) -> Self {
        let check = Check {
            __bindgen_anon_1: bindings::nla_policy__bindgen_ty_1__bindgen_ty_1 { min, max },
        };
        Self::checked(kind, validation, 0, check)
    }

    /// Returns the policy of an 8 bit number of at most `max`.
    pub(crate) const fn u8_up_to(max: i16) -> Self {
        Self::range(
            bindings::NLA_U8,
            bindings::nla_policy_validation_NLA_VALIDATE_MAX,
            0,
            max,
        )
    }

    /// Returns the policy of a 32 bit number of at most `max`.
    pub(crate) const fn u32_up_to(max: i16) -> Self {
        Self::range(
            bindings::NLA_U32,
            bindings::nla_policy_validation_NLA_VALIDATE_MAX,
            0,
            max,
        )
    }

    /// Returns the policy of a binary value of `min` to `max` bytes.
    pub(crate) const fn bytes(min: i16, max: i16) -> Self {
        Self::range(
            bindings::NLA_BINARY,
            bindings::nla_policy_validation_NLA_VALIDATE_RANGE,
            min,
            max,
        )
    }

    /// Returns the policy of a zero-terminated string of at most `max` bytes.
    pub(crate) const fn string(max: u16) -> Self {
        Self::new(bindings::NLA_NUL_STRING, max)
    }

    /// Returns the policy of an attribute with nested attributes.
    pub(crate) const fn nested(policy: &'static [Policy]) -> Self {
        let check = Check {
            // CAST: `Policy` is a transparent wrapper.
            nested_policy: policy.as_ptr().cast(),
        };
        Self::checked(
            bindings::NLA_NESTED,
            bindings::nla_policy_validation_NLA_VALIDATE_NONE,
            // CAST: A policy is for a handful of attributes. The length is the highest number.
            (policy.len() as u16).saturating_sub(1),
            check,
        )
    }

    /// Returns the policies of a command, indexed by attribute; other attributes are rejected.
    ///
    /// For use in constants only: `N` is greater than every attribute number.
    pub(crate) const fn table<const N: usize>(list: &[(u16, Policy)]) -> [Policy; N] {
        let mut table = [Policy::NONE; N];
        let mut i = 0;
        while i < list.len() {
            table[list[i].0 as usize] = list[i].1;
            i += 1;
        }
        table
    }

    /// Adds an attribute to a table of [`Policy::table`].
    pub(crate) const fn with<const N: usize>(
        mut table: [Policy; N],
        number: u16,
        policy: Policy,
    ) -> [Policy; N] {
        table[number as usize] = policy;
        table
    }
}

// --- commands ---------------------------------------------------------------------------------

/// A command.
pub(crate) trait Command: 'static {
    /// The number of the command.
    const NUMBER: u8;
    /// The policies of the attributes of a request, made by [`Policy::table`]. Empty: a request has
    /// no attributes.
    const POLICY: &'static [Policy] = &[];
    /// Whether the command requires `CAP_NET_ADMIN` in the user namespace of the network namespace.
    const ADMIN: bool = false;
}

/// A command with one reply.
pub(crate) trait Do: Command {
    /// Writes the reply. May sleep.
    ///
    /// An error is sent instead of the reply; `Request` adds details to it.
    fn run(request: &Request<'_>, answer: &mut Writer<'_>) -> Result;
}

/// A command with a list of replies.
pub(crate) trait Dump: Command {
    /// Checks the request before the first reply.
    fn check(request: &Request<'_>) -> Result;

    /// Writes replies, starting at the cursor. May sleep.
    ///
    /// Stops when there are no more replies, or with `EMSGSIZE`, after which it is called again.
    /// The cursor identifies the first reply that is not written yet. No lock is held between two
    /// calls.
    fn fill(request: &Request<'_>, answers: &mut Answers<'_>, cursor: &mut Cursor) -> Result;
}

/// The position at which a dump continues; zero at the start.
#[derive(Clone, Copy, Default)]
pub(crate) struct Cursor {
    /// The flowtable.
    pub(crate) table: u64,
    /// The entry in the flowtable.
    pub(crate) entry: u64,
}

/// The size of the longest reply in bytes: a device with refusals for every reason takes half of
/// it.
///
/// The receiver of a dump needs a buffer of this size, as a packet of a dump is not smaller.
pub(crate) const ROOM: u32 = 8192;

const _: () = assert!(size_of::<Cursor>() <= bindings::NETLINK_CTX_SIZE as usize);

/// A command in the form that the core requires.
#[repr(transparent)]
pub(crate) struct Operation(bindings::genl_split_ops);

impl Operation {
    /// Creates a command with one reply.
    pub(crate) const fn once<T: Do>() -> Self {
        Self(bindings::genl_split_ops {
            __bindgen_anon_1: bindings::genl_split_ops__bindgen_ty_1 {
                __bindgen_anon_1: bindings::genl_split_ops__bindgen_ty_1__bindgen_ty_1 {
                    pre_doit: None,
                    doit: Some(do_it::<T>),
                    post_doit: None,
                },
            },
            ..Self::common::<T>(bindings::GENL_CMD_CAP_DO)
        })
    }

    /// Creates a command with a list of replies.
    pub(crate) const fn list<T: Dump>() -> Self {
        Self(bindings::genl_split_ops {
            __bindgen_anon_1: bindings::genl_split_ops__bindgen_ty_1 {
                __bindgen_anon_2: bindings::genl_split_ops__bindgen_ty_1__bindgen_ty_2 {
                    start: Some(start::<T>),
                    dumpit: Some(dump_it::<T>),
                    done: None,
                },
            },
            ..Self::common::<T>(bindings::GENL_CMD_CAP_DUMP)
        })
    }

    const fn common<T: Command>(kind: u32) -> bindings::genl_split_ops {
        let admin = if T::ADMIN {
            bindings::GENL_UNS_ADMIN_PERM
        } else {
            0
        };
        bindings::genl_split_ops {
            __bindgen_anon_1: bindings::genl_split_ops__bindgen_ty_1 {
                __bindgen_anon_1: bindings::genl_split_ops__bindgen_ty_1__bindgen_ty_1 {
                    pre_doit: None,
                    doit: None,
                    post_doit: None,
                },
            },
            policy: if T::POLICY.is_empty() {
                core::ptr::null()
            } else {
                // CAST: `Policy` is a transparent wrapper.
                T::POLICY.as_ptr().cast()
            },
            // CAST: A policy is for a handful of attributes. The result is the highest attribute
            // number.
            maxattr: T::POLICY.len().saturating_sub(1) as c_uint,
            cmd: T::NUMBER,
            internal_flags: 0,
            // CAST: The kernel's own flags, which fit.
            flags: (kind | admin) as u8,
            validate: 0,
        }
    }
}

/// Handles a request with one reply (`genl_split_ops.doit`).
///
/// # Safety
///
/// The arguments are those of `genl_split_ops.doit`.
unsafe extern "C" fn do_it<T: Do>(
    _skb: *mut bindings::sk_buff,
    info: *mut bindings::genl_info,
) -> c_int {
    from_result(|| {
        // SAFETY: An FFI call with no requirements.
        let skb = NonNull::new(unsafe { bindings::nfto_genl_skb(ROOM) }).ok_or(code::ENOMEM)?;
        // SAFETY: The request outlives the call. The packet is new, and this function owns it.
        let result = unsafe {
            let (request, header) = (Request::new::<T>(info), Header::answer(info, 0));
            append(skb, header, |answers| {
                answers.add(|answer| T::run(&request, answer))
            })
        };
        if let Err(error) = result {
            // SAFETY: This function owns the packet, which is not used again.
            unsafe { bindings::nfto_genl_free(skb.as_ptr()) };
            return Err(error);
        }
        // SAFETY: This function owns the packet, and the callee takes it.
        to_result(unsafe { bindings::nfto_genl_reply(skb.as_ptr(), info) })?;
        Ok(0)
    })
}

/// Starts a dump (`genl_split_ops.start`).
///
/// # Safety
///
/// The argument is that of `genl_split_ops.start`.
unsafe extern "C" fn start<T: Dump>(cb: *mut bindings::netlink_callback) -> c_int {
    // SAFETY: By the safety requirement, and the request outlives the call.
    let request = unsafe {
        (*cb).min_dump_alloc = ROOM;
        Request::new::<T>(bindings::nfto_genl_dump_info(cb))
    };
    from_result(|| T::check(&request).map(|()| 0))
}

/// Continues a dump: fills one packet (`genl_split_ops.dumpit`).
///
/// # Safety
///
/// The arguments are those of `genl_split_ops.dumpit`.
unsafe extern "C" fn dump_it<T: Dump>(
    skb: *mut bindings::sk_buff,
    cb: *mut bindings::netlink_callback,
) -> c_int {
    let Some(skb) = NonNull::new(skb) else {
        return code::EINVAL.to_errno();
    };
    // SAFETY: By the safety requirement; the request outlives the call. The context is zero at the
    // start, written by this function only, and large enough for a cursor, for which any bytes are
    // valid.
    let (request, header, context, mut cursor) = unsafe {
        let info = bindings::nfto_genl_dump_info(cb);
        let interrupted = bindings::nfto_genl_dump_is_interrupted(cb);
        let interrupted = if interrupted {
            bindings::NLM_F_DUMP_INTR
        } else {
            0
        };
        let context = (&raw mut (*cb).__bindgen_anon_1).cast::<Cursor>();
        (
            Request::new::<T>(info),
            // CAST: The kernel's own flags, which fit.
            Header::answer(info, (bindings::NLM_F_MULTI | interrupted) as u16),
            context,
            context.read_unaligned(),
        )
    };
    // SAFETY: As above; this function has exclusive access to the packet.
    let result = unsafe {
        let result = append(skb, header, |answers| {
            T::fill(&request, answers, &mut cursor)
        });
        context.write_unaligned(cursor);
        result
    };
    // The core calls again after EMSGSIZE, unless the packet is empty (`netlink_dump`).
    from_result(|| result.map(|()| 0))
}

// --- requests ---------------------------------------------------------------------------------

/// A request.
///
/// # Invariants
///
/// `info` points to a request that lives for `'a`, whose attributes the core has validated. Its
/// array of attributes has `end` elements, or does not exist.
pub(crate) struct Request<'a> {
    info: *const bindings::genl_info,
    /// One more than the highest attribute number.
    end: usize,
    _life: PhantomData<&'a ()>,
}

impl<'a> Request<'a> {
    /// Creates a view of a request of the command `T`.
    ///
    /// # Safety
    ///
    /// `info` was passed by the core to a callback of the command `T`, and lives for `'a`.
    unsafe fn new<T: Command>(info: *const bindings::genl_info) -> Self {
        // INVARIANT: By the safety requirement. `maxattr` of the command is one less than the
        // length of the policy.
        Self {
            info,
            end: T::POLICY.len(),
            _life: PhantomData,
        }
    }

    /// Returns the network namespace of the sender.
    pub(crate) fn net(&self) -> Netns<'a> {
        // SAFETY: By the type invariant; the socket of the sender keeps its namespace.
        unsafe { Netns::from_raw(bindings::nfto_genl_net(self.info)) }
    }

    /// Returns an attribute.
    pub(crate) fn get(&self, number: u16) -> Option<Attribute<'a>> {
        let index = usize::from(number);
        if index >= self.end {
            return None;
        }
        // SAFETY: By the type invariant the request is valid, and its array has an element for this
        // number, or does not exist.
        let attribute = unsafe {
            let attributes = (*self.info).attrs;
            if attributes.is_null() {
                return None;
            }
            *attributes.add(index)
        };
        // INVARIANT: The attributes live as long as the request.
        NonNull::new(attribute).map(|attribute| Attribute(attribute, PhantomData))
    }

    /// Returns a mandatory attribute; reports the error to the sender if it is missing.
    pub(crate) fn require(&self, number: u16) -> Result<Attribute<'a>> {
        self.get(number).ok_or_else(|| self.missing(None, number))
    }

    /// Returns a mandatory nested attribute; reports the error to the sender if it is missing.
    pub(crate) fn require_in(&self, nest: Attribute<'a>, number: u16) -> Result<Attribute<'a>> {
        nest.get(number)
            .ok_or_else(|| self.missing(Some(nest), number))
    }

    fn missing(&self, nest: Option<Attribute<'a>>, number: u16) -> Error {
        let nest = nest.map_or(null_mut(), |nest| nest.0.as_ptr());
        // SAFETY: By the type invariants both are valid.
        unsafe { bindings::nfto_genl_missing(self.info, nest, c_uint::from(number)) };
        self.refuse(None, c"an attribute is missing", code::EINVAL)
    }

    /// Reports to the sender which error a request has, and in which attribute; returns the error.
    pub(crate) fn refuse(
        &self,
        attribute: Option<Attribute<'a>>,
        text: &'static CStr,
        error: Error,
    ) -> Error {
        let attribute = attribute.map_or(null_mut(), |attribute| attribute.0.as_ptr());
        // SAFETY: By the type invariants both are valid; the text is static.
        unsafe { bindings::nfto_genl_refuse(self.info, attribute, text.as_char_ptr()) };
        error
    }
}

/// An attribute of a request.
///
/// # Invariants
///
/// Points to an attribute that lives for `'a`, and that the core has checked.
#[derive(Clone, Copy)]
pub(crate) struct Attribute<'a>(NonNull<bindings::nlattr>, PhantomData<&'a ()>);

impl<'a> Attribute<'a> {
    /// Returns the value as bytes.
    pub(crate) fn bytes(self) -> &'a [u8] {
        // SAFETY: By the type invariant the attribute lives for `'a`, its value has the length that
        // it specifies, and it is not written.
        unsafe {
            let attribute = self.0.as_ptr();
            core::slice::from_raw_parts(
                bindings::nfto_nla_data(attribute).cast(),
                bindings::nfto_nla_len(attribute) as usize,
            )
        }
    }

    fn array<const N: usize>(self) -> [u8; N] {
        // The policy has checked the length.
        self.bytes().first_chunk().copied().unwrap_or([0; N])
    }

    /// Returns an 8 bit number.
    pub(crate) fn u8(self) -> u8 {
        u8::from_ne_bytes(self.array())
    }

    /// Returns a 16 bit number.
    pub(crate) fn u16(self) -> u16 {
        u16::from_ne_bytes(self.array())
    }

    /// Returns a 32 bit number.
    pub(crate) fn u32(self) -> u32 {
        u32::from_ne_bytes(self.array())
    }

    /// Returns a number of 32 or 64 bits.
    pub(crate) fn uint(self) -> u64 {
        match self.bytes().len() {
            8 => u64::from_ne_bytes(self.array()),
            _ => u64::from(self.u32()),
        }
    }

    /// Returns a 16 bit number as it is in the message, in network order.
    pub(crate) fn be16(self) -> [u8; 2] {
        self.array()
    }

    /// Returns a string without the terminating zero.
    pub(crate) fn string(self) -> &'a [u8] {
        self.bytes().split(|byte| *byte == 0).next().unwrap_or(&[])
    }

    /// Returns a nested attribute.
    pub(crate) fn get(self, number: u16) -> Option<Attribute<'a>> {
        // SAFETY: By the type invariant; the core has checked that the nested attributes are
        // well-formed.
        let attribute =
            unsafe { bindings::nfto_nla_find_nested(self.0.as_ptr(), c_int::from(number as i16)) };
        // INVARIANT: The result is a part of this attribute.
        NonNull::new(attribute).map(|attribute| Attribute(attribute, PhantomData))
    }
}

// --- replies ----------------------------------------------------------------------------------

/// The header of every message in a packet, without its length: `struct nlmsghdr` and
/// `struct genlmsghdr`.
#[derive(Clone, Copy)]
struct Header([u8; 16]);

impl Header {
    fn new(family: &bindings::genl_family, command: u8, flags: u16, seq: u32, port: u32) -> Self {
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
    unsafe fn answer(info: *const bindings::genl_info, flags: u16) -> Self {
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
unsafe fn append(
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

    /// Writes an attribute of `len` bytes including the header. Its value is in the first bytes of
    /// `value`.
    #[inline]
    fn word(&mut self, number: u16, len: u16, value: [u8; 4]) -> Result {
        let ([a, b, c, d], [e, f, g, h]) = (attribute(number, len), value.map(MaybeUninit::new));
        *self.next()? = [a, b, c, d, e, f, g, h];
        Ok(())
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
        self.word(number, 5, [value, 0, 0, 0])
    }

    /// Writes a 16 bit number.
    #[inline]
    pub(crate) fn u16(&mut self, number: u16, value: u16) -> Result {
        self.be16(number, value.to_ne_bytes())
    }

    /// Writes a 16 bit number that is in network order.
    #[inline]
    pub(crate) fn be16(&mut self, number: u16, [a, b]: [u8; 2]) -> Result {
        self.word(number, 6, [a, b, 0, 0])
    }

    /// Writes a 32 bit number.
    #[inline]
    pub(crate) fn u32(&mut self, number: u16, value: u32) -> Result {
        self.word(number, 8, value.to_ne_bytes())
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

// --- events -----------------------------------------------------------------------------------

/// The family to whose multicast group events are sent; 0 if there is none. The last engine is
/// dropped before the family.
static LISTENED: Atomic<usize> = Atomic::new(0);

/// A kind of event.
pub(crate) struct Event {
    /// The number of its command.
    pub(crate) command: u8,
    /// The size of the longest event of this kind, in bytes.
    pub(crate) room: u32,
}

impl Event {
    /// Sends an event to the listeners in the network namespace. May sleep.
    ///
    /// `write` is not called if there is no listener. Events that cannot be sent for lack of memory
    /// are lost.
    pub(crate) fn tell(&self, net: Netns<'_>, write: impl FnOnce(&mut Writer<'_>) -> Result) {
        let family = LISTENED.load(Acquire) as *const bindings::genl_family;
        // SAFETY: The family is registered: this is called for an engine, and the engines are
        // dropped before the family.
        if family.is_null() || !unsafe { bindings::nfto_genl_listens(family, net.as_raw()) } {
            return;
        }
        // SAFETY: An FFI call with no requirements.
        let Some(skb) = NonNull::new(unsafe { bindings::nfto_genl_skb(self.room) }) else {
            return;
        };
        // SAFETY: The family as above. The packet is new, and this function owns it.
        let result = unsafe {
            let header = Header::new(&*family, self.command, 0, 0, 0);
            append(skb, header, |answers| answers.add(write))
        };
        if result.is_err() {
            // SAFETY: This function owns the packet, which is not used again.
            return unsafe { bindings::nfto_genl_free(skb.as_ptr()) };
        }
        // SAFETY: As above; this function owns the packet, and the callee takes it.
        unsafe { bindings::nfto_genl_multicast(family, net.as_raw(), skb.as_ptr()) }
    }
}

/// The multicast groups: there is only one.
struct Groups([bindings::genl_multicast_group; 1]);

// SAFETY: It is never written.
unsafe impl Sync for Groups {}

static GROUPS: Groups = Groups([bindings::genl_multicast_group {
    name: group_name(uapi::NFT_OFFLOAD_MCGRP_EVENTS.to_bytes()),
    // CAST: The kernel's own flag, which fits. Events show flows.
    flags: bindings::nfto_mcast_NFTO_MCAST_ADMIN as u8,
}]);

const fn group_name<const N: usize>(text: &[u8]) -> [kernel::ffi::c_char; N] {
    let mut name = [0; N];
    let mut i = 0;
    while i < text.len() {
        // CAST: A `char` of C may be signed or unsigned.
        name[i] = text[i] as kernel::ffi::c_char;
        i += 1;
    }
    name
}

// --- the family -------------------------------------------------------------------------------

/// A registered family.
///
/// # Invariants
///
/// The family is registered.
pub(crate) struct Family(Pin<KBox<Opaque<bindings::genl_family>>>);

// SAFETY: The core changes the family under its own locks only.
unsafe impl Send for Family {}
// SAFETY: As above.
unsafe impl Sync for Family {}

impl Family {
    /// Registers a family that exists in every network namespace.
    ///
    /// Requests may arrive before this returns. `version` is part of every message.
    pub(crate) fn new(
        module: &'static ThisModule,
        name: &'static CStr,
        version: u32,
        operations: &'static [Operation],
    ) -> Result<Self> {
        let mut family = bindings::genl_family {
            version,
            module: module.as_ptr().cast(),
            // CAST: `Operation` is a transparent wrapper.
            split_ops: operations.as_ptr().cast(),
            n_split_ops: u8::try_from(operations.len()).map_err(|_| code::E2BIG)?,
            mcgrps: GROUPS.0.as_ptr(),
            // CAST: There is one group.
            n_mcgrps: GROUPS.0.len() as u8,
            ..bindings::genl_family::default()
        };
        // The last byte remains the terminating zero.
        let room = family.name.len().saturating_sub(1);
        for (to, from) in family.name.iter_mut().take(room).zip(name.to_bytes()) {
            // CAST: A `char` of C may be signed or unsigned.
            *to = *from as kernel::ffi::c_char;
        }
        family.set_netnsok(1);
        // Commands must not wait for those of other families.
        family.set_parallel_ops(1);
        let family = KBox::pin(Opaque::new(family), GFP_KERNEL)?;
        // SAFETY: The family is filled in, is pinned, and stays until it is unregistered in `Drop`.
        to_result(unsafe { bindings::genl_register_family(family.get()) })?;
        LISTENED.store(family.get() as usize, Release);
        // INVARIANT: The family was registered above.
        Ok(Self(family))
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        LISTENED.store(0, Relaxed);
        // The function waits for the commands that are running; dumps keep the module.
        // SAFETY: By the type invariant.
        let _ = unsafe { bindings::genl_unregister_family(self.0.get()) };
    }
}
