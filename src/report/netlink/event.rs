// SPDX-License-Identifier: GPL-2.0

//! The events of flows and devices.

use crate::{
    net::{
        flowtable::{
            flow::Flow,
            view::Flowtable, //
        },
        genetlink::{
            command::ROOM,
            family::Event, //
        }, //
    },
    offload::{
        binding::Device,
        events::{
            DeviceNews,
            FlowNews, //
        },
        record::Record, //
    },
    report::netlink::{
        attribute::command,
        message::{
            put_device,
            put_flow, //
        }, //
    }, //
};

/// Sends an event of a flow to all listeners.
pub(crate) fn tell_of_flow(news: FlowNews, flowtable: &Flowtable, of: &Flow, record: &Record) {
    let event = Event {
        command: match news {
            FlowNews::In => command::FLOW_IN,
            FlowNews::Out => command::FLOW_OUT,
            FlowNews::Refused => command::FLOW_REFUSED,
        },
        room: 2048,
    };
    event.tell(flowtable.net(), |to| {
        put_flow(to, flowtable.names(), of, record)
    });
}

/// Sends an event of a device to all listeners.
pub(crate) fn tell_of_device(news: DeviceNews, flowtable: &Flowtable, of: &Device<'_>) {
    let event = Event {
        command: match news {
            DeviceNews::Bound => command::DEVICE_BOUND,
            DeviceNews::Refused => command::DEVICE_REFUSED,
            DeviceNews::Full => command::DEVICE_FULL,
        },
        room: ROOM,
    };
    event.tell(flowtable.net(), |to| put_device(to, flowtable.names(), of));
}
