// SPDX-License-Identifier: GPL-2.0

//! Generic netlink: a family, its commands, requests and what is written in answer.
//!
//! A command answers once ([`Do`]) or with a list ([`Dump`]). Requests are checked by the core against the command's
//! policy before a command sees them, strictly: an attribute that is not in the policy is refused.
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

// --- policies --------------------------------------------------------------------------------------------------------

/// How the value of an attribute has to look.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Policy(bindings::nla_policy);

type Check = bindings::nla_policy__bindgen_ty_1;

impl Policy {
    /// The attribute is not taken.
    pub(crate) const NONE: Self = Self::new(bindings::NLA_UNSPEC, 0);
    /// A byte.
    pub(crate) const U8: Self = Self::new(bindings::NLA_U8, 0);
    /// 16 bits in network order.
    pub(crate) const BE16: Self = Self::new(bindings::NLA_BE16, 0);
    /// A number of 32 or 64 bits in the machine's order.
    pub(crate) const UINT: Self = Self::new(bindings::NLA_UINT, 0);
    /// 32 bits in the machine's order.
    pub(crate) const U32: Self = Self::new(bindings::NLA_U32, 0);
    /// 16 bits in the machine's order.
    pub(crate) const U16: Self = Self::new(bindings::NLA_U16, 0);

    /// Says yes by being there.
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
        // CAST: The kernel's own numbers, which are small.
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

    /// A byte, at most this.
    pub(crate) const fn u8_up_to(max: i16) -> Self {
        Self::range(
            bindings::NLA_U8,
            bindings::nla_policy_validation_NLA_VALIDATE_MAX,
            0,
            max,
        )
    }

    /// 32 bits, at most this.
    pub(crate) const fn u32_up_to(max: i16) -> Self {
        Self::range(
            bindings::NLA_U32,
            bindings::nla_policy_validation_NLA_VALIDATE_MAX,
            0,
            max,
        )
    }

    /// So many bytes.
    pub(crate) const fn bytes(min: i16, max: i16) -> Self {
        Self::range(
            bindings::NLA_BINARY,
            bindings::nla_policy_validation_NLA_VALIDATE_RANGE,
            min,
            max,
        )
    }

    /// A string of at most this length, with its end.
    pub(crate) const fn string(max: u16) -> Self {
        Self::new(bindings::NLA_NUL_STRING, max)
    }

    /// Attributes of their own.
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

    /// The policies of a command by the numbers of their attributes; the others are not taken. For constants only:
    /// `N` is above every number.
    pub(crate) const fn table<const N: usize>(list: &[(u16, Policy)]) -> [Policy; N] {
        let mut table = [Policy::NONE; N];
        let mut i = 0;
        while i < list.len() {
            table[list[i].0 as usize] = list[i].1;
            i += 1;
        }
        table
    }

    /// A table with one more attribute; as [`Policy::table`].
    pub(crate) const fn with<const N: usize>(
        mut table: [Policy; N],
        number: u16,
        policy: Policy,
    ) -> [Policy; N] {
        table[number as usize] = policy;
        table
    }
}

// --- commands --------------------------------------------------------------------------------------------------------

/// A command.
pub(crate) trait Command: 'static {
    /// Its number.
    const NUMBER: u8;
    /// Which attributes a request can have; made by [`Policy::table`]. Empty: none.
    const POLICY: &'static [Policy] = &[];
    /// Only for who has `CAP_NET_ADMIN` in the network namespace's user namespace.
    const ADMIN: bool = false;
}

/// A command with one answer.
pub(crate) trait Do: Command {
    /// Writes the answer. May sleep. An error is sent instead; `Request` says more about it.
    fn run(request: &Request<'_>, answer: &mut Writer<'_>) -> Result;
}

