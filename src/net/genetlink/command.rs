// SPDX-License-Identifier: GPL-2.0

//! The commands of a family.
//!
//! A command has one reply ([`Do`]) or a list of replies ([`Dump`]). The core validates a request
//! strictly against the policy of the command before the command is called: an attribute that is
//! not in the policy is rejected.
//!
//! C header: [`include/net/genetlink.h`](srctree/include/net/genetlink.h)

use crate::net::{
    bindings,
    genetlink::{
        message::{
            append,
            Answers,
            Header,
            Writer, //
        },
        policy::Policy,
        request::Request, //
    }, //
};
use core::{
    mem::size_of,
    ptr::{
        null,
        NonNull, //
    }, //
};
use kernel::{
    error::{
        code,
        from_result,
        to_result, //
    },
    ffi::{
        c_int,
        c_uint, //
    },
    prelude::*, //
};

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
                null()
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
            let (request, header) = (Request::new(info, T::POLICY), Header::answer(info, 0));
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
        Request::new(bindings::nfto_genl_dump_info(cb), T::POLICY)
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
            Request::new(info, T::POLICY),
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
