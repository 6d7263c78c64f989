// SPDX-License-Identifier: GPL-2.0

//! What was recorded from the kernel (`tests/data`, a datagram a line, from a little-endian machine) and what it is shown as.
