// SPDX-License-Identifier: GPL-2.0

//! A request and its attributes.
//!
//! The core has validated the attributes against the policy of the command.
//!
//! C header: [`include/net/genetlink.h`](srctree/include/net/genetlink.h)

use crate::net::{
    bindings,
    genetlink::policy::Policy,
    netdevice::Netns, //
};
use core::{
    marker::PhantomData,
    ptr::{
        null_mut,
        NonNull, //
    }, //
};
use kernel::{
    error::code,
    ffi::{
        c_int,
        c_uint, //
    },
    prelude::*,
    str::CStr, //
};

/// A request.
///
/// # Invariants
///
/// `info` points to a request that lives for `'a`, whose attributes the core has validated. Its
/// array of attributes has `end` elements, or does not exist.
pub(crate) struct Request<'a> {
    info: *const bindings::genl_info,
    /// One more than the highest attribute number.
    end: usize,
    _life: PhantomData<&'a ()>,
}

impl<'a> Request<'a> {
    /// Creates a view of a request of a command with this policy.
    ///
    /// # Safety
    ///
    /// `info` was passed by the core to a callback of a command with this policy, and lives for
    /// `'a`.
    pub(super) unsafe fn new(info: *const bindings::genl_info, policy: &'static [Policy]) -> Self {
        // INVARIANT: By the safety requirement. `maxattr` of the command is one less than the
        // length of the policy.
        Self {
            info,
            end: policy.len(),
            _life: PhantomData,
        }
    }

    /// Returns the network namespace of the sender.
    pub(crate) fn net(&self) -> Netns<'a> {
        // SAFETY: By the type invariant; the socket of the sender keeps its namespace.
        unsafe { Netns::from_raw(bindings::nfto_genl_net(self.info)) }
    }

    /// Returns an attribute.
    pub(crate) fn get(&self, number: u16) -> Option<Attribute<'a>> {
        let index = usize::from(number);
        if index >= self.end {
            return None;
        }
        // SAFETY: By the type invariant the request is valid, and its array has an element for this
        // number, or does not exist.
        let attribute = unsafe {
            let attributes = (*self.info).attrs;
            if attributes.is_null() {
                return None;
            }
            *attributes.add(index)
        };
        // INVARIANT: The attributes live as long as the request.
        NonNull::new(attribute).map(|attribute| Attribute(attribute, PhantomData))
    }

    /// Returns a mandatory attribute; reports the error to the sender if it is missing.
    pub(crate) fn require(&self, number: u16) -> Result<Attribute<'a>> {
        self.get(number).ok_or_else(|| self.missing(None, number))
    }

    /// Returns a mandatory nested attribute; reports the error to the sender if it is missing.
    pub(crate) fn require_in(&self, nest: Attribute<'a>, number: u16) -> Result<Attribute<'a>> {
        nest.get(number)
            .ok_or_else(|| self.missing(Some(nest), number))
    }

    fn missing(&self, nest: Option<Attribute<'a>>, number: u16) -> Error {
        let nest = nest.map_or(null_mut(), |nest| nest.0.as_ptr());
        // SAFETY: By the type invariants both are valid, or the nest is null.
        unsafe { bindings::nfto_genl_missing(self.info, nest, c_uint::from(number)) };
        self.refuse(None, c"required attribute missing", code::EINVAL)
    }

    /// Reports to the sender which error a request has, and in which attribute; returns the error.
    pub(crate) fn refuse(
        &self,
        attribute: Option<Attribute<'a>>,
        text: &'static CStr,
        error: Error,
    ) -> Error {
        let attribute = attribute.map_or(null_mut(), |attribute| attribute.0.as_ptr());
        // SAFETY: By the type invariants both are valid, or the attribute is null; the text is
        // static, as the sender receives it later.
        unsafe { bindings::nfto_genl_refuse(self.info, attribute, text.as_char_ptr()) };
        error
    }
}

/// An attribute of a request.
///
/// # Invariants
///
/// Points to an attribute that lives for `'a`, and that the core has checked.
#[derive(Clone, Copy)]
pub(crate) struct Attribute<'a>(NonNull<bindings::nlattr>, PhantomData<&'a ()>);

impl<'a> Attribute<'a> {
    /// Returns the value as bytes.
    pub(crate) fn bytes(self) -> &'a [u8] {
        // SAFETY: By the type invariant the attribute lives for `'a`, its value has the length that
        // it specifies, and it is not written.
        unsafe {
            let attribute = self.0.as_ptr();
            core::slice::from_raw_parts(
                bindings::nfto_nla_data(attribute).cast(),
                bindings::nfto_nla_len(attribute) as usize,
            )
        }
    }

    fn array<const N: usize>(self) -> [u8; N] {
        // The policy has checked the length.
        self.bytes().first_chunk().copied().unwrap_or([0; N])
    }

    /// Returns an 8 bit number.
    pub(crate) fn u8(self) -> u8 {
        u8::from_ne_bytes(self.array())
    }

    /// Returns a 16 bit number.
    pub(crate) fn u16(self) -> u16 {
        u16::from_ne_bytes(self.array())
    }

    /// Returns a 32 bit number.
    pub(crate) fn u32(self) -> u32 {
        u32::from_ne_bytes(self.array())
    }

    /// Returns a number of 32 or 64 bits.
    pub(crate) fn uint(self) -> u64 {
        match self.bytes().len() {
            8 => u64::from_ne_bytes(self.array()),
            _ => u64::from(self.u32()),
        }
    }

    /// Returns a 16 bit number as it is in the message, in network order.
    pub(crate) fn be16(self) -> [u8; 2] {
        self.array()
    }

    /// Returns a string without the terminating zero.
    pub(crate) fn string(self) -> &'a [u8] {
        self.bytes().split(|byte| *byte == 0).next().unwrap_or(&[])
    }

    /// Returns a nested attribute.
    pub(crate) fn get(self, number: u16) -> Option<Attribute<'a>> {
        // SAFETY: By the type invariant; the core has checked that the nested attributes are
        // well-formed.
        let attribute =
            unsafe { bindings::nfto_nla_find_nested(self.0.as_ptr(), c_int::from(number as i16)) };
        // INVARIANT: The result is a part of this attribute.
        NonNull::new(attribute).map(|attribute| Attribute(attribute, PhantomData))
    }
}
