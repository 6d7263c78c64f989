// SPDX-License-Identifier: GPL-2.0

//! Prefetching, which does nothing here.

pub(crate) fn prefetch<T>(_: &T) {}
