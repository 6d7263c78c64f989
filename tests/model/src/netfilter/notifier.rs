// SPDX-License-Identifier: GPL-2.0

//! What happens to devices.

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeviceEvent {
    Registered,
    Features,
    Below(u32),
}