/// A command with a list of answers.
pub(crate) trait Dump: Command {
    /// Looks at the request before the first answer.
    fn check(request: &Request<'_>) -> Result;

    /// Writes answers from the cursor on until there are no more, or until `EMSGSIZE`, with which it is called again. The
    /// cursor names the first answer that is not written. No lock is held between two calls. May sleep.
    fn fill(request: &Request<'_>, answers: &mut Answers<'_>, cursor: &mut Cursor) -> Result;
}

/// Where a dump goes on; zeros in the beginning.
#[derive(Clone, Copy, Default)]
pub(crate) struct Cursor {
    /// Which flowtable.
    pub(crate) table: u64,
    /// What in it.
    pub(crate) entry: u64,
}

/// Room for the longest answer in bytes: a device with refusals for every reason takes half of it. Who asks for a list needs
/// a buffer that large, as a packet of a dump is not smaller.
pub(crate) const ROOM: u32 = 8192;

const _: () = assert!(size_of::<Cursor>() <= bindings::NETLINK_CTX_SIZE as usize);

/// A command as the core takes it.
#[repr(transparent)]
pub(crate) struct Operation(bindings::genl_split_ops);

impl Operation {
    /// A command with one answer.
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

    /// A command with a list of answers.
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
            // CAST: A policy is for a handful of attributes. The number is the highest of an attribute.
            maxattr: T::POLICY.len().saturating_sub(1) as c_uint,
            cmd: T::NUMBER,
            internal_flags: 0,
            // CAST: The kernel's own flags, which fit.
            flags: (kind | admin) as u8,
            validate: 0,
        }
    }
}

/// Answers a request.
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
        // SAFETY: The request lives through the call, and the packet is new and ours.
        let result = unsafe {
            let (request, header) = (Request::new::<T>(info), Header::answer(info, 0));
            append(skb, header, |answers| {
                answers.add(|answer| T::run(&request, answer))
            })
        };
        if let Err(error) = result {
            // SAFETY: The packet is ours and not used again.
            unsafe { bindings::nfto_genl_free(skb.as_ptr()) };
            return Err(error);
        }
        // SAFETY: The packet is ours, and the function takes it.
        to_result(unsafe { bindings::nfto_genl_reply(skb.as_ptr(), info) })?;
        Ok(0)
    })
}

/// Begins a dump.
///
/// # Safety
///
/// The argument is that of `genl_split_ops.start`.
unsafe extern "C" fn start<T: Dump>(cb: *mut bindings::netlink_callback) -> c_int {
    // SAFETY: By the safety requirement, and the request lives through the call.
    let request = unsafe {
        (*cb).min_dump_alloc = ROOM;
        Request::new::<T>(bindings::nfto_genl_dump_info(cb))
    };
    from_result(|| T::check(&request).map(|()| 0))
}

/// Continues a dump: fills one packet.
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
    // SAFETY: By the safety requirement; the request lives through the call. The context is zeroed in the beginning, ours
    // since, and large enough for a cursor, which can be any bytes.
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
    // SAFETY: As above; the packet is ours.
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

// --- requests --------------------------------------------------------------------------------------------------------

/// A request.
///
/// # Invariants
///
/// `info` points to a request that lives for `'a`, whose attributes the core has checked. There are places for `end` of
/// them, or none at all.
pub(crate) struct Request<'a> {
    info: *const bindings::genl_info,
    /// One more than the highest number of an attribute.
    end: usize,
    _life: PhantomData<&'a ()>,
}

impl<'a> Request<'a> {
    /// # Safety
    ///
    /// `info` is what the core gave to a callback of the command `T`, and lives for `'a`.
    unsafe fn new<T: Command>(info: *const bindings::genl_info) -> Self {
        // INVARIANT: By the safety requirement. `maxattr` of the command is one less than the length of the policy.
        Self {
            info,
            end: T::POLICY.len(),
            _life: PhantomData,
        }
    }

