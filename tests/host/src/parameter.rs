// SPDX-License-Identifier: GPL-2.0

//! Module parameters.

use crate::offload::parameter::{
    admit, block, check_block, check_limit, check_profile, directions, limit, profile, unsupported,
    Directions, Invalid, Unsupported,
};

#[test]
fn a_profile_is_forced_on_a_device() {
    let text = b"eth0:mtk,eth1.5:mlx5,eth0:tc,\n";
    assert_eq!(check_profile(text), Ok(()));
    assert_eq!(profile(text, b"eth0").unwrap().name, "tc");
    assert_eq!(profile(text, b"eth1.5").unwrap().name, "mlx5");
    assert!(profile(text, b"eth1").is_none());
    assert!(profile(text, b"").is_none());
    assert!(profile(b"", b"eth0").is_none());
    assert_eq!(check_profile(b""), Ok(()));
    assert_eq!(check_profile(b"123456789012345:default"), Ok(()));
}

#[test]
fn a_wrong_parameter_says_what_is_wrong() {
    for (text, wrong) in [
        (&b"mtk"[..], Invalid::Form(b"mtk")),
        (b"eth0:tc,eth1=mtk", Invalid::Form(b"eth1=mtk")),
        (b":mtk", Invalid::Device(b"")),
        (
            b"1234567890123456:mtk",
            Invalid::Device(b"1234567890123456"),
        ),
        (b"eth0:", Invalid::Value(b"")),
        (b"eth0:MTK", Invalid::Value(b"MTK")),
        (b"eth0:mtk:tc", Invalid::Value(b"mtk:tc")),
    ] {
        assert_eq!(check_profile(text), Err(wrong));
    }
    for value in [&b"many"[..], b"-1", b"1k", b"18446744073709551616", b""] {
        let text = [b"eth0:", value].concat();
        assert_eq!(check_limit(&text), Err(Invalid::Value(value)));
    }
}

#[test]
fn a_device_has_the_limit_that_is_set() {
    let text = b"lan:1000,wan:0";
    assert_eq!(check_limit(text), Ok(()));
    assert_eq!(limit(text, b"lan"), Some(1000));
    assert_eq!(limit(text, b"wan"), Some(0));
    assert_eq!(limit(text, b"dmz"), None);
}

#[test]
fn a_block_is_allowed_by_the_name_of_its_device() {
    let text = b"lan,,eth1.5\n";
    assert_eq!(check_block(text), Ok(()));
    assert!(block(text, b"lan") && block(text, b"eth1.5"));
    for other in [&b""[..], b"la", b"lan,", b"eth1"] {
        assert!(!block(text, other));
    }
    assert_eq!(check_block(b""), Ok(()));
    for wrong in [&b"lan:on"[..], b"1234567890123456"] {
        assert_eq!(check_block(wrong), Err(Invalid::Device(wrong)));
    }
}

#[test]
fn a_device_without_offload_stays_in_software_unless_it_is_said() {
    assert_eq!(unsupported(b"software"), Some(Unsupported::Software));
    assert_eq!(unsupported(b"reject\n"), Some(Unsupported::Reject));
    assert_eq!(unsupported(b""), None);
    assert_eq!(unsupported(b"Reject"), None);
}

#[test]
fn one_direction_alone_only_if_it_is_said() {
    assert_eq!(directions(b"both"), Some(Directions::Both));
    assert_eq!(directions(b"any\n"), Some(Directions::Any));
    for wrong in [&b""[..], b"one", b"Any", b"both any"] {
        assert_eq!(directions(wrong), None);
    }
}

#[test]
fn admission_is_a_number_of_packets() {
    assert_eq!(admit(b"0"), Some(0));
    assert_eq!(admit(b"25\n"), Some(25));
    for wrong in [&b""[..], b"-1", b"ten", b"1k", b"18446744073709551616"] {
        assert_eq!(admit(wrong), None);
    }
}
