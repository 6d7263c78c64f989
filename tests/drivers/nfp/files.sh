# SPDX-License-Identifier: GPL-2.0
# The files of the driver, unmodified, in the directories in which they include each other. Sourced by build.sh.
# shellcheck shell=bash disable=SC2154 # SRC and DIR are of build.sh

nfp=$SRC/drivers/net/ethernet/netronome/nfp
mkdir -p "$DIR/flower" "$DIR/nfpcore"
for file in "$nfp"/nfp_{app,main,net,net_ctrl,net_repr,port}.h "$nfp"/nfpcore/*.h \
	"$nfp"/flower/{cmsg,main,conntrack}.h "$nfp"/flower/{offload,match,action,metadata,conntrack,cmsg}.c; do
	to=$DIR/${file#"$nfp"/}
	cmp -s "$file" "$to" || cp --no-preserve=mode "$file" "$to"
done