    /// The network namespace of who asks.
    pub(crate) fn net(&self) -> Netns<'a> {
        // SAFETY: By the type invariant; the socket of who asks keeps its namespace.
        unsafe { Netns::from_raw(bindings::nfto_genl_net(self.info)) }
    }

    /// An attribute.
    pub(crate) fn get(&self, number: u16) -> Option<Attribute<'a>> {
        let index = usize::from(number);
        if index >= self.end {
            return None;
        }
        // SAFETY: By the type invariant the request is valid and has a place for this number, or none at all.
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

    /// An attribute without which there is no answer; says so.
    pub(crate) fn require(&self, number: u16) -> Result<Attribute<'a>> {
        self.get(number).ok_or_else(|| self.missing(None, number))
    }

    /// An attribute in another one without which there is no answer; says so.
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

    /// Says what is wrong with a request, and with which attribute; gives the error back.
    pub(crate) fn refuse(
        &self,
        attribute: Option<Attribute<'a>>,
        text: &'static CStr,
        error: Error,
    ) -> Error {
        let attribute = attribute.map_or(null_mut(), |attribute| attribute.0.as_ptr());
        // SAFETY: By the type invariants both are valid; the text lives for ever.
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
    /// Its value.
    pub(crate) fn bytes(self) -> &'a [u8] {
        // SAFETY: By the type invariant the attribute lives for `'a`, its value is as long as it says, and nobody writes
        // it.
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

    /// A byte.
    pub(crate) fn u8(self) -> u8 {
        u8::from_ne_bytes(self.array())
    }

    /// 16 bits.
    pub(crate) fn u16(self) -> u16 {
        u16::from_ne_bytes(self.array())
    }

    /// 32 bits.
    pub(crate) fn u32(self) -> u32 {
        u32::from_ne_bytes(self.array())
    }

    /// A number of 32 or 64 bits.
    pub(crate) fn uint(self) -> u64 {
        match self.bytes().len() {
            8 => u64::from_ne_bytes(self.array()),
            _ => u64::from(self.u32()),
        }
    }

    /// 16 bits as they are in the message, which is network order.
    pub(crate) fn be16(self) -> [u8; 2] {
        self.array()
    }

    /// A string without its end.
    pub(crate) fn string(self) -> &'a [u8] {
        self.bytes().split(|byte| *byte == 0).next().unwrap_or(&[])
    }

    /// An attribute in this one.
    pub(crate) fn get(self, number: u16) -> Option<Attribute<'a>> {
        // SAFETY: By the type invariant; the core has checked that there are well-formed attributes in it.
        let attribute =
            unsafe { bindings::nfto_nla_find_nested(self.0.as_ptr(), c_int::from(number as i16)) };
        // INVARIANT: It is a part of this one.
        NonNull::new(attribute).map(|attribute| Attribute(attribute, PhantomData))
    }
}

// --- answers ---------------------------------------------------------------------------------------------------------

/// What every message of a packet begins with, after its length: `struct nlmsghdr` and `struct genlmsghdr`.
#[derive(Clone, Copy)]
struct Header([u8; 16]);

impl Header {
    fn new(family: &bindings::genl_family, command: u8, flags: u16, seq: u32, port: u32) -> Self {
        // CAST: The numbers of families have 16 bits in messages, and the version is ours.
        let (id, version) = (family.id as u16, family.version as u8);
        let ([a, b], [c, d]) = (id.to_ne_bytes(), flags.to_ne_bytes());
        let ([e, f, g, h], [i, j, k, l]) = (seq.to_ne_bytes(), port.to_ne_bytes());
        Self([a, b, c, d, e, f, g, h, i, j, k, l, command, version, 0, 0])
    }

    /// # Safety
    ///
    /// `info` is a request's.
    unsafe fn answer(info: *const bindings::genl_info, flags: u16) -> Self {
        // SAFETY: By the safety requirement; the core keeps the family while it is asked.
        let (info, family, of) = unsafe { (&*info, &*(*info).family, &*(*info).genlhdr) };
        Self::new(family, of.cmd, flags, info.snd_seq, info.snd_portid)
    }
}

