// SPDX-License-Identifier: GPL-2.0

//! Compares the version in `Cargo.toml`, which cargo wants there, with the project's file `VERSION`.

use std::{fs, process::ExitCode};

/// The project's version.
const VERSION: &str = "../../VERSION";

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed={VERSION}");
    // A copy of the crate without the project around it has the version of its Cargo.toml.
    let Ok(wanted) = fs::read_to_string(VERSION) else {
        return ExitCode::SUCCESS;
    };
    let (wanted, is) = (wanted.trim(), env!("CARGO_PKG_VERSION"));
    if wanted == is {
        return ExitCode::SUCCESS;
    }
    println!("cargo::error=Cargo.toml says version {is}, the file VERSION says {wanted}: make them equal");
    ExitCode::FAILURE
}
