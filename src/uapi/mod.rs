// SPDX-License-Identifier: GPL-2.0

//! The numbers of the generic netlink family, as bindgen translates `nft_offload.h`; see `Kbuild`.
//!
//! `scripts/uapi.sh` generates that header from `docs/netlink/nft_offload.yaml`.

#![allow(
    // Generated code, of which the module does not use every constant.
    dead_code,
    missing_docs,
    non_camel_case_types,
    unreachable_pub
)]

use kernel::ffi;

include!(env!("NFT_OFFLOAD_UAPI"));
