// SPDX-License-Identifier: GPL-2.0

//! Registers the flowtable types with nf_tables, or reports which module holds their families
//! already.
//!
//! nf_tables uses the first type of a family that it finds, and ignores every later one without an
//! error. So the list of types is checked before and after the registration.
//!
//! C header: [`include/net/netfilter/nf_tables.h`](srctree/include/net/netfilter/nf_tables.h)

use crate::{
    net::{
        bindings,
        flow_offload::{
            block,
            shared_block, //
        },
        flowtable::{
            adapter::{
                unused_type,
                Adapter, //
            },
            engine::Engine, //
        }, //
    },
    uapi, //
};
use core::{
    marker::PhantomData,
    mem::offset_of, //
};
use kernel::{
    alloc::KBox,
    error::code,
    fmt,
    prelude::*,
    str::CStr,
    sync::atomic::{
        Atomic,
        Full, //
    },
    types::Opaque,
    ThisModule, //
};

/// The families: the number, and the name in nft syntax.
const FAMILIES: [(u32, &str); 3] = [
    (bindings::NFPROTO_INET, "inet"),
    (bindings::NFPROTO_IPV4, "ip"),
    (bindings::NFPROTO_IPV6, "ip6"),
];

// The netlink interface passes on the kernel's family numbers.
const _: () = assert!(
    bindings::NFPROTO_INET == uapi::NFT_OFFLOAD_NFPROTO_INET
        && bindings::NFPROTO_IPV4 == uapi::NFT_OFFLOAD_NFPROTO_IPV4
        && bindings::NFPROTO_IPV6 == uapi::NFT_OFFLOAD_NFPROTO_IPV6
);

/// Why the types could not be registered.
pub(crate) enum RegistrationError {
    /// Another module holds one of the families.
    Held {
        /// The name of the family in nft syntax.
        family: &'static str,
        /// The module that holds the family.
        holder: Holder,
    },
    /// Memory allocation failed.
    Alloc,
    /// The types had been registered before.
    Twice,
}

impl From<RegistrationError> for Error {
    fn from(error: RegistrationError) -> Error {
        match error {
            RegistrationError::Held { .. } | RegistrationError::Twice => code::EBUSY,
            RegistrationError::Alloc => code::ENOMEM,
        }
    }
}

impl From<kernel::alloc::AllocError> for RegistrationError {
    fn from(_: kernel::alloc::AllocError) -> Self {
        RegistrationError::Alloc
    }
}

/// The name of a module that holds a family. It is a copy, as the module may be unloaded.
pub(crate) struct Holder {
    name: [u8; 64],
    len: usize,
    /// Whether the holder is built into the kernel and cannot be unloaded.
    pub(crate) builtin: bool,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.get(..self.len).unwrap_or(&[]);
        f.write_str(core::str::from_utf8(name).unwrap_or("?"))
    }
}

type Type = Opaque<bindings::nf_flowtable_type>;

/// Adds a type at the tail of the list of nf_tables.
///
/// # Safety
///
/// `ty` is not registered, and does not move until it is unregistered and a grace period has
/// passed.
unsafe fn register(ty: &Type) {
    // SAFETY: By the safety requirement.
    unsafe { bindings::nft_register_flowtable_type(ty.get()) }
}

/// Removes a type from the list of nf_tables.
///
/// # Safety
///
/// `ty` is registered.
unsafe fn unregister(ty: &Type) {
    // SAFETY: By the safety requirement.
    unsafe { bindings::nft_unregister_flowtable_type(ty.get()) }
}

/// Returns the head of the list of types, which nf_tables does not export: the successor of a type
/// that was added last.
///
/// # Safety
///
/// `probe` is registered.
unsafe fn list_head(probe: &Type) -> *mut bindings::list_head {
    // SAFETY: By the safety requirement the node is in the list. Another module could register a
    // type between the call and the read, and that type would be mistaken for the head. The probe
    // is therefore added once more: it would then have a different successor.
    unsafe {
        loop {
            let next = (&raw const (*probe.get()).list.next).read_volatile();
            unregister(probe);
            register(probe);
            if (&raw const (*probe.get()).list.next).read_volatile() == next {
                return next;
            }
        }
    }
}