/// A packet of answers.
pub(crate) struct Answers<'a> {
    header: Header,
    to: Writer<'a>,
}

impl Answers<'_> {
    /// Adds an answer: all of it, or nothing with an error. `EMSGSIZE`: it does not fit.
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

/// Appends the answers that `write` adds to a packet, also those before an error.
///
/// # Safety
///
/// The packet is ours to write, and has no fragments.
unsafe fn append(
    skb: NonNull<bindings::sk_buff>,
    header: Header,
    write: impl FnOnce(&mut Answers<'_>) -> Result,
) -> Result {
    let mut len = 0;
    // SAFETY: By the safety requirement.
    let start = unsafe { bindings::nfto_genl_room(skb.as_ptr(), &raw mut len) };
    // SAFETY: So many bytes after the end of the packet are its own, and nobody else uses them meanwhile.
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

/// Writes the attributes of an answer. Each of its functions fails with `EMSGSIZE` when there is no more room, and has
/// written nothing then.
///
/// # Invariants
///
/// The bytes before `room` are written, when a function that is not private has returned.
pub(crate) struct Writer<'a> {
    /// What is not written yet.
    room: &'a mut [MaybeUninit<u8>],
}

/// Length of an attribute's header, `struct nlattr`.
const ATTRIBUTE: usize = 4;

/// `struct nlattr`: the length with the header, and the number.
fn attribute(number: u16, len: u16) -> [MaybeUninit<u8>; ATTRIBUTE] {
    let ([a, b], [c, d]) = (len.to_ne_bytes(), number.to_ne_bytes());
    [a, b, c, d].map(MaybeUninit::new)
}

impl<'a> Writer<'a> {
    /// The next bytes, for the caller to write.
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

    /// As [`Writer::slice`].
    #[inline]
    fn next<const N: usize>(&mut self) -> Result<&'a mut [MaybeUninit<u8>; N]> {
        self.slice(N)?.first_chunk_mut().ok_or(code::EMSGSIZE)
    }

    /// What `write` writes, unless it fails.
    #[inline]
    fn all_or_nothing(&mut self, write: impl FnOnce(&mut Writer<'_>) -> Result) -> Result {
        let mut to = Writer { room: self.room };
        write(&mut to)?;
        let left = to.room.len();
        let written = self.room.len().saturating_sub(left);
        self.slice(written).map(drop)
    }

    /// An attribute of `len` bytes, header and all, whose value is in the first ones of four.
    #[inline]
    fn word(&mut self, number: u16, len: u16, value: [u8; 4]) -> Result {
        let ([a, b, c, d], [e, f, g, h]) = (attribute(number, len), value.map(MaybeUninit::new));
        *self.next()? = [a, b, c, d, e, f, g, h];
        Ok(())
    }

    /// An attribute with so many zeros after its bytes.
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

    /// Bytes.
    #[inline]
    pub(crate) fn bytes(&mut self, number: u16, value: &[u8]) -> Result {
        self.put(number, value, 0)
    }

    /// A byte.
    #[inline]
    pub(crate) fn u8(&mut self, number: u16, value: u8) -> Result {
        self.word(number, 5, [value, 0, 0, 0])
    }

    /// 16 bits.
    #[inline]
    pub(crate) fn u16(&mut self, number: u16, value: u16) -> Result {
        self.be16(number, value.to_ne_bytes())
    }

    /// 16 bits as they are, which is network order.
    #[inline]
    pub(crate) fn be16(&mut self, number: u16, [a, b]: [u8; 2]) -> Result {
        self.word(number, 6, [a, b, 0, 0])
    }

    /// 32 bits.
    #[inline]
    pub(crate) fn u32(&mut self, number: u16, value: u32) -> Result {
        self.word(number, 8, value.to_ne_bytes())
    }

    /// A number of 64 bits, in four bytes if it fits (`nla_put_uint`).
    #[inline]
    pub(crate) fn uint(&mut self, number: u16, value: u64) -> Result {
        match u32::try_from(value) {
            Ok(value) => self.u32(number, value),
            Err(_) => self.bytes(number, &value.to_ne_bytes()),
        }
    }

    /// Says yes by being there.
    pub(crate) fn flag(&mut self, number: u16) -> Result {
        self.bytes(number, &[])
    }

    /// A string.
    pub(crate) fn string(&mut self, number: u16, text: &[u8]) -> Result {
        /// Longer than any name or text.
        const MAX: usize = 4096;
        self.put(number, text.get(..MAX).unwrap_or(text), 1)
    }

    /// Attributes of their own.
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

// --- events ----------------------------------------------------------------------------------------------------------

/// The family whose multicast group events go to; 0 while there is none. The last engine goes before it does.
static LISTENED: Atomic<usize> = Atomic::new(0);

/// A kind of event.
pub(crate) struct Event {
    /// Its number among the commands.
    pub(crate) command: u8,
    /// Room for the longest one, in bytes.
    pub(crate) room: u32,
}

impl Event {
    /// Tells who listens in the network namespace; `write` is not called if nobody does. What does not get through, for want of
    /// memory, is lost. May sleep.
    pub(crate) fn tell(&self, net: Netns<'_>, write: impl FnOnce(&mut Writer<'_>) -> Result) {
        let family = LISTENED.load(Acquire) as *const bindings::genl_family;
        // SAFETY: The family is registered, as this is called for an engine, and those go first.
        if family.is_null() || !unsafe { bindings::nfto_genl_listens(family, net.as_raw()) } {
            return;
        }
        // SAFETY: An FFI call with no requirements.
        let Some(skb) = NonNull::new(unsafe { bindings::nfto_genl_skb(self.room) }) else {
            return;
        };
        // SAFETY: The family as above; the packet is new and ours.
        let result = unsafe {
            let header = Header::new(&*family, self.command, 0, 0, 0);
            append(skb, header, |answers| answers.add(write))
        };
        if result.is_err() {
            // SAFETY: The packet is ours and not used again.
            return unsafe { bindings::nfto_genl_free(skb.as_ptr()) };
        }
        // SAFETY: As above; the packet is ours, and the function takes it.
        unsafe { bindings::nfto_genl_multicast(family, net.as_raw(), skb.as_ptr()) }
    }
}

/// The only multicast group.
struct Groups([bindings::genl_multicast_group; 1]);

// SAFETY: Nobody writes it.
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
        // CAST: A `char` of C has a sign or none.
        name[i] = text[i] as kernel::ffi::c_char;
        i += 1;
    }
    name
}

