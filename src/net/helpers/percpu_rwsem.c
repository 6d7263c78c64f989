// SPDX-License-Identifier: GPL-2.0

#include <linux/percpu-rwsem.h>
#include "bindings_helper.h"

int nfto_init_rwsem(struct percpu_rw_semaphore *sem)
{
	return percpu_init_rwsem(sem);
}

void nfto_free_rwsem(struct percpu_rw_semaphore *sem)
{
	percpu_free_rwsem(sem);
}

void nfto_down_read(struct percpu_rw_semaphore *sem)
{
	percpu_down_read(sem);
}

void nfto_up_read(struct percpu_rw_semaphore *sem)
{
	percpu_up_read(sem);
}

void nfto_down_write(struct percpu_rw_semaphore *sem)
{
	percpu_down_write(sem);
}

void nfto_up_write(struct percpu_rw_semaphore *sem)
{
	percpu_up_write(sem);
}
