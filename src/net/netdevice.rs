// SPDX-License-Identifier: GPL-2.0

//! Network devices and network namespaces, as far as offload needs them.
//!
//! C header: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h)

use crate::net::bindings;
use core::{
    marker::PhantomData,
    ops::Deref,
    ptr::NonNull, //
};
use kernel::{
    fmt,
    prelude::*,
    str::CStr,
    types::Opaque, //
};

/// A view of a `struct net_device`.
///
/// # Invariants
///
/// A reference to this type points to a device that stays registered or referenced while the
/// reference is used.
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

    /// Takes a reference to the device.
    pub(super) fn reference(&self) -> NetDeviceRef {
        // SAFETY: By the type invariant the device is valid.
        unsafe { bindings::nfto_dev_hold(self.as_raw()) };
        // INVARIANT: The reference was taken for the result.
        // SAFETY: The pointer comes from a reference of Rust, which is not null.
        NetDeviceRef(unsafe { NonNull::new_unchecked(self.as_raw()) })
    }

    /// Returns the interface index.
    pub(crate) fn ifindex(&self) -> u32 {
        // SAFETY: By the type invariant the device is valid. An index is positive.
        unsafe { bindings::nfto_dev_ifindex(self.as_raw()) as u32 }
    }

    /// Returns the current name of the interface.
    pub(crate) fn name(&self) -> DeviceName {
        let mut name = DeviceName([0; DeviceName::SIZE]);
        // SAFETY: By the type invariant the device is valid; its name has that length. It can be
        // renamed meanwhile, so the bytes are copied one by one, as they are at that moment.
        unsafe {
            let bytes = bindings::nfto_dev_name(self.as_raw()).cast::<u8>();
            for (i, to) in name.0.iter_mut().enumerate() {
                *to = bytes.add(i).read_volatile();
                if *to == 0 {
                    break;
                }
            }
        }
        name
    }

    /// Returns whether the driver has `ndo_setup_tc`, the entry point of every hardware offload of
    /// rules.
    pub(crate) fn has_setup_tc(&self) -> bool {
        // SAFETY: By the type invariant the device is valid.
        unsafe { bindings::nfto_setup_tc_supported(self.as_raw()) }
    }
}

/// A view of a device that is registered.
///
/// A device that is only referenced may have lost its parent, to which the driver is bound.
///
/// # Invariants
///
/// A reference to this type points to a device that stays registered while the reference is used.
#[repr(transparent)]
pub(crate) struct RegisteredDevice(NetDevice);

impl RegisteredDevice {
    /// Creates a view from the C pointer.
    ///
    /// # Safety
    ///
    /// `ptr` points to a device that stays registered for `'a`.
    pub(super) unsafe fn from_raw<'a>(ptr: *mut bindings::net_device) -> &'a Self {
        // CAST: `Self` and `NetDevice` are transparent wrappers of `Opaque<net_device>`.
        // SAFETY: By the safety requirement the pointer is valid for `'a`.
        unsafe { &*ptr.cast() }
    }

    /// Returns the name of the driver behind the device; empty for a software device, such as a
    /// bridge. May sleep.
    pub(crate) fn driver(&self) -> DriverName {
        let mut text = [0u8; DriverName::SIZE];
        let to = text.as_mut_ptr().cast();
        // SAFETY: By the type invariant the device is registered. Its driver stays bound until the
        // device is unregistered. So does the driver of a DSA port's conduit, on which the switch
        // depends (`dsa_conduit_setup`). The name, with its terminating zero, is written to `text`.
        unsafe { bindings::nfto_dev_driver(self.as_raw(), to, text.len()) };
        DriverName::new(text.split(|byte| *byte == 0).next().unwrap_or(&[]))
    }

    /// Returns the kind of a software device, such as "veth" or "bridge"; empty for other devices.
    pub(crate) fn kind(&self) -> DriverName {
        // SAFETY: By the type invariant the device is registered. The module that created it
        // deletes it before the text goes (`rtnl_link_unregister`).
        let name = unsafe { CStr::from_char_ptr(bindings::nfto_dev_kind(self.as_raw())) };
        DriverName::new(name.to_bytes())
    }
}

impl Deref for RegisteredDevice {
    type Target = NetDevice;

    fn deref(&self) -> &NetDevice {
        &self.0
    }
}

/// The name of a driver, or of a kind of device. It is a copy, as the driver may be unloaded.
pub(crate) struct DriverName {
    text: [u8; DriverName::SIZE],
    len: usize,
}

