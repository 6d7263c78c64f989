// SPDX-License-Identifier: GPL-2.0
/*
 * Dumps what the generic netlink family nft_offload has, with the code that
 * the kernel's ynl_gen_c.py generates from its specification for programs
 * (--mode user). Prints a JSON array for each device, flow or reason.
 *
 *   ynl_dump devices|flows|reasons
 *
 * The generated structures have a member errno: <errno.h>, which defines a
 * macro of that name, must not be included.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include <ynl.h>

#include "nft_offload-user.h"

/* The names and numbers in a dump have no characters that JSON escapes. */
static void text(const char *value)
{
	if (value)
		printf("\"%s\"", value);
	else
		printf("null");
}

static void number(int present, unsigned long long value)
{
	if (present)
		printf("%llu", value);
	else
		printf("null");
}

static void reason(int present, __u32 value)
{
	text(present ? nft_offload_reason_str(value) : NULL);
}

static void show_device(const struct nft_offload_device_get_rsp *device)
{
	printf("[");
	text(device->name);
	printf(",%u,", device->ifindex);
	text(device->driver);
	printf(",");
	text(device->profile);
	printf(",");
	text(nft_offload_bound_str(device->bound));
	printf(",%llu,%llu,%llu,%llu,", device->rules, device->high_water,
	       device->limit, device->adds);
	number(device->_present.errno, device->errno);
	printf(",");
	reason(device->_present.reason, device->reason);
	printf(",%u,%s,", device->_count.refusals,
	       device->capabilities._present.nat4 ? "true" : "false");
	text(device->table);
	printf("]\n");
}

static void show_end(const struct nft_offload_direction *direction, int source)
{
	const void *bytes = source ? direction->source : direction->destination;
	unsigned int len = source ? direction->_len.source :
				    direction->_len.destination;
	char address[INET6_ADDRSTRLEN] = "";

	inet_ntop(len == NFT_OFFLOAD_IPV4_LEN ? AF_INET : AF_INET6, bytes,
		  address, sizeof(address));
	text(address);
	printf(",%u", ntohs(source ? direction->source_port :
				     direction->destination_port));
}

static void show_direction(const struct nft_offload_direction *direction)
{
	show_end(direction, 1);
	printf(",");
	show_end(direction, 0);
	printf(",");
	number(direction->_present.ingress, direction->ingress);
	printf(",");
	number(direction->_present.egress, direction->egress);
	printf(",");
	text(nft_offload_state_str(direction->state));
	printf(",");
	number(direction->_present.cookie, direction->cookie);
}

static void show_flow(const struct nft_offload_flow_get_rsp *flow)
{
	printf("[");
	text(nft_offload_nfproto_str(flow->family));
	printf(",");
	text(nft_offload_state_str(flow->state));
	printf(",");
	reason(flow->_present.reason, flow->reason);
	printf(",");
	show_direction(&flow->original);
	printf(",");
	show_direction(&flow->reply);
	printf(",%u,%u,%u]\n", flow->mark, flow->zone, flow->conntrack_id);
}

static void show_reason(const struct nft_offload_reason_get_rsp *of)
{
	/* The name as the specification has it, then as the module says. */
	printf("[%u,", of->number);
	reason(of->_present.number, of->number);
	printf(",");
	text(of->name);
	printf(",");
	text(nft_offload_stage_str(of->stage));
	printf("]\n");
}

static int dump_devices(struct ynl_sock *ys)
{
	struct nft_offload_device_get_req_dump request = {};
	struct nft_offload_device_get_list *list;

	list = nft_offload_device_get_dump(ys, &request);
	if (!list)
		return -1;
	ynl_dump_foreach(list, device)
		show_device(device);
	nft_offload_device_get_list_free(list);
	return 0;
}

static int dump_flows(struct ynl_sock *ys)
{
	struct nft_offload_flow_get_req_dump request = {};
	struct nft_offload_flow_get_list *list;

	list = nft_offload_flow_get_dump(ys, &request);
	if (!list)
		return -1;
	ynl_dump_foreach(list, flow)
		show_flow(flow);
	nft_offload_flow_get_list_free(list);
	return 0;
}

static int dump_reasons(struct ynl_sock *ys)
{
	struct nft_offload_reason_get_list *list;

	list = nft_offload_reason_get_dump(ys);
	if (!list)
		return -1;
	ynl_dump_foreach(list, of)
		show_reason(of);
	nft_offload_reason_get_list_free(list);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*dump)(struct ynl_sock *ys);
	} kinds[] = {
		{ "devices", dump_devices },
		{ "flows", dump_flows },
		{ "reasons", dump_reasons },
	};
	struct ynl_error error;
	struct ynl_sock *ys;
	unsigned int i;
	int failed;

	for (i = 0; argc == 2 && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(argv[1], kinds[i].name))
			continue;
		ys = ynl_sock_create(&ynl_nft_offload_family, &error);
		if (!ys) {
			fprintf(stderr, "ynl_dump: %s\n", error.msg);
			return 1;
		}
		failed = kinds[i].dump(ys);
		if (failed)
			fprintf(stderr, "ynl_dump: %s\n", ys->err.msg);
		ynl_sock_destroy(ys);
		return failed ? 1 : 0;
	}
	fputs("usage: ynl_dump devices|flows|reasons\n", stderr);
	return 2;
}
