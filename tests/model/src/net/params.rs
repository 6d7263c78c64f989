// SPDX-License-Identifier: GPL-2.0

//! The module's parameters.

use crate::world::World;
use kernel::str::CStr;

/// Some worlds let one direction of a flow be in hardware alone.
pub(crate) fn directions() -> &'static CStr {
    World::with(|world| world.directions)
}

/// In some worlds a flow must have passed some packets.
pub(crate) fn admit() -> &'static CStr {
    World::with(|world| world.admit)
}

/// In some worlds a change of the ruleset ends flows.
pub(crate) fn flush_on_reload() -> bool {
    World::with(|world| world.follow)
}

/// No device has a limit.
pub(crate) fn limit() -> &'static CStr {
    c""
}

/// The block of tc of each device may be taken.
pub(crate) fn block() -> &'static CStr {
    c"eth1,eth2,eth3,eth4"
}

/// A device whose driver takes no rules stays in software.
pub(crate) fn unsupported() -> &'static CStr {
    c"software"
}

/// No profile is forced on a device.
pub(crate) fn profile() -> &'static CStr {
    c""
}