// --- the family ------------------------------------------------------------------------------------------------------

/// A registered family.
///
/// # Invariants
///
/// It is registered.
pub(crate) struct Family(Pin<KBox<Opaque<bindings::genl_family>>>);

// SAFETY: The core changes it under its own locks only.
unsafe impl Send for Family {}
// SAFETY: As above.
unsafe impl Sync for Family {}

impl Family {
    /// Registers a family that is there in every network namespace. Requests can come before this returns.
    /// Every message has its version.
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
            // CAST: There is one.
            n_mcgrps: GROUPS.0.len() as u8,
            ..bindings::genl_family::default()
        };
        // The last byte stays the end.
        let room = family.name.len().saturating_sub(1);
        for (to, from) in family.name.iter_mut().take(room).zip(name.to_bytes()) {
            // CAST: A `char` of C has a sign or none.
            *to = *from as kernel::ffi::c_char;
        }
        family.set_netnsok(1);
        // Commands are not to wait for those of other families.
        family.set_parallel_ops(1);
        let family = KBox::pin(Opaque::new(family), GFP_KERNEL)?;
        // SAFETY: The family is filled in, is pinned, and stays until it is unregistered in `Drop`.
        to_result(unsafe { bindings::genl_register_family(family.get()) })?;
        LISTENED.store(family.get() as usize, Release);
        // INVARIANT: It was registered.
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
