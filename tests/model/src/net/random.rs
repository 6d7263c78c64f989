// SPDX-License-Identifier: GPL-2.0

//! Random numbers: the same each time, so that a seed does the same each time.

pub(crate) fn random() -> u64 {
    0x9e37_79b9_7f4a_7c15
}
