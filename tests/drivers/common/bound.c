// SPDX-License-Identifier: GPL-2.0
/* See bound.h. */
#include <linux/debugfs.h>
#include <linux/list.h>
#include <linux/netdevice.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "bound.h"
#include "ports.h"
#include "profile.h"

struct bound {
	struct list_head list;
	char port[IFNAMSIZ];
	unsigned int engine, index, words;
	u32 word[];
};

static LIST_HEAD(bound);
static DEFINE_SPINLOCK(bound_lock);

void bound_add(const char *port, unsigned int engine, unsigned int index,
	       const u32 *words, unsigned int count)
{
	struct bound *b = kmalloc(struct_size(b, word, count), GFP_ATOMIC);

	if (!b)
		return;
	strscpy(b->port, port);
	b->engine = engine;
	b->index = index;
	b->words = count;
	memcpy(b->word, words, count * sizeof(u32));
	spin_lock(&bound_lock);
	list_add_tail(&b->list, &bound);
	spin_unlock(&bound_lock);
}

void bound_clear(void)
{
	struct bound *b, *next;

	spin_lock_bh(&bound_lock);
	list_for_each_entry_safe(b, next, &bound, list) {
		list_del(&b->list);
		kfree(b);
	}
	spin_unlock_bh(&bound_lock);
}

static int bound_show(struct seq_file *s, void *v)
{
	const struct bound *b;
	unsigned int i;

	spin_lock_bh(&bound_lock);
	list_for_each_entry(b, &bound, list) {
		seq_printf(s, "%s %u %04x", b->port, b->engine, b->index);
		for (i = 0; i < b->words; i++)
			seq_printf(s, " %08x", b->word[i]);
		seq_putc(s, '\n');
	}
	spin_unlock_bh(&bound_lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(bound);

static int clear_bound_set(void *data, u64 value)
{
	bound_clear();
	mutex_lock(&ports_lock);
	profile_clear();
	mutex_unlock(&ports_lock);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(clear_bound_fops, NULL, clear_bound_set, "%llu\n");

void bound_files(struct dentry *dir)
{
	debugfs_create_file("bound", 0400, dir, NULL, &bound_fops);
	debugfs_create_file("clear_bound", 0200, dir, NULL, &clear_bound_fops);
}
