// SPDX-License-Identifier: GPL-2.0
/*
 * What the driver has in its other files, and no rule of a flowtable needs: a
 * call is an error of the test. Each is written without its arguments, as the
 * headers that declare it are not included here.
 */
#include <linux/bug.h>
#include <linux/errno.h>

#define ABSENT(name)					\
long name(void);					\
long name(void)						\
{							\
	WARN(1, #name "() is not there\n");		\
	return -EOPNOTSUPP;				\
}

#include "absent.h"