impl DriverName {
    /// The maximum length, longer than any name in the kernel; a longer name is truncated.
    const SIZE: usize = 48;

    fn new(name: &[u8]) -> Self {
        let mut text = [0; Self::SIZE];
        for (to, from) in text.iter_mut().zip(name) {
            *to = *from;
        }
        Self {
            text,
            len: name.len().min(Self::SIZE),
        }
    }

    /// Returns the name as bytes.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.text.get(..self.len).unwrap_or(&[])
    }
}

/// The name of an interface, as a copy.
pub(crate) struct DeviceName([u8; DeviceName::SIZE]);

impl DeviceName {
    /// `IFNAMSIZ`
    const SIZE: usize = 16;
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        // Users choose names: a name must not contain characters that break a log line.
        for byte in self.as_bytes() {
            f.write_char(match byte {
                b'!'..=b'~' => char::from(*byte),
                _ => '?',
            })?;
        }
        Ok(())
    }
}

impl DeviceName {
    /// Returns the name as bytes, without the terminating zero.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.split(|byte| *byte == 0).next().unwrap_or(&[])
    }
}

/// The properties of a device that a rule depends on.
#[derive(Clone, Copy)]
pub(crate) struct Port {
    /// Its MTU in bytes.
    pub(crate) mtu: u32,
    /// The Ethernet address of its hardware, which is the conduit's for a port of a DSA switch;
    /// zeros if it has none.
    pub(crate) address: [u8; 6],
    /// Whether it is an Ethernet-like tunnel: VXLAN, Geneve, GRE and the like.
    pub(crate) tunnel: bool,
}

/// A counted reference to a device.
///
/// # Invariants
///
/// Owns one reference to the device.
pub(crate) struct NetDeviceRef(NonNull<bindings::net_device>);

// SAFETY: References may be counted on any processor.
unsafe impl Send for NetDeviceRef {}
// SAFETY: A shared reference gives a `NetDevice`, which may be read from any thread.
unsafe impl Sync for NetDeviceRef {}

impl Deref for NetDeviceRef {
    type Target = NetDevice;

    fn deref(&self) -> &NetDevice {
        // SAFETY: By the type invariant the device is referenced as long as `self` lives.
        unsafe { NetDevice::from_raw(self.0.as_ptr()) }
    }
}

impl Drop for NetDeviceRef {
    fn drop(&mut self) {
        // SAFETY: By the type invariant `self` owns the reference that is put here.
        unsafe { bindings::nfto_dev_put(self.0.as_ptr()) }
    }
}

/// The network namespace of a flowtable.
///
/// # Invariants
///
/// The namespace exists for `'a`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Netns<'a>(*mut bindings::net, PhantomData<&'a ()>);

impl Netns<'_> {
    /// Creates the value from the C pointer.
    ///
    /// # Safety
    ///
    /// The namespace exists as long as the value and its copies are used.
    pub(super) unsafe fn from_raw(ptr: *mut bindings::net) -> Self {
        // INVARIANT: By the safety requirement.
        Self(ptr, PhantomData)
    }

    pub(super) fn as_raw(self) -> *mut bindings::net {
        self.0
    }

    /// Returns whether the initial user namespace owns it: its administrator is that of the system.
    pub(crate) fn is_initial(self) -> bool {
        // SAFETY: By the type invariant the namespace exists.
        unsafe { bindings::nfto_net_is_initial(self.0) }
    }

    /// Returns the properties of the device with this index; `None` if there is no such device.
    pub(crate) fn port(self, ifindex: u32) -> Option<Port> {
        let mut port = bindings::nfto_port::default();
        // SAFETY: By the type invariant the namespace exists.
        let found = unsafe { bindings::nfto_port(self.0, ifindex, &raw mut port) };
        found.then_some(Port {
            mtu: port.mtu,
            address: port.address,
            tunnel: port.tunnel,
        })
    }

    /// Returns a reference to the device with this index; `None` if there is no such device.
    pub(crate) fn device(self, ifindex: u32) -> Option<NetDeviceRef> {
        let ifindex = i32::try_from(ifindex).ok()?;
        // SAFETY: By the type invariant the namespace exists.
        let dev = unsafe { bindings::dev_get_by_index(self.0, ifindex) };
        // INVARIANT: `dev_get_by_index` has taken the reference for the result.
        NonNull::new(dev).map(NetDeviceRef)
    }
}
