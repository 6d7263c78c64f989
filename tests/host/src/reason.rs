// SPDX-License-Identifier: GPL-2.0

//! The table of reasons: its numbers are an interface.

use crate::offload::reason::{Reason, Stage};
use crate::translate::refusal::Refusal;

#[test]
fn numbers_are_stable() {
    let numbers: Vec<(u8, Reason)> = Reason::ALL.iter().map(|r| (*r as u8, *r)).collect();
    assert_eq!(
        numbers,
        [
            (1, Reason::NoBinding),
            (2, Reason::NotTried),
            (16, Reason::Protocol),
            (17, Reason::Encapsulation),
            (18, Reason::Xfrm),
            (19, Reason::NotEthernet),
            (20, Reason::Unresolved),
            (21, Reason::Transmit),
            (22, Reason::TooManyActions),
            (23, Reason::NoEgress),
            (24, Reason::CoreTunnel),
            (25, Reason::Lwtunnel),
            (26, Reason::TunnelDevice),
            (27, Reason::Oversize),
            (28, Reason::GreNat),
            (29, Reason::Pppoe),
            (30, Reason::ServiceTag),
            (31, Reason::LayerOrder),
            (32, Reason::DriverRefused),
            (33, Reason::Nat6),
            (34, Reason::Gre),
            (35, Reason::Tunnel),
            (36, Reason::Retag),
            (37, Reason::SourceMac),
            (38, Reason::ToMany),
            (39, Reason::SameKey),
            (40, Reason::Nat4),
            (48, Reason::NoMemory),
            (49, Reason::RuleLost),
            (50, Reason::Full),
            (51, Reason::Limit),
            (52, Reason::Evicted),
            (55, Reason::Reload),
            (56, Reason::Admission),
            (57, Reason::Unreported),
            (58, Reason::Operator),
            (59, Reason::DeviceOff),
            (60, Reason::RouteChanged),
            (61, Reason::NeighbourChanged),
            (62, Reason::PathChanged),
            (63, Reason::MtuChanged),
        ]
    );
}

#[test]
fn every_reason_fits_the_mask_and_has_its_own_text() {
    for reason in &Reason::ALL {
        assert!((*reason as u8) < 64);
        assert!(!reason.text().is_empty() && !reason.text().contains('\n'));
        let same = Reason::ALL.iter().filter(|r| r.text() == reason.text());
        assert_eq!(same.count(), 1);
    }
}

#[test]
fn every_reason_has_its_own_name_and_advice() {
    for reason in &Reason::ALL {
        assert!(reason
            .name()
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
        let same = Reason::ALL.iter().filter(|r| r.name() == reason.name());
        assert_eq!(same.count(), 1);
        assert!(!reason.advice().is_empty() && !reason.advice().contains('\n'));
    }
}

#[test]
fn a_translations_refusal_keeps_its_stage() {
    for refusal in [
        Refusal::Protocol,
        Refusal::Encapsulation,
        Refusal::Xfrm,
        Refusal::NotEthernet,
        Refusal::Unresolved,
        Refusal::Transmit,
        Refusal::TooManyActions,
        Refusal::NoEgress,
        Refusal::Lwtunnel,
        Refusal::TunnelDevice,
        Refusal::Oversize,
        Refusal::GreNat,
        Refusal::Pppoe,
        Refusal::ToMany,
        Refusal::ServiceTag,
        Refusal::LayerOrder,
        Refusal::Retag,
        Refusal::SourceMac,
        Refusal::Nat4,
        Refusal::Nat6,
        Refusal::Gre,
        Refusal::Tunnel,
    ] {
        assert_eq!(Reason::from(refusal).stage(), Stage::Translate);
    }
    assert_eq!(Reason::from(Refusal::NoMemory).stage(), Stage::Engine);
    assert_eq!(Reason::NoBinding.stage(), Stage::Device);
    assert_eq!(Reason::Full.stage(), Stage::Capacity);
    assert_eq!(Reason::DriverRefused.stage(), Stage::Driver);
}
