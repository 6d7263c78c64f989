// SPDX-License-Identifier: GPL-2.0

//! The bindings that bindgen generates from `bindings_helper.h`; see `Kbuild`.

#![allow(
    // The code is generated: none of these lints can be fixed here.
    clippy::all,
    clippy::pedantic,
    clippy::undocumented_unsafe_blocks,
    clippy::ptr_as_ptr,
    clippy::ref_as_ptr,
    clippy::cast_lossless,
    clippy::as_underscore,
    dead_code,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    improper_ctypes,
    unreachable_pub,
    // `unnecessary_transmutes` is a lint since Rust 1.88.
    unknown_lints,
    unnecessary_transmutes,
    unsafe_op_in_unsafe_fn
)]

use kernel::ffi;

type __kernel_size_t = usize;
type __kernel_ssize_t = isize;
type __kernel_ptrdiff_t = isize;

include!(env!("NFT_OFFLOAD_BINDINGS"));