/// Returns the holder of the first registered type of a family, unless that type is in `ours`.
///
/// # Safety
///
/// `head` is the head of the list of types.
unsafe fn holder(head: *mut bindings::list_head, family: u32, ours: &[Type]) -> Option<Holder> {
    let mut found = None;
    // SAFETY: An FFI call with no requirements; called from module init, which holds no nfnetlink
    // lock.
    unsafe { bindings::nfto_nfnl_lock() };
    // SAFETY: Under the lock the list does not change. All its nodes but the head are in flowtable
    // types, whose owners (or the kernel, where there is none) stay as long as they are registered.
    unsafe {
        let mut node = (*head).next;
        while node != head {
            let ty = node
                .byte_sub(offset_of!(bindings::nf_flowtable_type, list))
                .cast::<bindings::nf_flowtable_type>();
            if (*ty).family == family as i32 {
                if !ours.iter().any(|ours| ours.get() == ty) {
                    let module = (*ty).owner;
                    let mut holder = Holder {
                        name: [0; 64],
                        len: 0,
                        builtin: module.is_null(),
                    };
                    let name = CStr::from_char_ptr(bindings::nfto_module_name(module)).to_bytes();
                    for (to, from) in holder.name.iter_mut().zip(name) {
                        *to = *from;
                        holder.len += 1;
                    }
                    found = Some(holder);
                }
                break;
            }
            node = (*node).next;
        }
        bindings::nfto_nfnl_unlock();
    }
    found
}

/// The registered types, in the order of [`FAMILIES`].
///
/// # Invariants
///
/// All the types are registered.
pub(crate) struct Registration<T: Engine> {
    types: Pin<KBox<[Type; 3]>>,
    _engine: PhantomData<T>,
}

// SAFETY: This module does not change the types after their registration; nf_tables links them
// under its own lock, and any thread can unregister them.
unsafe impl<T: Engine> Send for Registration<T> {}
// SAFETY: As above.
unsafe impl<T: Engine> Sync for Registration<T> {}

impl<T: Engine> Registration<T> {
    /// Registers the engine `T` for every family.
    ///
    /// Succeeds at most once. May sleep; takes the nfnetlink lock of nftables. The second value of
    /// the result reports a problem that does not undo the registration: another module has taken a
    /// family in the meantime.
    pub(crate) fn new(
        module: &'static ThisModule,
    ) -> Result<(Self, Option<RegistrationError>), RegistrationError> {
        static DONE: Atomic<u32> = Atomic::new(0);
        if DONE.xchg(1, Full) != 0 {
            return Err(RegistrationError::Twice);
        }
        // SAFETY: Only the first call gets here, and no flowtable exists before its end.
        unsafe {
            block::init();
            shared_block::init();
        }
        let probe = KBox::pin(Type::new(unused_type()), GFP_KERNEL)?;
        let types = FAMILIES.map(|(family, _)| {
            let mut ty = Adapter::<T>::flowtable_type(family);
            ty.owner = module.as_ptr().cast();
            Type::new(ty)
        });
        let types = KBox::pin(types, GFP_KERNEL)?;

        let held = |head, ours: &[Type]| {
            FAMILIES.iter().find_map(|&(family, name)| {
                // SAFETY: `head` comes from `list_head` and does not move as long as nf_tables,
                // which this module uses, is loaded.
                unsafe { holder(head, family, ours) }.map(|holder| RegistrationError::Held {
                    family: name,
                    holder,
                })
            })
        };

        // SAFETY: The probe is pinned and is not freed before the grace period below.
        let head = unsafe {
            register(&probe);
            let head = list_head(&probe);
            unregister(&probe);
            head
        };
        // SAFETY: An FFI call with no requirements; module init may sleep.
        unsafe { bindings::synchronize_rcu() };
        if let Some(error) = held(head, &[]) {
            return Err(error);
        }

        for ty in types.iter() {
            // SAFETY: The type is pinned, and `Drop` keeps it for a grace period after it is
            // unregistered.
            unsafe { register(ty) };
        }
        // INVARIANT: The loop has registered all of them.
        let registration = Self {
            types,
            _engine: PhantomData,
        };
        // Another module may have registered in between, and nf_tables then uses that module. It is
        // too late to fail: a flowtable may have been created with one of the types, and a module
        // that fails to load is freed all the same.
        let shadowed = held(head, &*registration.types);
        Ok((registration, shadowed))
    }
}

impl<T: Engine> Drop for Registration<T> {
    fn drop(&mut self) {
        for ty in self.types.iter().rev() {
            // SAFETY: By the type invariant the type is registered.
            unsafe { unregister(ty) };
        }
        // nf_tables walks its list of types under RCU.
        // SAFETY: An FFI call with no requirements; module init and exit may sleep.
        unsafe { bindings::synchronize_rcu() };
    }
}
