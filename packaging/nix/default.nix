# SPDX-License-Identifier: GPL-2.0
# The module for NixOS. With withRust, kernel.dev has the Rust metadata of the kernel.
#
#   boot.extraModulePackages = [ (config.boot.kernelPackages.callPackage ./packaging/nix { }) ];
{
  lib,
  kernel,
  kernelModuleMakeFlags,
}:
kernel.stdenv.mkDerivation {
  pname = "nft-offload";
  version = lib.trim (builtins.readFile ../../VERSION);

  src = lib.fileset.toSource {
    root = ../..;
    fileset = lib.fileset.unions [
      ../../COPYING
      ../../Kbuild
      ../../VERSION
      ../../src
    ];
  };

  # With kernel.withRust these are also the kernel's own rustc and bindgen.
  nativeBuildInputs = kernel.moduleBuildDependencies;

  hardeningDisable = [
    "format"
    "pic"
  ];

  # kbuild has variables with these names, and make would take their values from the environment.
  buildPhase = ''
    runHook preBuild
    unset src modules
    make -C ${kernel.dev}/lib/modules/${kernel.modDirVersion}/build M="$PWD" \
      -j"$NIX_BUILD_CORES" ${lib.escapeShellArgs kernelModuleMakeFlags} modules
    runHook postBuild
  '';

  installPhase = ''
    runHook preInstall
    install -D -m 644 nft_offload.ko \
      "$out/lib/modules/${kernel.modDirVersion}/updates/nft_offload.ko"
    runHook postInstall
  '';

  meta = {
    description = "Offloads nftables flowtables to network cards";
    license = lib.licenses.gpl2Only;
    platforms = [
      "x86_64-linux"
      "aarch64-linux"
    ];
    broken = kernel.kernelOlder "7.2" || !(kernel.withRust or false);
  };
}
