// SPDX-License-Identifier: GPL-2.0

//! Network devices and network namespaces, as far as offload looks at them.
//!
//! C header: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h)

use super::bindings;
use core::{
    ops::Deref,
    ptr::NonNull, //
};
use kernel::{
    prelude::*,
    str::CStr,
    types::Opaque, //
};

/// A view of a `struct net_device`.
///
/// # Invariants
///
/// A reference to this type points to a device that stays registered or referenced while it is used.
#[repr(transparent)]
pub(crate) struct NetDevice(Opaque<bindings::net_device>);

impl NetDevice {
    /// Creates a view from the C pointer.
    ///
    /// # Safety
    ///
    /// `ptr` points to a device that is not freed for `'a`.
    pub(super) unsafe fn from_raw<'a>(ptr: *mut bindings::net_device) -> &'a Self {
        // CAST: `Self` is a transparent wrapper of `Opaque<net_device>`.
        // SAFETY: By the safety requirement the pointer is valid for `'a`.
        unsafe { &*ptr.cast() }
    }

    pub(super) fn as_raw(&self) -> *mut bindings::net_device {
        self.0.get()
    }

    /// The interface index.
    pub(crate) fn ifindex(&self) -> u32 {
        // SAFETY: By the type invariant the device is valid. An index is positive.
        unsafe { bindings::nfto_dev_ifindex(self.as_raw()) as u32 }
    }

    /// The interface's name. A rename while it is read can give a mixed name, never an unterminated one.
    pub(crate) fn name(&self) -> &CStr {
        // SAFETY: By the type invariant the device is valid; `dev->name` is always terminated.
        unsafe { CStr::from_char_ptr(bindings::nfto_dev_name(self.as_raw())) }
    }

    /// The name of the driver behind the device; empty for a device without a parent, such as a bridge.
    pub(crate) fn driver(&self) -> &CStr {
        // SAFETY: By the type invariant the device is valid; the driver of a registered device stays bound to it.
        unsafe { CStr::from_char_ptr(bindings::nfto_dev_driver(self.as_raw())) }
    }

    /// Whether the driver has `ndo_setup_tc`, the door to every hardware offload of rules.
    pub(crate) fn has_setup_tc(&self) -> bool {
        // SAFETY: By the type invariant the device is valid.
        unsafe { bindings::nfto_setup_tc_supported(self.as_raw()) }
    }

    /// Whether both devices are ports of one switch.
    pub(crate) fn same_switch(&self, other: &NetDevice) -> bool {
        // SAFETY: By the type invariant both devices are valid.
        unsafe { bindings::netdev_port_same_parent_id(self.as_raw(), other.as_raw()) }
    }
}

/// A counted reference to a device.
///
/// # Invariants
///
/// Owns one reference of the device it points to.
pub(crate) struct NetDeviceRef(NonNull<bindings::net_device>);

impl Deref for NetDeviceRef {
    type Target = NetDevice;

    fn deref(&self) -> &NetDevice {
        // SAFETY: By the type invariant the device is referenced as long as `self` lives.
        unsafe { NetDevice::from_raw(self.0.as_ptr()) }
    }
}

impl Drop for NetDeviceRef {
    fn drop(&mut self) {
        // SAFETY: By the type invariant we own the reference that is put here.
        unsafe { bindings::nfto_dev_put(self.0.as_ptr()) }
    }
}

/// The network namespace of a flowtable.
///
/// # Invariants
///
/// The pointer is valid while the flowtable that it was read from exists.
#[derive(Clone, Copy)]
pub(crate) struct Netns(*mut bindings::net);

// SAFETY: A `struct net` is made to be used from every thread.
unsafe impl Send for Netns {}
// SAFETY: As above.
unsafe impl Sync for Netns {}

impl Netns {
    /// # Safety
    ///
    /// `ptr` stays valid as long as the value and its copies are used.
    pub(super) unsafe fn from_raw(ptr: *mut bindings::net) -> Self {
        // INVARIANT: By the safety requirement.
        Self(ptr)
    }

    pub(super) fn as_raw(self) -> *mut bindings::net {
        self.0
    }

    /// The device with this index, referenced; `None` where there is none.
    pub(crate) fn device(self, ifindex: u32) -> Option<NetDeviceRef> {
        let ifindex = i32::try_from(ifindex).ok()?;
        // SAFETY: By the type invariant the namespace is valid.
        let dev = unsafe { bindings::dev_get_by_index(self.0, ifindex) };
        // INVARIANT: `dev_get_by_index` took the reference for us.
        NonNull::new(dev).map(NetDeviceRef)
    }
}
