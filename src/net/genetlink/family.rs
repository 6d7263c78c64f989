// SPDX-License-Identifier: GPL-2.0

//! A family, and the events that it sends to its multicast group.
//!
//! C header: [`include/net/genetlink.h`](srctree/include/net/genetlink.h)

use crate::{
    net::{
        bindings,
        genetlink::{
            command::Operation,
            message::{
                append,
                Header,
                Writer, //
            }, //
        },
        netdevice::Netns, //
    },
    uapi, //
};
use core::ptr::NonNull;
use kernel::{
    alloc::KBox,
    error::{
        code,
        to_result, //
    },
    ffi::c_char,
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
            mcgrps: GROUPS.as_ptr(),
            // CAST: There is one group.
            n_mcgrps: GROUPS.len() as u8,
            ..bindings::genl_family::default()
        };
        // The last byte remains the terminating zero.
        let room = family.name.len().saturating_sub(1);
        for (to, from) in family.name.iter_mut().take(room).zip(name.to_bytes()) {
            // CAST: A `char` of C may be signed or unsigned.
            *to = *from as c_char;
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
        // SAFETY: The family is registered as above, and does not change meanwhile. The packet is
        // new, and this function owns it.
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
static GROUPS: [bindings::genl_multicast_group; 1] = [bindings::genl_multicast_group {
    name: group_name(uapi::NFT_OFFLOAD_MCGRP_EVENTS.to_bytes()),
    // CAST: The kernel's own flag, which fits. Events show flows.
    flags: bindings::nfto_mcast_NFTO_MCAST_ADMIN as u8,
}];

const fn group_name<const N: usize>(text: &[u8]) -> [c_char; N] {
    let mut name = [0; N];
    let mut i = 0;
    while i < text.len() {
        // CAST: A `char` of C may be signed or unsigned.
        name[i] = text[i] as c_char;
        i += 1;
    }
    name
}
