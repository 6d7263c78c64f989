/* SPDX-License-Identifier: GPL-2.0 */
/* What a driver has sent to its hardware, in the file "messages". */
#ifndef NFTO_DRIVERS_MESSAGES_H
#define NFTO_DRIVERS_MESSAGES_H

#include <linux/types.h>

/* In any context. */
void messages_add(const void *data, unsigned int len);
/* The files messages, one in hexadecimal a line, and clear_messages: a write empties it. */
void messages_files(struct dentry *dir);
void messages_clear(void);

#endif
