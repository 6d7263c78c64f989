# SPDX-License-Identifier: GPL-2.0
# The files of the driver, unmodified. Sourced by build.sh.
# shellcheck shell=bash disable=SC2154 # SRC and DIR are of build.sh

bnxt=$SRC/drivers/net/ethernet/broadcom/bnxt
take "$bnxt"/bnxt_tc.c "$bnxt"/bnxt{,_hwrm,_sriov,_tc,_vfr}.h
