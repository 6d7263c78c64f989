// SPDX-License-Identifier: GPL-2.0

//! When a refused flow is tried again.

use crate::offload::backoff::{device_seconds, seconds, Stands};

#[test]
fn each_refusal_doubles_the_time_up_to_the_longest() {
    let times = |stands| -> Vec<u64> { (0..10).map(|n| seconds(n, stands)).collect() };
    assert_eq!(times(Stands::Long), [0, 1, 2, 4, 8, 16, 32, 64, 64, 64]);
    assert_eq!(times(Stands::WhileFull), [0, 1, 2, 4, 8, 8, 8, 8, 8, 8]);
    for stands in [Stands::Long, Stands::WhileFull] {
        for refusals in [33, 64, 65, 1000, u32::MAX] {
            assert_eq!(seconds(refusals, stands), stands.longest());
        }
    }
}

#[test]
fn what_passes_by_itself_is_tried_every_time() {
    for refusals in [0, 1, 7, u32::MAX] {
        assert_eq!(seconds(refusals, Stands::Passes), 0);
    }
}

#[test]
fn a_device_that_nobody_takes_is_tried_ever_more_slowly() {
    let times: Vec<u64> = (0..8).map(device_seconds).collect();
    assert_eq!(times, [1, 2, 4, 8, 16, 32, 60, 60]);
    for refusals in [63, 64, u32::MAX] {
        assert_eq!(device_seconds(refusals), 60);
    }
}
