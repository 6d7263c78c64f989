// SPDX-License-Identifier: GPL-2.0
/* See steering.h. */
#include <linux/list.h>
#include <linux/mlx5/fs.h>
#include <linux/mutex.h>
#include <linux/slab.h>

#include "fs_core.h"
#include "mlx5_core.h"

#include "messages.h"
#include "steering.h"

#define DESTS_MAX	4

/* What flow.py reads, in the byte order of the machine but for match and actions. */
enum { MESSAGE_RULE = 1, MESSAGE_ACTIONS = 2 };
enum { TO_OTHER, TO_PORT, TO_TABLE, TO_COUNTER };

struct message_rule {
	u32 kind, table, reached, action, actions;
	u32 criteria_enable, source, dests_count;
	struct {
		u32 type, number, flags;
	} dests[DESTS_MAX];
	struct {
		u32 ethertype, vid, priority;
	} tags[MLX5_FS_VLAN_DEPTH];
	u32 criteria[MLX5_ST_SZ_DW(fte_match_param)];
	u32 value[MLX5_ST_SZ_DW(fte_match_param)];
};

struct message_actions {
	u32 kind, number, count;
	u8 actions[];
};

struct table {
	struct mlx5_flow_table ft;
	struct list_head rules;
};

struct rule {
	struct list_head list;
	struct mlx5_flow_handle handle;
	struct mlx5_flow_table *next;	/* of a rule that matches all packets */
};

static DEFINE_MUTEX(lock);
static u32 last_number, steering_capabilities;
static const struct mlx5_flow_table *root;
static unsigned int objects, rules;
static int a_namespace, a_group;

static struct table *table_of(struct mlx5_flow_table *ft)
{
	return container_of(ft, struct table, ft);
}

static struct mlx5_flow_table *create(unsigned int size, unsigned int level, u32 flags)
{
	struct table *t = kzalloc(sizeof(*t), GFP_KERNEL);

	if (!t)
		return ERR_PTR(-ENOMEM);
	INIT_LIST_HEAD(&t->rules);
	t->ft.max_fte = size;
	t->ft.level = level;
	t->ft.flags = flags;
	mutex_lock(&lock);
	t->ft.id = ++last_number;
	objects++;
	mutex_unlock(&lock);
	return &t->ft;
}

struct mlx5_flow_table *steering_end(void)
{
	return create(2, 0, 0);
}

void steering_set_root(const struct mlx5_flow_table *ft)
{
	root = ft;
}

struct mlx5_flow_table *
mlx5_create_auto_grouped_flow_table(struct mlx5_flow_namespace *ns,
				    struct mlx5_flow_table_attr *attr)
{
	return create(attr->max_fte, attr->level, attr->flags);
}

int mlx5_destroy_flow_table(struct mlx5_flow_table *ft)
{
	struct table *t = table_of(ft);

	mutex_lock(&lock);
	WARN_ON(!list_empty(&t->rules));
	objects--;
	mutex_unlock(&lock);
	kfree(t);
	return 0;
}

struct mlx5_flow_group *mlx5_create_flow_group(struct mlx5_flow_table *ft, u32 *in)
{
	return (struct mlx5_flow_group *)&a_group;
}

void mlx5_destroy_flow_group(struct mlx5_flow_group *group) { }

struct mlx5_flow_namespace *mlx5_get_flow_namespace(struct mlx5_core_dev *dev,
						    enum mlx5_flow_namespace_type type)
{
	return (struct mlx5_flow_namespace *)&a_namespace;
}

struct mlx5_flow_namespace *mlx5_get_fdb_sub_ns(struct mlx5_core_dev *dev, int n)
{
	return (struct mlx5_flow_namespace *)&a_namespace;
}

u32 mlx5_fs_get_capabilities(struct mlx5_core_dev *dev, enum mlx5_flow_namespace_type type)
{
	return steering_capabilities;
}

void steering_set_capabilities(u32 capabilities)
{
	steering_capabilities = capabilities;
}

/* ---- rules ---- */

/* Whether packets come to a table that no rule of the tables before it matches. */
static bool is_reached(const struct mlx5_flow_table *ft)
{
	const struct mlx5_flow_table *at = root;
	unsigned int i;

	mutex_lock(&lock);
	/* No chain of tables is longer. */
	for (i = 0; at && at != ft && i < last_number; i++) {
		const struct rule *r;
		const struct mlx5_flow_table *next = NULL;

		list_for_each_entry(r, &table_of((struct mlx5_flow_table *)at)->rules, list) {
			next = r->next;
			if (next)
				break;
		}
		at = next;
	}
	mutex_unlock(&lock);
	return at == ft;
}

