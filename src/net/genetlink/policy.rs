// SPDX-License-Identifier: GPL-2.0

//! The policies of attributes, by which the core validates a request.
//!
//! C header: [`include/net/netlink.h`](srctree/include/net/netlink.h)

use crate::net::bindings;
use core::ptr::null;
use kernel::ffi::c_uint;

/// The policy of an attribute: the type and the range of its value.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Policy(bindings::nla_policy);

type Check = bindings::nla_policy__bindgen_ty_1;

impl Policy {
    /// Rejects the attribute.
    pub(crate) const NONE: Self = Self::new(bindings::NLA_UNSPEC, 0);
    /// An 8 bit number.
    pub(crate) const U8: Self = Self::new(bindings::NLA_U8, 0);
    /// A 16 bit number in network order.
    pub(crate) const BE16: Self = Self::new(bindings::NLA_BE16, 0);
    /// A number of 32 or 64 bits in native byte order.
    pub(crate) const UINT: Self = Self::new(bindings::NLA_UINT, 0);
    /// A 32 bit number in native byte order.
    pub(crate) const U32: Self = Self::new(bindings::NLA_U32, 0);
    /// A 16 bit number in native byte order.
    pub(crate) const U16: Self = Self::new(bindings::NLA_U16, 0);

    /// A flag, which is set if the attribute is present.
    pub(crate) const FLAG: Self = Self::new(bindings::NLA_FLAG, 0);

    const fn new(kind: c_uint, len: u16) -> Self {
        Self::checked(
            kind,
            bindings::nla_policy_validation_NLA_VALIDATE_NONE,
            len,
            Check {
                nested_policy: null(),
            },
        )
    }

    const fn checked(kind: c_uint, validation: c_uint, len: u16, check: Check) -> Self {
        // CAST: The kernel's own constants, which are small.
        Self(bindings::nla_policy {
            type_: kind as u8,
            validation_type: validation as u8,
            len,
            __bindgen_anon_1: check,
        })
    }

    const fn range(kind: c_uint, validation: c_uint, min: i16, max: i16) -> Self {
        let check = Check {
            __bindgen_anon_1: bindings::nla_policy__bindgen_ty_1__bindgen_ty_1 { min, max },
        };
        Self::checked(kind, validation, 0, check)
    }

    /// Returns the policy of an 8 bit number of at most `max`.
    pub(crate) const fn u8_up_to(max: i16) -> Self {
        Self::range(
            bindings::NLA_U8,
            bindings::nla_policy_validation_NLA_VALIDATE_MAX,
            0,
            max,
        )
    }

    /// Returns the policy of a 32 bit number of at most `max`.
    pub(crate) const fn u32_up_to(max: i16) -> Self {
        Self::range(
            bindings::NLA_U32,
            bindings::nla_policy_validation_NLA_VALIDATE_MAX,
            0,
            max,
        )
    }

    /// Returns the policy of a binary value of `min` to `max` bytes.
    pub(crate) const fn bytes(min: i16, max: i16) -> Self {
        Self::range(
            bindings::NLA_BINARY,
            bindings::nla_policy_validation_NLA_VALIDATE_RANGE,
            min,
            max,
        )
    }

    /// Returns the policy of a zero-terminated string of at most `max` bytes.
    pub(crate) const fn string(max: u16) -> Self {
        Self::new(bindings::NLA_NUL_STRING, max)
    }

    /// Returns the policy of an attribute with nested attributes.
    pub(crate) const fn nested(policy: &'static [Policy]) -> Self {
        let check = Check {
            // CAST: `Policy` is a transparent wrapper.
            nested_policy: policy.as_ptr().cast(),
        };
        Self::checked(
            bindings::NLA_NESTED,
            bindings::nla_policy_validation_NLA_VALIDATE_NONE,
            // CAST: A policy is for a handful of attributes. The length is the highest number.
            (policy.len() as u16).saturating_sub(1),
            check,
        )
    }

    /// Returns the policies of a command, indexed by attribute; other attributes are rejected.
    ///
    /// For use in constants only: `N` is greater than every attribute number.
    pub(crate) const fn table<const N: usize>(list: &[(u16, Policy)]) -> [Policy; N] {
        let mut table = [Policy::NONE; N];
        let mut i = 0;
        while i < list.len() {
            table[list[i].0 as usize] = list[i].1;
            i += 1;
        }
        table
    }

    /// Adds an attribute to a table of [`Policy::table`].
    pub(crate) const fn with<const N: usize>(
        mut table: [Policy; N],
        number: u16,
        policy: Policy,
    ) -> [Policy; N] {
        table[number as usize] = policy;
        table
    }
}
