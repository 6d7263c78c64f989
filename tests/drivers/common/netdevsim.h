/* SPDX-License-Identifier: GPL-2.0 */
/* In place of netdevsim's own, for the profiles of tests/netdevsim. */