static void write_down(const struct mlx5_flow_table *ft, const struct mlx5_flow_spec *spec,
		       const struct mlx5_flow_act *act, const struct mlx5_flow_destination *dests,
		       int count)
{
	struct message_rule *m = kzalloc(sizeof(*m), GFP_KERNEL);
	unsigned int i, n = min_t(unsigned int, count, DESTS_MAX);

	if (WARN_ON(!m))
		return;
	m->kind = MESSAGE_RULE;
	m->table = ft->id;
	m->reached = is_reached(ft);
	m->action = act->action;
	m->actions = act->modify_hdr ? act->modify_hdr->id : 0;
	m->dests_count = count;
	for (i = 0; i < n; i++) {
		switch (dests[i].type) {
		case MLX5_FLOW_DESTINATION_TYPE_VPORT:
			m->dests[i].type = TO_PORT;
			m->dests[i].number = dests[i].vport.num;
			m->dests[i].flags = dests[i].vport.flags;
			break;
		case MLX5_FLOW_DESTINATION_TYPE_FLOW_TABLE:
			m->dests[i].type = TO_TABLE;
			m->dests[i].number = dests[i].ft->id;
			break;
		case MLX5_FLOW_DESTINATION_TYPE_COUNTER:
			m->dests[i].type = TO_COUNTER;
			break;
		default:
			m->dests[i].type = TO_OTHER;
			break;
		}
	}
	for (i = 0; i < MLX5_FS_VLAN_DEPTH; i++) {
		m->tags[i].ethertype = act->vlan[i].ethtype;
		m->tags[i].vid = act->vlan[i].vid;
		m->tags[i].priority = act->vlan[i].prio;
	}
	if (spec) {
		m->criteria_enable = spec->match_criteria_enable;
		m->source = spec->flow_context.flow_source;
		memcpy(m->criteria, spec->match_criteria, sizeof(m->criteria));
		memcpy(m->value, spec->match_value, sizeof(m->value));
	}
	messages_add(m, sizeof(*m));
	kfree(m);
}

struct mlx5_flow_handle *mlx5_add_flow_rules(struct mlx5_flow_table *ft,
					     const struct mlx5_flow_spec *spec,
					     struct mlx5_flow_act *act,
					     struct mlx5_flow_destination *dests, int count)
{
	struct rule *r = kzalloc(sizeof(*r), GFP_KERNEL);

	if (!r)
		return ERR_PTR(-ENOMEM);
	if (!spec && count == 1 && dests->type == MLX5_FLOW_DESTINATION_TYPE_FLOW_TABLE)
		r->next = dests->ft;
	else
		write_down(ft, spec, act, dests, count);
	mutex_lock(&lock);
	/* The driver adds the next one before it removes the last one. */
	list_add(&r->list, &table_of(ft)->rules);
	objects++;
	rules += !!spec;
	r->handle.num_rules = !!spec;
	mutex_unlock(&lock);
	return &r->handle;
}

void mlx5_del_flow_rules(struct mlx5_flow_handle *handle)
{
	struct rule *r = container_of(handle, struct rule, handle);

	mutex_lock(&lock);
	list_del(&r->list);
	objects--;
	rules -= handle->num_rules;
	mutex_unlock(&lock);
	kfree(r);
}

struct mlx5_modify_hdr *mlx5_modify_header_alloc(struct mlx5_core_dev *dev, u8 type, u8 count,
						 void *actions)
{
	unsigned int len = count * MLX5_UN_SZ_BYTES(set_add_copy_action_in_auto);
	struct message_actions *m = kzalloc(struct_size(m, actions, len), GFP_KERNEL);
	struct mlx5_modify_hdr *header = kzalloc(sizeof(*header), GFP_KERNEL);

	if (!m || !header) {
		kfree(m);
		kfree(header);
		return ERR_PTR(-ENOMEM);
	}
	mutex_lock(&lock);
	header->id = ++last_number;
	objects++;
	mutex_unlock(&lock);
	m->kind = MESSAGE_ACTIONS;
	m->number = header->id;
	m->count = count;
	memcpy(m->actions, actions, len);
	messages_add(m, struct_size(m, actions, len));
	kfree(m);
	return header;
}

void mlx5_modify_header_dealloc(struct mlx5_core_dev *dev, struct mlx5_modify_hdr *header)
{
	mutex_lock(&lock);
	objects--;
	mutex_unlock(&lock);
	kfree(header);
}

/* ---- counters ---- */

/* No frame is counted. */
struct mlx5_fc *mlx5_fc_create(struct mlx5_core_dev *dev, bool aging)
{
	struct mlx5_fc *counter = kzalloc(sizeof(*counter), GFP_KERNEL);

	if (!counter)
		return ERR_PTR(-ENOMEM);
	mutex_lock(&lock);
	counter->id = ++last_number;
	objects++;
	mutex_unlock(&lock);
	return counter;
}

void mlx5_fc_destroy(struct mlx5_core_dev *dev, struct mlx5_fc *counter)
{
	if (!counter)
		return;
	mutex_lock(&lock);
	objects--;
	mutex_unlock(&lock);
	kfree(counter);
}

void mlx5_fc_query_cached(struct mlx5_fc *counter, u64 *bytes, u64 *packets, u64 *lastuse)
{
	*bytes = *packets = *lastuse = 0;
}

/* ---- what there is ---- */

unsigned int steering_rules(void)
{
	return rules;
}

unsigned int steering_objects(void)
{
	return objects;
}
