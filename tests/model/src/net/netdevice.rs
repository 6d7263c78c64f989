// SPDX-License-Identifier: GPL-2.0

//! Devices, and the namespace that they are in.

use crate::world::World;
use core::{marker::PhantomData, ops::Deref};
use kernel::{fmt, str::CStr};

/// A device, by its index.
pub(crate) struct NetDevice(u32);

impl NetDevice {
    /// For the core.
    pub(crate) fn new(ifindex: u32) -> Self {
        Self(ifindex)
    }

    pub(crate) fn ifindex(&self) -> u32 {
        self.0
    }

    pub(crate) fn name(&self) -> DeviceName {
        DeviceName(format!("eth{}", self.0))
    }

    pub(crate) fn driver(&self) -> DriverName {
        DriverName(World::with(|world| world.device(self.0).driver))
    }

    pub(crate) fn kind(&self) -> DriverName {
        DriverName(c"")
    }

    pub(crate) fn has_setup_tc(&self) -> bool {
        true
    }
}

/// All devices of the world are registered.
pub(crate) type RegisteredDevice = NetDevice;

/// The name of a driver.
pub(crate) struct DriverName(&'static CStr);

impl DriverName {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.to_bytes()
    }
}

/// The name of a device.
pub(crate) struct DeviceName(String);

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl DeviceName {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// What a rule has to know of a device.
#[derive(Clone, Copy)]
pub(crate) struct Port {
    pub(crate) mtu: u32,
    pub(crate) address: [u8; 6],
    pub(crate) tunnel: bool,
}

/// A counted reference; the world counts.
pub(crate) struct NetDeviceRef(NetDevice);

impl Deref for NetDeviceRef {
    type Target = NetDevice;

    fn deref(&self) -> &NetDevice {
        &self.0
    }
}

impl Drop for NetDeviceRef {
    fn drop(&mut self) {
        World::with(|world| world.device_references -= 1);
    }
}

/// The namespace of a flowtable; it knows for which one it is asked.
#[derive(Clone, Copy)]
pub(crate) struct Netns<'a>(usize, PhantomData<&'a ()>);

impl Netns<'_> {
    pub(super) fn of_table(table: usize) -> Self {
        Self(table, PhantomData)
    }

    pub(super) fn table(self) -> usize {
        self.0
    }

    pub(crate) fn is_initial(self) -> bool {
        true
    }

    pub(crate) fn port(self, ifindex: u32) -> Option<Port> {
        World::with(|world| {
            let device = world.find_device(ifindex)?;
            Some(Port {
                mtu: device.mtu,
                address: device.address,
                tunnel: false,
            })
        })
    }

    pub(crate) fn device(self, ifindex: u32) -> Option<NetDeviceRef> {
        World::with(|world| {
            world.find_device(ifindex)?;
            world.device_references += 1;
            Some(NetDeviceRef(NetDevice(ifindex)))
        })
    }
}
