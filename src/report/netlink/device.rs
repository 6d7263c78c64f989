// SPDX-License-Identifier: GPL-2.0

//! The commands on the devices of flowtables.

use crate::{
    net::{
        flowtable::instances,
        genetlink::{
            command::{
                Command,
                Cursor,
                Do,
                Dump, //
            },
            message::{
                Answers,
                Writer, //
            },
            policy::Policy,
            request::{
                Attribute,
                Request, //
            }, //
        }, //
    },
    offload::{
        operator::Settings,
        profile, //
    },
    report::netlink::{
        attribute::{
            command,
            device,
            NAME, //
        },
        message::{
            called,
            put_device, //
        },
        walk::{
            stop_at,
            Engine,
            Tables, //
        }, //
    }, //
};
use core::ops::ControlFlow::{
    Break,
    Continue, //
};
use kernel::{
    error::code,
    prelude::*, //
};

/// The command that reads one device, or all.
pub(super) struct DeviceGet;

impl Command for DeviceGet {
    const NUMBER: u8 = command::DEVICE_GET;
    const POLICY: &'static [Policy] = &Policy::table::<5>(&[
        (device::TABLE, NAME),
        (device::FLOWTABLE, NAME),
        (device::TABLE_FAMILY, Policy::U8),
        (device::IFINDEX, Policy::U32),
    ]);
}

impl Do for DeviceGet {
    /// Answers with the first device that has this index, in the flowtable named or in any.
    fn run(request: &Request<'_>, answer: &mut Writer<'_>) -> Result {
        let wanted = request.require(device::IFINDEX)?;
        let (ifindex, tables) = (wanted.u32(), Tables::new(request));
        let mut result = None;
        instances::walk::<Engine>(request.net(), 0, |_, names, engine, _| {
            if tables.has(names) {
                engine.walk_devices(ifindex, |of| {
                    if of.binding.ifindex == ifindex {
                        result = Some(put_device(answer, called(names), of));
                    }
                    Break(())
                });
            }
            match result {
                Some(_) => Break(()),
                None => Continue(()),
            }
        });
        result.unwrap_or_else(|| Err(no_such_device(request, wanted)))
    }
}

/// Refuses a request for a device that is in no flowtable.
pub(super) fn no_such_device<'a>(request: &Request<'a>, wanted: Attribute<'a>) -> Error {
    let text = c"device is not in a flowtable with flags offload";
    request.refuse(Some(wanted), text, code::ENODEV)
}

impl Dump for DeviceGet {
    fn check(_: &Request<'_>) -> Result {
        Ok(())
    }

    fn fill(request: &Request<'_>, answers: &mut Answers<'_>, cursor: &mut Cursor) -> Result {
        let tables = Tables::new(request);
        let only = request.get(device::IFINDEX).map(Attribute::u32);
        let mut result = Ok(());
        instances::walk::<Engine>(request.net(), cursor.table, |number, names, engine, _| {
            if number != cursor.table {
                *cursor = Cursor {
                    table: number,
                    entry: 0,
                };
            }
            if !tables.has(names) {
                return Continue(());
            }
            // CAST: The value stored below was an index.
            engine.walk_devices(cursor.entry as u32, |of| {
                let ifindex = of.binding.ifindex;
                cursor.entry = u64::from(ifindex);
                if only.is_none_or(|only| only == ifindex) {
                    result = answers.add(|to| put_device(to, called(names), of));
                }
                stop_at(&result)
            });
            stop_at(&result)
        });
        result
    }
}

/// The command that changes the settings of a device.
pub(super) struct DeviceSet;

impl Command for DeviceSet {
    const NUMBER: u8 = command::DEVICE_SET;
    const ADMIN: bool = true;
    const POLICY: &'static [Policy] = &Policy::table::<{ device::END }>(&[
        (device::TABLE, NAME),
        (device::FLOWTABLE, NAME),
        (device::TABLE_FAMILY, Policy::U8),
        (device::IFINDEX, Policy::U32),
        (device::LIMIT, Policy::UINT),
        (device::PROFILE, NAME),
        (device::ENABLED, Policy::u8_up_to(1)),
        (device::BLOCK, Policy::u8_up_to(1)),
    ]);
}

/// Reads the settings of a request. Returns `EINVAL` for an unknown profile, or without any
/// setting.
pub(super) fn read_settings(request: &Request<'_>) -> Result<Settings> {
    let profile = match request.get(device::PROFILE) {
        Some(attribute) => {
            let profile = profile::by_name(attribute.string());
            let text = c"unknown profile";
            Some(profile.ok_or_else(|| request.refuse(Some(attribute), text, code::EINVAL))?)
        }
        None => None,
    };
    let settings = Settings {
        limit: request.get(device::LIMIT).map(Attribute::uint),
        profile,
        block: request.get(device::BLOCK).map(|on| on.u8() != 0),
        enabled: request.get(device::ENABLED).map(|on| on.u8() != 0),
    };
    let nothing = settings.limit.is_none()
        && settings.profile.is_none()
        && settings.block.is_none()
        && settings.enabled.is_none();
    if nothing {
        let text = c"no setting given: expected limit, profile, block or enabled";
        return Err(request.refuse(None, text, code::EINVAL));
    }
    Ok(settings)
}

impl Do for DeviceSet {
    fn run(request: &Request<'_>, answer: &mut Writer<'_>) -> Result {
        let wanted = request.require(device::IFINDEX)?;
        let (ifindex, tables) = (wanted.u32(), Tables::new(request));
        let settings = read_settings(request)?;
        let mut result = None;
        instances::walk::<Engine>(request.net(), 0, |_, names, engine, flows| {
            if !tables.has(names) || !engine.set_device(flows, ifindex, &settings) {
                return Continue(());
            }
            engine.walk_devices(ifindex, |of| {
                if of.binding.ifindex == ifindex && result.is_none() {
                    result = Some(put_device(answer, called(names), of));
                }
                Break(())
            });
            Continue(())
        });
        result.unwrap_or_else(|| Err(no_such_device(request, wanted)))
    }
}
