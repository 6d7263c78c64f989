// SPDX-License-Identifier: GPL-2.0
/* See messages.h. */
#include <linux/debugfs.h>
#include <linux/list.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "messages.h"

#define MESSAGES_MAX	4096

struct message {
	struct list_head list;
	unsigned int len;
	u8 data[];
};

static LIST_HEAD(messages);
static unsigned int message_count;
static DEFINE_SPINLOCK(messages_lock);

void messages_add(const void *data, unsigned int len)
{
	struct message *m = kmalloc(struct_size(m, data, len), GFP_ATOMIC);

	if (WARN_ON(!m))
		return;
	m->len = len;
	memcpy(m->data, data, len);
	spin_lock_bh(&messages_lock);
	if (message_count < MESSAGES_MAX) {
		list_add_tail(&m->list, &messages);
		message_count++;
		m = NULL;
	}
	spin_unlock_bh(&messages_lock);
	kfree(m);
}

void messages_clear(void)
{
	struct message *m, *next;

	spin_lock_bh(&messages_lock);
	list_for_each_entry_safe(m, next, &messages, list) {
		list_del(&m->list);
		kfree(m);
	}
	message_count = 0;
	spin_unlock_bh(&messages_lock);
}

static int messages_show(struct seq_file *s, void *v)
{
	const struct message *m;
	unsigned int i;

	spin_lock_bh(&messages_lock);
	list_for_each_entry(m, &messages, list) {
		for (i = 0; i < m->len; i++)
			seq_printf(s, "%02x", m->data[i]);
		seq_putc(s, '\n');
	}
	spin_unlock_bh(&messages_lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(messages);

static int clear_messages_set(void *data, u64 value)
{
	messages_clear();
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(clear_messages_fops, NULL, clear_messages_set, "%llu\n");

void messages_files(struct dentry *dir)
{
	debugfs_create_file("messages", 0400, dir, NULL, &messages_fops);
	debugfs_create_file("clear_messages", 0200, dir, NULL, &clear_messages_fops);
}
